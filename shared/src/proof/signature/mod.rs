//! Verifies Legalesign's signatures of callbacks: RSASSA-PKCS1-v1_5 with SHA-1 over the bytes of one form field.
//!
//! The vendor's page "verify callback data" shows the procedure in Python: `reset_context(md='sha1')`, then
//! `verify_final` over `data` (batch, signature in `signed`) or `json_signed` (realtime, signature in `X-Signed`).
//! There is no canonicalization: the message is the text exactly as it was posted, which is why [`crate::form`] keeps
//! bytes.
//!
//! SHA-1 is broken for collisions, not for second preimages. A forger would have to get Legalesign to sign one half of
//! a prepared pair. The path token of every route mitigates the remaining risk.
//!
//! [`Signers::parse`] reads every certificate once, when the proof secret is read. [`Signers::verify_sha1`] only
//! decodes base64, hashes the message and tries the keys. A certificate is used only as a container for a key and two
//! dates: its own signature, name and extensions are ignored, because trust comes from the operator who configured it.

mod certificate;
mod encoding;
mod fingerprint;
mod pem;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::Timestamp;

pub use certificate::{Signer, SignerFault};
pub use fingerprint::{Fingerprint, FingerprintError};

/// The certificates and public keys whose signatures are accepted: old and new ones during a rotation.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    signers: Vec<Arc<Signer>>,
}

/// A configured entry that can't be used. The other entries remain in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate {position}: {fault}")]
pub struct SignerProblem {
    /// Position of the entry in the list, counted from 1.
    pub position: usize,
    /// Why it can't be used.
    pub fault: SignerFault,
}

impl SignerProblem {
    /// A stable code for logs: that of the [`SignerFault`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }
}

/// Why a signature proves nothing. Contains nothing of the message or the signature, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No usable key is configured, so the signature can't be checked.
    #[error("no certificate or public key is configured")]
    NoSigners,
    /// The signature isn't base64, even after the safe repairs of `encoding`.
    #[error("the signature is not base64")]
    Encoding,
    /// The signature is base64, but no configured key makes signatures of this length.
    #[error("the signature's length matches no configured key")]
    Length,
    /// The signature was not made by any configured key over this message.
    #[error("the signature matches no configured key")]
    Mismatch,
    /// The signature was made by a configured key, but its certificate wasn't valid at that time.
    #[error("the signature is by certificate {fingerprint}, outside its validity period")]
    OutsideValidity {
        /// The certificate that matched.
        fingerprint: Fingerprint,
    },
}

impl SignatureError {
    /// A stable code for logs, metrics and the quarantine.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSigners => "signature_no_signers",
            Self::Encoding => "signature_encoding",
            Self::Length => "signature_length",
            Self::Mismatch => "signature_mismatch",
            Self::OutsideValidity { .. } => "signature_outside_validity",
        }
    }
}

/// Proof that a signature was verified. Only [`Signers::verify_sha1`] creates one, and it can't be cloned, so code that
/// takes one can't run without a verification.
#[derive(Debug)]
#[must_use]
pub struct SignatureProof {
    signer: Arc<Signer>,
}

impl SignatureProof {
    /// The certificate or key that made the signature.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The fingerprint of that certificate or key, under which the ledger stores it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.signer.fingerprint()
    }
}

impl Signers {
    /// Parses a list of PEM texts, each with one certificate or one public key. Duplicates are dropped.
    ///
    /// Returns the usable entries together with the faults of all others: one bad entry must not disable a working key,
    /// and an operator needs all faults at once. If no entry is usable, [`Signers::is_empty`] is true.
    pub fn parse(entries: &[impl AsRef<str>]) -> (Self, Vec<SignerProblem>) {
        let mut signers: Vec<Arc<Signer>> = Vec::with_capacity(entries.len());
        let mut problems = Vec::new();
        for (position, entry) in (1..).zip(entries) {
            match Signer::parse(entry.as_ref()) {
                Ok(signer) if signers.iter().any(|known| known.fingerprint() == signer.fingerprint()) => {}
                Ok(signer) => signers.push(Arc::new(signer)),
                Err(fault) => problems.push(SignerProblem { position, fault }),
            }
        }
        (Self { signers }, problems)
    }

    /// Whether there is no usable key, which counts as not configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// The usable certificates and keys, in the configured order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Signer> {
        self.signers.iter().map(Arc::as_ref)
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature with SHA-1 (RFC 8017, section 8.2.2).
    ///
    /// `message` is the signed bytes. `signature` is base64, with or without line breaks; a `+` that a form decoder
    /// turned into a space is restored. `at` is when the message was received: the certificate must have been valid
    /// then; a bare public key is always valid. Every key is tried, so an expired certificate doesn't hide a newer one
    /// with the same key.
    ///
    /// # Errors
    /// [`SignatureError`]: no key is configured, the signature is malformed, or no valid key made it.
    pub fn verify_sha1(
        &self,
        message: &[u8],
        signature: &[u8],
        at: Timestamp,
    ) -> Result<SignatureProof, SignatureError> {
        if self.signers.is_empty() {
            return Err(SignatureError::NoSigners);
        }
        let signature = encoding::decode(signature).ok_or(SignatureError::Encoding)?;
        if !self.iter().any(|signer| signer.signature_len() == signature.len()) {
            return Err(SignatureError::Length);
        }
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
        let mut error = SignatureError::Mismatch;
        for signer in &self.signers {
            if !signer.verifies(&signature, &hash) {
                continue;
            }
            if signer.is_valid_at(at) {
                return Ok(SignatureProof { signer: Arc::clone(signer) });
            }
            error = SignatureError::OutsideValidity { fingerprint: signer.fingerprint() };
        }
        Err(error)
    }
}
