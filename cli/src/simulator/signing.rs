//! Signs as Legalesign does: RSASSA-PKCS1-v1_5 with SHA-1, with a certificate built like Legalesign's.
//!
//! No library that is linked anyway still signs with SHA-1, so the modular exponentiation is done here, with big
//! integers that aren't constant-time. That is acceptable for a throw-away key with which the local stack proves its
//! own callbacks to itself, and for nothing else.

use anyhow::{Context, Result};
use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, digest},
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use num_bigint::BigUint;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// `rsaEncryption` and `sha1WithRSAEncryption` (RFC 8017, appendix A): the contents of the OIDs, and NULL parameters.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA1_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
const NULL: &[u8] = &[0x05, 0x00];

/// The prefix of a SHA-1 hash in a signature: the start of its DER `DigestInfo` (RFC 8017, section 9.2, note 1).
const SHA1_PREFIX: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// Minimum size of an RSA key. The product treats a shorter one as not configured.
const MIN_BITS: u64 = 2048;

/// A throw-away RSA key.
#[derive(Clone)]
pub struct SigningKey {
    pkcs8: Vec<u8>,
    modulus: BigUint,
    public_exponent: BigUint,
    primes: [BigUint; 2],
    exponents: [BigUint; 2],
    coefficient: BigUint,
}

impl SigningKey {
    /// Generates a key of 2,048 bits. Legalesign's has 4,096, which would take seconds to generate.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    pub fn generate() -> Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048).ok().context("can't generate an RSA key")?;
        let der: Pkcs8V1Der<'_> = key.as_der().ok().context("can't encode the RSA key")?;
        Self::read(der.as_ref()).context("can't read the RSA key")
    }

    /// Reads an RSA key in PEM (PKCS #8, not encrypted) of at least 2,048 bits.
    ///
    /// # Errors
    /// When the text isn't such a key.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = BASE64_STANDARD.decode(base64).ok().context("the signing key is not PEM")?;
        Self::read(&der).context("the signing key is not an RSA key in PKCS #8")
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    fn read(pkcs8: &[u8]) -> Option<Self> {
        let (outer, _) = take(pkcs8, SEQUENCE)?;
        let (_, outer) = take(outer, INTEGER)?;
        let (_, outer) = take(outer, SEQUENCE)?;
        let (key, _) = take(outer, OCTET_STRING)?;
        let (key, _) = take(key, SEQUENCE)?;
        let (_, mut rest) = take(key, INTEGER)?;
        let mut number = || {
            let (bytes, after) = take(rest, INTEGER)?;
            rest = after;
            Some(BigUint::from_bytes_be(bytes))
        };
        let (modulus, public_exponent, _) = (number()?, number()?, number()?);
        let (primes, exponents) = ([number()?, number()?], [number()?, number()?]);
        let coefficient = number()?;
        let valid = modulus.bits() >= MIN_BITS && &primes[0] * &primes[1] == modulus;
        valid.then(|| Self { pkcs8: pkcs8.to_vec(), modulus, public_exponent, primes, exponents, coefficient })
    }

    /// Signs a message. The signature is in base64.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        BASE64_STANDARD.encode(self.signature(message))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let length = usize::try_from(self.modulus.bits().div_ceil(8)).unwrap_or(usize::MAX);
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
        let padding = vec![0xff; length - 3 - SHA1_PREFIX.len() - hash.as_ref().len()];
        let encoded = BigUint::from_bytes_be(&[&[0, 1], &padding[..], &[0], SHA1_PREFIX, hash.as_ref()].concat());
        // With the Chinese remainder theorem (RFC 8017, section 5.2.1), four times faster than with the private
        // exponent.
        let ([p, q], [dp, dq]) = (&self.primes, &self.exponents);
        let (of_p, of_q) = (encoded.modpow(dp, p), encoded.modpow(dq, q));
        let difference = (of_p + p - &of_q % p) % p;
        let signature = (of_q + (difference * &self.coefficient) % p * q).to_bytes_be();
        [vec![0; length - signature.len()], signature].concat()
    }

    /// A certificate like Legalesign's, in PEM: X.509 version 1, serial number 0, self-signed with SHA-1, a T61String,
    /// valid until 2033. Its organisation marks it as a throw-away.
    #[must_use]
    pub fn certificate(&self) -> String {
        let attribute = |kind: u8, tag, text: &str| {
            let kind = der(OBJECT, &[&[0x55, 0x04, kind]]);
            der(SET, &[&der(SEQUENCE, &[&kind, &der(tag, &[text.as_bytes()])])])
        };
        let name = der(
            SEQUENCE,
            &[
                &attribute(7, PRINTABLE_STRING, "Edinburgh,Scotland,GB"),
                &attribute(10, PRINTABLE_STRING, "THROW-AWAY KEY, NOT REAL"),
                &attribute(3, T61_STRING, "legalesign.com/email@legalesign.com"),
            ],
        );
        let algorithm = |object| der(SEQUENCE, &[&der(OBJECT, &[object]), NULL]);
        let time = |text: &str| der(UTC_TIME, &[text.as_bytes()]);
        let validity = der(SEQUENCE, &[&time("130201162827Z"), &time("330201162827Z")]);
        let key = der(SEQUENCE, &[&integer(&self.modulus), &integer(&self.public_exponent)]);
        let key = der(SEQUENCE, &[&algorithm(RSA), &der(BIT_STRING, &[&[0], &key])]);
        let serial = der(INTEGER, &[&[0]]);
        let content = der(SEQUENCE, &[&serial, &algorithm(SHA1_WITH_RSA), &name, &validity, &name, &key]);
        let signature = der(BIT_STRING, &[&[0], &self.signature(&content)]);
        pem("CERTIFICATE", &der(SEQUENCE, &[&content, &algorithm(SHA1_WITH_RSA), &signature]))
    }
}

/// Takes the element with this tag from the start of `der`. Returns its content and the remaining bytes.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (bytes.iter().try_fold(0_usize, |length, byte| length.checked_mul(256)?.checked_add((*byte).into()))?, rest)
    };
    rest.split_at_checked(length)
}

/// Encodes an element with this tag.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut element = vec![tag];
    match (content.len(), u8::try_from(length.len())) {
        (0..0x80, _) => element.push(length.first().copied().unwrap_or(0)),
        (_, Ok(bytes)) => {
            element.push(0x80 | bytes);
            element.extend(length);
        }
        (_, Err(_)) => {}
    }
    element.extend(content);
    element
}

/// Encodes a positive integer. If its first bit is set, it needs a leading zero byte, or it would be negative.
fn integer(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let sign: &[u8] = if bytes.first().is_some_and(|byte| *byte >= 0x80) { &[0] } else { &[] };
    der(INTEGER, &[sign, &bytes])
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use countersign::proof::signature::{SignatureError, Signers};

    use super::*;

    const TEST_KEY: &str = include_str!("../../../shared/tests/data/legalesign/THROWAWAY-TEST-KEY-rsa4096.pem");
    const MESSAGE: &[u8] = include_bytes!("../../../shared/tests/data/legalesign/messages/batch.json");
    /// OpenSSL's signature over `MESSAGE` with `TEST_KEY`.
    const SIGNED: &str = include_str!("../../../shared/tests/data/legalesign/signatures/batch.rsa4096.b64");

    #[test]
    fn signatures_match_openssl() {
        let key = SigningKey::from_pem(TEST_KEY).unwrap();
        assert_eq!(key.sign(MESSAGE), SIGNED);
        assert_eq!(key.to_pem(), TEST_KEY);
    }

    #[test]
    fn a_generated_certificate_is_accepted_and_verifies_signatures() {
        let key = SigningKey::generate().unwrap();
        let (signers, problems) = Signers::parse(&[key.certificate()]);
        assert_eq!(problems, []);
        let signer = signers.iter().next().unwrap();
        assert_eq!(signer.not_before(), Some("2013-02-01T16:28:27Z".parse().unwrap()));
        assert_eq!(signer.not_after(), Some("2033-02-01T16:28:27Z".parse().unwrap()));
        let at = "2026-11-22T00:00:00Z".parse().unwrap();
        for message in [&b""[..], b"[]", MESSAGE] {
            assert!(signers.verify_sha1(message, key.sign(message).as_bytes(), at).is_ok());
        }
        let wrong = signers.verify_sha1(b"[ ]", key.sign(b"[]").as_bytes(), at);
        assert_eq!(wrong.err(), Some(SignatureError::Mismatch));
        // The certificate's own signature is valid too, since it is self-signed.
        let body: String = key.certificate().lines().filter(|line| !line.starts_with("---")).collect();
        let whole = BASE64_STANDARD.decode(body).unwrap();
        let (outer, _) = take(&whole, SEQUENCE).unwrap();
        let (content, rest) = take(outer, SEQUENCE).unwrap();
        let (_, rest) = take(rest, SEQUENCE).unwrap();
        let (signature, _) = take(rest, BIT_STRING).unwrap();
        let content = der(SEQUENCE, &[content]);
        assert!(signers.verify_sha1(&content, BASE64_STANDARD.encode(&signature[1..]).as_bytes(), at).is_ok());
    }

    #[test]
    fn invalid_keys_are_rejected() {
        let certificate = include_str!("../../../shared/tests/data/legalesign/lookalike.crt.pem");
        for text in ["", "no key", certificate, "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text).is_err(), "{text:.30}");
        }
    }
}
