//! Why a CMS signature is not intact.

use openssl::error::ErrorStack;

/// Why a CMS signature is not intact. `Display` is a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsFault {
    /// It can't be read as CMS.
    #[error("malformed")]
    Malformed,
    /// The hash of the bytes isn't the signed one: they were changed after signing.
    #[error("digest_mismatch")]
    Digest,
    /// The signature wasn't made with the key of its certificate.
    #[error("signature_mismatch")]
    Signature,
    /// The signed attributes name another type of content.
    #[error("content_type_mismatch")]
    ContentType,
    /// The signed attributes name another certificate (RFC 5035).
    #[error("signing_certificate_mismatch")]
    SigningCertificate,
    /// Its RFC 3161 time-stamp isn't intact, or belongs to another signature.
    #[error("time_stamp_mismatch")]
    TimeStamp,
    /// It doesn't contain its signer's certificate.
    #[error("certificate_missing")]
    CertificateMissing,
    /// It has no signer, or several. A PDF's signature has one (ISO 32000-2, 12.8.3.3.1).
    #[error("not_one_signer")]
    NotOneSigner,
    /// Its hash algorithm is unknown, or no longer safe like MD5.
    #[error("digest_algorithm")]
    DigestAlgorithm,
    /// Its signature algorithm or its key is of an unknown kind.
    #[error("signature_algorithm")]
    SignatureAlgorithm,
    /// Its RSA key is shorter than 1,024 bits.
    #[error("key_too_short")]
    KeyTooShort,
    /// OpenSSL failed: it is out of memory, for example.
    #[error("openssl")]
    Openssl,
}

impl CmsFault {
    /// Whether the signature is known to be wrong. Otherwise nothing is known about it.
    #[must_use]
    pub const fn is_broken(self) -> bool {
        match self {
            Self::Malformed
            | Self::Digest
            | Self::Signature
            | Self::ContentType
            | Self::SigningCertificate
            | Self::TimeStamp => true,
            Self::CertificateMissing
            | Self::NotOneSigner
            | Self::DigestAlgorithm
            | Self::SignatureAlgorithm
            | Self::KeyTooShort
            | Self::Openssl => false,
        }
    }
}

impl From<ErrorStack> for CmsFault {
    fn from(_: ErrorStack) -> Self {
        Self::Openssl
    }
}
