//! Tests from a request's bytes to the event, with the service's documented bodies and variations of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    callback::read,
    lossless_json::Json,
    proof::{ProofSecrets, prove, prove_seal},
    settings::TokenPolicy::{self, IfPresent, Required},
    spelling,
};
use crate::{
    domain::{Envelope, Event, Kind, Policy, Proven, Rejection, Route, TimeSource, Trust, Unproven, Unreadable},
    secrets::Secret,
};

/// The events that `events/signeasy-callback` has in every version, with their meaning.
const DOCUMENTED_EVENTS: &str = include_str!("../../../tests/data/signeasy/documented_events.json");
const PATH_TOKEN: &str = "local-path-token";
/// The token of the documented bodies.
const TOKEN: &str = "myloooooooongtokenbiggerthan12chars";

fn secrets(tokens: &[&str]) -> ProofSecrets {
    let json = json!({"url_tokens": ["another-path-token", PATH_TOKEN], "tokens": tokens});
    ProofSecrets::from_json(serde_json::from_value(json).unwrap()).ok().unwrap()
}

fn received_at() -> Timestamp {
    "2026-11-22T02:16:32Z".parse().unwrap()
}

fn proven_with(secrets: &ProofSecrets, policy: TokenPolicy, body: &[u8]) -> Result<Proven, Rejection> {
    let body = Bytes::copy_from_slice(body);
    let request = Unproven::new(Route::Signeasy, PATH_TOKEN.into(), Envelope::default(), body, received_at());
    let request = request.address(&secrets.url_tokens).ok().unwrap();
    let own = prove(request.body(), request.path_token(), secrets, policy)?;
    Ok(request.prove(own, Policy::default()))
}

fn proven(policy: TokenPolicy, body: &str) -> Result<Proven, Rejection> {
    proven_with(&secrets(&["an-older-token", TOKEN]), policy, body.as_bytes())
}

fn rejection_of(policy: TokenPolicy, body: &str) -> Rejection {
    proven(policy, body).err().unwrap()
}

fn event(body: &str) -> Event {
    let mut events = read(&proven(IfPresent, body).ok().unwrap()).unwrap().events;
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn stored(delivery: &Proven) -> String {
    String::from_utf8(delivery.body().to_vec()).unwrap()
}

fn body(event_type: &str, token: Value) -> Value {
    json!({"data": {"id": 7}, "metadata": {"event_type": event_type, "token": token}})
}

/// The file names and bodies of `events/signeasy-callback`.
fn samples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/signeasy-callback");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(event["rawPath"], format!("/callbacks/signeasy/{PATH_TOKEN}"));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), event["body"].as_str().unwrap().to_owned())
        })
        .collect();
    samples.sort();
    samples
}

fn sample(name: &str) -> String {
    samples().into_iter().find(|(file, _)| file == name).unwrap().1
}

#[test]
fn every_documented_body_is_read_in_every_version() {
    let samples = samples();
    let mut seen = 0;
    let documented: BTreeMap<String, Kind> = serde_json::from_str(DOCUMENTED_EVENTS).unwrap();
    for (event_type, kind) in documented {
        for (file, body) in samples.iter().filter(|(file, _)| file.starts_with(&format!("rs_{event_type}"))) {
            let event = event(body);
            assert_eq!(event.kind, kind, "{file}");
            let name = if event_type == "reminded" { "rs.remind".to_owned() } else { format!("rs.{event_type}") };
            assert_eq!(event.name, name, "{file}");
            assert_eq!(event.time_source, TimeSource::Provider, "{file}");
            if file.ends_with("_v1") || file.ends_with("_v2") {
                seen += 1;
                assert_eq!(event.subject.partition(), "signeasy#document#235649", "{file}");
                let latest = if event_type == "completed" { 1_591_780_621 } else { 1_591_780_421 };
                assert_eq!(event.occurred_at.as_second(), latest, "the latest change is a recipient's: {file}");
            }
        }
    }
    assert_eq!(seen, 16);
}

#[test]
fn other_and_unknown_events_are_read() {
    for (file, name, kind, id) in [
        ("document_signed", "document.signed", Kind::Completed, "110565575"),
        ("rs_expired_v3", "rs.expired", Kind::Expired, "373342"),
        ("rs_bulksign_completed", "rs.bulksign_completed", Kind::Updated, "998877"),
        ("unknown_event_without_content_type", "rs.never_heard_of", Kind::Updated, "373343"),
    ] {
        let event = event(&sample(file));
        assert_eq!((event.name.as_str(), event.kind, event.subject.id.as_str()), (name, kind, id), "{file}");
    }
    assert_eq!(event(&body("rs.reminded", json!(TOKEN)).to_string()).kind, Kind::Reminded);
}

#[test]
fn fields_of_changed_types_are_read() {
    let event = event(&sample("rs_viewed_v3_drifted"));
    assert_eq!(event.subject.id.as_str(), "373340");
    assert_eq!(event.occurred_at.as_second(), 1_753_375_750);
}

#[test]
fn the_kind_comes_from_the_event_and_not_from_the_status() {
    let declined = event(&sample("rs_declined_v2"));
    assert_eq!((declined.kind, declined.value.as_deref()), (Kind::Declined, Some("complete")));
    let declined = event(&sample("rs_declined_v3"));
    assert_eq!((declined.kind, declined.value.as_deref()), (Kind::Declined, Some("recipient_declined")));
}

#[test]
fn an_event_without_a_time_gets_the_time_of_receipt() {
    let event = event(&body("rs.viewed", json!(TOKEN)).to_string());
    assert_eq!((event.occurred_at, event.time_source), (received_at(), TimeSource::Received));
    assert!(event.sort_key(Trust::Token).starts_with("EVENT#-#"), "a redelivery has the same key");
}

#[test]
fn unreadable_bodies_are_reported_with_the_path() {
    for (body, code, path) in [
        (json!({"metadata": {"event_type": "rs.viewed"}}), "missing_field", "data"),
        (json!({"data": {}, "metadata": {"event_type": "rs.viewed"}}), "missing_field", "data.id"),
        (json!({"data": {"id": null}, "metadata": {"event_type": "rs.viewed"}}), "missing_field", "data.id"),
        (json!({"data": {"id": 7}}), "missing_field", "metadata"),
        (json!({"data": {"id": 7}, "metadata": {}}), "missing_field", "metadata.event_type"),
        (json!({"data": {"id": 7}, "metadata": {"event_type": ["s"]}}), "unexpected_shape", "metadata.event_type"),
        (json!({"data": {"id": {"s": 1}}, "metadata": {"event_type": "s"}}), "unexpected_shape", "data.id"),
        (json!({"data": {"id": "../s"}, "metadata": {"event_type": "s"}}), "invalid_id", "data.id"),
        (json!({"data": {"id": 1.5}, "metadata": {"event_type": "s"}}), "invalid_id", "data.id"),
        (json!({"data": [7], "metadata": {"event_type": "s"}}), "unexpected_shape", "data"),
        (json!({"data": {"id": 7}, "metadata": {"event_type": ""}}), "invalid_name", "metadata.event_type"),
        (json!({"data": {"id": 7}, "metadata": "s"}), "unexpected_shape", "metadata"),
    ] {
        let delivery = proven(IfPresent, &body.to_string()).ok().unwrap();
        let Unreadable { code: actual, path: place } = read(&delivery).unwrap_err();
        assert_eq!((actual, place.split('[').next().unwrap()), (code, path), "{body}");
    }
    let delivery = proven(Required, &sample("unreadable")).ok().unwrap();
    assert_eq!(read(&delivery).unwrap_err(), Unreadable::new("missing_field", "data.id"));
    // A duplicate key is unreadable: which of the two values counts is undefined.
    let twice = r#"{"data":{"id":7,"id":8},"metadata":{"event_type":"rs.viewed"}}"#;
    assert_eq!(read(&proven(IfPresent, twice).ok().unwrap()).unwrap_err().code, "unexpected_shape");
}

#[test]
fn only_configured_tokens_are_accepted() {
    for policy in [Required, IfPresent] {
        for (token, position) in [("an-older-token", 0), (TOKEN, 1)] {
            let delivery = proven(policy, &body("rs.viewed", json!(token)).to_string()).ok().unwrap();
            assert_eq!(delivery.proof().body_token, Some(position));
            assert_eq!(delivery.proof().token, 1);
        }
        for wrong in [json!("myloooooooongtokenbiggerthan12char"), json!(""), json!(0), json!([TOKEN]), json!(true)] {
            let rejection = rejection_of(policy, &body("rs.viewed", wrong.clone()).to_string());
            assert_eq!(rejection, Rejection::Unproven("token_wrong"), "{wrong}");
        }
        // `document.signed` doesn't have to carry a token, but must not carry a wrong one.
        let rejection = rejection_of(policy, &body("document.signed", json!("another-token")).to_string());
        assert_eq!(rejection, Rejection::Unproven("token_wrong"));
        let delivery = proven(policy, &body("document.signed", json!(TOKEN)).to_string()).ok().unwrap();
        assert_eq!(delivery.proof().body_token, Some(1));
    }
}

#[test]
fn a_required_token_may_be_missing_only_from_document_signed() {
    let delivery = proven(Required, &sample("document_signed")).ok().unwrap();
    assert_eq!(delivery.proof().body_token, None);
    for file in ["rs_initiated_v1", "rs_completed_v1"] {
        assert_eq!(rejection_of(Required, &sample(file)), Rejection::Unproven("token_missing"), "{file}");
        assert_eq!(proven(IfPresent, &sample(file)).ok().unwrap().proof().body_token, None);
    }
    let null = body("rs.viewed", json!(null)).to_string();
    assert_eq!(rejection_of(Required, &null), Rejection::Unproven("token_missing"));
    assert!(proven(IfPresent, &null).is_ok());
}

#[test]
fn a_body_that_cannot_carry_a_token_is_malformed() {
    for text in ["", "token", "{", "[]", "7", "null", r#""text""#, "\u{feff}[]", r#"{"metadata":{"token":"x"}} x"#] {
        for policy in [Required, IfPresent] {
            assert!(matches!(rejection_of(policy, text), Rejection::Malformed(_)), "{text}");
        }
    }
    let latin1 = proven_with(&secrets(&[TOKEN]), IfPresent, b"{\"data\":\"\xe9\"}");
    assert_eq!(latin1.err(), Some(Rejection::Malformed("not_json")));
    for text in [r#"{"data":{"id":7}}"#, r#"{"data":{"id":7},"metadata":"token"}"#, r#"{"metadata":null}"#] {
        assert_eq!(rejection_of(Required, text), Rejection::Malformed("no_metadata"), "{text}");
        assert!(proven(IfPresent, text).is_ok(), "{text}");
    }
    assert!(proven(Required, &format!("\u{feff}{}", sample("rs_viewed_v2"))).is_ok());
}

#[test]
fn duplicate_keys_around_the_token_are_malformed() {
    let metadata = |inner: &str| format!(r#"{{"data":{{"id":7}},"metadata":{{"event_type":"rs.viewed",{inner}}}}}"#);
    for (text, cause) in [
        (metadata(&format!(r#""token":"{TOKEN}","token":"stolen-or-wrong""#)), "token_twice"),
        (metadata(&format!(r#""token":"stolen-or-wrong","token":"{TOKEN}""#)), "token_twice"),
        (metadata(&format!(r#""token":"{TOKEN}","\u0074oken":"{TOKEN}""#)), "token_twice"),
        (metadata(&format!(r#""token":null,"token":"{TOKEN}""#)), "token_twice"),
        (metadata(&format!(r#""event_type":"document.signed","x":"{TOKEN}""#)), "event_type_twice"),
        (
            format!(r#"{{"metadata":{{"token":"wrong-wrong-wrong"}},"metadata":{{"token":"{TOKEN}"}}}}"#),
            "metadata_twice",
        ),
        (format!(r#"{{"metadata":{{"token":"{TOKEN}"}},"m\u0065tadata":{{"event_type":"x"}}}}"#), "metadata_twice"),
    ] {
        for policy in [Required, IfPresent] {
            assert_eq!(rejection_of(policy, &text), Rejection::Malformed(cause), "{text}");
        }
    }
}

#[test]
fn tokens_are_redacted_from_every_stored_text_in_any_spelling() {
    let escaped: String = TOKEN.chars().map(|letter| format!("\\u{:04x}", letter as u32)).collect();
    let text = format!(
        r#"{{"data":{{"id":7,"name":"{TOKEN}","{TOKEN}":1,"note":"see https://x/?token={TOKEN}&y=1","list":["{escaped}"],
            "path":"https://api/callbacks/signeasy/{PATH_TOKEN}","older":"an-older-token","name":"{escaped}"}},
            "token":"{TOKEN}","metadata":{{"event_type":"rs.viewed","token":"{escaped}","Token":"{TOKEN}"}}}}"#
    );
    let delivery = proven(Required, &text).ok().unwrap();
    let event = read(&delivery).unwrap().events.remove(0);
    let hash = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TOKEN.as_bytes()));
    for kept in [stored(&delivery), event.payload.to_string(), format!("{:?}", event.identity)] {
        for secret in [TOKEN, &escaped, PATH_TOKEN, "an-older-token", &TOKEN[4..20], &hash] {
            assert!(!kept.contains(secret), "{kept}");
        }
    }
    // Everything that isn't a secret stays unchanged.
    assert!(
        stored(&delivery)
            .starts_with(r#"{"data":{"id":7,"name":"[token]","[token]":1,"note":"see https://x/?token=[token]&y=1""#)
    );
}

#[test]
fn escaped_tokens_in_urls_are_redacted() {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let once = escape(PATH_TOKEN);
    let twice = once.replace('%', "%25");
    let text = json!({
        "data": {"id": 7, "once": format!("https://api/x/{once}?a=50%"), "twice": format!("?next={twice}&clear={PATH_TOKEN}"),
            "older": escape("an-older-token"), "other": "100%25 done"},
        "metadata": {"event_type": "rs.viewed", "token": TOKEN},
    });
    let delivery = proven(Required, &text.to_string()).ok().unwrap();
    let kept: Value = serde_json::from_str(&stored(&delivery)).unwrap();
    let data = [&kept["data"]["once"], &kept["data"]["twice"], &kept["data"]["older"], &kept["data"]["other"]];
    assert_eq!(data, ["https://api/x/[token]?a=50%", "?next=[token]&clear=[token]", "[token]", "100%25 done"]);
}

#[test]
fn a_body_is_proven_before_its_values_are_stored() {
    let values = "1,".repeat(200_000);
    let text = |token: &str| {
        format!(r#"{{"data":{{"id":7,"all":[{values}1]}},"metadata":{{"event_type":"rs.viewed","token":"{token}"}}}}"#)
    };
    let cause = |text: &str| proven(Required, text).err().unwrap().cause();
    assert_eq!(cause(&text("a-wrong-token-of-a-sender")), "token_wrong");
    assert_eq!(cause(&text(TOKEN)), "too_complex");
}

#[test]
fn tokens_are_redacted_from_a_body_without_metadata_token() {
    let text = json!({"data": {"id": 7, "name": TOKEN}, "metadata": {"event_type": "rs.viewed"}, "token": TOKEN});
    let delivery = proven(IfPresent, &text.to_string()).ok().unwrap();
    assert!(!stored(&delivery).contains(TOKEN));
}

#[test]
fn a_stored_body_is_complete_except_for_the_token() {
    let sent = sample("rs_completed_v2");
    let kept: Value = serde_json::from_str(&stored(&proven(Required, &sent).ok().unwrap())).unwrap();
    let mut sent: Value = serde_json::from_str(&sent).unwrap();
    let seal = kept["metadata"]["token"].as_str().unwrap();
    assert_eq!(seal.strip_prefix("hmac-sha256:").unwrap().len(), 64);
    sent["metadata"]["token"] = json!(seal);
    assert_eq!(kept, sent);
    let payload: Value = serde_json::from_str(&event(&sample("rs_completed_v2")).payload).unwrap();
    sent["metadata"].as_object_mut().unwrap().remove("token");
    assert_eq!(payload, sent);
}

#[test]
fn a_stored_delivery_can_be_proven_again_with_the_secrets() {
    let with = |url_tokens: Value, tokens: Value| {
        let json = json!({"url_tokens": url_tokens, "tokens": tokens});
        ProofSecrets::from_json(serde_json::from_value(json).unwrap()).ok().unwrap()
    };
    let delivery = proven(Required, &sample("rs_viewed_v2")).ok().unwrap();
    let secrets = with(json!(["a-new-path-token", PATH_TOKEN]), json!(["a-new-token-too", TOKEN]));
    assert_eq!(prove_seal(delivery.body(), &secrets), Ok(()));
    for (url_tokens, tokens) in
        [(json!([PATH_TOKEN]), json!(["another-token"])), (json!(["another-path-token"]), json!([TOKEN]))]
    {
        let wrong_token = Err(Rejection::Unproven("token_wrong"));
        assert_eq!(prove_seal(delivery.body(), &with(url_tokens, tokens)), wrong_token);
    }
    let nothing_to_compare_with = prove_seal(delivery.body(), &with(json!([PATH_TOKEN]), json!([])));
    assert!(matches!(nothing_to_compare_with, Err(Rejection::NotConfigured(_))));
    let without = proven(IfPresent, &sample("rs_viewed_v1")).ok().unwrap();
    assert_eq!(prove_seal(without.body(), &secrets), Err(Rejection::Unproven("token_missing")));
    // The seal isn't a token, and doesn't prove anything when it is sent.
    let replayed = stored(&delivery);
    assert_eq!(rejection_of(Required, &replayed), Rejection::Unproven("token_wrong"));
}

#[test]
fn a_required_token_without_configured_tokens_is_not_configured() {
    let body = sample("rs_viewed_v2");
    let none = proven_with(&secrets(&[]), Required, body.as_bytes());
    assert!(matches!(none.err(), Some(Rejection::NotConfigured(_))));
    assert_eq!(proven_with(&secrets(&[]), IfPresent, body.as_bytes()).err(), Some(Rejection::Unproven("token_wrong")));
    for (json, problem) in [
        (json!({"url_tokens": [], "tokens": [TOKEN]}), "url_tokens: the list of tokens is empty"),
        (json!({"url_tokens": [PATH_TOKEN], "tokens": ["eleven-char"]}), "tokens: token 0 has under 12 characters"),
    ] {
        assert_eq!(ProofSecrets::from_json(serde_json::from_value(json).unwrap()).err().unwrap(), problem);
    }
}

#[test]
fn the_identity_ignores_key_order_whitespace_and_token() {
    let id = |text: &str| event(text).id(Trust::Token);
    let one = r#"{"data":{"id":7,"recipients":[{"a":1,"b":2}]},"metadata":{"event_type":"rs.viewed","token":"TOKEN"}}"#;
    let one = one.replace("TOKEN", TOKEN);
    let same = r#" {"metadata" : {"token":"an-older-token", "event_type":"rs.viewed"},
        "data":{"recipients":[{"b":2,"a":1}],"id":7}} "#;
    assert_eq!(id(&one), id(same));
    assert_eq!(id(&one), id(&one.replace(&format!(r#","token":"{TOKEN}""#), "")));
    assert_eq!(id(&one), id(&one.replace("\"id\":7", "\"id\":\"7\"")), "both are documented");
    for other in [
        one.replace("\"id\":7", "\"id\":8"),
        one.replace("\"b\":2", "\"b\":\"2\""),
        one.replace("\"b\":2", "\"b\":3"),
        one.replace("\"b\":2", "\"b\":2.0"),
        one.replace("rs.viewed", "rs.signed"),
        one.replace("}]}", "}],\"last_modified_time\":18446744073709551617}"),
    ] {
        assert_ne!(id(&one), id(&other), "{other}");
    }
    let large = |last: u8| one.replace("\"b\":2", &format!("\"b\":1844674407370955161{last}"));
    assert_ne!(id(&large(7)), id(&large(8)), "numbers aren't rounded");
}

#[test]
fn every_sample_has_a_unique_identity() {
    let samples = samples();
    let ids: std::collections::BTreeSet<_> =
        samples.iter().filter(|(file, _)| file != "unreadable").map(|(_, body)| event(body).id(Trust::Token)).collect();
    assert_eq!(ids.len(), samples.len() - 1);
    // So events that were recorded before spellings were normalized are found again.
    for (file, body) in &samples {
        let is_drifted = spelling::normalize(&mut Json::parse(body).unwrap());
        assert_eq!(is_drifted, file.ends_with("_drifted"), "{file}");
    }
}

#[test]
fn a_wrong_path_token_is_rejected() {
    let request = Unproven::new(
        Route::Signeasy,
        SecretString::from(TOKEN),
        Envelope::default(),
        Bytes::from(sample("rs_viewed_v2")),
        received_at(),
    );
    assert!(request.address(&secrets(&[TOKEN]).url_tokens).is_err());
}
