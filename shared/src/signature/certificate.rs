//! One certificate or public key, read once and ready to verify.
//!
//! Legalesign's certificate is X.509 version 1, serial number 0, self-signed with SHA-1, its name a T61String: correct
//! by the rules of 1988, and refused by verifiers made for the web. Nothing of that matters here, so nothing of it is
//! checked. What does matter is the kind and size of the key, and the two dates.

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

/// Seconds of a day, for [`Signer::days_left`].
const DAY: i64 = 86_400;

/// A certificate, or a bare public key, whose signatures are accepted.
pub struct Signer {
    fingerprint: Fingerprint,
    pem: String,
    validity: Option<(Timestamp, Timestamp)>,
    key: ParsedPublicKey,
    signature_len: usize,
}

/// What makes a certificate or key unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerFault {
    /// Neither `CERTIFICATE` nor `PUBLIC KEY` in PEM, or what is inside isn't that.
    #[error("is neither a PEM certificate nor a PEM public key")]
    Unreadable,
    /// More than one PEM block. A chain's authorities must not become signers by accident.
    #[error("holds more than one PEM block")]
    SeveralBlocks,
    /// A private key, which has no business in these settings and is now in them.
    #[error("holds a private key: remove it, and replace the key pair")]
    PrivateKey,
    /// A key of another kind: elliptic curve, or RSA for PSS only.
    #[error("the key is not an RSA key for PKCS #1 v1.5")]
    NotRsa,
    /// RSA under 2,048 bits, which can be factored or soon will be.
    #[error("the RSA key has fewer than 2,048 bits")]
    KeyTooShort,
    /// RSA over 8,192 bits, more than the verifier takes.
    #[error("the RSA key has more than 8,192 bits")]
    KeyTooLong,
    /// RSA numbers that make no key, or a public exponent over 33 bits (a limit of the library against slow keys).
    #[error("the RSA key is malformed or has an unusual exponent")]
    KeyRejected,
}

impl SignerFault {
    /// A stable word for logs.
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
    /// Reads one PEM text.
    pub(super) fn parse(text: &str) -> Result<Self, SignerFault> {
        let pem = Pem::parse(text)?;
        let fingerprint = Fingerprint::of(pem.der());
        let (spki, validity) = match &pem {
            Pem::Certificate(der) => {
                // Extensions are of no interest, so what is in them isn't even read.
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

    /// SHA-256 over the DER of the certificate, or of the public key (SPKI) if it came without one.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The PEM text of exactly this certificate or key, written anew: what to keep so that a proof can be repeated.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// When the certificate begins to be valid; nothing for a bare key.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.validity.map(|(not_before, _)| not_before)
    }

    /// The last moment of the certificate's validity; nothing for a bare key.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.validity.map(|(_, not_after)| not_after)
    }

    /// Whole days from `at` to the end of validity, below zero once that has passed; nothing for a bare key.
    #[must_use]
    pub fn days_left(&self, at: Timestamp) -> Option<i64> {
        self.not_after().map(|end| at.duration_until(end).as_secs().div_euclid(DAY))
    }

    /// Whether `at` is in the certificate's validity, both ends included (RFC 5280, section 4.1.2.5).
    pub(super) fn is_valid_at(&self, at: Timestamp) -> bool {
        self.validity.is_none_or(|(not_before, not_after)| not_before <= at && at <= not_after)
    }

    /// How many bytes a signature by this key has: as many as its modulus.
    pub(super) fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Whether this key made `signature` over the message with this SHA-1 `hash`.
    pub(super) fn made(&self, signature: &[u8], hash: &Digest) -> bool {
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

/// The RSA key inside, and the bits of its modulus.
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

/// `99991231235959Z` means "no end" (RFC 5280, section 4.1.2.5) and is some hours beyond what a [`Timestamp`] holds.
fn timestamp(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
