//! Tests of both encodings: bytes are preserved, and malformed input is reported.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use url::form_urlencoded::byte_serialize;

use super::{FieldError, Form, FormError, MAX_FIELDS};

const URLENCODED: Option<&str> = Some("application/x-www-form-urlencoded");
const MULTIPART: Option<&str> = Some("multipart/form-data; boundary=xYz");

fn urlencoded(body: impl Into<Bytes>) -> Form {
    Form::read(URLENCODED, &body.into()).expect("any short body is a form")
}

/// All parsed fields, so that a test sees unexpected ones too.
fn fields(form: &Form) -> Vec<(&[u8], &[u8])> {
    form.fields.iter().map(|field| (&field.name[..], &field.value[..])).collect()
}

/// A multipart body as browsers and `requests` write it.
fn parts(boundary: &str, fields: &[(&str, &[u8])]) -> Bytes {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend(*value);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    body.into()
}

#[test]
fn a_batch_encoded_by_a_browser_or_django() {
    let form = urlencoded("data=%5B+%7B%22name%22%3A+%22status%22%7D+%5D&signed=AB%2BC%2Fw%3D%3D");
    assert_eq!(form.one("data").unwrap(), "[ {\"name\": \"status\"} ]");
    assert_eq!(form.one("signed").unwrap(), "AB+C/w==");
}

#[test]
fn plus_decodes_to_a_space_and_an_escaped_plus_to_plus() {
    assert_eq!(urlencoded("data=a+b%2Bc%20d").one("data").unwrap(), "a b+c d");
}

#[test]
fn invalid_utf8_is_preserved() {
    assert_eq!(urlencoded("data=Andr%E9%FF%00").one("data").unwrap(), &b"Andr\xe9\xff\0"[..]);
    assert_eq!(urlencoded(&b"data=Andr\xe9\xff"[..]).one("data").unwrap(), &b"Andr\xe9\xff"[..]);
}

#[test]
fn a_percent_without_two_digits_is_kept() {
    for (posted, read) in [
        ("%", "%"),
        ("%4", "%4"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%4g", "%4g"),
        ("%%41", "%A"),
        ("%2541", "%41"),
        ("%+1", "% 1"),
        ("%e2%82%aC", "€"),
    ] {
        assert_eq!(urlencoded(format!("data={posted}")).one("data").unwrap(), read, "{posted}");
    }
}

#[test]
fn pairs_are_separated_by_ampersands() {
    let form = urlencoded("&&a=1&b&=c&d=e=f&&g=;h=1&");
    let expected: [(&[u8], &[u8]); 5] = [(b"a", b"1"), (b"b", b""), (b"", b"c"), (b"d", b"e=f"), (b"g", b";h=1")];
    assert_eq!(fields(&form), expected);
}

#[test]
fn an_empty_value_is_not_missing() {
    assert_eq!(urlencoded("data=&signed").one("data").unwrap(), "");
    assert_eq!(urlencoded("data=&signed").one("signed").unwrap(), "");
    assert_eq!(Form::read(MULTIPART, &parts("xYz", &[("data", b"")])).unwrap().one("data").unwrap(), "");
}

#[test]
fn a_missing_field_is_reported() {
    let form = urlencoded("data=1&Signed=2&signed%20=3");
    assert_eq!(form.one("signed").unwrap_err(), FieldError::Missing("signed"));
    assert_eq!(form.optional("signed"), Ok(None));
    assert_eq!(urlencoded("").one("data").unwrap_err().code(), "field_missing");
}

#[test]
fn a_repeated_field_is_an_error_even_if_escaped_differently() {
    for body in ["data=1&data=2", "data=1&data=1", "data=1&d%61ta=2", "data&x=1&data", "data=1&data=2&data=3"] {
        let form = urlencoded(body);
        assert_eq!(form.one("data").unwrap_err(), FieldError::Twice("data"), "{body}");
        assert_eq!(form.optional("data").unwrap_err().code(), "field_twice", "{body}");
    }
    let form = Form::read(MULTIPART, &parts("xYz", &[("data", b"1"), ("signed", b"s"), ("data", b"1")])).unwrap();
    assert_eq!(form.one("data").unwrap_err(), FieldError::Twice("data"));
    assert_eq!(form.one("signed").unwrap(), "s");
}

#[test]
fn other_content_types_are_parsed_as_urlencoded() {
    for content_type in [
        None,
        Some(""),
        Some("application/json"),
        Some("text/plain; charset=latin1"),
        Some("multipart/mixed; boundary=x"),
        Some("multipart/form-data-ish"),
        Some(";boundary=x"),
    ] {
        let form = Form::read(content_type, &Bytes::from("data=%41")).unwrap();
        assert_eq!(form.one("data").unwrap(), "A", "{content_type:?}");
    }
}

#[test]
fn a_json_body_has_no_expected_fields() {
    assert_eq!(urlencoded("{\"data\": \"[]\"}").one("data").unwrap_err(), FieldError::Missing("data"));
}

#[test]
fn too_many_fields_are_an_error() {
    let body = vec!["a=1"; MAX_FIELDS].join("&");
    assert_eq!(fields(&urlencoded(body.clone())).len(), MAX_FIELDS);
    let error = Form::read(URLENCODED, &Bytes::from(body + "&b=1")).unwrap_err();
    assert_eq!((error, error.code()), (FormError::TooManyFields, "form_too_many_fields"));
    let error = Form::read(MULTIPART, &parts("xYz", &[("a", &b"1"[..]); MAX_FIELDS + 1])).unwrap_err();
    assert_eq!(error, FormError::TooManyFields);
}

#[test]
fn a_value_without_escapes_is_not_copied() {
    let body = Bytes::from(format!("signed=x&data={}", "A".repeat(4_000_000)));
    let form = Form::read(URLENCODED, &body).unwrap();
    let value = form.one("data").unwrap();
    assert_eq!(value.len(), 4_000_000);
    assert_eq!(value.as_ptr(), body[14..].as_ptr());
}

#[test]
fn four_megabytes_round_trip_in_both_encodings() {
    let value: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let body: Bytes = [&b"data="[..], byte_serialize(&value).collect::<String>().as_bytes()].concat().into();
    assert!(urlencoded(body).one("data").unwrap() == &value);
    let body = parts("xYz", &[("data", &value), ("signed", b"s")]);
    let form = Form::read(MULTIPART, &body).unwrap();
    assert!(form.one("data").unwrap() == &value);
    assert_eq!(form.one("signed").unwrap(), "s");
}

#[test]
fn boundaries_are_read_quoted_or_not_in_any_case() {
    for (content_type, boundary) in [
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"),
        ("Multipart/Form-Data;boundary=AbC", "AbC"),
        ("multipart/form-data; charset=utf-8; BOUNDARY=\"a b:C=?/\"", "a b:C=?/"),
        (" multipart/form-data ; charset ; boundary = \"AbC\" ; x=y", "AbC"),
        ("multipart/form-data; x=\"boundary=1;\"; boundary=----=_Part:1/2 ; y=z", "----=_Part:1/2"),
    ] {
        let form = Form::read(Some(content_type), &parts(boundary, &[("data", b"Andr\xe9\r\n--")]));
        assert_eq!(form.unwrap().one("data").unwrap(), &b"Andr\xe9\r\n--"[..], "{content_type}");
    }
}

#[test]
fn byte_order_marks_before_a_form_are_ignored() {
    for marks in ["\u{feff}", "\u{feff}\u{feff}"] {
        assert_eq!(urlencoded(format!("{marks}data=%EF%BB%BF[]")).one("data").unwrap(), "\u{feff}[]");
        let body = [marks.as_bytes(), &parts("xYz", &[("data", b"[]")])].concat();
        assert_eq!(Form::read(MULTIPART, &body.into()).unwrap().one("data").unwrap(), "[]");
    }
}

#[test]
fn every_boundary_of_the_content_type_is_tried() {
    for content_type in [
        "multipart/form-data; boundary=other; boundary=xYz",
        "multipart/form-data; boundary=xYz; boundary=\"other\"",
        "multipart/form-data; boundary=xYz; boundary=xYz",
        "multipart/form-data; boundary=xYz, multipart/form-data; boundary=xYz",
        "multipart/form-data; boundary=other, multipart/form-data; boundary=xYz",
        "multipart/form-data; boundary=other,boundary=xYz",
        "multipart/form-data; boundary=xYz, text/plain",
        "text/plain, multipart/form-data; boundary=xYz",
        "application/x-www-form-urlencoded, multipart/form-data; boundary=xYz",
        // No boundary fits, but the body shows its own.
        "multipart/form-data",
        "multipart/form-data; boundary=other",
    ] {
        let form = Form::read(Some(content_type), &parts("xYz", &[("data", b"Andr\xe9\r\n--")]));
        assert_eq!(form.unwrap().one("data").unwrap(), &b"Andr\xe9\r\n--"[..], "{content_type}");
    }
    let comma = "multipart/form-data; boundary=x,Y";
    assert_eq!(Form::read(Some(comma), &parts("x,Y", &[("data", b"1")])).unwrap().one("data").unwrap(), "1");
    let mixed = "multipart/form-data; boundary=xYz, application/x-www-form-urlencoded";
    assert_eq!(Form::read(Some(mixed), &Bytes::from("data=%31")).unwrap().one("data").unwrap(), "1");
}

#[test]
fn two_boundaries_that_give_different_forms_are_an_error() {
    let body = [parts("a", &[("data", b"1")]), parts("b", &[("data", b"2")])].concat();
    let both = Some("multipart/form-data; boundary=a; boundary=b");
    let error = Form::read(both, &Bytes::from(body.clone())).unwrap_err();
    assert_eq!((error, error.code()), (FormError::Ambiguous, "form_ambiguous"));
    let one = Some("multipart/form-data; boundary=b");
    assert_eq!(Form::read(one, &body.into()).unwrap().one("data").unwrap(), "2");
}

#[test]
fn lines_that_end_with_a_line_feed_alone_are_accepted_and_values_stay_as_they_are() {
    let body = "--xYz\nContent-Disposition: form-data; name=\"data\"\nContent-Type: text/plain\n\n[1,\n\n2]\r\n--xYz\n\
                Content-Disposition: form-data; name=\"signed\"\n\nAA==\n--xYz--\n";
    for content_type in [MULTIPART, Some("multipart/form-data")] {
        let form = Form::read(content_type, &Bytes::from(body)).unwrap();
        assert_eq!(fields(&form), [(&b"data"[..], &b"[1,\n\n2]\r"[..]), (b"signed", b"AA==")]);
    }
    for end in [body.len() - 3, body.len() - 9, 70, 20] {
        let error = Form::read(MULTIPART, &Bytes::from(&body[..end])).unwrap_err();
        assert_eq!(error, FormError::Multipart, "{end}");
    }
}

#[test]
fn part_headers_and_escapes_are_ignored() {
    // A preamble, transport padding, a file name, headers that declare an encoding, and a value that looks urlencoded.
    let body = "preamble\r\n--xYz \t\r\ncontent-disposition: form-data; filename=\"f+%41\"; name=data\r\n\
                Content-Type: text/plain; charset=latin1\r\nContent-Transfer-Encoding: base64\r\n\r\n%41+QQ==\r\n--xYz--epilogue";
    assert_eq!(Form::read(MULTIPART, &Bytes::from(body)).unwrap().one("data").unwrap(), "%41+QQ==");
}

#[test]
fn multipart_without_a_valid_boundary_is_an_error() {
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; charset=utf-8",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=; x=y",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"xYz",
        &format!("multipart/form-data; boundary={}", "x".repeat(71)),
    ] {
        let error = Form::read(Some(content_type), &Bytes::from("data=1")).unwrap_err();
        assert_eq!((error, error.code()), (FormError::Boundary, "form_boundary"), "{content_type}");
    }
}

#[test]
fn malformed_multipart_is_an_error() {
    for body in [
        "",
        "data=1",
        "--xYz",
        "--xYz\r\n",
        "--xYz\r\nContent-Disposition: form-data; name=\"data\"\r\n",
        "--xYz\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nbreaks off",
        "--xYz\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nbreaks off\r\n--xY",
        "--xYz\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nvalue\r\n--xYz",
        "--xYz\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--xYz--",
        "--xYz\r\n: \0\r\n\r\nbad header\r\n--xYz--",
    ] {
        let error = Form::read(MULTIPART, &Bytes::from(body)).unwrap_err();
        assert_eq!((error, error.code()), (FormError::Multipart, "form_multipart"), "{body:?}");
    }
}

#[test]
fn debug_and_errors_show_no_content() {
    let form = urlencoded("email=someone%40example.com&data=1&data=2");
    let text = format!("{form:?} {:?} {}", form.one("data"), form.one("data").unwrap_err());
    assert!(text.contains("fields: 3"), "{text}");
    assert!(!text.contains("email") && !text.contains("someone"), "{text}");
}

proptest! {
    #[test]
    fn urlencoding_round_trip(pairs in vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..99)), 0..9)) {
        // The encoder of the `url` crate writes `+` and upper-case escapes.
        let body: Vec<String> = pairs
            .iter()
            .map(|(name, value)| byte_serialize(name).chain(["="]).chain(byte_serialize(value)).collect())
            .collect();
        let form = urlencoded(body.join("&"));
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        prop_assert_eq!(fields(&form), expected);
    }

    #[test]
    fn escapes_in_either_case_are_decoded(value in vec((any::<u8>(), any::<bool>()), 0..99)) {
        let escape = |&(byte, upper)| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        let body: String = value.iter().map(escape).collect();
        let expected: Vec<u8> = value.iter().map(|(byte, _)| *byte).collect();
        let form = urlencoded(format!("data={body}"));
        prop_assert_eq!(form.one("data").unwrap(), &expected);
    }

    #[test]
    fn multipart_round_trip(
        boundary in "[0-9A-Za-z'_-]{1,69}",
        names in vec("[ -!#-\\[\\]-~é€]{0,9}", 0..9),
        values in vec(vec(any::<u8>(), 0..99), 9),
    ) {
        // A boundary must not occur in a value. Even for the shortest boundary, that is rare in 9 short values.
        let marker = format!("--{boundary}");
        prop_assume!(!values.iter().any(|value| value.windows(marker.len()).any(|part| part == marker.as_bytes())));
        let pairs: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(values.iter().map(Vec::as_slice)).collect();
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let form = Form::read(Some(&content_type), &parts(&boundary, &pairs)).unwrap();
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        prop_assert_eq!(fields(&form), expected);
    }

    #[test]
    fn any_bytes_are_a_valid_urlencoded_form(body in vec(any::<u8>(), 0..300)) {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).count();
        prop_assert_eq!(fields(&urlencoded(body)).len(), pairs);
    }

    #[test]
    fn multipart_never_panics(pieces in vec(prop_oneof![
        Just(b"--xYz".to_vec()), Just(b"\r\n".to_vec()), Just(b"--".to_vec()), Just(b"\r\n\r\n".to_vec()),
        Just(b"Content-Disposition: form-data; name=".to_vec()), Just(b"\"".to_vec()), Just(b"\\".to_vec()),
        vec(any::<u8>(), 0..5),
    ], 0..20), content_type in "multipart/form-data;?[ -~]{0,30}") {
        let body = Bytes::from(pieces.concat());
        // The result is deterministic.
        for content_type in [MULTIPART, Some(content_type.as_str())] {
            let once = Form::read(content_type, &body).map(|form| fields(&form).len());
            prop_assert_eq!(once, Form::read(content_type, &body).map(|form| fields(&form).len()));
        }
    }
}
