//! Tests of callbacks about one document: the proof and the content of each form.

use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use super::*;
use crate::{
    domain::{Event, Kind, TimeSource, Unproven},
    proof::signature::Signers,
};

const CERTIFICATE: &str = include_str!("../../../../tests/data/legalesign/lookalike.crt.pem");
/// A message signed by OpenSSL. Its content doesn't matter, since the proof comes before parsing.
const MESSAGE: &str = include_str!("../../../../tests/data/legalesign/messages/realtime.json");
const SIGNED: &str = include_str!("../../../../tests/data/legalesign/signatures/realtime.rsa4096.b64");

const TOKEN: &str = "the-path-token-of-the-tests";
const NOW: &str = "2026-11-22T02:27:06Z";
const FORM: &str = "application/x-www-form-urlencoded";
const PLAIN: &str =
    "resource_uri=%2Fapi%2Fv1%2Fdocument%2Fd1%2F&group=%2Fapi%2Fv1%2Fgroup%2Fyour-group%2F&name=A+name&uuid=d1";

fn secrets(certificates: &[&str], groups: &[&str]) -> ProofSecrets {
    let json = serde_json::json!({"url_tokens": [TOKEN], "certificates": certificates, "groups": groups});
    ProofSecrets::new(serde_json::from_value(json).unwrap(), Some(Signers::parse)).unwrap()
}

struct Post<'a> {
    headers: &'a [(&'a str, &'a str)],
    query: Option<&'a str>,
    body: &'a str,
}

impl Post<'_> {
    fn prove_with(&self, secrets: &ProofSecrets, must_be_signed: bool) -> Result<Proven, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            headers.append(HeaderName::from_str(name).unwrap(), value.parse().unwrap());
        }
        let envelope = Envelope::of(&headers, self.query, &KEPT_HEADERS);
        let body = Bytes::copy_from_slice(self.body.as_bytes());
        let at = Timestamp::from_str(NOW).unwrap();
        let request = Unproven::new(Route::LegalesignRealtime, SecretString::from(TOKEN), envelope, body, at);
        let request = request.address(Realtime::path_tokens(secrets)).ok().unwrap();
        let scheme = Realtime { must_be_signed, hmac: None };
        let proof = scheme.prove(&request, secrets)?;
        let policy = scheme.policy(&request, secrets);
        Ok(request.prove(proof, policy))
    }

    fn prove(&self) -> Result<Proven, Rejection> {
        self.prove_with(&secrets(&[CERTIFICATE], &[]), false)
    }

    fn read(&self) -> Result<Reading, Unreadable> {
        read(&self.prove().unwrap())
    }

    fn event(&self) -> Event {
        let mut reading = self.read().unwrap();
        assert_eq!(reading.events.len(), 1);
        reading.events.remove(0)
    }
}

fn post(body: &str) -> Post<'_> {
    Post { headers: &[("content-type", FORM)], query: None, body }
}

fn signed_form(json_signed: &str) -> String {
    format!("{PLAIN}&json_signed={}", utf8_percent_encode(json_signed, NON_ALPHANUMERIC))
}

#[test]
fn the_event_of_a_plain_form_is_in_the_query() {
    for (query, name, kind, ask) in [
        (Some("event=signed"), "signed", Kind::Completed, false),
        (Some("event=sent"), "sent", Kind::Sent, false),
        (Some("event=rejected"), "rejected", Kind::Declined, false),
        (Some("event=other"), "other", Kind::Updated, true),
        (Some("event=%00"), "realtime", Kind::Updated, true),
        (Some("event="), "realtime", Kind::Updated, true),
        (None, "realtime", Kind::Updated, true),
    ] {
        let post = Post { query, ..post(PLAIN) };
        let reading = post.read().unwrap();
        let event = &reading.events[0];
        assert_eq!((event.name.as_str(), event.kind, reading.ask), (name, kind, ask), "{query:?}");
        assert_eq!(event.subject.partition(), "legalesign#document#d1");
        assert_eq!((event.time_source, event.occurred_at.to_string().as_str()), (TimeSource::Received, NOW));
        let payload: serde_json::Value = serde_json::from_str(&event.payload).unwrap();
        assert_eq!(payload["name"], "A name");
        assert_eq!(post.prove().unwrap().trust(), Trust::Token);
    }
}

#[test]
fn the_identity_of_a_form_is_the_uuid_and_the_event() {
    let of = |query, body: &str| Post { query, ..post(body) }.event().id(Trust::Token);
    assert_eq!(of(Some("event=signed"), PLAIN), of(Some("event=signed"), &PLAIN.replace("A+name", "Another")));
    assert_ne!(of(Some("event=signed"), PLAIN), of(Some("event=sent"), PLAIN));
    assert_ne!(of(Some("event=signed"), PLAIN), of(Some("event=signed"), &PLAIN.replace("uuid=d1", "uuid=d2")));
}

#[test]
fn a_form_with_missing_or_invalid_fields_is_unreadable() {
    let without = |name: &str| PLAIN.split('&').filter(|field| !field.starts_with(name)).collect::<Vec<_>>().join("&");
    for (body, code, path) in [
        (String::new(), "field_missing", "resource_uri"),
        (without("resource_uri"), "field_missing", "resource_uri"),
        (without("uuid"), "field_missing", "uuid"),
        (format!("{PLAIN}&uuid=d1"), "field_twice", "uuid"),
        (PLAIN.replace("document", "signer"), "unknown_resource", "resource_uri"),
        (PLAIN.replace("%2Fd1%2F", "%2F..%2F"), "unknown_resource", "resource_uri"),
        (PLAIN.replace("uuid=d1", "uuid="), "invalid_id", "uuid"),
        (PLAIN.replace("A+name", "Andr%E9"), "not_utf8", "name"),
    ] {
        assert_eq!(post(&body).read(), Err(Unreadable::new(code, path)), "{body}");
    }
    let reading = post(&without("name")).read().unwrap();
    assert_eq!(reading.events.len(), 1, "an optional field may be missing");
}

#[test]
fn only_the_signed_field_of_a_signed_form_is_read() {
    let body = signed_form(MESSAGE).replace("%2Fd1%2F", "%2Fanother%2F").replace("uuid=d1", "uuid=another");
    for header in ["x-signed", "X-Signed", "http-x-signed"] {
        let post =
            Post { headers: &[("content-type", FORM), (header, SIGNED)], query: Some("event=signed"), body: &body };
        assert_eq!(post.prove().unwrap().trust(), Trust::Signature);
        let event = post.event();
        assert_eq!(event.subject.partition(), "legalesign#document#3f6f2c9e-0002", "{header}");
        assert_eq!((event.kind, &*event.payload), (Kind::Completed, MESSAGE));
    }
}

#[test]
fn a_wrong_signature_is_unproven() {
    let body = signed_form(MESSAGE);
    let long = "A".repeat(5000);
    for (signature, code) in [
        ("", "signature_length"),
        ("no base64!", "signature_encoding"),
        ("AAAA", "signature_length"),
        // Too long to be stored, so it is kept as an empty value, not as a missing one.
        (&*long, "signature_length"),
        (&*SIGNED.replacen('A', "B", 1), "signature_mismatch"),
    ] {
        let post = Post { headers: &[("x-signed", signature)], query: None, body: &body };
        assert_eq!(post.prove().err(), Some(Rejection::Unproven(code)), "{signature:.20}");
    }
    let other = signed_form("{}");
    let post = Post { headers: &[("x-signed", SIGNED)], query: None, body: &other };
    assert_eq!(post.prove().err(), Some(Rejection::Unproven("signature_mismatch")));
}

#[test]
fn a_signature_without_its_field_is_malformed() {
    let twice = format!("{}&json_signed=1", signed_form(MESSAGE));
    for (body, code) in [(PLAIN, "field_missing"), (r#"{"id":"1"}"#, "field_missing"), (&*twice, "field_twice")] {
        let post = Post { headers: &[("x-signed", SIGNED)], query: None, body };
        assert_eq!(post.prove().err(), Some(Rejection::Malformed(code)), "{body}");
    }
}

#[test]
fn the_setting_can_require_a_signature() {
    let secrets = secrets(&[CERTIFICATE], &[]);
    let unsigned = Some(Rejection::Unproven("signature_missing"));
    let body = signed_form(MESSAGE);
    for body in [PLAIN, body.as_str(), r#"{"id":"1"}"#] {
        assert_eq!(post(body).prove_with(&secrets, true).err(), unsigned, "{body}");
        assert!(post(body).prove_with(&secrets, false).is_ok());
    }
    let post = Post { headers: &[("x-signed", SIGNED)], query: None, body: &body };
    assert!(post.prove_with(&secrets, true).is_ok());
    let nothing_to_compare_with = post.prove_with(&self::secrets(&[], &[]), false).err();
    assert!(matches!(nothing_to_compare_with, Some(Rejection::NotConfigured(_))));
}

#[test]
fn the_signed_field_is_ignored_without_a_signature() {
    let body = signed_form(MESSAGE);
    let event = post(&body).event();
    assert_eq!(event.subject.partition(), "legalesign#document#d1", "the plain fields of the form are read");
}

/// The body of a webhook with this object type, event and data.
fn webhook(object: &str, event: &str, data: &str) -> String {
    format!(
        r#"{{"version":"1","id":"evt-1","object":"{object}","event":"{event}","created":1795313792,"data":{data}}}"#
    )
}

const DOCUMENT: &str = r#"{"uuid":"d1","name":"A name","group":"Your Group","groupResourceUri":"/api/v1/group/your-group/",
    "resourceUri":"/api/v1/document/d1/","status":30,"recipients":[{"uuid":"s1","status":40},{"uuid":"s2"},{"uuid":7}]}"#;
const RECIPIENT: &str = r#"{"uuid":"s1","email":"a@example.com","status":40,"document":"d1",
    "documentResourceUri":"/api/v1/document/d1/","groupResourceUri":"/api/v1/group/your-group/"}"#;

fn json(body: &str) -> Post<'_> {
    Post { headers: &[("content-type", "application/json"), ("x-hmac-sha256", "00")], query: None, body }
}

#[test]
fn webhook_events_are_read_with_or_without_prefix() {
    for (object, event, data, kind) in [
        ("document", "created", DOCUMENT, Kind::Sent),
        ("document", "rejected", DOCUMENT, Kind::Declined),
        ("document", "finalPdfCreated", DOCUMENT, Kind::Completed),
        ("document", "neverHeardOf", DOCUMENT, Kind::Updated),
        ("recipient", "completed", RECIPIENT, Kind::Signed),
        ("recipient", "rejected", RECIPIENT, Kind::Declined),
        ("recipient", "emailOpened", RECIPIENT, Kind::Viewed),
        ("recipient", "visiting", RECIPIENT, Kind::Viewed),
        ("recipient", "bounced", RECIPIENT, Kind::Updated),
    ] {
        let prefixed = format!("{object}.{event}");
        for name in [event, &*prefixed] {
            let body = webhook(object, name, data);
            let read = json(&body).event();
            let partition = if object == "document" { "legalesign#document#d1" } else { "legalesign#signer#s1" };
            assert_eq!((read.subject.partition().as_str(), read.name.as_str(), read.kind), (partition, name, kind));
            let at = (read.occurred_at.to_string(), read.time_source);
            assert_eq!(at, ("2026-11-22T02:16:32Z".to_owned(), TimeSource::Provider));
            assert_eq!(read.payload, body);
        }
    }
}

#[test]
fn the_webhook_links_signers_to_documents() {
    let links = |object, data| {
        let links = json(&webhook(object, "created", data)).read().unwrap().links;
        links.iter().map(|link| (link.signer.partition(), link.document.partition())).collect::<Vec<_>>()
    };
    let link = |signer: &str| (format!("legalesign#signer#{signer}"), "legalesign#document#d1".to_owned());
    assert_eq!(links("document", DOCUMENT), [link("s1"), link("s2")]);
    assert_eq!(links("recipient", RECIPIENT), [link("s1")]);
    assert_eq!(links("recipient", r#"{"uuid":"s1","document":"d1"}"#), [link("s1")]);
    assert_eq!(links("recipient", r#"{"uuid":"s1"}"#), []);
}

#[test]
fn a_webhook_is_recognized_by_its_body_and_trusted_by_token_only() {
    let body = webhook("document", "created", DOCUMENT);
    for content_type in ["application/json", FORM, "text/plain"] {
        let headers = [("content-type", content_type), ("x-hmac-sha256", "00"), ("x-signed-sha256", "x")];
        let proven = Post { headers: &headers, query: None, body: &body }.prove().unwrap();
        assert_eq!(proven.trust(), Trust::Token);
        assert_eq!(proven.envelope().header("x-hmac-sha256"), Some("00"), "kept for a later check");
        assert_eq!(read(&proven).unwrap().events[0].kind, Kind::Sent);
    }
}

#[test]
fn the_identity_of_a_webhook_is_its_id_with_object_event_and_uuid() {
    let id = |body: &str| json(body).event().id(Trust::Token);
    let body = webhook("document", "created", DOCUMENT);
    assert_eq!(id(&body), id(&body.replace("A name", "Another")));
    for (from, to) in [
        ("evt-1", "evt-2"),
        ("\"event\":\"created\"", "\"event\":\"rejected\""),
        ("\"uuid\":\"d1\"", "\"uuid\":\"d2\""),
    ] {
        assert_ne!(id(&body), id(&body.replace(from, to)), "{to}");
    }
    assert_eq!(id(&body), id(&body.replace("\"created\"", "\"document.created\"")), "with or without the prefix");
    assert_ne!(id(&webhook("document", "rejected", DOCUMENT)), id(&webhook("recipient", "rejected", DOCUMENT)));
    let with_id = |spelled: &str| id(&body.replace("\"evt-1\"", spelled));
    assert_eq!(with_id("17"), with_id("\"17\""), "an id may be a number");
    // The prefix of the event names the object as well, so `object` may be null or missing then.
    let prefixed = body.replace("\"created\"", "\"document.created\"");
    for object in ["\"object\":null,", ""] {
        assert_eq!(id(&body), id(&prefixed.replace("\"object\":\"document\",", object)), "{object}");
    }
}

#[test]
fn webhooks_with_invalid_required_fields_are_unreadable() {
    let whole = webhook("document", "created", DOCUMENT);
    for (body, code, path) in [
        ("{".to_owned(), "not_json", "."),
        ("{}".to_owned(), "unexpected_shape", "."),
        (whole.replace("\"evt-1\"", "null"), "invalid_id", "id"),
        (whole.replace("evt-1", ""), "invalid_id", "id"),
        (whole.replace("\"event\":\"created\"", "\"event\":1"), "unexpected_shape", "event"),
        (whole.replace("\"event\":\"created\"", "\"event\":\"\""), "invalid_name", "event"),
        (webhook("team", "created", DOCUMENT), "unknown_object", "object"),
        (webhook("document", "template.created", DOCUMENT), "unknown_object", "object"),
        (webhook("document", "created", "{}"), "unexpected_shape", "data"),
        (webhook("document", "created", r#"{"uuid":"../d1"}"#), "invalid_id", "data.uuid"),
    ] {
        assert_eq!(json(&body).read(), Err(Unreadable::new(code, path)), "{body}");
    }
    let drifted = whole.replace("1795313792", "\"now\"").replace("\"recipients\":[", "\"recipients\":{}, \"x\":[");
    let event = json(&drifted).event();
    assert_eq!(event.time_source, TimeSource::Received);
}

#[test]
fn other_groups_are_foreign_if_groups_are_configured() {
    let foreign = |groups: &[&str], body: &str| {
        read(&json(body).prove_with(&secrets(&[], groups), false).unwrap()).unwrap().foreign
    };
    let plain_slug = r#"{"uuid":"d1","group":"your-group"}"#;
    let name = r#"{"uuid":"d1","group":"Your Group"}"#;
    for (data, expected) in [(DOCUMENT, true), (plain_slug, true), (name, false), (r#"{"uuid":"d1"}"#, false)] {
        let body = webhook("document", "created", data);
        assert!(!foreign(&[], &body) && !foreign(&["other", "your-group"], &body), "{data}");
        assert_eq!(foreign(&["other"], &body), expected, "{data}: a missing group may be ours");
    }
    assert!(foreign(&["other"], PLAIN) && !foreign(&["your-group"], PLAIN));
    assert!(!foreign(&["other"], &PLAIN.replace("group=", "tag=")));
}
