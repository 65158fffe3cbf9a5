//! Tests of the batch: its proof, with fixtures signed by OpenSSL, and malformed, unproven and unreadable batches.

use std::str::FromStr;

use http::HeaderMap;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use secrecy::SecretString;

use super::*;
use crate::{
    domain::{DeliveryId, Proof, TimeSource, Trust, Unproven},
    proof::signature::{Fingerprint, Signers},
};

const CERTIFICATE: &str = include_str!("../../../../tests/data/legalesign/lookalike.crt.pem");
const KEY: &str = include_str!("../../../../tests/data/legalesign/lookalike.pub.pem");
const BATCH: &[u8] = include_bytes!("../../../../tests/data/legalesign/messages/batch.json");
const SIGNED: &str = include_str!("../../../../tests/data/legalesign/signatures/batch.rsa4096.b64");
const LATIN1: &[u8] = include_bytes!("../../../../tests/data/legalesign/messages/latin1.json");
const LATIN1_SIGNED: &str = include_str!("../../../../tests/data/legalesign/signatures/latin1.rsa4096.b64");

const TOKEN: &str = "the-path-token-of-the-tests";
const NOW: &str = "2026-11-22T02:27:06Z";

/// Reads a batch whose times are in UTC.
fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    super::read(delivery, &TimeZone::UTC)
}

fn secrets(certificates: &[&str]) -> SignedProofSecrets {
    let json = serde_json::json!({"url_tokens": [TOKEN], "certificates": certificates});
    SignedProofSecrets::new(serde_json::from_value(json).unwrap(), Some(Signers::parse)).unwrap()
}

fn escaped(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

fn form(data: &[u8], signed: &str) -> String {
    format!("data={}&signed={}", escaped(data), escaped(signed.as_bytes()))
}

fn addressed(content_type: &str, body: impl Into<Bytes>, at: &str) -> Addressed {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type.parse().unwrap());
    let token = SecretString::from(TOKEN);
    let (envelope, at) = (Envelope::of(&headers, None, &["content-type"]), Timestamp::from_str(at).unwrap());
    let request = Unproven::new(Route::LegalesignBatch, token, envelope, body.into(), at);
    request.address(Batch::path_tokens(&secrets(&[KEY]))).ok().unwrap()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn prove_at(certificates: &[&str], content_type: &str, body: impl Into<Bytes>, at: &str) -> Result<Proven, Rejection> {
    let request = addressed(content_type, body, at);
    Batch.prove(&request, &secrets(certificates)).map(|proof| request.prove(proof, Policy::default()))
}

fn prove(body: impl Into<Bytes>) -> Result<Proven, Rejection> {
    prove_at(&[CERTIFICATE], FORM, body, NOW)
}

/// A proven delivery with this text as `data`.
fn delivery(data: impl AsRef<[u8]>) -> Proven {
    let id = DeliveryId::from_str("01a20145-c1ab-747f-a4ed-7e1f271843fb").unwrap();
    let certificate = Fingerprint::from_str(&"ab".repeat(32)).unwrap();
    let proof =
        Proof { trust: Trust::Signature, token: 0, certificate: Some(certificate), part: None, body_token: None };
    let body = form(data.as_ref(), "").into();
    Proven::recorded(
        id,
        Route::LegalesignBatch,
        NOW.parse().unwrap(),
        Envelope::default(),
        body,
        proof,
        Policy::default(),
    )
}

fn reading(data: impl AsRef<[u8]>) -> Reading {
    read(&delivery(data)).unwrap()
}

#[test]
fn a_signed_batch_is_proven_in_either_encoding_and_field_order() {
    let parts = |name: &str, value: &[u8]| {
        [format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(), value, b"\r\n"].concat()
    };
    let multipart = [parts("signed", SIGNED.as_bytes()), parts("data", BATCH), b"--b--\r\n".to_vec()].concat();
    let wrapped = SIGNED.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>();
    let turned = format!("signed={}&other=1&data={}", escaped(SIGNED.as_bytes()), escaped(BATCH));
    // Encoders that don't escape `+` send it bare, and it decodes to a space.
    let badly_escaped = format!("data={}&signed={SIGNED}", escaped(BATCH));
    assert!(SIGNED.contains('+'));
    for (content_type, body) in [
        (FORM, form(BATCH, SIGNED).into_bytes()),
        (FORM, form(BATCH, &wrapped.join("\n")).into_bytes()),
        (FORM, turned.into_bytes()),
        (FORM, badly_escaped.into_bytes()),
        ("text/plain", form(BATCH, SIGNED).into_bytes()),
        ("multipart/form-data; boundary=b", multipart),
    ] {
        let proven = prove_at(&[CERTIFICATE], content_type, body, NOW).unwrap();
        assert_eq!(proven.trust(), Trust::Signature);
        assert_eq!(proven.signer().unwrap().pem(), CERTIFICATE);
        assert_eq!(read(&proven).unwrap().events.len(), 3);
    }
    assert!(prove(form(LATIN1, LATIN1_SIGNED)).is_ok(), "the signature is over bytes");
}

#[test]
fn the_signature_decides_between_the_forms_of_two_boundaries() {
    let part = |boundary: &str, name: &str, value: &[u8]| {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    };
    let form = |boundary: &str, data: &[u8]| {
        let end = format!("--{boundary}--\r\n").into_bytes();
        [part(boundary, "data", data), part(boundary, "signed", SIGNED.as_bytes()), end].concat()
    };
    let both = "multipart/form-data; boundary=a; boundary=b";
    for body in [[form("a", b"[]"), form("b", BATCH)].concat(), [form("a", BATCH), form("b", b"[]")].concat()] {
        let proven = prove_at(&[CERTIFICATE], both, body, NOW).unwrap();
        assert_eq!(proven.signed().unwrap().message, BATCH);
        assert_eq!(read(&proven).unwrap().events.len(), 3);
        // The stored proof says which of them was proven.
        assert_eq!(signed_parts(proven.envelope(), proven.body()).unwrap().len(), 2);
        let stored = |part| {
            let proof = Proof { part, ..proven.proof().clone() };
            Proven::recorded(
                proven.id().clone(),
                Route::LegalesignBatch,
                proven.received_at(),
                proven.envelope().clone(),
                proven.body().clone(),
                proof,
                Policy::default(),
            )
        };
        assert_eq!(read(&stored(proven.proof().part)).unwrap().events.len(), 3);
        assert_eq!(read(&stored(None)).unwrap_err(), Unreadable::new("form_ambiguous", "."));
    }
    let neither = [form("a", b"[]"), form("b", b"[1]")].concat();
    assert_eq!(prove_at(&[CERTIFICATE], both, neither, NOW).err(), Some(Rejection::Unproven("signature_mismatch")));
    let one_without_fields = [part("a", "other", b""), b"--a--\r\n".to_vec(), form("b", BATCH)].concat();
    assert!(prove_at(&[CERTIFICATE], both, one_without_fields, NOW).is_ok());
}

#[test]
fn a_batch_without_usable_signature_fields_is_malformed() {
    let (data, signed) = (escaped(BATCH), escaped(SIGNED.as_bytes()));
    for body in [
        String::new(),
        "no form".to_owned(),
        r#"{"data": "[]", "signed": ""}"#.to_owned(),
        format!("data={data}"),
        format!("signed={signed}"),
        format!("data={data}&signed={signed}&data={data}"),
        format!("data={data}&signed={signed}&d%61ta=%5B%5D"),
        format!("data={data}&signed={signed}&signed={signed}"),
    ] {
        assert!(matches!(prove(body.clone()), Err(Rejection::Malformed(_))), "{body:.40}");
    }
    let cut_off = prove_at(&[CERTIFICATE], "multipart/form-data; boundary=b", "--b\r\nContent-", NOW);
    assert!(matches!(cut_off, Err(Rejection::Malformed("form_multipart"))));
}

#[test]
fn an_invalid_signature_is_unproven() {
    let assert_unproven = |body: String, code| assert_eq!(prove(body).err(), Some(Rejection::Unproven(code)));
    assert_unproven(form(BATCH, ""), "signature_length");
    assert_unproven(form(BATCH, "no base64!"), "signature_encoding");
    assert_unproven(form(b"[]", SIGNED), "signature_mismatch");
    assert_unproven(form(&[BATCH, b" "].concat(), SIGNED), "signature_mismatch");
    // A decoder that replaces invalid UTF-8 would have changed the signed bytes.
    let replaced = String::from_utf8_lossy(LATIN1).into_owned();
    assert_unproven(form(replaced.as_bytes(), LATIN1_SIGNED), "signature_mismatch");
    for at in ["2013-02-01T16:28:26Z", "2033-02-01T16:28:28Z"] {
        let outside = prove_at(&[CERTIFICATE], FORM, form(BATCH, SIGNED), at).err();
        assert_eq!(outside, Some(Rejection::Unproven("signature_outside_validity")), "{at}");
    }
    assert!(prove_at(&[KEY], FORM, form(BATCH, SIGNED), "2099-01-01T00:00:00Z").is_ok(), "a bare key never expires");
}

#[test]
fn every_entry_becomes_an_event_with_its_position() {
    let reading = reading(BATCH);
    assert!(reading.unreadable.is_empty() && !reading.ask && !reading.foreign);
    let events: Vec<_> = reading
        .events
        .iter()
        .map(|event| {
            (event.position, event.subject.partition(), event.name.as_str(), event.kind, event.value.as_deref())
        })
        .collect();
    assert_eq!(
        events,
        [
            (0, "legalesign#signer#3f6f2c9e-0001".to_owned(), "status", Kind::Signed, Some("40")),
            (1, "legalesign#document#3f6f2c9e-0002".to_owned(), "status", Kind::Completed, Some("30")),
            (2, "legalesign#signer#3f6f2c9e-0003".to_owned(), "note é é + % & = €", Kind::Updated, Some("5")),
        ]
    );
    let first = &reading.events[0];
    assert_eq!(
        (first.occurred_at.to_string().as_str(), first.time_source),
        ("2018-03-20T07:09:52Z", TimeSource::ProviderLocal)
    );
    let payload = r#"{"timestamp": "2018-03-20T07:09:52", "name": "status", "value": "40", "resource_uri": "/api/v1/signer/3f6f2c9e-0001/"}"#;
    assert_eq!(first.payload, payload, "as it was sent");
}

#[test]
fn an_empty_batch_has_no_events() {
    assert_eq!(reading("[]"), Reading::default());
}

/// One entry as JSON, with `changes` to its fields (name, JSON value).
fn entry(changes: &[(&str, &str)]) -> String {
    let mut fields = [
        ("timestamp", r#""2018-03-20T07:09:52""#),
        ("name", r#""status""#),
        ("value", r#""40""#),
        ("resource_uri", r#""/api/v1/signer/s/""#),
    ];
    for (name, value) in changes {
        fields.iter_mut().filter(|(field, _)| field == name).for_each(|field| field.1 = value);
    }
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn bytes_that_are_not_utf8_make_only_their_own_entry_unreadable() {
    let named = |name: &str| entry(&[("name", &format!("\"{name}\""))]).into_bytes();
    let [replaced, broken, last] = ["has \u{fffd}", "has X", "\u{fffd}"].map(named);
    let broken: Vec<u8> = broken.into_iter().map(|byte| if byte == b'X' { 0xff } else { byte }).collect();
    let reading = reading([&b"["[..], &replaced, b",", &broken, b",", &last, b"]"].concat());
    let names: Vec<_> = reading.events.iter().map(|event| (event.position, event.name.as_str())).collect();
    assert_eq!(names, [(0, "has \u{fffd}"), (2, "\u{fffd}")]);
    assert_eq!(reading.unreadable, [UnreadableEntry { position: 1, cause: Unreadable::new("not_utf8", ".") }]);
}

#[test]
fn a_numeric_value_equals_the_same_value_as_text() {
    let of = |value: &str| reading(format!("[{}]", entry(&[("value", value)]))).events.remove(0);
    let (text, number) = (of(r#""40""#), of("40"));
    assert_eq!((number.value.as_deref(), number.kind), (Some("40"), Kind::Signed));
    assert_eq!(number.id(Trust::Signature), text.id(Trust::Signature));
    for (value, expected) in [("null", "null"), ("true", "true"), ("40.5", "40.5"), (r#""""#, "")] {
        let event = of(value);
        assert_eq!((event.value.as_deref(), event.kind), (Some(expected), Kind::Updated), "{value}");
    }
}

#[test]
fn the_identity_is_all_four_fields_and_not_the_position() {
    let id = |changes: &[(&str, &str)]| reading(format!("[{}]", entry(changes))).events[0].id(Trust::Signature);
    let same = reading(format!("[{},{}]", entry(&[("value", r#""10""#)]), entry(&[])));
    assert_eq!(same.events[1].id(Trust::Signature), id(&[]));
    for change in [
        ("timestamp", r#""2018-03-20T07:09:53""#),
        ("name", r#""other""#),
        ("value", r#""39""#),
        ("resource_uri", r#""/api/v1/signer/t/""#),
        ("resource_uri", r#""/api/v1/document/s/""#),
    ] {
        assert_ne!(id(&[change]), id(&[]), "{change:?}");
    }
}

#[test]
fn an_unreadable_entry_does_not_affect_the_others() {
    let long_name = format!("\"{}\"", "n".repeat(MAX_NAME + 1));
    let long_value = format!("\"{}\"", "v".repeat(MAX_VALUE + 1));
    for (unreadable, code, path) in [
        ("null".to_owned(), "unexpected_shape", "."),
        ("[]".to_owned(), "unexpected_shape", "."),
        ("\"someone@example.com\"".to_owned(), "unexpected_shape", "."),
        ("{}".to_owned(), "unexpected_shape", "."),
        (r#"{"timestamp":"2018-03-20T07:09:52","name":"status","value":"40"}"#.to_owned(), "unexpected_shape", "."),
        (entry(&[]).replace("{", r#"{"value":"30","#), "unexpected_shape", "."),
        (entry(&[("timestamp", "1521529792")]), "unexpected_shape", "timestamp"),
        (entry(&[("timestamp", r#""yesterday""#)]), "invalid_time", "timestamp"),
        (entry(&[("resource_uri", r#""/api/v1/team/t/""#)]), "unknown_resource", "resource_uri"),
        (entry(&[("resource_uri", r#""/api/v1/signer/a#b/""#)]), "unknown_resource", "resource_uri"),
        (entry(&[("name", r#""""#)]), "invalid_name", "name"),
        (entry(&[("name", &long_name)]), "invalid_name", "name"),
        (entry(&[("value", "{}")]), "unexpected_shape", "value"),
        (entry(&[("value", &long_value)]), "too_long", "value"),
        (entry(&[("name", r#""\ud800""#)]), "not_json", "."),
    ] {
        let reading = reading(format!("[{},{unreadable},{}]", entry(&[]), entry(&[("value", "10")])));
        assert_eq!(reading.events.iter().map(|event| event.position).collect::<Vec<_>>(), [0, 2], "{unreadable:.60}");
        let cause = Unreadable::new(code, path);
        assert_eq!(reading.unreadable, [UnreadableEntry { position: 1, cause }], "{unreadable:.60}");
    }
}

#[test]
fn invalid_utf8_affects_only_its_own_entry() {
    let others = entry(&[]).into_bytes();
    let latin1: Vec<u8> = entry(&[("name", "\"Andr#\"")]).bytes().map(|b| if b == b'#' { 0xe9 } else { b }).collect();
    let reading = reading([b"[", &others[..], b",", &latin1, b",", &others, b"]"].concat());
    assert_eq!(reading.events.len(), 2);
    assert_eq!(reading.unreadable, [UnreadableEntry { position: 1, cause: Unreadable::new("not_utf8", ".") }]);
}

#[test]
fn data_that_is_not_an_array_is_unreadable() {
    for (data, code) in [
        ("", "not_json"),
        ("[", "not_json"),
        ("[{]", "not_json"),
        ("[] []", "not_json"),
        ("{}", "unexpected_shape"),
        ("null", "unexpected_shape"),
        ("\"[]\"", "unexpected_shape"),
    ] {
        assert_eq!(read(&delivery(data)), Err(Unreadable::new(code, ".")), "{data}");
    }
    let deep = format!("[{}]", "[".repeat(100_000));
    assert_eq!(read(&delivery(deep)), Err(Unreadable::new("not_json", ".")));
    let deep = format!("[{}{},{}]", "[".repeat(100_000), "]".repeat(100_000), entry(&[]));
    let reading = reading(deep);
    assert_eq!((reading.events.len(), reading.unreadable.len()), (1, 1));
}

#[test]
fn a_batch_of_20_000_entries_is_read() {
    let entries: Vec<String> =
        (0..20_000).map(|n| entry(&[("resource_uri", &format!("\"/api/v1/signer/s{n}/\""))])).collect();
    let reading = reading(format!("[{}]", entries.join(", ")));
    assert_eq!((reading.events.len(), reading.unreadable.len()), (20_000, 0));
    assert!((0..).zip(&reading.events).all(|(position, event)| event.position == position));
    assert_eq!(reading.events[19_999].subject.id.as_str(), "s19999");
}
