//! `SignedData` (RFC 5652, section 5): one signature, its signer's certificate, and perhaps what it signs.

use jiff::Timestamp;

use super::{
    algorithm::{Algorithm, Digest, Message},
    attributes::{
        Attributes, CONTENT_TYPE, MESSAGE_DIGEST, REVOCATION_DATA, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2,
        SIGNING_TIME, TIME_STAMP,
    },
    certificate::{self, Certificate},
    element::{Element, INTEGER, OCTET_STRING, SEQUENCE, SET},
    fault::CmsFault,
    time,
    time_stamp::TimeStamp,
};

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";

/// A parsed signature, which isn't verified yet.
pub struct SignedData<'d> {
    content_type: String,
    content: Option<Vec<u8>>,
    certificates: Vec<Certificate>,
    signer: Element<'d>,
    digest: Element<'d>,
    signed: Option<Element<'d>>,
    algorithm: Element<'d>,
    signature: Vec<u8>,
    unsigned: Option<Element<'d>>,
}

/// A signature that was verified.
pub struct Signed {
    /// The signer's certificate.
    pub signer: Certificate,
    /// All certificates in the signature.
    pub certificates: Vec<Certificate>,
    /// Its RFC 3161 time-stamp, if it has one.
    pub time_stamp: Option<TimeStamp>,
}

impl<'d> SignedData<'d> {
    /// Parses a signature. Bytes after it are ignored.
    ///
    /// # Errors
    /// [`CmsFault::Malformed`], or [`CmsFault::NotOneSigner`].
    pub fn parse(bytes: &'d [u8]) -> Result<Self, CmsFault> {
        let mut info = Element::first(bytes)?.must_be(SEQUENCE)?.children();
        if info.next().ok_or(CmsFault::Malformed)??.object()? != SIGNED_DATA {
            return Err(CmsFault::Malformed);
        }
        let data = info.optional(0)?.ok_or(CmsFault::Malformed)?.children().expect(SEQUENCE)?;
        let mut parts = data.children();
        parts.expect(INTEGER)?;
        parts.expect(SET)?;
        let mut encapsulated = parts.expect(SEQUENCE)?.children();
        let content_type = encapsulated.next().ok_or(CmsFault::Malformed)??.object()?;
        let content = match encapsulated.optional(0)? {
            Some(content) => Some(content.children().expect(OCTET_STRING)?.octets()?),
            None => None,
        };
        let certificates = parts.optional(0)?.map_or(Ok(Vec::new()), |set| certificate::read(&set))?;
        parts.optional(1)?;
        let mut signers = parts.expect(SET)?.children();
        let (Some(signer), None) = (signers.next().transpose()?, signers.next()) else {
            return Err(CmsFault::NotOneSigner);
        };
        let mut parts = signer.must_be(SEQUENCE)?.children();
        parts.expect(INTEGER)?;
        Ok(Self {
            content_type,
            content,
            certificates,
            signer: parts.next().ok_or(CmsFault::Malformed)??,
            digest: parts.expect(SEQUENCE)?,
            signed: parts.optional(0)?,
            algorithm: parts.expect(SEQUENCE)?,
            signature: parts.expect(OCTET_STRING)?.octets()?,
            unsigned: parts.optional(1)?,
        })
    }

    /// The type of the content, as an object identifier in dotted form.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The content, if the signature contains it.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// The algorithm by which the signed bytes are hashed.
    ///
    /// # Errors
    /// If it isn't supported.
    pub fn digest(&self) -> Result<Digest, CmsFault> {
        Digest::read(&self.digest)
    }

    /// The certificate that the signature names, before it is verified that its key made the signature.
    ///
    /// # Errors
    /// If it is missing.
    pub fn signer(&self) -> Result<Certificate, CmsFault> {
        certificate::signer(&self.certificates, &self.signer)
    }

    /// When it was made, as the signer claims.
    #[must_use]
    pub fn claimed_at(&self) -> Option<Timestamp> {
        let attributes = self.signed_attributes().ok()??;
        time::read(&attributes.get(SIGNING_TIME).ok()??)
    }

    /// Whether it contains revocation data.
    #[must_use]
    pub fn has_revocation_data(&self) -> bool {
        matches!(self.signed_attributes(), Ok(Some(attributes)) if attributes.has(REVOCATION_DATA))
    }

    /// Verifies the signature over bytes with this hash, and its time-stamp.
    ///
    /// # Errors
    /// Why it isn't intact.
    pub fn verify(&self, hash: &[u8]) -> Result<Signed, CmsFault> {
        let signer = self.signer()?;
        let algorithm = Algorithm::read(&self.algorithm, self.digest()?)?;
        let key = signer.key()?;
        match (&self.signed, self.signed_attributes()?) {
            (Some(element), Some(attributes)) => {
                let value = |name| attributes.get(name)?.ok_or(CmsFault::Malformed);
                if value(MESSAGE_DIGEST)?.must_be(OCTET_STRING)?.octets()? != hash {
                    return Err(CmsFault::Digest);
                }
                if value(CONTENT_TYPE)?.object()? != self.content_type {
                    return Err(CmsFault::ContentType);
                }
                for (name, default) in [(SIGNING_CERTIFICATE, Digest::SHA1), (SIGNING_CERTIFICATE_V2, Digest::SHA256)] {
                    if let Some(attribute) = attributes.get(name)? {
                        certificate::check_signing_certificate(&attribute, default, &signer)?;
                    }
                }
                // Signed as a SET, not with its tag in the signer's information (RFC 5652, section 5.4).
                algorithm.verify(&key, Message::Whole(&set(element.content)), &self.signature)?;
            }
            _ => algorithm.verify(&key, Message::Hashed(hash), &self.signature)?,
        }
        let token = match &self.unsigned {
            Some(unsigned) => Attributes::read(unsigned)?.get(TIME_STAMP)?,
            None => None,
        };
        let time_stamp = token.map(|token| TimeStamp::of_signature(token.raw, &self.signature)).transpose()?;
        Ok(Signed { signer, certificates: self.certificates.clone(), time_stamp })
    }

    fn signed_attributes(&self) -> Result<Option<Attributes<'d>>, CmsFault> {
        self.signed.as_ref().map(Attributes::read).transpose()
    }
}

/// The DER of a SET with this content.
fn set(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![0x31];
    match (content.len(), u8::try_from(length.len())) {
        (0..0x80, _) | (_, Err(_)) => der.push(length.first().copied().unwrap_or(0)),
        (_, Ok(bytes)) => {
            der.push(0x80 | bytes);
            der.extend_from_slice(length);
        }
    }
    der.extend_from_slice(content);
    der
}
