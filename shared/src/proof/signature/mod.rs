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
//! `Signers::parse` reads every certificate once, when the proof secret is read. [`Signers::verify_sha1`] only decodes
//! base64 and tries the keys. A certificate is used only as a container for a key and two dates: its own signature, name
//! and extensions are ignored, because trust comes from the operator who configured it.
//!
//! OpenSSL does the cryptography. Only `Signers::parse` leads to it, and only [`ParseSigners`] hands that on, so a function
//! that verifies no signatures doesn't link OpenSSL. Without the feature `openssl` it isn't even built.

mod encoding;
mod fingerprint;
#[cfg(feature = "openssl")]
mod openssl;
mod signer;

use std::{fmt, sync::Arc};

use jiff::Timestamp;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use signer::{Signer, SignerFault, SignerProblem};

/// The certificates and public keys whose signatures are accepted: old and new ones during a rotation.
#[derive(Default)]
pub struct Signers {
    keys: Vec<Key>,
}

/// `Signers::parse`, or nothing in its place where no signature is verified.
pub type ParseSigners = fn(&[String]) -> (Signers, Vec<SignerProblem>);

/// A signer with its key.
struct Key {
    signer: Arc<Signer>,
    /// Behind a pointer, so that code that only drops it doesn't link OpenSSL.
    public: Box<dyn PublicKey>,
}

/// An RSA key that verifies signatures.
trait PublicKey: Send + Sync {
    /// Length of this key's signatures, in bytes: the length of its modulus.
    fn signature_len(&self) -> usize;

    /// Whether this key made `signature`, by RSASSA-PKCS1-v1_5 with SHA-1, over `message`.
    fn verifies_sha1(&self, message: &[u8], signature: &[u8]) -> bool;
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
    /// Whether there is no usable key, which counts as not configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The usable certificates and keys, in the configured order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Signer> {
        self.keys.iter().map(|key| key.signer.as_ref())
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
        if self.keys.is_empty() {
            return Err(SignatureError::NoSigners);
        }
        let signature = encoding::decode(signature).ok_or(SignatureError::Encoding)?;
        if !self.keys.iter().any(|key| key.public.signature_len() == signature.len()) {
            return Err(SignatureError::Length);
        }
        let mut error = SignatureError::Mismatch;
        for Key { signer, public } in &self.keys {
            if public.signature_len() != signature.len() || !public.verifies_sha1(message, &signature) {
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

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
