//! Legalesign's callbacks, by event.

use countersign::domain::SubjectId;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    SERVICE,
    posts::{self, GROUP},
};
use crate::simulator::{
    callbacks::{CallbackError, Post},
    service::Event,
    signing::SigningKey,
};

/// The documented events.
pub const EVENTS: [Event; 5] = [
    Event { name: "batch", meaning: "all changes of six minutes, signed" },
    Event { name: "sent", meaning: "a document was sent" },
    Event { name: "signed", meaning: "all parties have signed" },
    Event { name: "rejected", meaning: "a signer declined" },
    Event { name: "realtime", meaning: "a document changed (JSON webhook)" },
];

/// The status codes that each signer of a document goes through, in order.
const SIGNER_CODES: [u32; 5] = [10, 15, 20, 30, 40];

/// Makes a callback about this document, signed by `key` if there is one and the service signs it.
pub fn callback(event: &str, document: &SubjectId, key: Option<&SigningKey>) -> Result<Post, CallbackError> {
    let document = document.as_str();
    let now = Timestamp::now();
    let post = match (event, key) {
        ("batch", Some(key)) => posts::batch(key, &batch(document, now))?,
        ("batch", None) => return Err(CallbackError::NoSigningKey),
        ("signed" | "sent" | "rejected", Some(key)) => posts::signed_form(key, document, GROUP)?.with_event(event),
        // Legalesign's own page has the form without its signature too.
        ("signed" | "sent" | "rejected", None) => posts::form(document, GROUP).with_event(event),
        ("realtime", _) => {
            let id = uuid::Uuid::now_v7().to_string();
            posts::webhook(&id, "document.finalPdfCreated", document, GROUP, now)
        }
        _ => return Err(CallbackError::unknown_event(SERVICE, EVENTS.iter().map(|event| event.name))),
    };
    Ok(post)
}

/// A batch's data: the changes of six minutes in which every signer signs the document.
fn batch(document: &str, now: Timestamp) -> String {
    let signers = posts::signers(document);
    let changes = signers.iter().flat_map(|signer| SIGNER_CODES.map(|code| ("signer", signer.as_str(), code)));
    let changes = [("document", document, 10)].into_iter().chain(changes).chain([("document", document, 30)]);
    let changes: Vec<_> = changes.collect();
    let times = (0..).map(|second| now.saturating_add(SignedDuration::from_secs(second - 60)).unwrap_or(now));
    let entries = changes.into_iter().zip(times);
    let entries = entries.map(|((kind, id, code), at)| posts::status(kind, id, code, at));
    Value::Array(entries.collect()).to_string()
}
