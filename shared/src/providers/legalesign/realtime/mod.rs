//! Callbacks about one document, in three forms.
//!
//! - A form about a document (`form`). Only the token proves it.
//! - The same form with a field `json_signed`, whose value is signed in the header `X-Signed`
//!   (legalesign.com, "verify callback data"). Then only the content of `json_signed` is trusted: the other fields are
//!   not signed.
//! - Today's JSON webhook (`webhook`). Its header `X-Hmac-Sha256` proves it, once its form is known (`hmac`). The header
//!   `X-Signed-Sha256` is kept with the delivery and proves nothing, because its key, encoding and input aren't documented.
//!
//! A signature that is present must be valid. With `LEGALESIGN_REALTIME_PROOF=signature` it must be present; a webhook's
//! HMAC counts as one.

mod form;
mod hmac;
#[cfg(test)]
mod tests;
mod webhook;

use bytes::Bytes;

pub(super) use self::hmac::{HmacForm, HmacPolicy};
use super::{malformed, parts_of_forms, proof::ProofSecrets, resource};
use crate::{
    domain::{Addressed, Envelope, OwnProof, Policy, Proven, Reading, Rejection, Route, SignedPart, Trust, Unreadable},
    json::without_byte_order_marks,
    proof::token::Tokens,
    providers::verify::Scheme,
};

/// The headers that proof and parser need, and those that may become a proof once their scheme is known.
pub(super) const KEPT_HEADERS: [&str; 5] =
    ["content-type", "x-signed", "http-x-signed", "x-hmac-sha256", "x-signed-sha256"];

/// The header with the signature: the vendor's page gives both names.
const SIGNATURE_HEADERS: [&str; 2] = ["x-signed", "http-x-signed"];

/// How a realtime callback is proven: by a signature or HMAC if it has one, else by the path token alone.
pub(super) struct Realtime {
    /// Whether a callback with neither is rejected.
    pub(super) must_be_signed: bool,
    /// Whether the HMAC of a webhook is checked; `None` if it is ignored.
    pub(super) hmac: Option<HmacPolicy>,
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
        match signed_parts(request.envelope(), request.body()).map_err(malformed)? {
            Some(parts) => secrets.prove_one(parts, request.received_at()),
            None if self.has_hmac(request, secrets)? => Ok(OwnProof::SharedKey(Trust::Hmac)),
            None if self.must_be_signed => Err(Rejection::Unproven("signature_missing")),
            None => Ok(OwnProof::PathTokenOnly),
        }
    }
}

impl Realtime {
    /// Whether a request without a signature is a webhook whose HMAC proves it; `false` if it has none and none is
    /// required. A form has no HMAC: the event in its URL wouldn't be covered by one.
    fn has_hmac(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<bool, Rejection> {
        let Some(policy) = self.hmac else { return Ok(false) };
        match request.envelope().header(hmac::HEADER).filter(|_| is_json(request.body())) {
            None if policy.is_required => Err(Rejection::Unproven("hmac_missing")),
            None => Ok(false),
            Some(_) if !policy.form.has_key(secrets.hmac_secrets()) => {
                Err(Rejection::NotConfigured("Legalesign's proof secret has no `hmac_secrets` of the configured form"))
            }
            Some(header) if policy.form.holds(header, request.body(), secrets.hmac_secrets()) => Ok(true),
            Some(_) => Err(Rejection::Unproven("hmac_mismatch")),
        }
    }
}

/// Proves a stored webhook by its HMAC again, whatever the form and the policy are by now.
pub(super) fn prove_hmac(delivery: &Proven, secrets: &ProofSecrets) -> Result<(), Rejection> {
    let matching = matching_forms(delivery, secrets).unwrap_or_default();
    if matching.is_empty() { Err(Rejection::Unproven("hmac_mismatch")) } else { Ok(()) }
}

/// The forms in which the HMAC of a stored webhook holds; `None` if the delivery has no HMAC.
pub(super) fn matching_forms(delivery: &Proven, secrets: &ProofSecrets) -> Option<Vec<&'static str>> {
    let header = delivery.envelope().header(hmac::HEADER).filter(|_| is_json(delivery.body()))?;
    let holds = |form: &HmacForm| form.holds(header, delivery.body(), secrets.hmac_secrets());
    Some(HmacForm::ALL.into_iter().filter(holds).map(|form| form.name).collect())
}

/// `json_signed` and the signature over it, of each form that the body may be; `None` if no signature was sent.
///
/// # Errors
/// Why no form has what was signed, although a signature was sent.
fn signed_parts(envelope: &Envelope, body: &Bytes) -> Result<Option<Vec<SignedPart>>, &'static str> {
    let Some(signature) = SIGNATURE_HEADERS.into_iter().find_map(|name| envelope.header(name)) else { return Ok(None) };
    let signature = Bytes::copy_from_slice(signature.as_bytes());
    let parts = parts_of_forms(envelope, body, |form| {
        let message = form.one("json_signed").map_err(|error| error.code())?.clone();
        Ok(SignedPart { message, signature: signature.clone() })
    });
    parts.map(Some)
}

/// Reads a delivery: one event.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    if delivery.trust() == Trust::Signature {
        return form::read_signed(delivery, &proven_part(delivery)?.message);
    }
    if is_json(delivery.body()) { webhook::read(delivery) } else { form::read(delivery) }
}

/// `json_signed` and its signature, as they were proven.
pub(super) fn proven_part(delivery: &Proven) -> Result<SignedPart, Unreadable> {
    super::proven_part(delivery, || signed_parts(delivery.envelope(), delivery.body())?.ok_or("field_missing"))
}

/// Whether a body is the JSON webhook's. A content type is only a hint; an object begins with a brace, and a form doesn't.
fn is_json(body: &[u8]) -> bool {
    without_byte_order_marks(body).iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Whether a group's documents are unwanted. A delivery without a group may be wanted: the API decides.
fn is_foreign(delivery: &Proven, group: Option<&str>) -> bool {
    let wanted = &delivery.policy().groups;
    !wanted.is_empty() && group.is_some_and(|group| !wanted.iter().any(|slug| slug == group))
}
