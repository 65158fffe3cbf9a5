//! The proof of a SignEasy callback: the path token, and the token that the customer chose, in `metadata.token`.
//!
//! The second token is a plain secret inside the body, and the body is stored. So the body is parsed, the token's value is
//! replaced, and the stored body is written from the parsed values. `metadata.token` then holds a seal,
//!
//! ```text
//! hmac-sha256:HEX    HEX = HMAC-SHA256(key = SHA-256(path token), "countersign signeasy metadata.token" || SHA-256(token))
//! ```
//!
//! A reader of the table can't try tokens against the seal without the path token, which is stored only in the secret. With
//! the secret, a replay proves a stored delivery again: it computes the seal of every pair of a configured path token and
//! a configured token. Once a token is rotated out of the secret, its deliveries can't be proven again. Their records
//! still say that they were proven, and have the positions of the tokens that proved them.

use std::borrow::Cow;

use aws_lc_rs::{constant_time, digest, hmac};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    lossless_json::{Json, text_of},
    settings::TokenPolicy,
};
use crate::{
    domain::{OwnProof, Rejection},
    proof::token::{MIN_TOKEN_CHARS, Tokens, sha256},
    secrets::Secret,
};

/// The one event that never carries a token: its documented sample has none, also in version 3.
const WITHOUT_TOKEN: &str = "document.signed";

const SEAL_PREFIX: &str = "hmac-sha256:";

/// Replaces a token found outside its documented place.
const REMOVED: &str = "[token]";

/// The members of a body that its proof needs, by level.
const PROVING: &[&[&str]] = &[&["metadata"], &["event_type", "token"]];

/// Maximum number of times that a text is decoded to find a token in it: a URL within a URL within a URL.
const MAX_ESCAPED: usize = 3;

/// The secrets that prove SignEasy's callbacks.
pub(super) struct ProofSecrets {
    pub(super) url_tokens: Tokens,
    tokens: Option<Tokens>,
}

/// The proof secret: `{"url_tokens": […], "tokens": […]}`. Without `tokens`, every callback with a token is rejected.
#[derive(Deserialize)]
pub(super) struct ProofJson {
    url_tokens: Vec<SecretString>,
    #[serde(default)]
    tokens: Vec<SecretString>,
}

impl Secret for ProofSecrets {
    type Json = ProofJson;

    fn from_json(json: ProofJson) -> Result<Self, String> {
        let url_tokens = Tokens::in_urls(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        let tokens = match json.tokens.as_slice() {
            [] => None,
            tokens => Some(Tokens::new(tokens).map_err(|problem| format!("tokens: {problem}"))?),
        };
        Ok(Self { url_tokens, tokens })
    }
}

impl ProofSecrets {
    fn position(&self, token: &SecretString) -> Option<usize> {
        self.tokens.as_ref()?.position(token)
    }

    /// The positions of the path token and the token that this seal was computed from.
    fn sealed(&self, sealed: &SecretString) -> Option<(usize, usize)> {
        let sealed = sealed.expose_secret().as_bytes();
        let tokens = || self.tokens.iter().flat_map(Tokens::digests).enumerate();
        let pairs = self.url_tokens.digests().enumerate().flat_map(|path| tokens().map(move |token| (path, token)));
        pairs.into_iter().find_map(|((path_position, path_token), (position, token))| {
            let is_equal = constant_time::verify_slices_are_equal(seal(path_token, token).as_bytes(), sealed).is_ok();
            is_equal.then_some((path_position, position))
        })
    }
}

/// Checks the body's token, and returns the body without it. A request from quarantine has no path token any more, and a
/// seal in place of its token: then `path_token` is `None`, and the body stays as it is.
pub(super) fn prove(
    body: &Bytes,
    path_token: Option<&SecretString>,
    secrets: &ProofSecrets,
    policy: TokenPolicy,
) -> Result<OwnProof, Rejection> {
    if policy == TokenPolicy::Required && secrets.tokens.is_none() {
        return Err(Rejection::NotConfigured("SignEasy's proof secret has no `tokens`"));
    }
    let text = text_of(body).ok_or(Rejection::Malformed("not_json"))?;
    // Nothing else of the body is stored before it is proven.
    let json = Json::parse_members(text, PROVING).ok_or(Rejection::Malformed("not_json"))?;
    let Json::Object(_) = json else { return Err(Rejection::Malformed("not_an_object")) };
    let sent = sent_token(&json)?;
    let position = match (&sent, policy) {
        (Some(Sent::Token(token)), _) => {
            let position = match path_token {
                Some(_) => secrets.position(token),
                None => secrets.sealed(token).map(|(_, position)| position),
            };
            Some(position.ok_or(Rejection::Unproven("token_wrong"))?)
        }
        (Some(Sent::NotAText), _) => return Err(Rejection::Unproven("token_wrong")),
        (None, TokenPolicy::IfPresent) => None,
        (None, TokenPolicy::Required) => {
            let metadata = json.all("metadata").next().ok_or(Rejection::Malformed("no_metadata"))?;
            if !matches!(metadata, Json::Object(_)) {
                return Err(Rejection::Malformed("no_metadata"));
            }
            let event = metadata.all("event_type").next().and_then(Json::as_text);
            if event != Some(WITHOUT_TOKEN) {
                return Err(Rejection::Unproven("token_missing"));
            }
            None
        }
    };
    let body = match path_token {
        Some(path_token) => {
            let json = Json::parse(text).ok_or(Rejection::Malformed("too_complex"))?;
            stored(json, sent.as_ref(), path_token, secrets)
        }
        None => body.clone(),
    };
    Ok(OwnProof::BodyToken { position, body })
}

/// The body of a rejected request as it may be kept in quarantine. A wrong token is a secret too (it may be valid
/// tomorrow), so it is sealed like a valid one. `None` if the place of the token is ambiguous.
pub(super) fn redact(body: &Bytes, path_token: &SecretString, secrets: &ProofSecrets) -> Option<Bytes> {
    let json = text_of(body).and_then(Json::parse)?;
    let sent = sent_token(&json).ok()?;
    Some(stored(json, sent.as_ref(), path_token, secrets))
}

fn stored(json: Json, sent: Option<&Sent>, path_token: &SecretString, secrets: &ProofSecrets) -> Bytes {
    Bytes::from(without_tokens(json, sent, path_token, secrets).compact())
}

enum Sent {
    Token(SecretString),
    NotAText,
}

/// The body's token, if it has one.
///
/// JSON readers disagree on which value of a repeated key counts. So a body with a repeated key on the way to the token is
/// rejected: the value that was checked must be the value that is read afterwards.
fn sent_token(json: &Json) -> Result<Option<Sent>, Rejection> {
    let mut metadata = json.all("metadata");
    let (metadata, None) = (metadata.next(), metadata.next()) else {
        return Err(Rejection::Malformed("metadata_twice"));
    };
    let Some(metadata) = metadata else { return Ok(None) };
    if metadata.all("event_type").count() > 1 {
        return Err(Rejection::Malformed("event_type_twice"));
    }
    let mut tokens = metadata.all("token");
    match (tokens.next(), tokens.next()) {
        (_, Some(_)) => Err(Rejection::Malformed("token_twice")),
        (None, None) => Ok(None),
        // An unset field may be null or missing.
        (Some(token), None) if token.is_null() => Ok(None),
        (Some(token), None) => {
            Ok(Some(token.as_text().map_or(Sent::NotAText, |token| Sent::Token(SecretString::from(token)))))
        }
    }
}

/// The body as it may be stored: with the seal in `metadata.token`, and without a token's value in any other field or
/// spelling. A text with an escaped token is stored decoded. Inside a longer text (a URL, say) only the tokens that this
/// request carried can be found; of others only the hash is known.
fn without_tokens(mut json: Json, sent: Option<&Sent>, path_token: &SecretString, secrets: &ProofSecrets) -> Json {
    let token = if let Some(Sent::Token(token)) = sent { Some(token) } else { None };
    let tokens = || {
        let sent = token.into_iter().chain([path_token]).map(SecretString::expose_secret);
        // A wrong one may be too short to search for.
        sent.filter(|token| token.chars().count() >= MIN_TOKEN_CHARS)
    };
    let is_token = |text: &str| {
        let secret = SecretString::from(text);
        text.chars().count() >= MIN_TOKEN_CHARS
            && (secrets.position(&secret).is_some() || secrets.url_tokens.position(&secret).is_some())
    };
    json.replace_texts(&|text| {
        let mut text = text.to_owned();
        let mut masked = None;
        // In a URL, a token may be escaped.
        for _ in 0..=MAX_ESCAPED {
            if is_token(&text) {
                return Some(REMOVED.to_owned());
            }
            if tokens().any(|secret| text.contains(secret)) {
                text = tokens().fold(text, |text, secret| text.replace(secret, REMOVED));
                masked = Some(text.clone());
            }
            let Cow::Owned(decoded) = percent_decode_str(&text).decode_utf8_lossy() else { break };
            text = decoded;
        }
        masked
    });
    let instead = match sent {
        Some(Sent::Token(token)) => seal(&sha256(path_token), &sha256(token)),
        Some(Sent::NotAText) => REMOVED.to_owned(),
        None => return json,
    };
    for place in json.all_mut("metadata").flat_map(|metadata| metadata.all_mut("token")) {
        *place = Json::Text(instead.clone());
    }
    json
}

/// The value that is stored in a token's place. Both digests are as secret as the tokens.
fn seal(path_token: &digest::Digest, token: &digest::Digest) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, path_token.as_ref());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"countersign signeasy metadata.token");
    context.update(token.as_ref());
    format!("{SEAL_PREFIX}{}", hex::encode(context.sign()))
}

/// Proves a stored body by the seal in place of its token.
pub(super) fn prove_seal(body: &Bytes, secrets: &ProofSecrets) -> Result<(), Rejection> {
    prove(body, None, secrets, TokenPolicy::Required).map(drop)
}
