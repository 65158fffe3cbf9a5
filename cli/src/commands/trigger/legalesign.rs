//! Legalesign's callbacks.

use countersign::subject::SubjectId;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Callback, Failure};
use crate::simulator::{
    legalesign::posts::{self, GROUP, Post},
    signing::SigningKey,
};

/// The codes through which each signer of a document goes, and then the document.
const SIGNER_CODES: [u32; 5] = [10, 15, 20, 30, 40];

/// Makes a callback about this document, signed by `key` where the service signs it.
pub fn callback(event: &str, document: &SubjectId, key: Option<SigningKey>) -> Result<Callback, Failure> {
    let document = document.as_str();
    let now = Timestamp::now();
    let need_key = || key.as_ref().ok_or_else(no_key);
    let post = match (event, &key) {
        ("batch", _) => posts::batch(need_key()?, &batch(document, now)),
        ("signed" | "sent" | "rejected", Some(key)) => posts::signed_form(key, document, GROUP).upon(event),
        // Legalesign's own page has the form without its signature too.
        ("signed" | "sent" | "rejected", None) => posts::form(document, GROUP).upon(event),
        ("realtime", _) => {
            let id = uuid::Uuid::now_v7().to_string();
            posts::webhook(&id, "document.finalPdfCreated", document, GROUP, now)
        }
        _ => {
            let known = "legalesign's callbacks are batch, signed, sent, rejected and realtime";
            return Err(Failure::new("unknown_event", known));
        }
    };
    Ok(post.into())
}

fn no_key() -> Failure {
    Failure::new(
        "no_signing_key",
        "a batch must be signed, and only a stack with throw-away secrets has a key for that",
    )
}

/// The changes of six minutes in which everybody signs a document.
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

impl From<Post> for Callback {
    fn from(Post { route, query, headers, body }: Post) -> Self {
        Self { route, query, headers, body }
    }
}
