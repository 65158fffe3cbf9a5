//! The proof that Legalesign gives with a callback: RSASSA-PKCS1-v1_5 with SHA-1 over the bytes of one form field.
//!
//! The vendor's page "verify callback data" shows the procedure in Python: `reset_context(md='sha1')`, then
//! `verify_final` over `data` (batch, signature in `signed`) or `json_signed` (realtime, signature in `X-Signed`).
//! There is no canonical form to build. The message is the text exactly as it was posted, which is why [`crate::form`]
//! keeps bytes.
//!
//! SHA-1 is broken for collisions, not for second preimages. A forger would have to get Legalesign to sign one half of
//! a prepared pair; the path token of every route stands against what is left of that risk.
//!
//! How it works: [`Signers::parse`] reads every certificate once, when settings are read; [`Signers::verify_sha1`] only
//! decodes base64, hashes the message and tries the keys. A certificate is a container for a key and two dates and
//! nothing more. Its own signature, name and extensions are not looked at: whoever writes the settings is the authority.

mod certificate;
mod encoding;
mod fingerprint;
mod pem;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use jiff::Timestamp;

pub use certificate::{Signer, SignerFault};
pub use fingerprint::{Fingerprint, FingerprintError};

/// Everybody whose signature is accepted: a service's certificates and public keys, old and new while they rotate.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    signers: Vec<Arc<Signer>>,
}

/// An entry of the settings that can't be used. The others still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate {position}: {fault}")]
pub struct SignerProblem {
    /// Which entry, counted from 1 as people count a list.
    pub position: usize,
    /// What is wrong with it.
    pub fault: SignerFault,
}

impl SignerProblem {
    /// A stable word for logs: that of the [`SignerFault`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.fault.code()
    }
}

/// Why a signature proves nothing. Tells nothing of the message or the signature, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No usable key is configured, so nothing can be said about the signature.
    #[error("no certificate or public key is configured")]
    NoSigners,
    /// The signature isn't base64, even after the repairs that are safe.
    #[error("the signature is not base64")]
    Encoding,
    /// The signature is base64, but as long as none of the configured keys makes them.
    #[error("the signature has the length of no configured key")]
    Length,
    /// No configured key made this signature over this message.
    #[error("the signature matches no configured key")]
    Mismatch,
    /// A configured key did make it, but its certificate wasn't valid at that time.
    #[error("the signature is by certificate {fingerprint}, outside its validity")]
    OutsideValidity {
        /// The certificate that matched.
        fingerprint: Fingerprint,
    },
}

impl SignatureError {
    /// A stable word for logs, metrics and the quarantine.
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

/// A signature was verified. Only [`Signers::verify_sha1`] makes one, and it can't be copied, so that code which takes
/// it can't be reached without a verification.
#[derive(Debug)]
#[must_use]
pub struct SignatureProof {
    signer: Arc<Signer>,
}

impl SignatureProof {
    /// Whose certificate or key it was.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The fingerprint of that certificate or key, under which it is kept.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.signer.fingerprint()
    }
}

impl Signers {
    /// Reads a list of PEM texts, each with one certificate or one public key. An entry that stands twice counts once.
    ///
    /// Gives what can be used together with all that can't: one bad entry must not stop a working key, and an operator
    /// wants to hear of every fault at once. When nothing can be used, [`Signers::is_empty`] says so.
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

    /// Whether there is no usable key at all, which counts as not configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signers.is_empty()
    }

    /// The usable ones, in the order of the settings.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Signer> {
        self.signers.iter().map(Arc::as_ref)
    }

    /// Verifies an RSASSA-PKCS1-v1_5 signature with SHA-1 (RFC 8017, section 8.2.2).
    ///
    /// `message` is what was signed, byte by byte. `signature` is base64, wrapped or not; a `+` that a form decoder
    /// turned into a space is turned back. `at` is when the message was received, which decides about validity; a
    /// bare public key is always valid. Every key is tried, so a certificate that ended doesn't hide a newer one
    /// with the same key.
    ///
    /// # Errors
    /// One [`SignatureError`] for each reason.
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
            if !signer.made(&signature, &hash) {
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
