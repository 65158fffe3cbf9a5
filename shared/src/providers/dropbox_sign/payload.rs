//! The field `json` of a callback: `{"event": {…}, "signature_request": {…}}`, with `template` or `account` in place of the
//! request (the vendor's `openapi.yaml`, `EventCallbackRequest`). Only the fields that the code uses are parsed.

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;

use crate::{
    domain::{Envelope, Unreadable},
    form::Form,
    json,
};

/// What the proof is computed from, and the proof.
#[derive(Deserialize)]
pub(super) struct Proving {
    pub(super) event: ProvingEvent,
}

/// The required fields of `event`. All are texts, the time too.
#[derive(Deserialize)]
pub(super) struct ProvingEvent {
    pub(super) event_time: String,
    pub(super) event_type: String,
    pub(super) event_hash: String,
}

/// A callback. A field that is there twice makes it unreadable, as in [`Proving`], so that both read the same event.
#[derive(Deserialize)]
pub(super) struct Payload {
    pub(super) event: Event,
    pub(super) signature_request: Option<SignatureRequest>,
}

#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) event_time: String,
    pub(super) event_type: String,
    pub(super) event_metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    /// The signer that the event is about.
    pub(super) related_signature_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SignatureRequest {
    pub(super) signature_request_id: String,
}

/// The text of the field `json`.
///
/// # Errors
/// If the body is no form, has no such field or several, or its value isn't UTF-8.
pub(super) fn text(envelope: &Envelope, body: &Bytes) -> Result<ByteString, Unreadable> {
    let form = Form::read(envelope.header("content-type"), body).map_err(|error| Unreadable::new(error.code(), "."))?;
    let value = form.one("json").map_err(|error| Unreadable::new(error.code(), "json"))?;
    ByteString::try_from(value.clone()).map_err(|_| Unreadable::new("not_utf8", "json"))
}

/// The part of a callback that proves it.
///
/// # Errors
/// As [`text`], or if a required field is missing or no text.
pub(super) fn proving(envelope: &Envelope, body: &Bytes) -> Result<ProvingEvent, Unreadable> {
    json::parse::<Proving>(&text(envelope, body)?).map(|proving| proving.event)
}
