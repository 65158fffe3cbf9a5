//! Callbacks about one document, in their three forms.
//!
//! - A form about a document ([`form`]). Only the token proves it.
//! - The same form with a field `json_signed`, whose value is signed in the header `X-Signed`
//!   (legalesign.com, "verify callback data"). Then only what `json_signed` says is believed: the fields beside it are
//!   not signed.
//! - Today's JSON webhook ([`webhook`]). Its headers `X-Hmac-Sha256` and `X-Signed-Sha256` are kept with the delivery;
//!   their keys, encodings and inputs are not documented, so they prove nothing, and only the token does.
//!
//! A signature that is there has to be right. None may be missing where `LEGALESIGN_REALTIME_PROOF` is `signature`.

mod form;
#[cfg(test)]
mod tests;
mod webhook;

use bytes::Bytes;

use super::{proof::ProofSecrets, resource};
use crate::{
    delivery::{Addressed, Envelope, OwnProof, Proven, Route},
    event::Trust,
    form::Form,
    intake::{Callback, Reading, Refusal, Unreadable},
    providers::SignedPart,
    settings::{Problems, Settings},
    token::Tokens,
};

/// The header with the signature, as the vendor's page names it, and as it names it in parentheses.
const SIGNATURE_HEADERS: [&str; 2] = ["x-signed", "http-x-signed"];

/// The callback upon an event.
pub struct RealtimeCallback {
    must_be_signed: bool,
}

impl RealtimeCallback {
    /// The callback with these settings.
    #[must_use]
    pub fn new(settings: &Result<Settings, Problems>) -> Self {
        Self { must_be_signed: settings.as_ref().is_ok_and(|settings| settings.legalesign_realtime_signed) }
    }
}

impl Callback for RealtimeCallback {
    const ROUTE: Route = Route::LegalesignRealtime;
    // Legalesign isn't known to send again.
    const LEFT_TO_THE_SWEEP: bool = true;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        secrets.url_tokens()
    }

    fn groups(secrets: &ProofSecrets) -> &[String] {
        secrets.groups()
    }

    fn prove(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<OwnProof, Refusal> {
        match signed_part(request.envelope(), request.body()).map_err(Refusal::Malformed)? {
            Some(part) => secrets.verify(&part, request.received_at()).map(OwnProof::Signature),
            None if self.must_be_signed => Err(Refusal::Unproven("signature_missing")),
            None => Ok(OwnProof::PathTokenOnly),
        }
    }
}

/// `json_signed`, and the signature over it; nothing, where no signature was sent. Why the form doesn't have what was
/// signed, where one was.
pub(in crate::providers) fn signed_part(envelope: &Envelope, body: &Bytes) -> Result<Option<SignedPart>, &'static str> {
    let Some(signature) = SIGNATURE_HEADERS.into_iter().find_map(|name| envelope.header(name)) else { return Ok(None) };
    let form = Form::read(envelope.header("content-type"), body).map_err(|error| error.code())?;
    let message = form.one("json_signed").map_err(|error| error.code())?.clone();
    Ok(Some(SignedPart { message, signature: Bytes::copy_from_slice(signature.as_bytes()) }))
}

/// Reads a delivery: one event.
pub(in crate::providers) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    if delivery.trust() == Trust::Signature {
        let part = signed_part(delivery.envelope(), delivery.body()).map_err(|code| Unreadable::new(code, "."))?;
        let part = part.ok_or_else(|| Unreadable::new("field_missing", "json_signed"))?;
        return form::read_signed(delivery, &part.message);
    }
    if is_json(delivery) { webhook::read(delivery) } else { form::read(delivery) }
}

/// Whether a body is the JSON webhook's. A content type is only a hint; an object begins with a brace, and no form does.
fn is_json(delivery: &Proven) -> bool {
    delivery.body().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Whether a group is none of those whose documents are wanted. One that isn't named may be: the API will say.
fn is_foreign(delivery: &Proven, group: Option<&str>) -> bool {
    let wanted = delivery.groups();
    !wanted.is_empty() && group.is_some_and(|group| !wanted.iter().any(|slug| slug == group))
}
