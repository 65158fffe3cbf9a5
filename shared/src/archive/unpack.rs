//! Unpacks a zip that was downloaded instead of a PDF. On request, SignEasy sends the documents of one request as a
//! zip. The bytes decide, not the content type: SignEasy was seen sending a PDF as `application/zip`.
//!
//! Every PDF in the zip is extracted. Member names are ignored: a member is written to a temporary file and identified
//! by its position, so a name can't escape from a folder ("zip slip"). Members and their sizes are counted while
//! unpacking, because the numbers that a zip declares can be false.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom, Write},
};

use aws_lc_rs::digest;
use tempfile::NamedTempFile;
use zip::ZipArchive;

use super::{file::PdfFile, pdf};
use crate::{
    domain::Unavailable,
    outbound::{HEAD_BYTES, TAIL_BYTES},
};

/// Maximum number of members. A request has a handful of documents.
const MAX_MEMBERS: u16 = 100;

/// Maximum size of the central directory, in bytes. It has 46 bytes and a name for each member.
const MAX_DIRECTORY: u32 = 256 * 1024;

/// Maximum size of all PDFs together, in bytes. They must fit on a function's disk of 512 MB, beside the zip itself.
const MAX_UNPACKED: u64 = 200 * 1024 * 1024;

/// Size of the end-of-central-directory record without its comment, in bytes.
const END_RECORD: usize = 22;

/// Whether a file with this head is a zip.
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

/// Extracts the PDFs of a zip, in the zip's order. `tail` is the end of the zip, up to 1 KiB.
///
/// # Errors
/// If the zip can't be read, exceeds a limit, or contains no PDF or a damaged one.
pub(super) async fn pdfs(zip: File, tail: &[u8]) -> Result<Vec<PdfFile>, Unavailable> {
    check_size(tail).map_err(Unavailable::failed)?;
    let unpacked = tokio::task::spawn_blocking(move || unpack(zip, MAX_UNPACKED)).await;
    unpacked.unwrap_or(Err("zip_unreadable")).map_err(Unavailable::failed)
}

/// Checks the limits in the end record, before the `zip` crate reads the central directory into memory.
fn check_size(tail: &[u8]) -> Result<(), &'static str> {
    let position = tail.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or("zip_unreadable")?;
    let record = tail.get(position..position + END_RECORD).ok_or("zip_unreadable")?;
    let members = u16::from_le_bytes([record[10], record[11]]);
    let directory = u32::from_le_bytes([record[12], record[13], record[14], record[15]]);
    if members > MAX_MEMBERS || directory > MAX_DIRECTORY { Err("zip_too_many_members") } else { Ok(()) }
}

fn unpack(mut zip: File, limit: u64) -> Result<Vec<PdfFile>, &'static str> {
    zip.rewind().map_err(|_| "disk")?;
    let mut archive = ZipArchive::new(BufReader::new(zip)).map_err(|_| "zip_unreadable")?;
    if archive.len() > usize::from(MAX_MEMBERS) {
        return Err("zip_too_many_members");
    }
    let mut left = limit;
    let mut pdfs = Vec::new();
    for index in 0..archive.len() {
        // Encrypted members and unusual compression methods are not supported.
        let mut member = archive.by_index(index).map_err(|_| "zip_unreadable")?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        member.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|_| "zip_unreadable")?;
        if !pdf::may_be_pdf(&head) {
            // Folders have no bytes. Any other member is logged for an operator, without its name, which may be
            // personal data.
            if !head.is_empty() {
                tracing::warn!(event = "zip_member_not_a_pdf", position = index);
            }
            continue;
        }
        let pdf = write(&head, member, left)?;
        left -= pdf.size;
        pdfs.push(pdf);
    }
    if pdfs.is_empty() { Err("zip_without_pdf") } else { Ok(pdfs) }
}

/// Writes one member to a temporary file and checks it. `head` is the part that was already read; `limit` is in bytes.
fn write(head: &[u8], mut rest: impl Read, limit: u64) -> Result<PdfFile, &'static str> {
    let mut file = NamedTempFile::new().map_err(|_| "disk")?;
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut size = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut length = head.len();
    buffer[..length].copy_from_slice(head);
    while length > 0 {
        size += length as u64;
        if size > limit {
            return Err("zip_too_large");
        }
        hash.update(&buffer[..length]);
        file.write_all(&buffer[..length]).map_err(|_| "disk")?;
        // On reaching the end, the `zip` crate verifies the member's CRC-32.
        length = rest.read(&mut buffer).map_err(|_| "zip_unreadable")?;
    }
    let mut tail = Vec::with_capacity(TAIL_BYTES);
    let start = size.saturating_sub(TAIL_BYTES as u64);
    file.seek(SeekFrom::Start(start)).map_err(|_| "disk")?;
    file.read_to_end(&mut tail).map_err(|_| "disk")?;
    pdf::check(head, &tail).map_err(|_| "truncated_pdf")?;
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(PdfFile { file, size, sha256: hex::encode(digest), digest })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;

    const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\nstartxref\n9\n%%EOF\n";

    fn zip(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in members {
            if name.ends_with('/') {
                zip.add_directory(*name, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(bytes).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8], limit: u64) -> Result<Vec<Vec<u8>>, &'static str> {
        assert!(is_zip(bytes));
        check_size(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..])?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let pdfs = unpack(file, limit)?;
        Ok(pdfs
            .into_iter()
            .map(|pdf| {
                let bytes = std::fs::read(pdf.file.path()).unwrap();
                assert_eq!(pdf.size, bytes.len() as u64);
                assert_eq!(pdf.sha256, hex::encode(digest::digest(&digest::SHA256, &bytes)));
                assert_eq!(hex::encode(pdf.digest), pdf.sha256);
                bytes
            })
            .collect())
    }

    #[test]
    fn only_the_pdfs_are_extracted() {
        let second = [PDF, b"\n%%EOF\n"].concat();
        let members: [(&str, &[u8]); 4] =
            [("folder/", b""), ("folder/a.pdf", PDF), ("note.txt", b"%PD"), ("without extension", &second)];
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            assert_eq!(unpacked(&zip(&members, method), 1 << 20), Ok(vec![PDF.to_vec(), second.clone()]));
        }
    }

    #[test]
    fn path_traversal_in_a_name_has_no_effect() {
        let outside = std::env::temp_dir().join("countersign-zip-slip.pdf");
        let absolute = outside.to_str().unwrap();
        let bytes = zip(&[("../countersign-zip-slip.pdf", PDF), (absolute, PDF)], CompressionMethod::Stored);
        assert_eq!(unpacked(&bytes, 1 << 20).map(|pdfs| pdfs.len()), Ok(2));
        assert!(!outside.exists());
    }

    #[test]
    fn zips_over_a_limit_are_rejected() {
        let large = [b"%PDF-1.7\n", vec![b' '; 1 << 20].as_slice(), b"startxref\n9\n%%EOF\n"].concat();
        let bytes = zip(&[("bomb.pdf", &large)], CompressionMethod::Deflated);
        assert!(bytes.len() < 1 << 14);
        assert_eq!(unpacked(&bytes, 1 << 19), Err("zip_too_large"));
        assert_eq!(unpacked(&bytes, 1 << 21).map(|pdfs| pdfs.len()), Ok(1));
        // The limit is for all members together.
        let bytes = zip(&[("a.pdf", PDF), ("b.pdf", PDF)], CompressionMethod::Stored);
        assert_eq!(unpacked(&bytes, PDF.len() as u64 + 1), Err("zip_too_large"));

        let names: Vec<String> = (0..=MAX_MEMBERS).map(|number| number.to_string()).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), PDF)).collect();
        assert_eq!(unpacked(&zip(&members, CompressionMethod::Stored), 1 << 30), Err("zip_too_many_members"));
        let long = "x".repeat(3_000);
        let names: Vec<String> = (0..MAX_MEMBERS).map(|number| format!("{number}{long}")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), PDF)).collect();
        assert_eq!(unpacked(&zip(&members, CompressionMethod::Stored), 1 << 30), Err("zip_too_many_members"));
    }

    #[test]
    fn damaged_zips_are_rejected() {
        let good = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
        let mut changed = good.clone();
        let position = changed.windows(5).position(|window| window == b"1 0 o").unwrap();
        changed[position] = b'2';
        assert_eq!(unpacked(&changed, 1 << 20), Err("zip_unreadable"));
        assert_eq!(unpacked(&good[..good.len() - 10], 1 << 20), Err("zip_unreadable"));
        assert_eq!(unpacked(&good[..good.len() / 2], 1 << 20), Err("zip_unreadable"));
        let cut = zip(&[("a.pdf", &PDF[..PDF.len() - 8])], CompressionMethod::Stored);
        assert_eq!(unpacked(&cut, 1 << 20), Err("truncated_pdf"));
        let inner = zip(&[("nested.zip", &good), ("empty.pdf", b"")], CompressionMethod::Stored);
        // The inner zip is stored uncompressed, so its first kilobyte contains a PDF header, but it begins as a zip.
        assert_eq!(unpacked(&inner, 1 << 20), Err("zip_without_pdf"));
    }

    #[tokio::test]
    async fn an_invalid_zip_fails_with_its_reason() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(pdfs(file, b"").await.err(), Some(Unavailable::failed("zip_unreadable")));
    }
}
