//! Signs as Legalesign does: RSASSA-PKCS1-v1_5 with SHA-1, with a certificate built like Legalesign's.

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use openssl::{
    asn1::{Asn1Integer, Asn1Time, Asn1Type},
    bn::BigNum,
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, PKeyRef, Private},
    rsa::Rsa,
    sign::Signer,
    x509::{X509, X509Name},
};

/// Minimum size of an RSA key, in bits. The product treats a shorter one as not configured.
const MIN_BITS: u32 = 2048;

/// A throw-away RSA key and its certificate.
#[derive(Clone)]
pub struct SigningKey {
    key: PKey<Private>,
    pem: String,
    certificate: String,
}

impl SigningKey {
    /// Generates a key of 2,048 bits. Legalesign's has 4,096, which would take seconds to generate.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    pub fn generate() -> Result<Self> {
        let key = Rsa::generate(MIN_BITS).and_then(PKey::from_rsa);
        key.and_then(Self::new).context("can't generate an RSA key")
    }

    /// Reads an RSA key in PEM (PKCS #8, not encrypted) of at least 2,048 bits.
    ///
    /// # Errors
    /// When the text isn't such a key.
    pub fn from_pem(pem: &str) -> Result<Self> {
        // With a passphrase, though a wrong one, OpenSSL doesn't ask for it on the terminal if the key is encrypted.
        let key = PKey::private_key_from_pem_passphrase(pem.as_bytes(), b"");
        let key = key.context("the signing key is not PEM of a private key")?;
        let is_long_enough = key.rsa().is_ok_and(|rsa| rsa.n().num_bits() >= MIN_BITS.cast_signed());
        ensure!(is_long_enough, "the signing key is not an RSA key of at least {MIN_BITS} bits");
        Self::new(key).context("can't make a certificate for the signing key")
    }

    fn new(key: PKey<Private>) -> Result<Self, ErrorStack> {
        let (pem, certificate) = (key.private_key_to_pem_pkcs8()?, certificate(&key)?.to_pem()?);
        // PEM is ASCII.
        let text = |pem: Vec<u8>| String::from_utf8_lossy(&pem).into_owned();
        Ok(Self { key, pem: text(pem), certificate: text(certificate) })
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.pem.clone()
    }

    /// A certificate like Legalesign's, in PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.certificate.clone()
    }

    /// Signs a message. The signature is in base64.
    ///
    /// # Errors
    /// When OpenSSL fails. It has no reason to, with a key that it read.
    pub fn sign(&self, message: &[u8]) -> Result<String, ErrorStack> {
        let signature = Signer::new(MessageDigest::sha1(), &self.key)?.sign_oneshot_to_vec(message)?;
        Ok(BASE64_STANDARD.encode(signature))
    }
}

/// A certificate like Legalesign's: X.509 version 1, serial number 0, self-signed with SHA-1, a T61String, valid until 2033.
/// Its organisation marks it as a throw-away.
fn certificate(key: &PKeyRef<Private>) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text_with_type("L", "Edinburgh,Scotland,GB", Asn1Type::PRINTABLESTRING)?;
    name.append_entry_by_text_with_type("O", "THROW-AWAY KEY, NOT REAL", Asn1Type::PRINTABLESTRING)?;
    name.append_entry_by_text_with_type("CN", "legalesign.com/email@legalesign.com", Asn1Type::T61STRING)?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(0)?;
    let serial = Asn1Integer::from_bn(&*BigNum::new()?)?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&*Asn1Time::from_str("20130201162827Z")?)?;
    certificate.set_not_after(&*Asn1Time::from_str("20330201162827Z")?)?;
    certificate.set_pubkey(key)?;
    certificate.sign(key, MessageDigest::sha1())?;
    Ok(certificate.build())
}

#[cfg(test)]
mod tests {
    use countersign::proof::signature::{SignatureError, Signers};
    use openssl::nid::Nid;

    use super::*;

    const TEST_KEY: &str = include_str!("../../../shared/tests/data/legalesign/THROWAWAY-TEST-KEY-rsa4096.pem");
    const MESSAGE: &[u8] = include_bytes!("../../../shared/tests/data/legalesign/messages/batch.json");
    /// OpenSSL's signature over `MESSAGE` with `TEST_KEY`.
    const SIGNED: &str = include_str!("../../../shared/tests/data/legalesign/signatures/batch.rsa4096.b64");

    #[test]
    fn signatures_match_openssl() {
        let key = SigningKey::from_pem(TEST_KEY).unwrap();
        assert_eq!(key.sign(MESSAGE).unwrap(), SIGNED);
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
            assert!(signers.verify_sha1(message, key.sign(message).unwrap().as_bytes(), at).is_ok());
        }
        let wrong = signers.verify_sha1(b"[ ]", key.sign(b"[]").unwrap().as_bytes(), at);
        assert_eq!(wrong.err(), Some(SignatureError::Mismatch));
    }

    #[test]
    fn a_generated_certificate_is_like_legalesigns() {
        let key = SigningKey::generate().unwrap();
        let certificate = X509::from_pem(key.certificate().as_bytes()).unwrap();
        assert_eq!((certificate.version(), certificate.serial_number().to_bn().unwrap().num_bits()), (0, 0));
        assert_eq!(certificate.signature_algorithm().object().nid(), Nid::SHA1WITHRSAENCRYPTION);
        assert!(certificate.verify(&key.key).unwrap(), "it is self-signed");
        let name = certificate.subject_name().to_der().unwrap();
        assert_eq!(name, certificate.issuer_name().to_der().unwrap());
        assert!(name.windows(2).any(|tag| tag == [0x14, 35]), "a T61String of 35 bytes");
    }

    #[test]
    fn invalid_keys_are_rejected() {
        let certificate = include_str!("../../../shared/tests/data/legalesign/lookalike.crt.pem");
        for text in ["", "no key", certificate, "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text).is_err(), "{text:.30}");
        }
    }
}
