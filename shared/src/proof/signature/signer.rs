//! The certificate or public key of a signer, as data: without the key in a form that verifies.
//!
//! Legalesign's certificate is X.509 version 1, has serial number 0, is self-signed with SHA-1, and its name is a
//! T61String: valid by the rules of 1988, but refused by verifiers made for the web. None of this matters here, so none
//! of it is checked. Only the type and size of the key and the two dates matter.

use std::fmt;

use jiff::Timestamp;

use super::fingerprint::Fingerprint;

/// Seconds in a day, for [`Signer::days_left`].
const DAY: i64 = 86_400;

/// A certificate, or a bare public key, whose signatures are accepted.
pub struct Signer {
    fingerprint: Fingerprint,
    pem: String,
    validity: Option<(Timestamp, Timestamp)>,
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

/// Why a certificate or key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerFault {
    /// Not a PEM block labeled `CERTIFICATE` or `PUBLIC KEY`, or its content doesn't match the label.
    #[error("is neither a PEM certificate nor a PEM public key")]
    Unreadable,
    /// More than one PEM block. The authorities of a certificate chain must not become signers by accident.
    #[error("holds more than one PEM block")]
    SeveralBlocks,
    /// A private key. It must not be in these settings, and counts as leaked because it is.
    #[error("holds a private key: remove it, and replace the key pair")]
    PrivateKey,
    /// Another type of key: elliptic curve, or RSA restricted to PSS.
    #[error("the key is not an RSA key for PKCS #1 v1.5")]
    NotRsa,
    /// RSA under 2,048 bits, which is too weak: it can be factored, now or soon.
    #[error("the RSA key has fewer than 2,048 bits")]
    KeyTooShort,
    /// RSA over 8,192 bits, which takes too long to verify with.
    #[error("the RSA key has more than 8,192 bits")]
    KeyTooLong,
    /// RSA parameters that form no valid key, or a public exponent over 33 bits, which takes too long to verify with.
    #[error("the RSA key is malformed or has an unusual exponent")]
    KeyRejected,
}

impl SignerFault {
    /// A stable code for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::SeveralBlocks => "several_blocks",
            Self::PrivateKey => "private_key",
            Self::NotRsa => "not_rsa",
            Self::KeyTooShort => "key_too_short",
            Self::KeyTooLong => "key_too_long",
            Self::KeyRejected => "key_rejected",
        }
    }
}

impl Signer {
    /// The signer that was read from, or is stored as, this PEM text.
    pub(crate) fn new(fingerprint: Fingerprint, pem: String, validity: Option<(Timestamp, Timestamp)>) -> Self {
        Self { fingerprint, pem, validity }
    }

    /// SHA-256 over the DER of the certificate or, for a bare public key, of its SPKI.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The normalized PEM text of this certificate or key. Store it to verify a signature again later.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The start of the certificate's validity period; `None` for a bare key.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.validity.map(|(not_before, _)| not_before)
    }

    /// The end of the certificate's validity period, inclusive; `None` for a bare key.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.validity.map(|(_, not_after)| not_after)
    }

    /// Whole days from `at` to the end of the validity period, negative after it; `None` for a bare key.
    #[must_use]
    pub fn days_left(&self, at: Timestamp) -> Option<i64> {
        self.not_after().map(|end| at.duration_until(end).as_secs().div_euclid(DAY))
    }

    /// Whether `at` is within the validity period, both ends included (RFC 5280, section 4.1.2.5).
    pub(super) fn is_valid_at(&self, at: Timestamp) -> bool {
        self.validity.is_none_or(|(not_before, not_after)| not_before <= at && at <= not_after)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("fingerprint", &self.fingerprint)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}
