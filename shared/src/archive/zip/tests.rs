use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::pdf::tests::PLAIN;

const PDF: &[u8] = PLAIN.as_bytes();
const METHODS: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];

/// A second PDF.
fn other() -> Vec<u8> {
    PLAIN.replace("200 200", "300 300").into_bytes()
}

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

type Unpacked = Result<Option<Vec<(Option<String>, Vec<u8>)>>, &'static str>;

fn unpacked_within(bytes: &[u8], limit: u64) -> Unpacked {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let pdfs = unpack(&file, limit)?;
    let read = |pdf: PdfFile| (pdf.name.clone(), std::fs::read(pdf.file.path()).unwrap());
    Ok(pdfs.map(|pdfs| pdfs.into_iter().map(read).collect()))
}

fn unpacked(bytes: &[u8]) -> Unpacked {
    unpacked_within(bytes, 1 << 20)
}

/// The one PDF, with this name.
fn only(name: &str) -> Unpacked {
    Ok(Some(vec![(Some(name.to_owned()), PDF.to_vec())]))
}

#[test]
fn only_the_pdfs_are_extracted() {
    let second = other();
    let members: [(&str, &[u8]); 4] =
        [("folder/", b""), ("folder/a.pdf", PDF), ("note.txt", b"%PD"), ("without extension", &second)];
    for method in METHODS {
        let expected = [(Some("a.pdf".to_owned()), PDF.to_vec()), (Some("without extension".to_owned()), other())];
        assert_eq!(unpacked(&zip(&members, method)), Ok(Some(expected.to_vec())));
    }
}

#[test]
fn a_zip_may_have_anything_before_it_and_a_comment_behind_it() {
    for method in METHODS {
        let plain = zip(&[("a.pdf", PDF)], method);
        for before in [&b"\n"[..], b"\xef\xbb\xbf", &[b'x'; 5_000]] {
            assert_eq!(unpacked(&[before, &plain].concat()), only("a.pdf"));
        }
        for length in [1_usize, 1_024, 65_535] {
            let mut bytes = plain.clone();
            let position = bytes.len() - 2;
            bytes[position..].copy_from_slice(&u16::try_from(length).unwrap().to_le_bytes());
            bytes.resize(bytes.len() + length, b'c');
            assert_eq!(unpacked(&bytes), only("a.pdf"));
        }
        // Behind its end, if it begins as a zip.
        assert_eq!(unpacked(&[&plain[..], b"\r\n\0\0"].concat()), only("a.pdf"));
    }
}

#[test]
fn zip64_records_and_data_descriptors_are_read() {
    let mut large = ZipWriter::new(Cursor::new(Vec::new()));
    large.start_file("a.pdf", SimpleFileOptions::default().large_file(true)).unwrap();
    large.write_all(PDF).unwrap();
    assert_eq!(unpacked(&large.finish().unwrap().into_inner()), only("a.pdf"));

    // A writer that can't seek puts sizes and checksum after the data.
    for method in METHODS {
        let mut streamed = ZipWriter::new_stream(Vec::new());
        streamed.start_file("a.pdf", SimpleFileOptions::default().compression_method(method)).unwrap();
        streamed.write_all(PDF).unwrap();
        let bytes = streamed.finish().unwrap().into_inner();
        assert!(memmem::find(&bytes, b"PK\x07\x08").is_some());
        assert_eq!(unpacked(&bytes), only("a.pdf"));
    }
}

#[test]
fn the_same_name_may_stand_for_several_pdfs() {
    let second = other();
    // The writer refuses a name that it has written, so the second one is changed afterwards.
    let mut bytes = zip(&[("a.pdf", PDF), ("b.pdf", &second), ("c.pdf", PDF)], CompressionMethod::Stored);
    for name in [b"b.pdf", b"c.pdf"] {
        while let Some(position) = memmem::find(&bytes, name) {
            bytes[position] = b'a';
        }
    }
    let named = |bytes: &[u8]| (Some("a.pdf".to_owned()), bytes.to_vec());
    assert_eq!(unpacked(&bytes), Ok(Some(vec![named(PDF), named(&second), named(PDF)])));
}

#[test]
fn names_have_no_effect_on_paths() {
    let outside = std::env::temp_dir().join("countersign-zip-slip.pdf");
    let second = other();
    let bytes =
        zip(&[("../countersign-zip-slip.pdf", PDF), (outside.to_str().unwrap(), &second)], CompressionMethod::Stored);
    let names = unpacked(&bytes).unwrap().unwrap().into_iter().map(|(name, _)| name);
    assert!(names.eq(vec![Some("countersign-zip-slip.pdf".to_owned()); 2]));
    assert!(!outside.exists());
}

#[test]
fn a_pdf_is_not_taken_for_a_zip() {
    let inner = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
    let mut attached = b"%PDF-1.7\n9 0 obj\n<</Type/EmbeddedFile>>\nstream\r\n".to_vec();
    attached.extend_from_slice(&inner);
    // Cut off right after the attached zip.
    assert_eq!(unpacked(&attached), Ok(None));
    attached.extend_from_slice(b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n");
    assert_eq!(unpacked(&attached), Ok(None));
    assert_eq!(unpacked(PDF), Ok(None));
    // Bytes that look like an end record.
    let mut bytes = PDF.to_vec();
    bytes.extend_from_slice(b"PK\x05\x06");
    bytes.extend_from_slice(&[1; 16]);
    bytes.extend_from_slice(&[0, 0]);
    assert_eq!(unpacked(&bytes), Ok(None));
}

#[test]
fn a_zip_that_shows_a_pdf_at_both_ends_is_unpacked() {
    let inner = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
    let comment = b"startxref\n9\n%%EOF\n";
    let mut bytes = [b"%PDF-1.7\n", inner.as_slice()].concat();
    let position = bytes.len() - 2;
    bytes[position..].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(comment);
    assert_eq!(unpacked(&bytes), only("a.pdf"));
}

#[test]
fn zips_over_a_limit_are_rejected() {
    let large = [PDF, vec![b' '; 1 << 20].as_slice()].concat();
    let bytes = zip(&[("bomb.pdf", &large)], CompressionMethod::Deflated);
    assert!(bytes.len() < 1 << 14);
    assert_eq!(unpacked_within(&bytes, 1 << 20), Err("zip_too_large"));
    assert_eq!(unpacked_within(&bytes, 1 << 21).map(|pdfs| pdfs.map(|pdfs| pdfs.len())), Ok(Some(1)));
    // The limit is for all members together.
    let second = other();
    let bytes = zip(&[("a.pdf", PDF), ("b.pdf", &second)], CompressionMethod::Stored);
    assert_eq!(unpacked_within(&bytes, PDF.len() as u64 + 1), Err("zip_too_large"));

    let names: Vec<String> = (0..=MAX_MEMBERS).map(|number| number.to_string()).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), PDF)).collect();
    assert_eq!(unpacked(&zip(&members, CompressionMethod::Stored)), Err("zip_too_many_members"));
    // More directory than is read.
    let long = "x".repeat(60_000);
    let names: Vec<String> = (0..50).map(|number| format!("{number}{long}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), PDF)).collect();
    assert_eq!(unpacked(&zip(&members, CompressionMethod::Stored)), Err("zip_unreadable"));
}

#[test]
fn a_false_directory_is_not_searched_for() {
    // The end record says that the directory is far in front of where it is; headers that could be it are everywhere.
    let mut bytes = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
    let end = bytes.len() - END_RECORD;
    bytes[end + 12..end + 16].copy_from_slice(&[0xff, 0xff, 0xff, 0]);
    bytes[end + 16..end + 20].copy_from_slice(&[0, 0, 0, 0]);
    let tail = bytes.split_off(end);
    bytes.extend_from_slice(&b"PK\x01\x02".repeat(1 << 20));
    bytes.extend_from_slice(&tail);
    assert_eq!(unpacked(&bytes), Err("zip_unreadable"));
}

#[test]
fn the_directory_is_read_from_the_end_record_that_is_checked() {
    let one = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
    let members: Vec<_> = (0..=MAX_MEMBERS).map(|number| (number.to_string(), other())).collect();
    let members: Vec<_> = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let many = zip(&members, CompressionMethod::Stored);
    // The end record of a zip within the comment of another. Readers differ in which of the two they take.
    let with_second_end_record = |outer: &[u8], inner: &[u8]| {
        let inner_end = &inner[inner.len() - END_RECORD..];
        let mut bytes = outer[..outer.len() - 2].to_vec();
        bytes.extend_from_slice(&u16::try_from(inner_end.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(inner_end);
        bytes
    };
    // Whichever is taken, what is unpacked is what was counted: one of the two zips as a whole, or nothing.
    for (outer, inner) in [(&one, &many), (&many, &one)] {
        let unpacked = unpacked(&with_second_end_record(outer, inner));
        assert!(unpacked == only("a.pdf") || unpacked.is_err(), "{unpacked:?}");
    }
}

#[test]
fn damaged_zips_are_rejected() {
    let good = zip(&[("a.pdf", PDF)], CompressionMethod::Stored);
    let mut changed = good.clone();
    let position = memmem::find(&changed, b"200 200").unwrap();
    changed[position] = b'3';
    assert_eq!(unpacked(&changed), Err("zip_unreadable"));
    assert_eq!(unpacked(&good[..good.len() - 10]), Err("zip_unreadable"));
    assert_eq!(unpacked(&good[..good.len() / 2]), Err("zip_unreadable"));
    let cut = zip(&[("a.pdf", &PDF[..PDF.len() - 8])], CompressionMethod::Stored);
    assert_eq!(unpacked(&cut), Err("truncated_pdf"));
    let inner = zip(&[("nested.zip", &good), ("empty.pdf", b"")], CompressionMethod::Stored);
    // The inner zip is stored uncompressed, so its first kilobyte contains a PDF header, but it begins as a zip.
    assert_eq!(unpacked(&inner), Err("zip_without_pdf"));
    assert_eq!(unpacked(&zip(&[], CompressionMethod::Stored)), Err("zip_without_pdf"));
}
