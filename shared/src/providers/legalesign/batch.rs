//! The batch: a form with two fields. `data` is a JSON array of everything that changed in the last six minutes, in order;
//! `signed` is an RSA/SHA-1 signature over the value of `data` (legalesign.com, "callbacks on the API v1" and "verify
//! callback data").
//!
//! An entry is `{"timestamp", "resource_uri", "name", "value"}`. All four identify it; its position is kept for display.

use bytes::Bytes;
use bytestring::ByteString;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::{malformed, parts_of_forms, proof::SignedProofSecrets, resource, status, time};
use crate::{
    domain::{
        Addressed, Envelope, Event, Identity, Kind, OwnProof, Policy, Proven, Reading, Rejection, Route, SignedPart,
        Unreadable, UnreadableEntry,
    },
    json,
    proof::token::Tokens,
    providers::verify::Scheme,
};

/// The name of entries that report a status. No other name is documented.
const STATUS: &str = "status";

/// Longest accepted name, in bytes; no documented one is nearly as long.
const MAX_NAME: usize = 200;

/// Longest accepted value, in bytes. A status is much shorter, and the value is written into an item.
const MAX_VALUE: usize = 2_000;

/// How a batch is proven: by its signature.
pub(super) struct Batch;

impl Scheme for Batch {
    const ROUTE: Route = Route::LegalesignBatch;
    type Secrets = SignedProofSecrets;

    fn path_tokens(secrets: &SignedProofSecrets) -> &Tokens {
        secrets.url_tokens()
    }

    fn policy(&self, _: &Addressed, secrets: &SignedProofSecrets) -> Policy {
        Policy { groups: secrets.groups().to_vec(), ..Policy::default() }
    }

    fn prove(&self, request: &Addressed, secrets: &SignedProofSecrets) -> Result<OwnProof, Rejection> {
        let parts = signed_parts(request.envelope(), request.body()).map_err(malformed)?;
        secrets.prove_one(parts, request.received_at())
    }
}

/// `data` and the signature over it, of each form that the body may be; or why no form has both.
fn signed_parts(envelope: &Envelope, body: &Bytes) -> Result<Vec<SignedPart>, &'static str> {
    parts_of_forms(envelope, body, |form| {
        let field = |name| form.one(name).cloned().map_err(|error| error.code());
        Ok(SignedPart { message: field("data")?, signature: field("signed")? })
    })
}

/// Reads a proven batch, with times without a zone in `zone`.
pub(super) fn read(delivery: &Proven, zone: &TimeZone) -> Result<Reading, Unreadable> {
    entries(&proven_part(delivery)?.message, zone)
}

/// `data` and its signature, as they were proven.
pub(super) fn proven_part(delivery: &Proven) -> Result<SignedPart, Unreadable> {
    super::proven_part(delivery, || signed_parts(delivery.envelope(), delivery.body()))
}

/// Reads the value of `data`, with times without a zone in `zone`. Entries that can't be read are listed apart; the others
/// are events.
///
/// # Errors
/// If it isn't a JSON array.
pub fn entries(data: &Bytes, zone: &TimeZone) -> Result<Reading, Unreadable> {
    // Bytes that aren't UTF-8 make only the entry unreadable that contains them.
    let (text, replaced) = match ByteString::try_from(data.clone()) {
        Ok(text) => (text, Vec::new()),
        Err(_) => replace_invalid(data),
    };
    let mut reading = Reading::default();
    for (position, entry) in (0..).zip(json::array(&text)?) {
        let start = entry.get().as_ptr().addr() - text.as_ptr().addr();
        let first = replaced.partition_point(|at| *at < start);
        let event = if replaced.get(first).is_none_or(|at| *at >= start + entry.get().len()) {
            read_entry(text.slice_ref(entry.get()), position, zone)
        } else {
            Err(Unreadable::new("not_utf8", "."))
        };
        match event {
            Ok(event) => reading.events.push(event),
            Err(cause) => reading.unreadable.push(UnreadableEntry { position, cause }),
        }
    }
    Ok(reading)
}

/// Bytes as text, and the positions in it where U+FFFD replaces bytes that aren't UTF-8. A sender may use this character,
/// too.
fn replace_invalid(data: &[u8]) -> (ByteString, Vec<usize>) {
    let mut text = String::with_capacity(data.len());
    let mut replaced = Vec::new();
    for chunk in data.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            replaced.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text.into(), replaced)
}

#[derive(Deserialize)]
struct Entry {
    timestamp: String,
    resource_uri: String,
    name: String,
    value: Value,
}

fn read_entry(text: ByteString, position: u32, zone: &TimeZone) -> Result<Event, Unreadable> {
    let Entry { timestamp, resource_uri, name, value } = json::parse(&text)?;
    let subject =
        resource::subject(&resource_uri).ok_or_else(|| Unreadable::new("unknown_resource", "resource_uri"))?;
    let time = time::parse(&timestamp, zone).ok_or_else(|| Unreadable::new("invalid_time", "timestamp"))?;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "name"));
    }
    // The samples have texts. A number means the same and is the same event.
    let value = match value {
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) | Value::Null => value.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(Unreadable::new("unexpected_shape", "value")),
    };
    if value.len() > MAX_VALUE {
        return Err(Unreadable::new("too_long", "value"));
    }
    let kind = if name == STATUS { status::kind(subject.kind, &value) } else { Kind::Updated };
    let identity = Identity::content(&["batch", &resource_uri, &name, &value, &timestamp]);
    Ok(Event {
        subject,
        name,
        value: Some(value),
        kind,
        occurred_at: time.at,
        time_source: time.source,
        local_time: time.local,
        identity,
        position,
        payload: text,
    })
}

#[cfg(test)]
mod tests;
