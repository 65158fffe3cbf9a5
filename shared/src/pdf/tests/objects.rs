//! Objects and streams.

use super::{Writer, open};
use crate::pdf::{Object, ObjectId};

const ID: ObjectId = ObjectId { number: 3, generation: 0 };

/// A PDF with this object as object 3.
fn with(content: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.catalog().object(3, content).table("/Size 4/Root 1 0 R");
    writer.bytes
}

fn object(content: &str) -> Object {
    open(&with(content)).unwrap().object(ID).unwrap()
}

#[test]
fn objects_of_all_kinds_are_parsed() {
    for (text, expected) in [
        ("null", Object::Null),
        ("true", Object::Boolean(true)),
        ("false", Object::Boolean(false)),
        ("-12", Object::Integer(-12)),
        ("+.5", Object::Real(0.5)),
        ("/A#42#zz", Object::Name(b"AB#zz".to_vec())),
        ("/", Object::Name(Vec::new())),
        ("[7 0 R]", Object::Array(vec![Object::Reference(ObjectId { number: 7, generation: 0 })])),
        ("[1 2 3%comment\n0 R 4]", {
            let reference = Object::Reference(ObjectId { number: 3, generation: 0 });
            Object::Array(vec![Object::Integer(1), Object::Integer(2), reference, Object::Integer(4)])
        }),
    ] {
        assert_eq!(object(text), expected, "{text}");
    }
}

#[test]
fn strings_are_decoded_and_their_place_is_known() {
    for (text, expected) in [
        ("(a(b)c)", &b"a(b)c"[..]),
        (r"(\n\r\t\b\f\(\)\\\x)", b"\n\r\t\x08\x0c()\\x"),
        ("(\\0501\\5\\053)", b"(1\x05+"),
        ("(a\\\r\nb\\\nc)", b"abc"),
        ("<48 65 6C6c 6>", b"Hell`"),
        ("<>", b""),
    ] {
        let bytes = with(text);
        let object = open(&bytes).unwrap().object(ID).unwrap();
        let string = object.string().unwrap();
        assert_eq!(string.bytes, expected, "{text}");
        let place = usize::try_from(string.place.start).unwrap()..usize::try_from(string.place.end).unwrap();
        assert_eq!(&bytes[place], text.as_bytes());
        assert!(!format!("{string:?}").contains("Hell"));
    }
}

#[test]
fn a_large_object_is_read_as_a_whole() {
    let text = format!("<</Contents<{}>/M(end)>>", "30".repeat(50_000));
    let dictionary = object(&text);
    let dictionary = dictionary.dictionary().unwrap();
    assert_eq!(dictionary.get("Contents").unwrap().string().unwrap().bytes, vec![b'0'; 50_000]);
    assert_eq!(dictionary.get("M").unwrap().string().unwrap().bytes, b"end");
    assert_eq!(dictionary.iter().count(), 2);
}

#[test]
fn streams_are_decoded_within_a_limit() {
    let mut writer = Writer::new();
    writer.catalog().object(3, "<</Length 4 0 R>>stream\nsome bytes\nendstream").object(4, "10").table("/Root 1 0 R");
    let mut document = open(&writer.bytes).unwrap();
    let object = document.object(ID).unwrap();
    let stream = object.stream().unwrap();
    assert_eq!(document.decode(stream, 10).unwrap().as_deref(), Some(&b"some bytes"[..]));
    assert_eq!(document.decode(stream, 9).unwrap(), None);
}

#[test]
fn ranges_are_read_in_order() {
    let bytes = with(&format!("({})", "0123456789".repeat(20_000)));
    let mut document = open(&bytes).unwrap();
    let mut read = Vec::new();
    document.read(5..u64::MAX, |piece| read.extend_from_slice(piece)).unwrap();
    assert!(read == bytes[5..]);
}
