//! One callback request, from its arrival to its proof.
//!
//! The type carries the proof. An [`Unproven`] request only gives its size and takes its path token. With a valid token
//! it becomes [`Addressed`]: it was meant for this stack, and its service may look at its bytes. Only the service's
//! `verify` makes a [`Proven`] delivery of it, and parsers and ledger take nothing else. The constructors are private to
//! the crate, so a receiver that forgets to verify does not compile:
//!
//! ```compile_fail,E0624
//! let prove = countersign::domain::Addressed::prove;
//! ```

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{DeliveryId, Envelope, Route, SignedPart, SignedPartId, SubscriptionPolicy, Trust};
use crate::{
    proof::{
        signature::{Fingerprint, SignatureProof, Signer},
        token::Tokens,
    },
    time,
};

/// A request in one of three states: [`Unproven`], [`Addressed`], [`Proven`].
pub struct Delivery<State> {
    id: DeliveryId,
    route: Route,
    received_at: Timestamp,
    envelope: Envelope,
    body: Bytes,
    state: State,
}

/// A request as it arrived. Nothing in it is trusted.
pub type Unproven = Delivery<Arrived>;

/// A request with a valid path token: it was meant for this stack. The service's own proof is still missing.
pub type Addressed = Delivery<Meant>;

/// A delivery whose sender is proven: by its service's `verify`, or because the ledger stored it as proven.
pub type Proven = Delivery<Trusted>;

/// The state of an [`Unproven`] request.
pub struct Arrived {
    path_token: SecretString,
}

/// The state of an [`Addressed`] request.
pub struct Meant {
    token: usize,
    path_token: Option<SecretString>,
}

/// The state of a [`Proven`] delivery.
pub struct Trusted {
    proof: Proof,
    /// What the signature proved, if it was verified in this process.
    signature: Option<(SignatureProof, SignedPart)>,
    policy: Policy,
}

/// A state in which the bytes may be read.
pub trait Readable: private::Sealed {}

impl Readable for Meant {}
impl Readable for Trusted {}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Meant {}
    impl Sealed for super::Trusted {}
}

impl<State: Readable> Delivery<State> {
    /// The delivery's id.
    #[must_use]
    pub const fn id(&self) -> &DeliveryId {
        &self.id
    }

    /// Where it was posted to.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.route
    }

    /// When it arrived.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// The body. That of a [`Proven`] delivery is fit to be stored: exactly as it arrived, but for secrets in it.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Headers and query.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

impl Unproven {
    /// Takes a request with the path token `path_token`, and gives it an id.
    #[must_use]
    pub fn new(
        route: Route,
        path_token: SecretString,
        envelope: Envelope,
        body: Bytes,
        received_at: Timestamp,
    ) -> Self {
        let received_at = time::to_millis(received_at);
        Self { id: DeliveryId::new(received_at), route, received_at, envelope, body, state: Arrived { path_token } }
    }

    /// The body's size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// When it arrived.
    #[must_use]
    pub const fn arrived_at(&self) -> Timestamp {
        self.received_at
    }

    /// Where it was posted to.
    #[must_use]
    pub const fn posted_to(&self) -> Route {
        self.route
    }

    /// Checks the path token.
    ///
    /// # Errors
    /// The request itself, if its token isn't one of `tokens`.
    #[expect(clippy::result_large_err, reason = "the request is given back, to be checked against newer secrets")]
    pub fn address(self, tokens: &Tokens) -> Result<Addressed, Self> {
        match tokens.position(&self.state.path_token) {
            Some(token) => {
                let path_token = Some(self.state.path_token);
                let Self { id, route, received_at, envelope, body, .. } = self;
                Ok(Delivery { id, route, received_at, envelope, body, state: Meant { token, path_token } })
            }
            None => Err(self),
        }
    }
}

impl Addressed {
    /// A rejected request that was kept in quarantine with this body. Only requests with a valid path token are kept, so
    /// the token isn't checked again: it may have been rotated out since.
    pub(crate) fn quarantined(
        id: DeliveryId,
        route: Route,
        received_at: Timestamp,
        envelope: Envelope,
        body: Bytes,
        token: usize,
    ) -> Self {
        Self { id, route, received_at, envelope, body, state: Meant { token, path_token: None } }
    }

    /// The position of its path token among the configured ones, from 0.
    #[must_use]
    pub const fn token(&self) -> usize {
        self.state.token
    }

    /// Its path token; `None` for a request from quarantine, because tokens are never stored.
    #[must_use]
    pub const fn path_token(&self) -> Option<&SecretString> {
        self.state.path_token.as_ref()
    }

    /// Combines the path token with the service's own proof.
    ///
    /// Called only by [`crate::providers`], after it checked that the route belongs to the service that proved.
    pub(crate) fn prove(self, own: OwnProof, policy: Policy) -> Proven {
        let Self { id, route, received_at, envelope, mut body, state } = self;
        let mut proof =
            Proof { trust: Trust::Token, token: state.token, certificate: None, part: None, body_token: None };
        let mut signature = None;
        match own {
            OwnProof::PathTokenOnly => {}
            OwnProof::Signature { proof: verified, part, one_of_several } => {
                proof.trust = Trust::Signature;
                proof.certificate = Some(verified.fingerprint());
                proof.part = one_of_several.then(|| part.id());
                signature = Some((verified, part));
            }
            OwnProof::SharedKey(trust) => proof.trust = trust,
            OwnProof::BodyToken { position, body: redacted } => {
                proof.body_token = position;
                body = redacted;
            }
        }
        Delivery { id, route, received_at, envelope, body, state: Trusted { proof, signature, policy } }
    }
}

/// The result of a service's own proof over the bytes.
#[derive(Debug)]
pub(crate) enum OwnProof {
    /// The service has none: the path token is the only proof.
    PathTokenOnly,
    /// The service signed a part of the request.
    Signature {
        /// What its signature proved.
        proof: SignatureProof,
        /// The part.
        part: SignedPart,
        /// Whether the body can be read in another way, too, so that it must be stored which part was proven.
        one_of_several: bool,
    },
    /// The service computed a code with a key that both sides have; the trust says what such a code proves.
    SharedKey(Trust),
    /// The service puts a shared token into the body.
    BodyToken {
        /// The position of the token among the configured ones, from 0; `None` if there was none and none was required.
        position: Option<usize>,
        /// The body as it may be stored, without any token's value.
        body: Bytes,
    },
}

/// How a delivery was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How strong the proof is.
    pub trust: Trust,
    /// The position of its path token among the configured ones, from 0.
    pub token: usize,
    /// The certificate or key that verified the signature.
    pub certificate: Option<Fingerprint>,
    /// Which part was signed, if the body can be read in several ways.
    pub part: Option<SignedPartId>,
    /// The position of its body token among the configured ones, from 0.
    pub body_token: Option<usize>,
}

/// The operator's choices that apply to a delivery. Fixed when it arrives and stored with it, so that sweep and replay
/// judge as the function did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The groups whose documents are wanted; empty for all.
    pub groups: Vec<String>,
    /// What happens if the subscription that the delivery names isn't known.
    pub subscription: SubscriptionPolicy,
}

impl Proven {
    /// A delivery that the ledger stored as proven.
    pub(crate) fn recorded(
        id: DeliveryId,
        route: Route,
        received_at: Timestamp,
        envelope: Envelope,
        body: Bytes,
        proof: Proof,
        policy: Policy,
    ) -> Self {
        Self { id, route, received_at, envelope, body, state: Trusted { proof, signature: None, policy } }
    }

    /// How it was proven.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.state.proof
    }

    /// How strong its proof is.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        self.state.proof.trust
    }

    /// The signer whose signature was verified in this process; `None` for a delivery that was read back.
    #[must_use]
    pub fn signer(&self) -> Option<&Signer> {
        self.state.signature.as_ref().map(|(proof, _)| proof.signer())
    }

    /// The very bytes whose signature was verified in this process; `None` for a delivery that was read back.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedPart> {
        self.state.signature.as_ref().map(|(_, part)| part)
    }

    /// The operator's choices that apply to it.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.state.policy
    }
}
