//! A zip where a PDF was expected. SignEasy hands out several documents of one request that way when it is asked to, and
//! a content type of `application/zip` was seen on a PDF, so it is the bytes that tell.
//!
//! Every member that is a PDF is taken out. Names play no part: a member goes to a temporary file, and is called by its
//! position afterwards, so no name can lead out of a folder. How many members there are, and how much they hold, is
//! counted while unpacking, because what a zip says of itself need not be true.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom, Write},
};

use aws_lc_rs::digest;
use tempfile::NamedTempFile;
use zip::ZipArchive;

use super::{Obstacle, file::PdfFile, pdf};
use crate::outbound::{HEAD_BYTES, TAIL_BYTES};

/// A request has a handful of documents.
const MAX_MEMBERS: u16 = 100;

/// For each member the directory has 46 bytes and a name.
const MAX_DIRECTORY: u32 = 256 * 1024;

/// Together with the zip itself it must fit on a function's disk of 512 MB.
const MAX_UNPACKED: u64 = 200 * 1024 * 1024;

/// The directory's last record, without its comment.
const END_RECORD: usize = 22;

/// Whether a file that starts like this is a zip.
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
}

/// Takes the PDFs out of a zip, in its order. `tail` is its end, up to 1 KiB.
///
/// # Errors
/// When it can't be read, holds too much, or holds no PDF or a damaged one.
pub(super) async fn pdfs(zip: File, tail: &[u8]) -> Result<Vec<PdfFile>, Obstacle> {
    check_size(tail).map_err(Obstacle::failed)?;
    let unpacked = tokio::task::spawn_blocking(move || unpack(zip, MAX_UNPACKED)).await;
    unpacked.unwrap_or(Err("zip_unreadable")).map_err(Obstacle::failed)
}

/// Looks at the last record before anything reads the directory into memory.
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
        // One that is encrypted, or packed in an unusual way, can't be read.
        let mut member = archive.by_index(index).map_err(|_| "zip_unreadable")?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        member.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|_| "zip_unreadable")?;
        if !pdf::starts_like_one(&head) {
            // Folders have no bytes. Anything else is for people to look at: the name could be personal.
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

/// Writes one member to a file of its own, and checks it.
fn write(head: &[u8], mut rest: impl Read, limit: u64) -> Result<PdfFile, &'static str> {
    let mut file = NamedTempFile::new().map_err(|_| "disk")?;
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut size = 0;
    let mut buffer = vec![0; 64 * 1024];
    let mut piece = head.len();
    buffer[..piece].copy_from_slice(head);
    while piece > 0 {
        size += piece as u64;
        if size > limit {
            return Err("zip_too_large");
        }
        hash.update(&buffer[..piece]);
        file.write_all(&buffer[..piece]).map_err(|_| "disk")?;
        // At the end the member's checksum is compared.
        piece = rest.read(&mut buffer).map_err(|_| "zip_unreadable")?;
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
    fn every_pdf_is_taken_out_and_nothing_else() {
        let second = [PDF, b"\n%%EOF\n"].concat();
        let members: [(&str, &[u8]); 4] =
            [("folder/", b""), ("folder/a.pdf", PDF), ("note.txt", b"%PD"), ("without extension", &second)];
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            assert_eq!(unpacked(&zip(&members, method), 1 << 20), Ok(vec![PDF.to_vec(), second.clone()]));
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_leads_nowhere() {
        let outside = std::env::temp_dir().join("countersign-zip-slip.pdf");
        let absolute = outside.to_str().unwrap();
        let bytes = zip(&[("../countersign-zip-slip.pdf", PDF), (absolute, PDF)], CompressionMethod::Stored);
        assert_eq!(unpacked(&bytes, 1 << 20).map(|pdfs| pdfs.len()), Ok(2));
        assert!(!outside.exists());
    }

    #[test]
    fn what_holds_too_much_is_left() {
        let large = [b"%PDF-1.7\n", vec![b' '; 1 << 20].as_slice(), b"startxref\n9\n%%EOF\n"].concat();
        let bytes = zip(&[("bomb.pdf", &large)], CompressionMethod::Deflated);
        assert!(bytes.len() < 1 << 14);
        assert_eq!(unpacked(&bytes, 1 << 19), Err("zip_too_large"));
        assert_eq!(unpacked(&bytes, 1 << 21).map(|pdfs| pdfs.len()), Ok(1));
        // Together, too.
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
    fn what_is_damaged_is_left() {
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
        // Stored as it is, the inner zip has a PDF's beginning within the first kilobyte; it isn't at the beginning.
        assert_eq!(unpacked(&inner, 1 << 20), Err("zip_without_pdf"));
    }

    #[tokio::test]
    async fn a_reason_is_told() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(pdfs(file, b"").await.err(), Some(Obstacle::failed("zip_unreadable")));
    }
}
