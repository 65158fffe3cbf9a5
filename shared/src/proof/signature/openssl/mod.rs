//! Reads certificates and public keys, and verifies RSA signatures, with OpenSSL.

mod pem;

use std::sync::Arc;

use jiff::Timestamp;
use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    hash::MessageDigest,
    pkey::{Id, PKey, Public},
    sha::sha256,
    sign::Verifier,
    x509::X509,
};

use self::pem::Pem;
use super::{Fingerprint, Key, PublicKey, Signer, SignerFault, SignerProblem, Signers};

/// Length of accepted RSA keys, in bits.
const KEY_BITS: std::ops::RangeInclusive<i32> = 2_048..=8_192;

/// Maximum length of a public exponent, in bits. The usual ones, 3 and 65,537, have 2 and 17.
const MAX_EXPONENT_BITS: i32 = 33;

impl Signers {
    /// Parses a list of PEM texts, each with one certificate or one public key. Duplicates are dropped.
    ///
    /// Returns the usable entries together with the faults of all others: one bad entry must not disable a working key,
    /// and an operator needs all faults at once. If no entry is usable, [`Signers::is_empty`] is true.
    pub fn parse(entries: &[impl AsRef<str>]) -> (Self, Vec<SignerProblem>) {
        let mut keys: Vec<Key> = Vec::with_capacity(entries.len());
        let mut problems = Vec::new();
        for (position, entry) in (1..).zip(entries) {
            match Key::parse(entry.as_ref()) {
                Ok(key) if keys.iter().any(|known| known.signer.fingerprint() == key.signer.fingerprint()) => {}
                Ok(key) => keys.push(key),
                Err(fault) => problems.push(SignerProblem { position, fault }),
            }
        }
        (Self { keys }, problems)
    }
}

impl Key {
    /// Parses one PEM text.
    fn parse(text: &str) -> Result<Self, SignerFault> {
        let pem = Pem::parse(text)?;
        let (key, validity) = match &pem {
            Pem::Certificate(der) => {
                let certificate = X509::from_der(der).map_err(|_| SignerFault::Unreadable)?;
                must_be(der, certificate.to_der().ok())?;
                let key = certificate.public_key().map_err(|_| SignerFault::KeyRejected)?;
                (key, Some((timestamp(certificate.not_before())?, timestamp(certificate.not_after())?)))
            }
            Pem::PublicKey(der) => {
                let key = PKey::public_key_from_der(der).map_err(|_| SignerFault::Unreadable)?;
                must_be(der, key.public_key_to_der().ok())?;
                (key, None)
            }
        };
        let public = Box::new(RsaKey::new(key)?);
        let signer = Signer::new(Fingerprint::new(sha256(pem.der())), pem.to_text(), validity);
        Ok(Self { signer: Arc::new(signer), public })
    }
}

/// Checks that OpenSSL read all of `der`: it ignores bytes that follow.
fn must_be(der: &[u8], read: Option<Vec<u8>>) -> Result<(), SignerFault> {
    if read.is_some_and(|read| read == der) { Ok(()) } else { Err(SignerFault::Unreadable) }
}

/// Converts a time and clamps it to the range of [`Timestamp`]. `99991231235959Z`, which means "no end" (RFC 5280,
/// section 4.1.2.5), is some hours beyond that range.
fn timestamp(time: &Asn1TimeRef) -> Result<Timestamp, SignerFault> {
    let since_epoch = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time)).map_err(|_| SignerFault::Unreadable)?;
    let seconds = i64::from(since_epoch.days) * 86_400 + i64::from(since_epoch.secs);
    Ok(Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX }))
}

/// An RSA key for PKCS #1 v1.5.
struct RsaKey(PKey<Public>);

impl RsaKey {
    fn new(key: PKey<Public>) -> Result<Self, SignerFault> {
        if key.id() != Id::RSA {
            return Err(SignerFault::NotRsa);
        }
        let rsa = key.rsa().map_err(|_| SignerFault::NotRsa)?;
        let (modulus, exponent) = (rsa.n(), rsa.e());
        if modulus.num_bits() < *KEY_BITS.start() {
            return Err(SignerFault::KeyTooShort);
        }
        if modulus.num_bits() > *KEY_BITS.end() {
            return Err(SignerFault::KeyTooLong);
        }
        // OpenSSL accepts any numbers.
        let is_usable =
            modulus.is_bit_set(0) && exponent.is_bit_set(0) && (2..=MAX_EXPONENT_BITS).contains(&exponent.num_bits());
        if is_usable { Ok(Self(key)) } else { Err(SignerFault::KeyRejected) }
    }
}

impl PublicKey for RsaKey {
    fn signature_len(&self) -> usize {
        self.0.size()
    }

    fn verifies_sha1(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = Verifier::new(MessageDigest::sha1(), &self.0)
            .and_then(|mut verifier| verifier.verify_oneshot(signature, message));
        verified.unwrap_or(false)
    }
}
