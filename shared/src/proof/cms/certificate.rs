//! Certificates in a CMS signature.

use openssl::{
    bn::BigNum,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Public},
    x509::{X509, X509NameRef},
};

use super::{
    algorithm::Digest,
    element::{Element, INTEGER, OBJECT, SEQUENCE},
    fault::CmsFault,
};

/// Maximum number of certificates that are read. The longest chains have five or six.
const MAX_CERTIFICATES: usize = 32;

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 200;

/// A certificate.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    pub(super) x509: X509,
}

impl Certificate {
    /// SHA-256 of the certificate, in hex.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn fingerprint(&self) -> Result<String, CmsFault> {
        Ok(hex::encode(self.x509.digest(MessageDigest::sha256())?))
    }

    /// The name of its subject: the common name, or else the organisation's.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        name(self.x509.subject_name())
    }

    /// The name of its issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<String> {
        name(self.x509.issuer_name())
    }

    pub(super) fn key(&self) -> Result<PKey<Public>, CmsFault> {
        // OpenSSL knows neither the algorithm nor the curve, or the key is invalid.
        self.x509.public_key().map_err(|_| CmsFault::SignatureAlgorithm)
    }

    pub(super) fn digest(&self, digest: Digest) -> Result<Vec<u8>, CmsFault> {
        digest.of(&self.der)
    }
}

fn name(name: &X509NameRef) -> Option<String> {
    let text = |nid| name.entries_by_nid(nid).last()?.data().to_string().ok();
    let text: String = [Nid::COMMONNAME, Nid::ORGANIZATIONNAME].into_iter().find_map(text)?;
    // A name is shown on terminals and pages.
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect())
}

/// Reads a `CertificateSet`. Elements that can't be read as X.509 certificates are left out.
pub(super) fn read(set: &Element<'_>) -> Result<Vec<Certificate>, CmsFault> {
    let mut certificates = Vec::new();
    for element in set.children().take(MAX_CERTIFICATES) {
        let element = element?;
        if element.is(SEQUENCE)
            && let Ok(x509) = X509::from_der(element.raw)
        {
            certificates.push(Certificate { der: element.raw.to_vec(), x509 });
        }
    }
    Ok(certificates)
}

/// The certificate that a `SignerIdentifier` names.
pub(super) fn signer(certificates: &[Certificate], identifier: &Element<'_>) -> Result<Certificate, CmsFault> {
    let found = if identifier.is(SEQUENCE) {
        let mut parts = identifier.children();
        let issuer = parts.expect(SEQUENCE)?.raw;
        let serial = parts.expect(INTEGER)?.content;
        certificates.iter().find(|certificate| is(&certificate.x509, issuer, serial))
    } else if identifier.is_context(0) {
        let key = identifier.octets()?;
        certificates.iter().find(|other| other.x509.subject_key_id().is_some_and(|id| id.as_slice() == key))
    } else {
        return Err(CmsFault::Malformed);
    };
    found.cloned().ok_or(CmsFault::CertificateMissing)
}

/// Whether a certificate has this issuer and this serial number.
fn is(x509: &X509, issuer: &[u8], serial: &[u8]) -> bool {
    let same_serial = || {
        let of_certificate = x509.serial_number().to_bn().ok()?;
        // Two's complement.
        let named = BigNum::from_slice(serial).ok()?;
        let is_negative = serial.first().is_some_and(|first| *first >= 0x80);
        Some(if is_negative { of_certificate.is_negative() } else { of_certificate == named })
    };
    let same_issuer = || {
        let named = openssl::x509::X509Name::from_der(issuer).ok()?;
        // OpenSSL compares names without regard to case and coding.
        Some(x509.issuer_name().try_cmp(&named).ok()?.is_eq())
    };
    same_serial().unwrap_or(false) && same_issuer().unwrap_or(false)
}

/// Checks the attribute `signing-certificate` (RFC 2634, section 5.4) or its version 2 (RFC 5035): its first hash must be
/// that of the signer's certificate.
pub(super) fn check_signing_certificate(
    attribute: &Element<'_>,
    default: Digest,
    signer: &Certificate,
) -> Result<(), CmsFault> {
    let certificates = attribute.must_be(SEQUENCE)?.children().expect(SEQUENCE)?;
    let first = certificates.children().expect(SEQUENCE)?;
    let mut parts = first.children();
    let mut part = parts.next().ok_or(CmsFault::Malformed)??;
    let mut digest = default;
    // Only version 2 names an algorithm.
    if part.is(SEQUENCE) && part.children().next().is_some_and(|name| name.is_ok_and(|name| name.is(OBJECT))) {
        digest = Digest::read(&part)?;
        part = parts.next().ok_or(CmsFault::Malformed)??;
    }
    if part.octets()? == signer.digest(digest)? { Ok(()) } else { Err(CmsFault::SigningCertificate) }
}
