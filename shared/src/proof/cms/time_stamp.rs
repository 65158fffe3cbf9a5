//! RFC 3161 time-stamps: a CMS signature of an authority over a hash and a time.

use jiff::Timestamp;

use super::{
    algorithm::Digest,
    certificate::Certificate,
    element::{Element, GENERALIZED_TIME, INTEGER, OCTET_STRING, SEQUENCE},
    fault::CmsFault,
    signed_data::SignedData,
    time,
};

/// `id-ct-TSTInfo`
const TIME_STAMP_INFO: &str = "1.2.840.113549.1.9.16.1.4";

/// What a time-stamp says.
pub struct TimeStamp {
    /// When the hash existed.
    pub at: Timestamp,
    /// The algorithm of the hash.
    pub digest: Digest,
    /// The hash.
    pub hash: Vec<u8>,
}

impl TimeStamp {
    /// Reads the content of a time-stamp. It doesn't verify it.
    ///
    /// # Errors
    /// [`CmsFault::Malformed`], or that its hash algorithm isn't supported.
    pub fn read(token: &SignedData<'_>) -> Result<Self, CmsFault> {
        let content = token.content().filter(|_| token.content_type() == TIME_STAMP_INFO).ok_or(CmsFault::Malformed)?;
        let mut parts = Element::first(content)?.must_be(SEQUENCE)?.children();
        parts.expect(INTEGER)?;
        parts.next().ok_or(CmsFault::Malformed)??.object()?;
        let mut imprint = parts.expect(SEQUENCE)?.children();
        let digest = Digest::read(&imprint.expect(SEQUENCE)?)?;
        let hash = imprint.expect(OCTET_STRING)?.octets()?;
        parts.expect(INTEGER)?;
        let at = time::read(&parts.expect(GENERALIZED_TIME)?).ok_or(CmsFault::Malformed)?;
        Ok(Self { at, digest, hash })
    }

    /// Verifies the authority's signature over a time-stamp. Returns the authority's certificate, and all certificates in
    /// the token.
    ///
    /// # Errors
    /// Why it isn't intact.
    pub fn verify_token(token: &SignedData<'_>) -> Result<(Certificate, Vec<Certificate>), CmsFault> {
        let content = token.content().ok_or(CmsFault::Malformed)?;
        let signed = token.verify(&token.digest()?.of(content)?)?;
        Ok((signed.signer, signed.certificates))
    }

    /// Reads and verifies the time-stamp of a signature.
    pub(super) fn of_signature(token: &[u8], signature: &[u8]) -> Result<Self, CmsFault> {
        let token = SignedData::parse(token).map_err(|_| CmsFault::TimeStamp)?;
        let stamp = Self::read(&token).map_err(of_time_stamp)?;
        if stamp.digest.of(signature)? != stamp.hash {
            return Err(CmsFault::TimeStamp);
        }
        Self::verify_token(&token).map_err(of_time_stamp)?;
        Ok(stamp)
    }
}

/// The fault of a signature whose time-stamp has this fault.
const fn of_time_stamp(fault: CmsFault) -> CmsFault {
    if fault.is_broken() { CmsFault::TimeStamp } else { fault }
}
