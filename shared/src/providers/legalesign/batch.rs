//! The batch: a form with `data`, a JSON array of everything that changed in the last six minutes in the order in which
//! it changed, and `signed`, an RSA/SHA-1 signature over the value of `data` (legalesign.com, "callbacks on the API v1"
//! and "verify callback data").
//!
//! An entry is `{"timestamp", "resource_uri", "name", "value"}`. Its identity is all four; its position is kept.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::Value;

use super::{proof::SignedProofSecrets, resource, status, time};
use crate::{
    delivery::{Addressed, Envelope, OwnProof, Proven, Route},
    event::{Event, Identity, Kind},
    form::Form,
    intake::{Callback, Reading, Refusal, Unreadable, UnreadableEntry},
    json,
    providers::SignedPart,
    token::Tokens,
};

/// The name under which entries tell of a status; others are not documented.
const STATUS: &str = "status";

/// Longer than any documented name; what is longer is not one.
const MAX_NAME: usize = 200;

/// A value of more than so many bytes is none of a status, and would have to be written into an item.
const MAX_VALUE: usize = 2_000;

/// The callback of everything.
pub struct BatchCallback;

impl Callback for BatchCallback {
    const ROUTE: Route = Route::LegalesignBatch;
    const LEFT_TO_THE_SWEEP: bool = true;
    type Secrets = SignedProofSecrets;

    fn path_tokens(secrets: &SignedProofSecrets) -> &Tokens {
        secrets.url_tokens()
    }

    fn groups(secrets: &SignedProofSecrets) -> &[String] {
        secrets.groups()
    }

    fn prove(&self, request: &Addressed, secrets: &SignedProofSecrets) -> Result<OwnProof, Refusal> {
        let part = signed_part(request.envelope(), request.body()).map_err(Refusal::Malformed)?;
        secrets.verify(&part, request.received_at()).map(OwnProof::Signature)
    }
}

/// `data`, and the signature over it; or why the form doesn't have the two.
pub(in crate::providers) fn signed_part(envelope: &Envelope, body: &Bytes) -> Result<SignedPart, &'static str> {
    let form = Form::read(envelope.header("content-type"), body).map_err(|error| error.code())?;
    let field = |name| form.one(name).cloned().map_err(|error| error.code());
    Ok(SignedPart { message: field("data")?, signature: field("signed")? })
}

/// Reads a delivery. An entry that can't be read is kept aside, and the others are events.
pub(in crate::providers) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let part = signed_part(delivery.envelope(), delivery.body()).map_err(|code| Unreadable::new(code, "."))?;
    // Bytes that aren't UTF-8 spoil the entry that they are in, not the others.
    let (text, is_utf8) = match ByteString::try_from(part.message.clone()) {
        Ok(text) => (text, true),
        Err(_) => (String::from_utf8_lossy(&part.message).into_owned().into(), false),
    };
    let mut reading = Reading::default();
    for (position, entry) in (0..).zip(json::array(&text)?) {
        let event = if is_utf8 || !entry.get().contains(char::REPLACEMENT_CHARACTER) {
            read_entry(text.slice_ref(entry.get()), position)
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

#[derive(Deserialize)]
struct Entry {
    timestamp: String,
    resource_uri: String,
    name: String,
    value: Value,
}

fn read_entry(text: ByteString, position: u32) -> Result<Event, Unreadable> {
    let Entry { timestamp, resource_uri, name, value } = json::parse(&text)?;
    let subject =
        resource::subject(&resource_uri).ok_or_else(|| Unreadable::new("unknown_resource", "resource_uri"))?;
    let (occurred_at, time_source) =
        time::parse(&timestamp).ok_or_else(|| Unreadable::new("invalid_time", "timestamp"))?;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "name"));
    }
    // The samples have texts; a number says the same, and is the same event.
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
    Ok(Event { subject, name, value: Some(value), kind, occurred_at, time_source, identity, position, payload: text })
}

#[cfg(test)]
mod tests;
