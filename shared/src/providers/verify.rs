//! The steps of a verification, the same for every service: secrets, path token, the service's own proof.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    aws::Aws,
    domain::{Addressed, OwnProof, Policy, Proven, Rejection, Route, Unproven},
    proof::token::Tokens,
    secrets::{Cached, NotConfigured, Secret},
    settings::ServiceSettings,
};

/// How the callbacks of one route are proven.
pub(super) trait Scheme: Sync {
    /// The route. A scheme proves no request to another one.
    const ROUTE: Route;
    /// The secrets that a proof is checked against.
    type Secrets: Send + Sync + 'static;

    /// The path tokens among the secrets.
    fn path_tokens(secrets: &Self::Secrets) -> &Tokens;

    /// Checks the service's own proof, over the bytes.
    ///
    /// # Errors
    /// If it is wrong, or has no place in the request.
    fn prove(&self, request: &Addressed, secrets: &Self::Secrets) -> Result<OwnProof, Rejection>;

    /// The operator's choices that apply to this request.
    fn policy(&self, _: &Addressed, _: &Self::Secrets) -> Policy {
        Policy::default()
    }

    /// The body as it may be kept in quarantine: without any secret, wrong ones included; `None` if secrets can't be found
    /// in it.
    fn redact(&self, request: &Addressed, _: &Self::Secrets) -> Option<Bytes> {
        Some(request.body().clone())
    }
}

/// Why a request isn't verified.
pub enum NotVerified {
    /// The secrets can't be read.
    NotConfigured(NotConfigured),
    /// The request was posted to a route of another service.
    ForeignRoute,
    /// The path token is wrong.
    PathToken,
    /// The path token is valid, but the service's own proof isn't.
    Proof(Box<Rejected>),
}

/// A request with a valid path token whose own proof failed.
pub struct Rejected {
    /// The request.
    pub request: Addressed,
    /// Why.
    pub rejection: Rejection,
    /// The body as it may be kept; `None` if secrets can't be found in it.
    pub redacted_body: Option<Bytes>,
}

/// Why a stored request or delivery can't be proven again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotProven {
    /// The secrets can't be read.
    NotConfigured(NotConfigured),
    /// The proof fails.
    Rejected(Rejection),
}

/// Verifies the callbacks of one route: a scheme, and the secrets that it checks against.
pub(super) struct Verifier<S: Scheme> {
    scheme: S,
    secrets: Cached<S::Secrets>,
}

impl<S: Scheme> Verifier<S> {
    /// A verifier with the secrets that a service's settings name. Reads them when they are first needed.
    pub(super) fn new(scheme: S, settings: &ServiceSettings, aws: &Aws) -> Self
    where
        S::Secrets: Secret,
    {
        Self::with(scheme, Cached::new(&settings.proof, aws))
    }

    /// A verifier with these secrets.
    pub(super) const fn with(scheme: S, secrets: Cached<S::Secrets>) -> Self {
        Self { scheme, secrets }
    }

    /// The current secrets.
    ///
    /// # Errors
    /// If they are missing or unusable.
    pub(super) async fn secrets(&self) -> Result<Arc<S::Secrets>, NotConfigured> {
        self.secrets.get().await
    }

    /// Reads the secrets. See [`super::Service::warm`].
    pub(super) async fn warm(&self) -> Result<(), NotConfigured> {
        self.secrets().await.map(drop)
    }

    /// Verifies a request. See [`super::Service::verify`].
    pub(super) async fn verify(&self, request: Unproven) -> Result<Proven, NotVerified> {
        if request.posted_to() != S::ROUTE {
            return Err(NotVerified::ForeignRoute);
        }
        let mut current = self.secrets().await.map_err(NotVerified::NotConfigured)?;
        let request = match request.address(S::path_tokens(&current)) {
            Ok(request) => request,
            // The token may be a new one that was set since the secret was read.
            Err(request) => {
                current = self.secrets.reread(&current).await.ok_or(NotVerified::PathToken)?;
                request.address(S::path_tokens(&current)).map_err(|_| NotVerified::PathToken)?
            }
        };
        let mut proof = self.scheme.prove(&request, &current);
        if let Err(Rejection::Unproven(_) | Rejection::NotConfigured(_)) = proof
            && let Some(newer) = self.secrets.reread(&current).await
        {
            proof = self.scheme.prove(&request, &newer);
            current = newer;
        }
        match proof {
            Ok(proof) => {
                let policy = self.scheme.policy(&request, &current);
                Ok(request.prove(proof, policy))
            }
            Err(rejection) => {
                let redacted_body = self.scheme.redact(&request, &current);
                Err(NotVerified::Proof(Box::new(Rejected { request, rejection, redacted_body })))
            }
        }
    }

    /// Verifies a request from quarantine. See [`super::Service::verify_quarantined`].
    pub(super) async fn verify_quarantined(&self, request: Addressed) -> Result<Proven, NotProven> {
        if request.route() != S::ROUTE {
            return Err(NotProven::Rejected(Rejection::Malformed("foreign_route")));
        }
        let secrets = self.secrets().await.map_err(NotProven::NotConfigured)?;
        let proof = self.scheme.prove(&request, &secrets).map_err(NotProven::Rejected)?;
        let policy = self.scheme.policy(&request, &secrets);
        Ok(request.prove(proof, policy))
    }
}
