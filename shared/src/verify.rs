//! Evidence: verifies a stored delivery's signature again, from stored data alone.
//!
//! The delivery's bytes and its certificate never expire, so this works years after a service changed its key. The
//! signature is judged as on arrival: by the certificate whose fingerprint was recorded, at the time of arrival.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{DeliveryId, LedgerError},
    ledger::Ledger,
    proof::signature::{Fingerprint, SignatureError, Signers},
    providers::Services,
};

/// A stored delivery whose signature was verified again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The delivery.
    pub delivery: DeliveryId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Where it was posted to.
    pub route: &'static str,
    /// The body's size in bytes.
    pub size: u64,
    /// The body's SHA-256, in hex.
    pub sha256: String,
    /// The certificate or public key that verified the signature.
    pub certificate: VerifiedCertificate,
}

/// The certificate that verified a stored delivery again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedCertificate {
    /// SHA-256 over its DER, in hex.
    pub fingerprint: String,
    /// When the first delivery that it proved arrived.
    pub known_since: Timestamp,
    /// The beginning of its validity; nothing for a bare public key.
    pub not_before: Option<Timestamp>,
    /// The end of its validity; nothing for a bare public key.
    pub not_after: Option<Timestamp>,
}

/// Why a stored delivery's signature can't be verified again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The ledger can't be read, or what it holds was changed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no delivery with this id.
    #[error("there is no such delivery")]
    NotFound,
    /// It isn't signed: only a token proved it, and tokens are not stored.
    #[error("the delivery is not signed: a token proved it, and tokens are not stored")]
    NotSigned,
    /// The certificate that was recorded with it isn't stored.
    #[error("the certificate {0} that proved the delivery is not stored")]
    CertificateMissing(Fingerprint),
    /// The stored certificate is another one, or isn't a certificate.
    #[error("what is stored as the certificate {0} is not that certificate")]
    CertificateChanged(Fingerprint),
    /// The stored body doesn't contain the signed part.
    #[error("the stored body doesn't contain the signed part")]
    NothingSigned,
    /// The signature doesn't match the stored bytes, or the certificate wasn't valid on arrival.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl VerifyError {
    /// A stable code for people and records.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(error) => error.code(),
            Self::NotFound => "not_found",
            Self::NotSigned => "not_signed",
            Self::CertificateMissing(_) => "certificate_missing",
            Self::CertificateChanged(_) => "certificate_changed",
            Self::NothingSigned => "nothing_signed",
            Self::Signature(error) => error.code(),
        }
    }
}

/// Verifies a stored delivery's signature again, from the ledger alone. No secret is read.
///
/// # Errors
/// Why it can't be verified.
pub async fn verify(ledger: &Ledger, services: &Services, id: &DeliveryId) -> Result<Verification, VerifyError> {
    let stored = ledger.delivery(id).await?.ok_or(VerifyError::NotFound)?;
    let (delivery, record) = (stored.delivery, stored.record);
    let fingerprint = delivery.proof().certificate.ok_or(VerifyError::NotSigned)?;
    let certificate = ledger.certificate(&fingerprint).await?.ok_or(VerifyError::CertificateMissing(fingerprint))?;
    let (signers, _) = Signers::parse(&[&certificate.pem]);
    let signer = signers.iter().next().filter(|signer| signer.fingerprint() == fingerprint);
    let signer = signer.ok_or(VerifyError::CertificateChanged(fingerprint))?;
    let part = services.of(delivery.route().provider()).signed_part(&delivery).ok_or(VerifyError::NothingSigned)?;
    let proof = signers.verify_sha1(&part.message, &part.signature, delivery.received_at())?;
    Ok(Verification {
        delivery: id.clone(),
        received_at: record.received_at,
        route: record.route,
        size: record.size,
        sha256: record.sha256,
        certificate: VerifiedCertificate {
            fingerprint: proof.fingerprint().to_string(),
            known_since: certificate.known_since,
            not_before: signer.not_before(),
            not_after: signer.not_after(),
        },
    })
}
