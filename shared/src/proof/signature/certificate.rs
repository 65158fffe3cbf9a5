//! One certificate or public key, parsed once and ready to verify signatures.
//!
//! Legalesign's certificate is X.509 version 1, has serial number 0, is self-signed with SHA-1, and its name is a
//! T61String: valid by the rules of 1988, but refused by verifiers made for the web. None of this matters here, so none
//! of it is checked. Only the type and size of the key and the two dates matter.

use std::fmt;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY as RSA_SHA1, RsaParameters};
use jiff::Timestamp;
use x509_parser::certificate::{Validity, X509CertificateParser};
use x509_parser::nom::Parser;
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::fingerprint::Fingerprint;
use super::pem::Pem;

/// Seconds in a day, for [`Signer::days_left`].
const DAY: i64 = 86_400;

/// A certificate, or a bare public key, whose signatures are accepted.
pub struct Signer {
    fingerprint: Fingerprint,
    pem: String,
    validity: Option<(Timestamp, Timestamp)>,
    key: ParsedPublicKey,
    signature_len: usize,
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
    /// RSA over 8,192 bits, the maximum of the verifier.
    #[error("the RSA key has more than 8,192 bits")]
    KeyTooLong,
    /// RSA parameters that form no valid key, or a public exponent over 33 bits (a library limit, against slow keys).
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
    /// Parses one PEM text.
    pub(super) fn parse(text: &str) -> Result<Self, SignerFault> {
        let pem = Pem::parse(text)?;
        let fingerprint = Fingerprint::of(pem.der());
        let (spki, validity) = match &pem {
            Pem::Certificate(der) => {
                // Extensions are irrelevant, so their content isn't parsed.
                let (rest, certificate) = X509CertificateParser::new()
                    .with_deep_parse_extensions(false)
                    .parse(der)
                    .map_err(|_| SignerFault::Unreadable)?;
                if !rest.is_empty() {
                    return Err(SignerFault::Unreadable);
                }
                let Validity { not_before, not_after } = certificate.tbs_certificate.validity;
                (certificate.tbs_certificate.subject_pki, Some((timestamp(not_before), timestamp(not_after))))
            }
            Pem::PublicKey(der) => match SubjectPublicKeyInfo::from_der(der) {
                Ok(([], spki)) => (spki, None),
                _ => return Err(SignerFault::Unreadable),
            },
        };
        let (key, bits) = rsa_key(&spki)?;
        Ok(Self { fingerprint, pem: pem.to_text(), validity, key, signature_len: bits.div_ceil(8) })
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

    /// Length of this key's signatures, in bytes: the length of its modulus.
    pub(super) fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Whether this key made `signature` over the message with this SHA-1 `hash`.
    pub(super) fn verifies(&self, signature: &[u8], hash: &Digest) -> bool {
        self.key.verify_digest_sig(hash, signature).is_ok()
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

/// Returns the RSA key and the length of its modulus, in bits.
fn rsa_key(spki: &SubjectPublicKeyInfo<'_>) -> Result<(ParsedPublicKey, usize), SignerFault> {
    if spki.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
        return Err(SignerFault::NotRsa);
    }
    let public_key = spki.subject_public_key.data.as_ref();
    let bits = RsaParameters::public_modulus_len(public_key).map_err(|_| SignerFault::KeyRejected)?;
    if bits < RSA_SHA1.min_modulus_len() {
        return Err(SignerFault::KeyTooShort);
    }
    if bits > RSA_SHA1.max_modulus_len() {
        return Err(SignerFault::KeyTooLong);
    }
    let key = ParsedPublicKey::new(&RSA_SHA1, public_key).map_err(|_| SignerFault::KeyRejected)?;
    let bits = usize::try_from(bits).map_err(|_| SignerFault::KeyTooLong)?;
    Ok((key, bits))
}

/// Converts a time and clamps it to the range of [`Timestamp`]. `99991231235959Z`, which means "no end" (RFC 5280,
/// section 4.1.2.5), is some hours beyond that range.
fn timestamp(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
