//! The secrets that prove Legalesign's callbacks: path tokens, certificates, and secrets of the webhook's HMAC.

use std::ops::Deref;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::resource;
use crate::{
    domain::{OwnProof, Rejection, SignedPart},
    proof::{
        signature::{ParseSigners, SignatureError, SignatureProof, Signer, Signers},
        token::Tokens,
    },
};

/// Every use of a certificate logs a warning from this many days before it expires. The real one expires on 2033-02-01.
const WARN_DAYS: i64 = 60;

/// Path tokens, certificates, secrets of the webhook's HMAC, and the groups whose documents are wanted.
pub(super) struct ProofSecrets {
    url_tokens: Tokens,
    signers: Signers,
    hmac_secrets: Vec<SecretString>,
    groups: Vec<String>,
}

/// The proof secret: `{"url_tokens": […], "certificates": ["<PEM certificate or public key>", …], "hmac_secrets": […],
/// "groups": [slug, …]}`.
#[derive(Deserialize)]
pub(super) struct ProofJson {
    url_tokens: Vec<SecretString>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    hmac_secrets: Vec<SecretString>,
    #[serde(default)]
    groups: Vec<String>,
}

impl ProofSecrets {
    /// Validates the secret. Without `parse_signers` it has no certificates.
    pub(super) fn new(json: ProofJson, parse_signers: Option<ParseSigners>) -> Result<Self, String> {
        let url_tokens = Tokens::in_urls(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        let (signers, problems) = parse_signers.map(|parse| parse(&json.certificates)).unwrap_or_default();
        for problem in problems {
            tracing::error!(event = "certificate_unusable", position = problem.position, cause = problem.code());
        }
        if json.hmac_secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err("hmac_secrets: one is empty".to_owned());
        }
        // A group may be given as the API writes it.
        let slug = |group: String| resource::group(&group).map(str::to_owned).unwrap_or(group);
        let groups = json.groups.into_iter().map(slug).collect();
        Ok(Self { url_tokens, signers, hmac_secrets: json.hmac_secrets, groups })
    }

    pub(super) const fn url_tokens(&self) -> &Tokens {
        &self.url_tokens
    }

    /// The secrets of the webhook's HMAC: several while one is replaced.
    pub(super) fn hmac_secrets(&self) -> &[SecretString] {
        &self.hmac_secrets
    }

    /// The slugs of the groups whose documents are wanted.
    pub(super) fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Proves a request that arrived at `at` by the first of these parts whose signature is valid.
    pub(super) fn prove_one(&self, parts: Vec<SignedPart>, at: Timestamp) -> Result<OwnProof, Rejection> {
        let mut rejection = Rejection::Malformed("field_missing");
        let one_of_several = parts.len() > 1;
        for part in parts {
            match self.verify(&part, at) {
                Ok(proof) => return Ok(OwnProof::Signature { proof, part, one_of_several }),
                Err(cause) => rejection = cause,
            }
        }
        Err(rejection)
    }

    /// Verifies a signature over a request that arrived at `at`.
    fn verify(&self, part: &SignedPart, at: Timestamp) -> Result<SignatureProof, Rejection> {
        let proof = self.signers.verify_sha1(&part.message, &part.signature, at).map_err(|error| match error {
            SignatureError::NoSigners => Rejection::NotConfigured("no certificate or public key is configured"),
            error => Rejection::Unproven(error.code()),
        })?;
        warn_before_expiry(proof.signer(), at);
        Ok(proof)
    }
}

/// The same for the batch, which can't be proven without a usable certificate.
pub(super) struct SignedProofSecrets(ProofSecrets);

impl SignedProofSecrets {
    /// Validates the secret, which must have a certificate that can be used.
    pub(super) fn new(json: ProofJson, parse_signers: Option<ParseSigners>) -> Result<Self, String> {
        let secrets = ProofSecrets::new(json, parse_signers)?;
        if secrets.signers.is_empty() {
            return Err("certificates: none that can be used".to_owned());
        }
        Ok(Self(secrets))
    }
}

impl Deref for SignedProofSecrets {
    type Target = ProofSecrets;

    fn deref(&self) -> &ProofSecrets {
        &self.0
    }
}

fn warn_before_expiry(signer: &Signer, at: Timestamp) {
    if let Some(days_left) = days_to_warn_about(signer, at) {
        tracing::warn!(event = "certificate_ends", certificate = %signer.fingerprint(), days_left, metric.CertificateDaysLeft = days_left);
    }
}

/// The days until a certificate expires, once a warning is due.
fn days_to_warn_about(signer: &Signer, at: Timestamp) -> Option<i64> {
    signer.days_left(at).filter(|days_left| *days_left <= WARN_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../../../tests/data/legalesign/lookalike.crt.pem");
    const KEY: &str = include_str!("../../../tests/data/legalesign/lookalike.pub.pem");
    const SHORT: &str = include_str!("../../../tests/data/legalesign/rsa1024.crt.pem");

    fn json(certificates: &[&str]) -> ProofJson {
        let json = serde_json::json!({
            "url_tokens": ["twelve-chars-at-least"], "certificates": certificates, "groups": ["a", "/api/v1/group/b/"],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn batches_require_at_least_one_usable_certificate() {
        assert!(SignedProofSecrets::new(json(&[SHORT, "no certificate", KEY]), Some(Signers::parse)).is_ok());
        for unusable in [&[][..], &[SHORT], &["no certificate", SHORT]] {
            assert!(SignedProofSecrets::new(json(unusable), Some(Signers::parse)).is_err(), "{unusable:?}");
            assert!(
                ProofSecrets::new(json(unusable), Some(Signers::parse)).is_ok(),
                "the realtime form is proven by its token"
            );
        }
        let no_token = serde_json::from_str(r#"{"url_tokens": [], "certificates": []}"#).unwrap();
        assert!(ProofSecrets::new(no_token, Some(Signers::parse)).is_err());
    }

    #[test]
    fn groups_are_reduced_to_their_slugs() {
        assert_eq!(ProofSecrets::new(json(&[KEY]), Some(Signers::parse)).unwrap().groups(), ["a", "b"]);
    }

    #[test]
    fn certificates_are_reported_from_60_days_before_expiry() {
        let (signers, _) = Signers::parse(&[CERTIFICATE]);
        let signer = signers.iter().next().unwrap();
        let days = |at: &str| days_to_warn_about(signer, at.parse().unwrap());
        assert_eq!(days("2032-12-01T00:00:00Z"), None);
        assert_eq!(days("2032-12-04T00:00:00Z"), Some(59));
        assert_eq!(days("2033-02-02T00:00:00Z"), Some(-1));
        let (signers, _) = Signers::parse(&[KEY]);
        assert_eq!(days_to_warn_about(signers.iter().next().unwrap(), Timestamp::MAX), None);
    }
}
