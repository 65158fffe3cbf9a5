//! Callbacks about one document, in three forms.
//!
//! - A form about a document (`form`). Only the token proves it.
//! - The same form with a field `json_signed`, whose value is signed in the header `X-Signed`
//!   (legalesign.com, "verify callback data"). Then only the content of `json_signed` is trusted: the other fields are
//!   not signed.
//! - Today's JSON webhook (`webhook`). Its headers `X-Hmac-Sha256` and `X-Signed-Sha256` are kept with the delivery;
//!   their keys, encodings and inputs are not documented, so they prove nothing and the token is the only proof.
//!
//! A signature that is present must be valid. With `LEGALESIGN_REALTIME_PROOF=signature` it must be present.

mod form;
#[cfg(test)]
mod tests;
mod webhook;

use bytes::Bytes;

use super::{malformed, proof::ProofSecrets, proven_part, resource};
use crate::{
    domain::{Addressed, Envelope, OwnProof, Policy, Proven, Reading, Rejection, Route, SignedPart, Trust, Unreadable},
    form::Form,
    json::without_byte_order_marks,
    proof::token::Tokens,
    providers::verify::Scheme,
};

/// The headers that proof and parser need, and those that may become a proof once their scheme is known.
pub(super) const KEPT_HEADERS: [&str; 5] =
    ["content-type", "x-signed", "http-x-signed", "x-hmac-sha256", "x-signed-sha256"];

/// The header with the signature: the vendor's page gives both names.
const SIGNATURE_HEADERS: [&str; 2] = ["x-signed", "http-x-signed"];

/// How a realtime callback is proven: by a signature if it has one, else by the path token alone.
pub(super) struct Realtime {
    /// Whether a callback without a signature is rejected.
    pub(super) must_be_signed: bool,
}

impl Scheme for Realtime {
    const ROUTE: Route = Route::LegalesignRealtime;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        secrets.url_tokens()
    }

    fn policy(&self, _: &Addressed, secrets: &ProofSecrets) -> Policy {
        Policy { groups: secrets.groups().to_vec(), ..Policy::default() }
    }

    fn prove(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<OwnProof, Rejection> {
        match signed_part(request.envelope(), request.body()).map_err(malformed)? {
            Some(part) => {
                let proof = secrets.verify(&part, request.received_at())?;
                Ok(OwnProof::Signature(proof, part))
            }
            None if self.must_be_signed => Err(Rejection::Unproven("signature_missing")),
            None => Ok(OwnProof::PathTokenOnly),
        }
    }
}

/// `json_signed` and the signature over it; `None` if no signature was sent.
///
/// # Errors
/// Why the form doesn't have what was signed, although a signature was sent.
pub(super) fn signed_part(envelope: &Envelope, body: &Bytes) -> Result<Option<SignedPart>, &'static str> {
    let Some(signature) = SIGNATURE_HEADERS.into_iter().find_map(|name| envelope.header(name)) else { return Ok(None) };
    let form = Form::read(envelope.header("content-type"), body).map_err(|error| error.code())?;
    let message = form.one("json_signed").map_err(|error| error.code())?.clone();
    Ok(Some(SignedPart { message, signature: Bytes::copy_from_slice(signature.as_bytes()) }))
}

/// Reads a delivery: one event.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    if delivery.trust() == Trust::Signature {
        let stored = || signed_part(delivery.envelope(), delivery.body())?.ok_or("field_missing");
        let part = proven_part(delivery, stored)?;
        return form::read_signed(delivery, &part.message);
    }
    if is_json(delivery) { webhook::read(delivery) } else { form::read(delivery) }
}

/// Whether a body is the JSON webhook's. A content type is only a hint; an object begins with a brace, and a form doesn't.
fn is_json(delivery: &Proven) -> bool {
    without_byte_order_marks(delivery.body()).iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Whether a group's documents are unwanted. A delivery without a group may be wanted: the API decides.
fn is_foreign(delivery: &Proven, group: Option<&str>) -> bool {
    let wanted = &delivery.policy().groups;
    !wanted.is_empty() && group.is_some_and(|group| !wanted.iter().any(|slug| slug == group))
}
