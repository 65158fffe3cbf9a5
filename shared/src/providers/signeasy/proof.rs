//! The proof of a SignEasy callback: the path token, and the token that the customer chose, in `metadata.token`.
//!
//! The second token is a plain secret inside the body, and the body is to be stored. So no byte of the request is:
//! it is taken apart, the token's value is replaced, and what is stored is written anew. In `metadata.token` stands a
//! seal afterwards,
//!
//! ```text
//! hmac-sha256:HEX    HEX = HMAC-SHA256(key = SHA-256(path token), "countersign signeasy metadata.token" || SHA-256(token))
//! ```
//!
//! Who reads the table can't try out tokens against it without knowing the path token, which is stored nowhere but in
//! the secret. Who has the secret proves a stored delivery again by computing the seal of every pair of a configured
//! path token and a configured token, which a replay does. After a token was rotated out of the secret its deliveries
//! can't be proven again, only that they had been: the delivery's record says which position the tokens had.

use aws_lc_rs::{constant_time, digest, hmac};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::tree::{Tree, text_of};
use crate::{
    delivery::OwnProof,
    intake::Refusal,
    secrets::Secret,
    settings::TokenPolicy,
    token::{MIN_TOKEN_CHARS, Tokens, sha256},
};

/// The one event that never carries a token: its documented sample has none, in version 3 either.
const WITHOUT_TOKEN: &str = "document.signed";

const SEAL_PREFIX: &str = "hmac-sha256:";

/// What a token outside its documented place is replaced by.
const REMOVED: &str = "[token]";

/// What proves SignEasy's callbacks.
pub struct ProofSecrets {
    pub(super) url_tokens: Tokens,
    tokens: Option<Tokens>,
}

/// The proof secret: `{"url_tokens": […], "tokens": […]}`. Without `tokens`, no callback with a token is right.
#[derive(Deserialize)]
pub struct ProofJson {
    url_tokens: Vec<SecretString>,
    #[serde(default)]
    tokens: Vec<SecretString>,
}

impl Secret for ProofSecrets {
    type Json = ProofJson;

    fn from_json(json: ProofJson) -> Result<Self, String> {
        let url_tokens = Tokens::new(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
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

    /// The positions of the path token and the token that this seal is of.
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

/// Checks the body's token, and gives the body without it. A kept request has no path token any more, and a seal where
/// its token stood: `path_token` is `None`, and its body stays as it is.
pub(super) fn prove(
    body: &Bytes,
    path_token: Option<&SecretString>,
    secrets: &ProofSecrets,
    policy: TokenPolicy,
) -> Result<OwnProof, Refusal> {
    if policy == TokenPolicy::Required && secrets.tokens.is_none() {
        return Err(Refusal::NotConfigured("SignEasy's proof secret has no `tokens`"));
    }
    let tree = text_of(body).and_then(Tree::parse).ok_or(Refusal::Malformed("not_json"))?;
    let Tree::Object(_) = tree else { return Err(Refusal::Malformed("not_an_object")) };
    let sent = sent_token(&tree)?;
    let position = match (&sent, policy) {
        (Some(Sent::Token(token)), _) => {
            let position = match path_token {
                Some(_) => secrets.position(token),
                None => secrets.sealed(token).map(|(_, position)| position),
            };
            Some(position.ok_or(Refusal::Unproven("token_wrong"))?)
        }
        (Some(Sent::NotAText), _) => return Err(Refusal::Unproven("token_wrong")),
        (None, TokenPolicy::IfPresent) => None,
        (None, TokenPolicy::Required) => {
            let metadata = tree.all("metadata").next().ok_or(Refusal::Malformed("no_metadata"))?;
            if !matches!(metadata, Tree::Object(_)) {
                return Err(Refusal::Malformed("no_metadata"));
            }
            let event = metadata.all("event_type").next().and_then(Tree::as_text);
            if event != Some(WITHOUT_TOKEN) {
                return Err(Refusal::Unproven("token_missing"));
            }
            None
        }
    };
    let body = match path_token {
        Some(path_token) => stored(tree, sent.as_ref(), path_token, secrets),
        None => body.clone(),
    };
    Ok(OwnProof::BodyToken { position, body })
}

/// The body of a refused request as it may be kept: a wrong token is a secret too, maybe the right one of tomorrow, and
/// so it is sealed like a right one. `None` where it can't be told what the token would be.
pub(super) fn without_secrets(body: &Bytes, path_token: &SecretString, secrets: &ProofSecrets) -> Option<Bytes> {
    let tree = text_of(body).and_then(Tree::parse)?;
    let sent = sent_token(&tree).ok()?;
    Some(stored(tree, sent.as_ref(), path_token, secrets))
}

fn stored(tree: Tree, sent: Option<&Sent>, path_token: &SecretString, secrets: &ProofSecrets) -> Bytes {
    Bytes::from(without_tokens(tree, sent, path_token, secrets).compact())
}

enum Sent {
    Token(SecretString),
    NotAText,
}

/// The body's token, where there is one.
///
/// Where a key stands twice, readers disagree on which value counts. So it isn't looked for where it could be two
/// things: what was checked must be what is read afterwards.
fn sent_token(tree: &Tree) -> Result<Option<Sent>, Refusal> {
    let mut metadata = tree.all("metadata");
    let (metadata, None) = (metadata.next(), metadata.next()) else {
        return Err(Refusal::Malformed("metadata_twice"));
    };
    let Some(metadata) = metadata else { return Ok(None) };
    if metadata.all("event_type").count() > 1 {
        return Err(Refusal::Malformed("event_type_twice"));
    }
    let mut tokens = metadata.all("token");
    match (tokens.next(), tokens.next()) {
        (_, Some(_)) => Err(Refusal::Malformed("token_twice")),
        (None, None) => Ok(None),
        // Services write what isn't set as null, or leave it out.
        (Some(token), None) if token.is_null() => Ok(None),
        (Some(token), None) => {
            Ok(Some(token.as_text().map_or(Sent::NotAText, |token| Sent::Token(SecretString::from(token)))))
        }
    }
}

/// The body as it may be stored: with the seal in `metadata.token`, and no token's value anywhere else either, be it
/// in another spelling or in another field. Within a longer text (a URL, say) those are found that the request carried
/// in their places; of others only the hash is known.
fn without_tokens(mut tree: Tree, sent: Option<&Sent>, path_token: &SecretString, secrets: &ProofSecrets) -> Tree {
    let token = if let Some(Sent::Token(token)) = sent { Some(token) } else { None };
    let tokens = || {
        let sent = token.into_iter().chain([path_token]).map(SecretString::expose_secret);
        // A wrong one may be so short that it is part of any text.
        sent.filter(|token| token.chars().count() >= MIN_TOKEN_CHARS)
    };
    let is_token = |text: &str| {
        let secret = SecretString::from(text);
        text.chars().count() >= MIN_TOKEN_CHARS
            && (secrets.position(&secret).is_some() || secrets.url_tokens.position(&secret).is_some())
    };
    tree.replace_texts(&|text| {
        if is_token(text) {
            return Some(REMOVED.to_owned());
        }
        let holds_one = tokens().any(|secret| text.contains(secret));
        holds_one.then(|| tokens().fold(text.to_owned(), |text, secret| text.replace(secret, REMOVED)))
    });
    let instead = match sent {
        Some(Sent::Token(token)) => seal(&sha256(path_token), &sha256(token)),
        Some(Sent::NotAText) => REMOVED.to_owned(),
        None => return tree,
    };
    for place in tree.all_mut("metadata").flat_map(|metadata| metadata.all_mut("token")) {
        *place = Tree::Text(instead.clone());
    }
    tree
}

/// What is stored in a token's place. Both digests are as secret as what they are of.
fn seal(path_token: &digest::Digest, token: &digest::Digest) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, path_token.as_ref());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"countersign signeasy metadata.token");
    context.update(token.as_ref());
    format!("{SEAL_PREFIX}{}", hex::encode(context.sign()))
}

/// Proves a stored body by the seal in its token's place.
pub(in crate::providers) fn prove_seal(body: &Bytes, secrets: &ProofSecrets) -> Result<(), Refusal> {
    prove(body, None, secrets, TokenPolicy::Required).map(drop)
}
