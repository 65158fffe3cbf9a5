//! Cross-reference streams, object streams, hybrid and encrypted files.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};

use super::{NotAPdf, Writer, fault, open};
use crate::pdf::ObjectId;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Rows of a cross-reference stream with the widths 1, 4 and 1.
fn rows(entries: &[(u8, usize, u8)]) -> Vec<u8> {
    let row = |(kind, second, third): &(u8, usize, u8)| {
        let [a, b, c, d] = u32::try_from(*second).unwrap().to_be_bytes();
        [*kind, a, b, c, d, *third]
    };
    entries.iter().flat_map(row).collect()
}

/// The rows as a PNG image of six bytes per row, each row with the next of the five filters.
fn predicted(rows: &[u8]) -> Vec<u8> {
    let mut image = Vec::new();
    let mut above = [0_u8; 6];
    for (index, row) in rows.chunks(6).enumerate() {
        let filter = u8::try_from(index % 5).unwrap();
        image.push(filter);
        for column in 0..6 {
            let left = if column > 0 { row[column - 1] } else { 0 };
            let corner = if column > 0 { above[column - 1] } else { 0 };
            let up = above[column];
            let [a, b, c] = [left, up, corner].map(i16::from);
            let nearest = [a, b, c].into_iter().min_by_key(|value| (a + b - c - value).abs()).unwrap();
            let predicted = match filter {
                1 => left,
                2 => up,
                3 => u8::try_from((a + b) / 2).unwrap(),
                4 => u8::try_from(nearest).unwrap(),
                _ => 0,
            };
            image.push(row[column].wrapping_sub(predicted));
        }
        above.copy_from_slice(row);
    }
    image
}

/// A PDF whose catalog is in an object stream.
fn compressed(filter: &str, encode: impl Fn(&[u8]) -> Vec<u8>, trailer: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    let objects = b"1 0 2 30 <</Type/Catalog/Pages 2 0 R>> <</Type/Pages/Kids[]/Count 0>>";
    writer.stream(3, "/Type/ObjStm/N 2/First 9/Filter/FlateDecode", &deflate(objects));
    let (stream, start) = (writer.offset(3), writer.bytes.len());
    let rows = rows(&[(0, 0, 255), (2, 3, 0), (2, 3, 1), (1, stream, 0), (1, start, 0)]);
    let dictionary = format!("/Type/XRef/Size 5/W[1 4 1]/Root 1 0 R{filter}{trailer}");
    writer.stream(4, &dictionary, &encode(&rows));
    writer.end(start);
    writer.bytes
}

const FLATE: &str = "/Filter/FlateDecode";
const PREDICTED: &str = "/Filter[/FlateDecode]/DecodeParms<</Predictor 12/Columns 6>>";

#[test]
fn cross_reference_streams_are_read_with_and_without_filter_and_predictor() {
    for bytes in [
        compressed("", <[u8]>::to_vec, ""),
        compressed(FLATE, deflate, ""),
        compressed(PREDICTED, |rows| deflate(&predicted(rows)), ""),
    ] {
        let mut document = open(&bytes).unwrap();
        let catalog = document.catalog().unwrap();
        let pages = document.get(catalog.dictionary().unwrap(), "Pages").unwrap();
        assert!(pages.dictionary().unwrap().is("Type", "Pages"));
        let id = |number| ObjectId { number, generation: 0 };
        assert_eq!((document.offset(id(1)), document.offset(id(3))), (None, Some(9)));
        assert_eq!(document.revisions().unwrap().len(), 1);
    }
}

#[test]
fn a_wrong_checksum_in_a_stream_is_ignored_as_readers_do() {
    let wrong = |rows: &[u8]| {
        let mut bytes = deflate(rows);
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    assert_eq!(fault(&compressed(FLATE, wrong, "")), None);
}

#[test]
fn streams_that_cannot_be_decoded_are_refused() {
    assert_eq!(fault(&compressed("/Filter/LZWDecode", deflate, "")), Some(NotAPdf::CrossReference));
    assert_eq!(fault(&compressed(FLATE, <[u8]>::to_vec, "")), Some(NotAPdf::CrossReference));
    let short = |rows: &[u8]| deflate(&rows[..20]);
    assert_eq!(fault(&compressed(FLATE, short, "")), Some(NotAPdf::CrossReference));
    // The object stream's data, not its dictionary.
    let mut bytes = compressed(FLATE, deflate, "");
    let data = memchr::memmem::find(&bytes, b"stream\r\n").unwrap() + 8;
    bytes[data + 8..data + 40].fill(0);
    assert_eq!(fault(&bytes), Some(NotAPdf::Object));
}

#[test]
fn objects_that_are_not_in_their_object_stream_are_refused() {
    let lost = |rows: &[u8]| {
        let mut rows = rows.to_vec();
        // Object 2 is said to be in object 4, which is no object stream.
        rows[2 * 6 + 4] = 4;
        deflate(&rows)
    };
    assert_eq!(fault(&compressed(FLATE, lost, "")), Some(NotAPdf::Object));
    let extra = |rows: &[u8]| {
        let mut rows = rows.to_vec();
        rows[..6].copy_from_slice(&[2, 0, 0, 0, 3, 2]);
        deflate(&rows)
    };
    assert_eq!(fault(&compressed(FLATE, extra, "")), Some(NotAPdf::Object));
}

#[test]
fn an_encrypted_file_opens_without_its_key() {
    let encrypt = "/Encrypt<</Filter/Standard/V 4/R 4>>";
    let bytes = compressed(FLATE, deflate, encrypt);
    let mut document = open(&bytes).unwrap();
    assert!(document.is_encrypted());
    assert_eq!(document.catalog().unwrap(), crate::pdf::Object::Null);
}

#[test]
fn objects_that_a_hybrid_file_hides_from_old_readers_are_found() {
    let mut writer = Writer::new();
    writer.catalog().stream(4, "/Type/ObjStm/N 1/First 4", b"5 0 (hidden)");
    let stream = writer.bytes.len();
    writer.stream(6, "/Type/XRef/Size 7/W[1 4 1]/Index[5 1]", &rows(&[(2, 4, 0)]));
    let start = writer.bytes.len();
    let mut table = "xref\n0 7\n0000000005 65535 f \n".to_owned();
    for number in [1, 2, 0, 4, 0, 6] {
        let (offset, kind) = if number == 0 { (0, 'f') } else { (writer.offset(number), 'n') };
        table.push_str(&format!("{offset:010} 00000 {kind} \n"));
    }
    table.push_str(&format!("trailer\n<</Size 7/Root 1 0 R/XRefStm {stream}>>\n"));
    writer.bytes.extend_from_slice(table.as_bytes());
    writer.end(start);
    let mut document = open(&writer.bytes).unwrap();
    let hidden = document.object(ObjectId { number: 5, generation: 0 }).unwrap();
    assert_eq!(hidden.string().unwrap().bytes, b"hidden");
}
