//! Which files are whole PDFs.

use std::io::Cursor;

use super::{Document, NotAPdf, PLAIN, Writer, fault, open, plain_with};

#[test]
fn a_whole_pdf_opens() {
    let mut document = open(PLAIN.as_bytes()).unwrap();
    assert_eq!((document.origin(), document.leading(), document.trailing()), (0, 0, 0));
    assert_eq!(document.size(), PLAIN.len() as u64);
    assert!(!document.is_encrypted());
    assert!(document.catalog().unwrap().dictionary().unwrap().is("Type", "Catalog"));
}

#[test]
fn bytes_before_the_header_and_behind_the_end_are_counted() {
    let html = "<html>".repeat(1_000);
    let padding = "\0".repeat(80_000);
    for (before, after) in [("\u{feff}", ""), ("some text\n", ""), ("", html.as_str()), ("\n", padding.as_str())] {
        let bytes = format!("{before}{PLAIN}{after}").into_bytes();
        let document = open(&bytes).unwrap();
        let expected = (before.len() as u64, before.len() as u64, after.len() as u64);
        assert_eq!((document.origin(), document.leading(), document.trailing()), expected);
    }
    // At most 1,024 bytes are searched for the header.
    assert!(open(format!("{}{PLAIN}", " ".repeat(1_019)).as_bytes()).is_ok());
    assert_eq!(fault(format!("{}{PLAIN}", " ".repeat(1_020)).as_bytes()), Some(NotAPdf::NoHeader));
    // The end of the line of `%%EOF` doesn't trail, with or without a carriage return, or if it is missing.
    for (end, trailing) in [("%%EOF", 0), ("%%EOF\r\n", 0), ("%%EOF\n\n", 1), ("%%EOF\n%%EOF\n", 0), ("%%EOF  ", 2)] {
        assert_eq!(open(&plain_with("%%EOF\n", end)).unwrap().trailing(), trailing, "{end:?}");
    }
}

#[test]
fn offsets_may_count_from_the_first_byte() {
    let mut writer = Writer::new();
    writer.bytes.splice(0..0, *b"some text\n");
    writer.catalog().table("/Size 3/Root 1 0 R");
    let document = open(&writer.bytes).unwrap();
    assert_eq!((document.origin(), document.leading()), (0, 10));
}

#[test]
fn what_every_reader_tolerates_is_tolerated() {
    let cases = [
        ("entries of 19 bytes", PLAIN.replace(" \n0000", "\n0000")),
        ("entries of 21 bytes", PLAIN.replace("f \n", "f \r\n").replace("n \n", "n \r\n")),
        ("carriage returns", PLAIN.replace('\n', "\r")),
        ("white space at the offset of the table", PLAIN.replace("endobj\nxref", "endobj\n\n\n\nxref")),
        ("white space at the offset of an object", PLAIN.replace("0000000105", "0000000104")),
        ("a table that begins with object 1", PLAIN.replace("0 4\n", "1 4\n")),
        (
            "an object in use at offset 0",
            PLAIN.replace("0 4\n", "0 5\n").replace("trailer", "0000000000 00000 n \ntrailer"),
        ),
        ("a table that announces too many entries", PLAIN.replace("0 4\n", "0 5\n")),
        ("a wrong generation", PLAIN.replace("0000000105 00000", "0000000105 00001")),
        ("a wrong size", PLAIN.replace("/Size 4", "/Size 9")),
        ("a chain that ends with 0", PLAIN.replace("/Size 4", "/Size 4/Prev 0")),
        ("a comment after the offset", PLAIN.replace("170\n", "170\n%made by hand\n")),
        ("a catalog without a type", PLAIN.replace("/Type/Catalog", "/Lang(en-US) ")),
    ];
    for (case, text) in cases {
        assert_ne!(text, PLAIN, "{case}");
        assert_eq!(fault(text.as_bytes()), None, "{case}");
    }
}

#[test]
fn a_truncated_pdf_is_refused_wherever_it_was_cut() {
    for length in 0..PLAIN.len() - 1 {
        let fault = fault(&PLAIN.as_bytes()[..length]);
        let expected = if length < 5 { NotAPdf::NoHeader } else { NotAPdf::Truncated };
        assert_eq!(fault, Some(expected), "{length}");
    }
}

/// A PDF with an incremental update, which changes the catalog. Returns the size of the first revision as well.
fn updated() -> (Vec<u8>, usize) {
    let mut writer = Writer::new();
    let first = writer.catalog().table("/Size 3/Root 1 0 R");
    let end = writer.bytes.len();
    writer.object(1, "<</Type/Catalog/Pages 2 0 R/Lang(en)>>");
    writer.object(3, "<</Type/Metadata>>");
    writer.table(&format!("/Size 4/Root 1 0 R/Prev {first}"));
    (writer.bytes, end)
}

#[test]
fn an_incremental_update_is_refused_wherever_it_was_cut() {
    let (bytes, end) = updated();
    for length in end + 1..bytes.len() - 1 {
        let expected = match memchr::memmem::find(&bytes[end..length], b"startxref") {
            None => NotAPdf::TruncatedUpdate,
            Some(_) => NotAPdf::Truncated,
        };
        assert_eq!(fault(&bytes[..length]), Some(expected), "{length}");
    }
}

#[test]
fn revisions_are_listed_and_can_be_opened() {
    let (bytes, end) = updated();
    let mut document = open(&bytes).unwrap();
    let revisions = document.revisions().unwrap();
    assert_eq!(revisions.iter().map(|revision| revision.end).collect::<Vec<_>>(), [end as u64, bytes.len() as u64]);
    assert!(document.catalog().unwrap().dictionary().unwrap().get("Lang").is_some());

    let mut first = Document::open_up_to(Cursor::new(&bytes), revisions[0].end).unwrap();
    assert_eq!(first.revisions().unwrap(), &revisions[..1]);
    assert!(first.catalog().unwrap().dictionary().unwrap().get("Lang").is_none());
}

#[test]
fn a_middle_overwritten_with_nuls_is_refused_wherever_it_is() {
    for start in 9..PLAIN.len() - 64 {
        let mut bytes = PLAIN.as_bytes().to_vec();
        bytes[start..start + 64].fill(0);
        assert!(fault(&bytes).is_some(), "{start}");
    }
}

#[test]
fn changed_line_ends_and_containers_around_a_pdf_are_refused() {
    assert!(fault(PLAIN.replace('\n', "\r\n").as_bytes()).is_some());
    let head = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    for before in [head.to_owned(), format!("--boundary\r\n{head}"), format!("HTTP/1.1 200 OK\r\n{head}")] {
        let bytes = format!("{before}{PLAIN}\r\n--boundary--\r\n").into_bytes();
        assert_eq!(fault(&bytes), Some(NotAPdf::Message), "{before}");
    }
    let stored = format!("PK\x03\x04a.pdf{PLAIN}PK\x01\x02");
    assert_eq!(fault(stored.as_bytes()), Some(NotAPdf::Zip));
}

#[test]
fn a_structure_that_leads_nowhere_is_refused() {
    for (from, to, expected) in [
        ("%PDF-", "%FDP-", NotAPdf::NoHeader),
        ("startxref\n170", "startxref\n9", NotAPdf::CrossReference),
        ("startxref\n170", "startxref\n99999", NotAPdf::CrossReference),
        ("startxref\n170", "startxref\n0", NotAPdf::CrossReference),
        ("startxref\n170", "startxref\nnone", NotAPdf::Truncated),
        ("startxref\n170", "startxref\n170 endobj", NotAPdf::Truncated),
        ("trailer", "trialer", NotAPdf::CrossReference),
        ("/Root 1 0 R", "/Root 9 0 R", NotAPdf::Catalog),
        ("/Root 1 0 R", "/Root 2 0 R", NotAPdf::Catalog),
        ("/Root 1 0 R", "/Info 1 0 R", NotAPdf::Catalog),
        ("0000000054", "0000000105", NotAPdf::Object),
        ("0000000054", "9000000054", NotAPdf::Object),
        ("/Size 4", "/Size 4/Prev 9", NotAPdf::CrossReference),
        ("/Size 4", "/Size 4/Prev 170", NotAPdf::Loop),
    ] {
        assert_eq!(fault(&plain_with(from, to)), Some(expected), "{from} {to}");
    }
}
