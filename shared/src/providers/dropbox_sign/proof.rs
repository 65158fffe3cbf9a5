//! The proof of a callback: the path token, and `event_hash`.
//!
//! ```text
//! event_hash = HEX(HMAC-SHA256(key = API key, event_time || event_type))
//! ```
//!
//! The hash covers the event's time and type, and nothing else. It doesn't cover the signature request, its status, or the
//! metadata. So whoever saw one callback can send its hash again with another request. Together with the path token it
//! proves that the sender knows the token, and that Dropbox Sign once sent an event of this type at this second: as strong
//! as a token ([`Trust::EventHash`]).
//!
//! The key is the account's API key, for callbacks of apps as well: the vendor's test vectors and its SDKs use no other. So
//! the proof secret, which a function that faces the internet reads, holds a credential for the API.

use aws_lc_rs::{constant_time, hmac};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::payload;
use crate::{
    domain::{Envelope, OwnProof, Rejection, Trust},
    proof::token::{MIN_TOKEN_CHARS, Tokens},
    secrets::Secret,
};

/// The secrets that prove callbacks.
pub(super) struct ProofSecrets {
    pub(super) url_tokens: Tokens,
    api_keys: Vec<hmac::Key>,
}

/// The proof secret: `{"url_tokens": […], "api_keys": […]}`. Several keys overlap during a rotation.
#[derive(Deserialize)]
pub(super) struct ProofJson {
    url_tokens: Vec<SecretString>,
    api_keys: Vec<SecretString>,
}

impl Secret for ProofSecrets {
    type Json = ProofJson;

    fn from_json(json: ProofJson) -> Result<Self, String> {
        let url_tokens = Tokens::in_urls(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        if json.api_keys.is_empty() {
            return Err("api_keys: the list is empty".to_owned());
        }
        if json.api_keys.iter().any(|key| key.expose_secret().chars().count() < MIN_TOKEN_CHARS) {
            return Err(format!("api_keys: a key has under {MIN_TOKEN_CHARS} characters"));
        }
        let key = |key: &SecretString| hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes());
        Ok(Self { url_tokens, api_keys: json.api_keys.iter().map(key).collect() })
    }
}

/// What a valid `event_hash` proves.
pub(super) const PROVEN: OwnProof = OwnProof::SharedKey(Trust::EventHash);

/// Checks `event_hash`.
///
/// # Errors
/// If it is wrong, or isn't there.
pub(super) fn prove(envelope: &Envelope, body: &Bytes, secrets: &ProofSecrets) -> Result<(), Rejection> {
    let event = payload::proving(envelope, body).map_err(|cause| Rejection::Malformed(cause.code))?;
    let is_hash = |key: &hmac::Key| {
        let mut context = hmac::Context::with_key(key);
        context.update(event.event_time.as_bytes());
        context.update(event.event_type.as_bytes());
        let hash = hex::encode(context.sign());
        constant_time::verify_slices_are_equal(hash.as_bytes(), event.event_hash.as_bytes()).is_ok()
    };
    if secrets.api_keys.iter().any(is_hash) { Ok(()) } else { Err(Rejection::Unproven("event_hash_wrong")) }
}
