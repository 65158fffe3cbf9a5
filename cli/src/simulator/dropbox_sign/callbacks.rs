//! Dropbox Sign's callbacks: multipart forms with the field `json`. Confirmed by the vendor's `openapi.yaml` and its
//! examples: the form, the fields, and the types of events. Confirmed by its test vectors: `event_hash`.

use aws_lc_rs::hmac;
use countersign::domain::{Route, SubjectId};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::SERVICE;
use crate::simulator::{
    callbacks::{CallbackError, Post},
    facts::{Facts, Party},
    paper::hex,
    service::Event,
};

/// The event that says that the URL works.
const CALLBACK_TEST: &str = "callback_test";

/// The documented events, each with its meaning if people are offered to send it.
const EVENTS: [(&str, Option<&str>); 23] = [
    ("signature_request_sent", Some("the request was sent")),
    ("signature_request_viewed", Some("a signer viewed the request")),
    ("signature_request_signed", Some("a signer signed")),
    ("signature_request_all_signed", Some("all parties have signed")),
    ("signature_request_downloadable", Some("there is a new version of the PDF")),
    ("signature_request_declined", Some("a signer declined")),
    ("signature_request_canceled", Some("the sender withdrew the request")),
    ("signature_request_expired", Some("the request expired")),
    ("signature_request_reassigned", Some("a signer passed the request on")),
    ("signature_request_remind", Some("the signers were reminded")),
    (CALLBACK_TEST, Some("the URL is tested")),
    ("signature_request_email_bounce", None),
    ("signature_request_incomplete_qes", None),
    ("signature_request_destroyed", None),
    ("signature_request_invalid", None),
    ("signature_request_prepared", None),
    ("signature_request_signer_removed", None),
    ("file_error", None),
    ("unknown_error", None),
    ("sign_url_invalid", None),
    ("account_confirmed", None),
    ("template_created", None),
    ("template_error", None),
];

/// The events that people are offered to send.
pub fn offered() -> Vec<Event> {
    EVENTS.into_iter().filter_map(|(name, meaning)| Some(Event { name, meaning: meaning? })).collect()
}

/// Makes a callback about this request, with a hash by `key`.
pub fn callback(event: &str, id: &SubjectId, key: Option<&str>) -> Result<Post, CallbackError> {
    if !EVENTS.iter().any(|(name, _)| *name == event) {
        return Err(CallbackError::unknown_event(SERVICE, EVENTS.iter().map(|(name, _)| *name)));
    }
    let key = key.ok_or(CallbackError::NoSigningKey)?;
    Ok(form(&body(event, id, key, Timestamp::now())))
}

/// The form as it is posted, with this JSON.
#[must_use]
pub fn form(json: &Value) -> Post {
    const BOUNDARY: &str = "----------------------------countersign";
    let body =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n--{BOUNDARY}--\r\n");
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Post { route: Route::DropboxSign, query: None, headers: vec![("content-type", content_type)], body: body.into() }
}

fn body(event: &str, id: &SubjectId, key: &str, at: Timestamp) -> Value {
    let facts = Facts::new(SERVICE, id);
    let is_of_signer = ["signature_request_viewed", "signature_request_signed"].contains(&event);
    let time = at.as_second().to_string();
    let mut body = json!({
        "account_guid": "63522885f9261e2b04eea043933ee7313eb674fd",
        "event": {
            "event_hash": hash(key, &time, event),
            "event_time": time,
            "event_type": event,
            "event_metadata": {
                "related_signature_id": is_of_signer.then(|| super::api::signature_id(&facts, 0)),
                "reported_for_account_id": "63522885f9261e2b04eea043933ee7313eb674fd",
                "reported_for_app_id": null,
                "event_message": null,
            },
        },
    });
    match event {
        CALLBACK_TEST => {}
        "account_confirmed" => body["account"] = json!({"account_id": "63522885f9261e2b04eea043933ee7313eb674fd"}),
        "template_created" | "template_error" => body["template"] = json!({"template_id": id}),
        _ => body["signature_request"] = snapshot(event, id, &facts, at),
    }
    body
}

/// The request, as it is at the event.
fn snapshot(event: &str, id: &SubjectId, facts: &Facts, at: Timestamp) -> Value {
    let is_signed = ["signature_request_all_signed", "signature_request_downloadable"].contains(&event);
    let signature = |(order, party): (usize, Party)| {
        json!({
            "signature_id": super::api::signature_id(facts, order),
            "signer_email_address": party.email,
            "signer_name": party.name(),
            "order": order,
            "status_code": if is_signed { "signed" } else { "awaiting_signature" },
            "signed_at": is_signed.then(|| at.as_second()),
        })
    };
    json!({
        "signature_request_id": id,
        "title": facts.title(),
        "created_at": at.as_second() - 3600,
        "is_complete": is_signed,
        "is_declined": event == "signature_request_declined",
        "has_error": false,
        "signatures": facts.parties().into_iter().enumerate().map(signature).collect::<Vec<_>>(),
    })
}

/// `event_hash`: HMAC-SHA256 by the API key over time and type, in hex.
fn hash(key: &str, time: &str, event: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hex(hmac::sign(&key, format!("{time}{event}").as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vendor's vectors (`shared/tests/data/dropbox_sign`).
    #[test]
    fn hashes_are_those_of_the_vendor() {
        let key = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782";
        assert_eq!(
            hash(key, "1348177752", "signature_request_sent"),
            "08d45a6b7677492b78be030cef18cfeaece8fe67e163cc8e526ee638ad483756"
        );
    }

    #[test]
    fn every_event_can_be_made_and_an_unknown_one_is_an_error() {
        let id = SubjectId::parse("fa5c8a0b0f492d768749333a").unwrap();
        for (event, _) in EVENTS {
            assert!(callback(event, &id, Some("a-key-for-tests")).is_ok(), "{event}");
        }
        assert_eq!(callback("signature_request_finished", &id, Some("key")).unwrap_err().code(), "unknown_event");
        assert_eq!(callback("callback_test", &id, None).unwrap_err().code(), "no_signing_key");
    }
}
