//! Proof and meaning of callbacks: the vendor's test vectors, and every documented event.

use aws_lc_rs::hmac;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{Envelope, Event, Kind, Rejection, TimeSource, Trust},
    settings::SecretSource,
};

const KEY: &str = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782";
const PATH_TOKEN: &str = "a-path-token";
const ACCOUNT: &str = include_str!("../../../tests/data/dropbox_sign/EventCallbackHelper_AccountCallbacks.json");
const APP: &str = include_str!("../../../tests/data/dropbox_sign/EventCallbackHelper_AppCallbacks.json");

/// The vendor's vectors: names and callbacks.
fn vectors() -> Vec<(String, Value)> {
    let vectors = [("account", ACCOUNT), ("app", APP)].into_iter().flat_map(|(level, text)| {
        let vectors: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
        vectors.into_iter().map(move |(name, callback)| (format!("{level}/{name}"), callback))
    });
    vectors.collect()
}

fn service(keys: &[&str]) -> DropboxSign {
    let aws =
        Aws::new(&aws_config::SdkConfig::builder().behavior_version(crate::aws::behavior_version()).build(), true);
    let mut settings = crate::providers::unset_settings();
    let proof = json!({"url_tokens": [PATH_TOKEN], "api_keys": keys}).to_string();
    settings.set_proof(Provider::DropboxSign, SecretSource::Inline(proof.into()));
    DropboxSign::new(&settings, &aws)
}

/// A form with these fields.
fn form(fields: &[(&str, &str)]) -> Bytes {
    let part = |(name, value): &(&str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    (fields.iter().map(part).collect::<String>() + "--x--\r\n").into()
}

fn verify_form(body: Bytes, keys: &[&str]) -> Result<Proven, Rejection> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=x"));
    let envelope = Envelope::of(&headers, None, ENDPOINT.kept_headers);
    let now = "2026-11-22T00:00:00Z".parse().unwrap();
    let request = Unproven::new(Route::DropboxSign, PATH_TOKEN.into(), envelope, body, now);
    match service(keys).verify(request).now_or_never().unwrap() {
        Ok(delivery) => Ok(delivery),
        Err(NotVerified::Proof(rejected)) => Err(rejected.rejection),
        Err(_) => panic!("neither proven nor rejected by its proof"),
    }
}

fn verify(callback: &Value) -> Result<Proven, Rejection> {
    verify_form(form(&[("json", &callback.to_string())]), &[KEY])
}

/// A callback of this type about a request, with a valid hash.
fn callback(event_type: &str, time: &str, change: impl FnOnce(&mut Value)) -> Value {
    let hash = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), format!("{time}{event_type}").as_bytes());
    let mut callback = json!({
        "event": {"event_time": time, "event_type": event_type, "event_hash": hex::encode(hash)},
        "signature_request": {"signature_request_id": "fa5c8a0b0f49", "title": "NDA", "is_complete": true},
    });
    change(&mut callback);
    callback
}

fn read(callback: &Value) -> Result<Reading, Unreadable> {
    service(&[KEY]).read(&verify(callback).ok().unwrap())
}

fn event_of(callback: &Value) -> Event {
    read(callback).unwrap().events.remove(0)
}

#[test]
fn every_vector_of_the_vendor_is_proven_as_strong_as_a_token() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 12);
    for (name, callback) in vectors {
        let delivery = verify(&callback).unwrap_or_else(|rejection| panic!("{name}: {rejection:?}"));
        assert_eq!(delivery.trust(), Trust::EventHash, "{name}");
        assert!(!delivery.trust().is_stronger_than(Trust::Token), "{name}");
        let again = service(&[KEY]).reverify(&delivery).now_or_never().unwrap();
        assert_eq!(again, Ok(()), "{name}");
        let rotated = service(&["another-key-another-key"]).reverify(&delivery).now_or_never().unwrap();
        assert_eq!(rotated, Err(NotProven::Rejected(Rejection::Unproven("event_hash_wrong"))), "{name}");
    }
}

#[test]
fn every_vector_with_one_byte_of_a_proving_field_changed_is_rejected() {
    for (name, callback) in vectors() {
        for field in ["event_hash", "event_time", "event_type"] {
            let text = callback["event"][field].as_str().unwrap();
            for position in 0..text.len() {
                // The last bit, and the one between upper and lower case.
                for bit in [1, 0x20] {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[position] ^= bit;
                    let Ok(changed_text) = String::from_utf8(bytes) else { continue };
                    let mut changed = callback.clone();
                    changed["event"][field] = changed_text.into();
                    let rejection = verify(&changed).err();
                    let expected = Some(Rejection::Unproven("event_hash_wrong"));
                    assert_eq!(rejection, expected, "{name}: {field} at {position}");
                }
            }
        }
    }
}

#[test]
fn a_vector_is_rejected_by_another_key_and_accepted_by_any_of_several() {
    let reversed: String = KEY.chars().rev().collect();
    for (name, callback) in vectors() {
        let body = form(&[("json", &callback.to_string())]);
        let rejection = verify_form(body.clone(), &[&reversed]).err();
        assert_eq!(rejection, Some(Rejection::Unproven("event_hash_wrong")), "{name}");
        assert!(verify_form(body, &[&reversed, KEY]).is_ok(), "{name}");
    }
}

/// Why the hash is only as strong as a token.
#[test]
fn the_hash_does_not_cover_the_request() {
    let sent = callback("signature_request_declined", "1700000000", |_| ());
    let mut forged = sent.clone();
    forged["signature_request"]["signature_request_id"] = "another-request".into();
    assert_eq!(verify(&forged).unwrap().trust(), Trust::EventHash);
}

#[test]
fn a_body_without_a_place_for_the_hash_is_malformed() {
    let valid = callback("callback_test", "1700000000", |_| ()).to_string();
    let twice = valid.replacen("\"event_hash\"", "\"event_hash\":\"00\",\"event_hash\"", 1);
    for (fields, cause) in [
        (&[][..], "field_missing"),
        (&[("data", &*valid)], "field_missing"),
        (&[("json", &*valid), ("json", &*valid)], "field_twice"),
        (&[("json", "{")], "not_json"),
        (&[("json", "[]")], "unexpected_shape"),
        (&[("json", "{}")], "unexpected_shape"),
        (&[("json", r#"{"event":{"event_time":"1","event_type":"x"}}"#)], "unexpected_shape"),
        (&[("json", r#"{"event":{"event_time":1,"event_type":"x","event_hash":"x"}}"#)], "unexpected_shape"),
        (&[("json", &*twice)], "unexpected_shape"),
    ] {
        assert_eq!(verify_form(form(fields), &[KEY]).err(), Some(Rejection::Malformed(cause)), "{fields:?}");
    }
}

#[test]
fn without_a_key_nothing_is_configured() {
    for keys in [&[][..], &["short"]] {
        assert!(service(keys).warm(Route::DropboxSign).now_or_never().unwrap().is_err(), "{keys:?}");
    }
}

#[test]
fn every_documented_event_has_its_kind_and_none_is_a_completion() {
    for (name, kind, ask) in [
        ("signature_request_sent", Kind::Sent, false),
        ("signature_request_viewed", Kind::Viewed, false),
        ("signature_request_signed", Kind::Signed, false),
        ("signature_request_all_signed", Kind::Signed, true),
        ("signature_request_downloadable", Kind::Updated, true),
        ("signature_request_declined", Kind::Declined, false),
        ("signature_request_canceled", Kind::Voided, false),
        ("signature_request_expired", Kind::Expired, false),
        ("signature_request_remind", Kind::Reminded, false),
        ("signature_request_email_bounce", Kind::Updated, false),
        ("signature_request_incomplete_qes", Kind::Updated, false),
        ("signature_request_destroyed", Kind::Updated, false),
        ("signature_request_reassigned", Kind::Updated, false),
        ("signature_request_invalid", Kind::Updated, false),
        ("signature_request_prepared", Kind::Updated, false),
        ("signature_request_signer_removed", Kind::Updated, false),
        ("file_error", Kind::Updated, false),
        ("unknown_error", Kind::Updated, false),
        ("sign_url_invalid", Kind::Updated, false),
        ("signature_request_never_heard_of", Kind::Updated, false),
    ] {
        let reading = read(&callback(name, "1700000000", |_| ())).unwrap();
        let [event] = reading.events.as_slice() else { panic!("{name}: one event") };
        assert_eq!((event.kind, reading.ask), (kind, ask), "{name}");
        assert_eq!((event.name.as_str(), event.subject.id.as_str()), (name, "fa5c8a0b0f49"));
        assert_eq!((event.occurred_at.as_second(), event.time_source), (1_700_000_000, TimeSource::Provider));
    }
}

#[test]
fn tests_and_events_about_accounts_and_templates_have_no_event() {
    for name in ["callback_test", "account_confirmed", "template_created", "template_error", "unknown_error"] {
        for request in [None, Some(Value::Null)] {
            let without = callback(name, "1700000000", |callback| match request {
                None => drop(callback.as_object_mut().unwrap().remove("signature_request")),
                Some(null) => callback["signature_request"] = null,
            });
            assert_eq!(read(&without), Ok(Reading::default()), "{name}");
        }
    }
}

#[test]
fn an_event_about_a_request_without_a_usable_request_is_unreadable() {
    let unreadable = |change: fn(&mut Value)| {
        let cause = read(&callback("signature_request_sent", "1700000000", change)).unwrap_err();
        (cause.code, cause.path)
    };
    let missing = unreadable(|callback| drop(callback.as_object_mut().unwrap().remove("signature_request")));
    assert_eq!(missing, ("missing_field", "signature_request".to_owned()));
    let invalid = unreadable(|callback| callback["signature_request"]["signature_request_id"] = "a/b".into());
    assert_eq!(invalid.0, "invalid_id");
    let mistyped = unreadable(|callback| callback["signature_request"]["signature_request_id"] = 7.into());
    assert_eq!(mistyped.0, "unexpected_shape");
}

#[test]
fn an_event_is_identified_by_what_decides_its_meaning_and_not_by_the_snapshot() {
    let name = "signature_request_signed";
    let id = |callback: &Value| event_of(callback).id(Trust::EventHash);
    let signer = |id: &str| json!({"related_signature_id": id, "reported_for_app_id": null});
    let with_signer =
        |id: &str| callback(name, "1700000000", |callback| callback["event"]["event_metadata"] = signer(id));
    let first = id(&with_signer("s1"));
    let mut to_the_app = with_signer("s1");
    to_the_app["event"]["event_metadata"]["reported_for_app_id"] = "app".into();
    to_the_app["signature_request"]["title"] = "renamed".into();
    assert_eq!(id(&to_the_app), first, "the same event, sent to another URL");
    assert_ne!(id(&with_signer("s2")), first, "another signer in the same second");
    assert_ne!(id(&callback(name, "1700000001", |callback| callback["event"]["event_metadata"] = signer("s1"))), first);
    assert_eq!(event_of(&with_signer("s1")).value.as_deref(), Some("s1"));
}

#[test]
fn a_time_that_is_no_number_is_replaced_by_that_of_arrival() {
    let event = event_of(&callback("signature_request_sent", "yesterday", |_| ()));
    assert_eq!((event.time_source, event.lasting_time()), (TimeSource::Received, None));
}
