//! Files that are made to exhaust memory, time or the stack.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use super::{NotAPdf, Writer, fault, open, plain_with};
use crate::pdf::{Object, ObjectId};

#[test]
fn sections_in_a_circle_and_without_end_are_refused() {
    let mut writer = Writer::new();
    let mut previous = 0;
    for _ in 0..4_097 {
        writer.object(1, "<</Type/Catalog/Pages 2 0 R>>");
        previous = writer.table(&format!("/Size 2/Root 1 0 R/Prev {previous}"));
    }
    assert_eq!(fault(&writer.bytes), Some(NotAPdf::TooComplex));

    let mut writer = Writer::new();
    let first = writer.catalog().table("/Size 3/Root 1 0 R/Prev 0000000");
    let second = writer.object(3, "null").table(&format!("/Size 4/Root 1 0 R/Prev {first}"));
    let text = String::from_utf8(writer.bytes).unwrap().replace("/Prev 0000000", &format!("/Prev {second:07}"));
    assert_eq!(fault(text.as_bytes()), Some(NotAPdf::Loop));
}

#[test]
fn huge_numbers_take_no_memory() {
    // A table with fewer entries than it announces is tolerated, however many those are.
    assert_eq!(fault(&plain_with("0 4\n", "0 99999999999999\n")), None);
    for numbers in ["4294967295 2", "18446744073709551615 1", "99999999999999999999999 1"] {
        assert!(fault(&plain_with("0 4\n", &format!("{numbers}\n"))).is_some(), "{numbers}");
    }
    for entry in ["/W[9 9 9]", "/W[0 0 0]", "/W[1 8 8]/Index[0 99999999999]", "/W[1 1]", "/W 1"] {
        let mut writer = Writer::new();
        writer.catalog();
        let start = writer.bytes.len();
        writer.stream(3, &format!("/Type/XRef/Size 4/Root 1 0 R{entry}"), &[1; 17 * 100]);
        writer.end(start);
        assert!(fault(&writer.bytes).is_some(), "{entry}");
    }
}

#[test]
fn a_bomb_of_cross_reference_entries_is_refused() {
    // 20 MB of zeros: entries of one byte each, for a million free objects and more.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 20_000_000]).unwrap();
    let mut writer = Writer::new();
    writer.catalog();
    let start = writer.bytes.len();
    let dictionary = "/Type/XRef/Size 20000000/W[1 0 0]/Root 1 0 R/Filter/FlateDecode";
    writer.stream(3, dictionary, &encoder.finish().unwrap());
    writer.end(start);
    assert_eq!(fault(&writer.bytes), Some(NotAPdf::TooComplex));
}

#[test]
fn deep_and_endless_objects_are_null() {
    let id = ObjectId { number: 3, generation: 0 };
    for content in
        ["[".repeat(1_000_000), "<</A".repeat(1_000_000), "[1 ".repeat(65), format!("[{}]", "0 ".repeat(100_000))]
    {
        let mut writer = Writer::new();
        writer.catalog().object(3, &content).table("/Size 4/Root 1 0 R");
        assert_eq!(open(&writer.bytes).unwrap().object(id).unwrap(), Object::Null);
    }
}

#[test]
fn references_in_a_circle_are_null() {
    let mut writer = Writer::new();
    writer.catalog().object(3, "4 0 R").object(4, "3 0 R").table("/Size 5/Root 1 0 R/Info 3 0 R");
    let mut document = open(&writer.bytes).unwrap();
    let trailer = document.trailer().clone();
    assert_eq!(document.get(&trailer, "Info").unwrap(), Object::Null);
}
