//! The steps of a verification, the same for every service: secrets, path token, the service's own proof.

use bytes::Bytes;

use crate::{
    domain::{Addressed, OwnProof, Policy, Proven, Rejection, Route, Unproven},
    proof::token::Tokens,
    secrets::{Cached, NotConfigured, Secret},
};

/// How the callbacks of one route are proven.
pub(super) trait Scheme: Sync {
    /// The route. A scheme proves no request to another one.
    const ROUTE: Route;
    /// The secrets that a proof is checked against.
    type Secrets: Secret;

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

/// Why a request isn't believed.
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

/// Verifies a request by a scheme. See [`super::Service::verify`].
pub(super) async fn verify<S: Scheme>(
    scheme: &S,
    secrets: &Cached<S::Secrets>,
    request: Unproven,
) -> Result<Proven, NotVerified> {
    if request.posted_to() != S::ROUTE {
        return Err(NotVerified::ForeignRoute);
    }
    let mut current = secrets.get().await.map_err(NotVerified::NotConfigured)?;
    let request = match request.address(S::path_tokens(&current)) {
        Ok(request) => request,
        // The token may be a new one that was set since the secret was read.
        Err(request) => {
            current = secrets.reread().await.ok_or(NotVerified::PathToken)?;
            request.address(S::path_tokens(&current)).map_err(|_| NotVerified::PathToken)?
        }
    };
    let mut proof = scheme.prove(&request, &current);
    if let Err(Rejection::Unproven(_) | Rejection::NotConfigured(_)) = proof
        && let Some(newer) = secrets.reread().await
    {
        proof = scheme.prove(&request, &newer);
        current = newer;
    }
    match proof {
        Ok(proof) => {
            let policy = scheme.policy(&request, &current);
            Ok(request.prove(proof, policy))
        }
        Err(rejection) => {
            let redacted_body = scheme.redact(&request, &current);
            Err(NotVerified::Proof(Box::new(Rejected { request, rejection, redacted_body })))
        }
    }
}

/// Verifies a request from quarantine by a scheme. See [`super::Service::verify_quarantined`].
pub(super) async fn verify_quarantined<S: Scheme>(
    scheme: &S,
    secrets: &Cached<S::Secrets>,
    request: Addressed,
) -> Result<Proven, NotProven> {
    if request.route() != S::ROUTE {
        return Err(NotProven::Rejected(Rejection::Malformed("foreign_route")));
    }
    let secrets = secrets.get().await.map_err(NotProven::NotConfigured)?;
    let proof = scheme.prove(&request, &secrets).map_err(NotProven::Rejected)?;
    let policy = scheme.policy(&request, &secrets);
    Ok(request.prove(proof, policy))
}
