//! Attributes of a signer (RFC 5652, section 5.3). Each has a type and one value.

use super::{
    element::{Element, SEQUENCE, SET},
    fault::CmsFault,
};

/// `id-contentType`
pub(super) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
/// `id-messageDigest`
pub(super) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
/// `id-signingTime`
pub(super) const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
/// `id-aa-signingCertificate` (RFC 2634)
pub(super) const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
/// `id-aa-timeStampToken` (RFC 3161, appendix A)
pub(super) const TIME_STAMP: &str = "1.2.840.113549.1.9.16.2.14";
/// `id-aa-signingCertificateV2` (RFC 5035)
pub(super) const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";
/// `adbe-revocationInfoArchival` (ISO 32000-2, 12.8.3.3.2)
pub(super) const REVOCATION_DATA: &str = "1.2.840.113583.1.1.8";

/// Maximum number of attributes of a signer.
const MAX_ATTRIBUTES: usize = 64;

/// The attributes of a signer.
pub(super) struct Attributes<'d>(Vec<(String, Element<'d>)>);

impl<'d> Attributes<'d> {
    /// Reads attributes: the content of a SET.
    pub(super) fn read(set: &Element<'d>) -> Result<Self, CmsFault> {
        let mut attributes = Vec::new();
        for attribute in set.children() {
            let mut parts = attribute?.must_be(SEQUENCE)?.children();
            let name = parts.next().ok_or(CmsFault::Malformed)??.object()?;
            // A second attribute of a type could contradict the first one.
            if attributes.iter().any(|(other, _)| *other == name) || attributes.len() >= MAX_ATTRIBUTES {
                return Err(CmsFault::Malformed);
            }
            attributes.push((name, parts.expect(SET)?));
        }
        Ok(Self(attributes))
    }

    /// The value of an attribute. All known ones have exactly one value.
    pub(super) fn get(&self, name: &str) -> Result<Option<Element<'d>>, CmsFault> {
        let Some((_, values)) = self.0.iter().find(|(other, _)| other == name) else { return Ok(None) };
        let mut values = values.children();
        let value = values.next().ok_or(CmsFault::Malformed)??;
        if values.next().is_none() { Ok(Some(value)) } else { Err(CmsFault::Malformed) }
    }

    /// Whether there is an attribute of this type.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }
}
