//! Evidence: proves a stored delivery's signature again, from nothing but what is stored.
//!
//! The delivery's bytes and its certificate are kept for good, so this works years after Legalesign changed its key. It
//! is judged as it was then: by the certificate whose fingerprint was recorded, at the time when the delivery came in.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    delivery::DeliveryId,
    ledger::{Ledger, LedgerError},
    providers,
    signature::{Fingerprint, SignatureError, Signers},
};

/// A stored delivery whose signature was proven again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The delivery.
    pub delivery: DeliveryId,
    /// When it came in.
    pub received_at: Timestamp,
    /// Where it was posted to.
    pub route: &'static str,
    /// The body's size in bytes.
    pub size: u64,
    /// The body's SHA-256, in hex.
    pub sha256: String,
    /// The certificate or public key whose signature it is.
    pub certificate: VerifiedCertificate,
}

/// The certificate that proved a stored delivery again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedCertificate {
    /// SHA-256 over its DER, in hex.
    pub fingerprint: String,
    /// When a delivery that it proved first came in.
    pub known_since: Timestamp,
    /// The beginning of its validity; nothing for a bare public key.
    pub not_before: Option<Timestamp>,
    /// The end of its validity; nothing for a bare public key.
    pub not_after: Option<Timestamp>,
}

/// Why a stored delivery can't be proven again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The ledger can't be asked, or what it holds was changed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is no delivery of that id.
    #[error("there is no such delivery")]
    NotFound,
    /// Its sender signed nothing: only a token proved it, and tokens are not stored.
    #[error("the delivery is not signed: a token proved it, and there is nothing to prove it by again")]
    NotSigned,
    /// The certificate that was recorded with it isn't there.
    #[error("the certificate {0} that proved the delivery is not stored")]
    CertificateMissing(Fingerprint),
    /// What is stored as the certificate is another one, or none.
    #[error("what is stored as the certificate {0} is not that certificate")]
    CertificateChanged(Fingerprint),
    /// The stored body doesn't have what was signed.
    #[error("the stored body doesn't hold what was signed")]
    NothingSigned,
    /// The signature doesn't match the stored bytes, or didn't hold then.
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

/// Proves a stored delivery's signature again. Asks nobody but the ledger.
///
/// # Errors
/// Why it isn't proven: each changed byte has one.
pub async fn verify(ledger: &Ledger, id: &DeliveryId) -> Result<Verification, VerifyError> {
    let stored = ledger.delivery(id).await?.ok_or(VerifyError::NotFound)?;
    let (delivery, record) = (stored.delivery, stored.record);
    let fingerprint = delivery.proof().certificate.ok_or(VerifyError::NotSigned)?;
    let certificate = ledger.certificate(&fingerprint).await?.ok_or(VerifyError::CertificateMissing(fingerprint))?;
    let (signers, _) = Signers::parse(&[&certificate.pem]);
    let signer = signers.iter().next().filter(|signer| signer.fingerprint() == fingerprint);
    let signer = signer.ok_or(VerifyError::CertificateChanged(fingerprint))?;
    let part = providers::signed_part(&delivery).ok_or(VerifyError::NothingSigned)?;
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
