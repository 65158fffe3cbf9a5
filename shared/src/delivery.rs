//! One callback request, from how it came to what was proven of it.
//!
//! The type carries the proof. An [`Unproven`] request can only be measured and asked for its path token; with the
//! right one it is [`Addressed`] to this stack, and a provider's own proof may look at its bytes (once more, if it was
//! refused and is replayed); only that makes a [`Proven`] delivery, which is all that the parsers and the ledger take. So
//! a receiver that forgets to verify does not compile.

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    event::Trust,
    intake::UnknownSubscription,
    provider::Provider,
    signature::{Fingerprint, SignatureProof, Signer},
    time,
    token::Tokens,
};

/// A delivery's id: a UUID of version 7, so that ids sort by the time at which the request came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a delivery id (a UUID)")]
pub struct InvalidDeliveryId;

impl DeliveryId {
    fn new(received_at: Timestamp) -> Self {
        let seconds = u64::try_from(received_at.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(received_at.subsec_nanosecond()).unwrap_or(0);
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
        Self(uuid::Uuid::new_v7(time).to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidDeliveryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text).map(|id| Self(id.to_string())).map_err(|_| InvalidDeliveryId)
    }
}

/// Where a callback is posted to. It says which provider's proof and parser a delivery needs, now and at a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Legalesign, everything that changed in the last six minutes.
    LegalesignBatch,
    /// Legalesign, one document changed.
    LegalesignRealtime,
    /// QuicklySign.
    Quicklysign,
    /// SignEasy.
    Signeasy,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 4] = [Self::LegalesignBatch, Self::LegalesignRealtime, Self::Quicklysign, Self::Signeasy];

    /// The path as API Gateway writes it; `{token}` stands for the path token.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::LegalesignBatch => "/callbacks/legalesign/batch/{token}",
            Self::LegalesignRealtime => "/callbacks/legalesign/realtime/{token}",
            Self::Quicklysign => "/callbacks/quicklysign/{token}",
            Self::Signeasy => "/callbacks/signeasy/{token}",
        }
    }

    /// Who posts there.
    #[must_use]
    pub const fn provider(self) -> Provider {
        match self {
            Self::LegalesignBatch | Self::LegalesignRealtime => Provider::Legalesign,
            Self::Quicklysign => Provider::Quicklysign,
            Self::Signeasy => Provider::Signeasy,
        }
    }

    /// The route whose [`Route::path`] this is.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }
}

/// The request's headers that reading or proving it again needs. All others are forgotten: they may hold anything.
const KEPT_HEADERS: [&str; 5] = ["content-type", "x-signed", "http-x-signed", "x-hmac-sha256", "x-signed-sha256"];

/// A header or query longer than this is not one of a documented callback, and isn't kept.
const MAX_KEPT_TEXT: usize = 4096;

/// What a request says beside its body.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The kept headers, lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The value of `?event=`, with which a subscription says what it is.
    pub event: Option<String>,
}

impl Envelope {
    /// Keeps what is needed of a request's headers and query. Of a header that can't be a documented one, that it was
    /// there is kept: a signature that can't be read must not become none.
    #[must_use]
    pub fn of(headers: &http::HeaderMap, query: Option<&str>) -> Self {
        let kept = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok().filter(|value| value.len() <= MAX_KEPT_TEXT);
            Some(((*name).to_owned(), value.unwrap_or_default().to_owned()))
        };
        let event = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find_map(|(name, value)| (name == "event" && value.len() <= 64).then(|| value.into_owned()));
        Self { headers: KEPT_HEADERS.iter().filter_map(kept).collect(), event }
    }

    /// A kept header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

struct Request {
    id: DeliveryId,
    route: Route,
    received_at: Timestamp,
    envelope: Envelope,
    body: Bytes,
}

/// A request as it came. Nothing in it is to be believed.
pub struct Unproven {
    request: Request,
    path_token: SecretString,
}

impl Unproven {
    /// Takes in a request whose path token is `path_token`, and names it.
    #[must_use]
    pub fn new(
        route: Route,
        path_token: SecretString,
        envelope: Envelope,
        body: Bytes,
        received_at: Timestamp,
    ) -> Self {
        let received_at = time::to_millis(received_at);
        let request = Request { id: DeliveryId::new(received_at), route, received_at, envelope, body };
        Self { request, path_token }
    }

    /// The body's size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.request.body.len()
    }

    /// When it came in.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.request.received_at
    }

    /// Checks the path token.
    ///
    /// # Errors
    /// The request itself, when the token is none of `tokens`.
    #[expect(clippy::result_large_err, reason = "the request is given back, to be tried with newer secrets")]
    pub fn address(self, tokens: &Tokens) -> Result<Addressed, Self> {
        match tokens.position(&self.path_token) {
            Some(token) => Ok(Addressed { request: self.request, token, path_token: Some(self.path_token) }),
            None => Err(self),
        }
    }
}

/// A request that was meant for this stack. The provider's own proof is still to be given.
pub struct Addressed {
    request: Request,
    token: usize,
    path_token: Option<SecretString>,
}

impl Addressed {
    /// A refused request that was kept with this body. Only what carried a right path token when it came in is kept, so
    /// that part of the proof isn't asked for again: the token may have been rotated out since.
    pub(crate) fn quarantined(
        id: DeliveryId,
        route: Route,
        received_at: Timestamp,
        envelope: Envelope,
        body: Bytes,
        token: usize,
    ) -> Self {
        Self { request: Request { id, route, received_at, envelope, body }, token, path_token: None }
    }

    /// Where it was posted to.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.request.route
    }

    /// Which of the configured path tokens it carried, from 0.
    #[must_use]
    pub const fn token(&self) -> usize {
        self.token
    }

    /// The delivery's id.
    #[must_use]
    pub const fn id(&self) -> &DeliveryId {
        &self.request.id
    }

    /// The bytes to prove.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// What the request says beside its body.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.request.envelope
    }

    /// When it came in.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.request.received_at
    }

    /// The path token that it carried; `None` for a request that was kept, because no token ever is.
    #[must_use]
    pub const fn path_token(&self) -> Option<&SecretString> {
        self.path_token.as_ref()
    }

    /// Joins the path token's proof with what the provider's own proof came to.
    #[must_use]
    pub fn prove(self, own: OwnProof) -> Proven {
        let Self { mut request, token, .. } = self;
        let mut proof = Proof { token, certificate: None, body_token: None };
        let mut signature = None;
        match own {
            OwnProof::PathTokenOnly => {}
            OwnProof::Signature(own) => {
                proof.certificate = Some(own.fingerprint());
                signature = Some(own);
            }
            OwnProof::BodyToken { position, body } => {
                proof.body_token = position;
                request.body = body;
            }
        }
        let unknown_subscription = UnknownSubscription::Unasked;
        Proven { request, proof, signature, groups: Vec::new(), unknown_subscription }
    }
}

/// What a provider's own proof, over the bytes, came to.
#[derive(Debug)]
pub enum OwnProof {
    /// The provider gives none: the path token is all there is.
    PathTokenOnly,
    /// The provider signed the bytes.
    Signature(SignatureProof),
    /// The provider puts a shared token into the body (SignEasy).
    BodyToken {
        /// Which of the configured body tokens it was, from 0; `None` where there was none and none was needed.
        position: Option<usize>,
        /// The body as it may be stored: without any token's value.
        body: Bytes,
    },
}

/// How a delivery was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which of the configured path tokens it was, from 0.
    pub token: usize,
    /// The certificate or key whose signature over the bytes was verified.
    pub certificate: Option<Fingerprint>,
    /// Which of the configured body tokens it carried, from 0.
    pub body_token: Option<usize>,
}

impl Proof {
    /// What the proof is worth.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        if self.certificate.is_some() { Trust::Signature } else { Trust::Token }
    }
}

/// A delivery whose sender is known. There is no other way to one than through [`Unproven::address`] and
/// [`Addressed::prove`], or from the ledger, which holds only such.
pub struct Proven {
    request: Request,
    proof: Proof,
    signature: Option<SignatureProof>,
    groups: Vec<String>,
    unknown_subscription: UnknownSubscription,
}

impl Proven {
    /// A delivery that the ledger recorded as proven.
    pub(crate) fn recorded(
        id: DeliveryId,
        route: Route,
        received_at: Timestamp,
        envelope: Envelope,
        body: Bytes,
        proof: Proof,
    ) -> Self {
        let request = Request { id, route, received_at, envelope, body };
        let unknown_subscription = UnknownSubscription::Unasked;
        Self { request, proof, signature: None, groups: Vec::new(), unknown_subscription }
    }

    /// Says whose documents are wanted, where a provider's callbacks tell of other groups' as well.
    #[must_use]
    pub fn wanting(self, groups: Vec<String>) -> Self {
        Self { groups, ..self }
    }

    /// Says what becomes of it if the subscription that it names isn't known.
    #[must_use]
    pub fn if_unknown(self, unknown_subscription: UnknownSubscription) -> Self {
        Self { unknown_subscription, ..self }
    }

    /// The delivery's id.
    #[must_use]
    pub const fn id(&self) -> &DeliveryId {
        &self.request.id
    }

    /// Where it was posted to.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.request.route
    }

    /// When it came in.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.request.received_at
    }

    /// The body as it may be stored: exactly as it came, but for secrets in it.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// What the request says beside its body.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.request.envelope
    }

    /// How it was proven.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }

    /// What the proof is worth.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        self.proof.trust()
    }

    /// Whose signature it was that has just been verified; nothing for a delivery that was read back.
    #[must_use]
    pub fn signer(&self) -> Option<&Signer> {
        self.signature.as_ref().map(SignatureProof::signer)
    }

    /// The groups whose documents were wanted when it came in; all, where there is none.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// What becomes of it if the subscription that it names isn't known.
    #[must_use]
    pub const fn unknown_subscription(&self) -> UnknownSubscription {
        self.unknown_subscription
    }
}
