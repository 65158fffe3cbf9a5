//! Judges one signature after the other.

use std::io::{Read, Seek};

use jiff::Timestamp;

use super::{
    coverage::{Covered, RangeFault},
    date,
    fields::Found,
    limits::{MAX_CONTENTS, MAX_HASHED},
};
use crate::{
    domain::{Chain, Coverage, PdfSignature, SignatureKind, SignatureVerdict},
    pdf::{Dictionary, Document, NotAPdf, Object, Revision},
    proof::cms::{Certificate, CmsFault, Digest, SignedData, TimeStamp, TrustRoots},
};

/// Why a signature is not intact.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Cms(#[from] CmsFault),
    #[error(transparent)]
    Range(#[from] RangeFault),
    /// It has no `Contents`, or they aren't in the file as one string.
    #[error("contents_malformed")]
    Contents,
    #[error("contents_too_large")]
    ContentsTooLarge,
    /// The dictionary can't be read.
    #[error("unreadable")]
    Unreadable,
    /// The format (`SubFilter`) isn't a supported one.
    #[error("format")]
    Format,
    /// All signatures together cover more bytes than are hashed.
    #[error("too_much_to_hash")]
    TooMuch,
    #[error("disk")]
    File(#[from] NotAPdf),
}

impl Fault {
    fn verdict(&self) -> SignatureVerdict {
        let is_broken = match self {
            Self::Cms(fault) => fault.is_broken(),
            Self::Range(_) | Self::Contents => true,
            Self::ContentsTooLarge | Self::Unreadable | Self::Format | Self::TooMuch | Self::File(_) => false,
        };
        if is_broken {
            SignatureVerdict::Broken(self.to_string())
        } else {
            SignatureVerdict::NotSupported(self.to_string())
        }
    }
}

/// What the signature signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `adbe.pkcs7.detached` and `ETSI.CAdES.detached`: the bytes.
    Detached,
    /// `adbe.pkcs7.sha1`: the SHA-1 of the bytes.
    Sha1,
    /// `ETSI.RFC3161`: the hash of the bytes, with a time-stamp.
    TimeStamp,
}

impl Format {
    fn of(dictionary: &Dictionary) -> Option<Self> {
        match dictionary.get("SubFilter").and_then(Object::name)? {
            b"adbe.pkcs7.detached" | b"ETSI.CAdES.detached" => Some(Self::Detached),
            b"adbe.pkcs7.sha1" => Some(Self::Sha1),
            b"ETSI.RFC3161" => Some(Self::TimeStamp),
            _ => None,
        }
    }
}

/// Judges the signatures of one document.
pub(super) struct Judge<'a, R> {
    document: &'a mut Document<R>,
    revisions: &'a [Revision],
    roots: Option<&'a TrustRoots>,
    now: Timestamp,
    /// Whether the catalog has a document security store.
    has_security_store: bool,
    /// The number of bytes that may still be hashed.
    budget: u64,
}

impl<'a, R: Read + Seek> Judge<'a, R> {
    pub(super) fn new(
        document: &'a mut Document<R>,
        revisions: &'a [Revision],
        roots: Option<&'a TrustRoots>,
        now: Timestamp,
    ) -> Result<Self, NotAPdf> {
        let catalog = document.catalog()?;
        let store = match catalog.dictionary() {
            Some(catalog) => document.get(catalog, "DSS")?,
            None => Object::Null,
        };
        let has_security_store = store.dictionary().is_some();
        Ok(Self { document, revisions, roots, now, has_security_store, budget: MAX_HASHED })
    }

    /// Judges a signature.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(super) fn judge(&mut self, found: Found) -> Result<PdfSignature, NotAPdf> {
        let mut signature = PdfSignature {
            field: found.name,
            kind: SignatureKind::Approval,
            verdict: SignatureVerdict::Intact,
            coverage: Coverage::Gaps,
            signer: None,
            issuer: None,
            certificate: None,
            claimed_at: None,
            timestamped_at: None,
            long_term: self.has_security_store,
            chain: Chain::NotJudged,
        };
        let result = match found.dictionary {
            Some(dictionary) => {
                signature.kind = self.kind(&dictionary)?;
                signature.claimed_at = self.claimed_at(&dictionary)?;
                self.verify(&dictionary, found.is_in_file, &mut signature)
            }
            None => Err(Fault::Unreadable),
        };
        match result {
            Ok(()) => {}
            Err(Fault::File(error)) => return Err(error),
            Err(fault) => signature.verdict = fault.verdict(),
        }
        Ok(signature)
    }

    /// Verifies a signature, and fills in what it says as far as it can be read.
    fn verify(&mut self, dictionary: &Dictionary, is_in_file: bool, signature: &mut PdfSignature) -> Result<(), Fault> {
        let contents = dictionary.get("Contents").and_then(Object::string).ok_or(Fault::Contents)?;
        if !is_in_file {
            // An object stream is compressed as a whole, so a `ByteRange` can't leave out only a signature within it.
            return Err(Fault::Contents);
        }
        let range = self.document.get(dictionary, "ByteRange")?;
        let (origin, size) = (self.document.origin(), self.document.size());
        let covered = Covered::read(&range, &contents.place, origin, size);
        if let Ok(covered) = &covered {
            signature.coverage = covered.coverage(self.document, self.revisions)?;
        }
        let format = Format::of(dictionary).ok_or(Fault::Format)?;
        if contents.bytes.len() > MAX_CONTENTS {
            return Err(Fault::ContentsTooLarge);
        }
        let data = SignedData::parse(&contents.bytes)?;
        if let Ok(signer) = data.signer() {
            (signature.signer, signature.issuer) = (signer.subject(), signer.issuer());
            signature.certificate = Some(signer.fingerprint()?);
        }
        signature.claimed_at = data.claimed_at().or(signature.claimed_at);
        signature.long_term |= data.has_revocation_data();
        let covered = covered?;
        if signature.coverage == Coverage::Gaps {
            return Err(RangeFault::Gaps.into());
        }
        let (signer, others) = self.verify_data(format, &data, &covered, signature)?;
        if let Some(roots) = self.roots {
            // A claimed time proves nothing: whoever has stolen the certificate's key can claim any time.
            let at = signature.timestamped_at.unwrap_or(self.now);
            signature.chain = if roots.reach(&signer, &others, at) { Chain::Trusted } else { Chain::Untrusted };
        }
        Ok(())
    }

    /// Verifies the CMS over the covered bytes. Returns its signer's certificate, and all certificates in it.
    fn verify_data(
        &mut self,
        format: Format,
        data: &SignedData<'_>,
        covered: &Covered,
        signature: &mut PdfSignature,
    ) -> Result<(Certificate, Vec<Certificate>), Fault> {
        if format == Format::TimeStamp {
            let stamp = TimeStamp::read(data)?;
            if self.hash(covered, stamp.digest)? != stamp.hash {
                return Err(CmsFault::Digest.into());
            }
            let authority = TimeStamp::verify_token(data)?;
            signature.timestamped_at = Some(stamp.at);
            return Ok(authority);
        }
        let digest = data.digest()?;
        let signed = match (format, data.content()) {
            (Format::Sha1, content) => {
                let content = content.ok_or(CmsFault::Malformed)?;
                if self.hash(covered, Digest::SHA1)? != content {
                    return Err(CmsFault::Digest.into());
                }
                data.verify(&digest.of(content)?)?
            }
            // A signature over its own content doesn't cover the file.
            (_, Some(_)) => return Err(CmsFault::Malformed.into()),
            (_, None) => data.verify(&self.hash(covered, digest)?)?,
        };
        signature.timestamped_at = signed.time_stamp.map(|stamp| stamp.at);
        Ok((signed.signer, signed.certificates))
    }

    /// The hash of the covered bytes.
    fn hash(&mut self, covered: &Covered, digest: Digest) -> Result<Vec<u8>, Fault> {
        self.budget = self.budget.checked_sub(covered.size()).ok_or(Fault::TooMuch)?;
        let mut digester = digest.digester()?;
        let mut result = Ok(());
        for range in [&covered.before, &covered.after] {
            self.document.read(range.clone(), |piece| {
                if result.is_ok() {
                    result = digester.update(piece);
                }
            })?;
        }
        result?;
        Ok(digester.finish()?)
    }

    fn kind(&mut self, dictionary: &Dictionary) -> Result<SignatureKind, NotAPdf> {
        if dictionary.is("Type", "DocTimeStamp") || Format::of(dictionary) == Some(Format::TimeStamp) {
            return Ok(SignatureKind::DocumentTimestamp);
        }
        let references = self.document.get(dictionary, "Reference")?;
        for reference in references.array().unwrap_or_default() {
            let reference = self.document.resolve(reference)?;
            if reference.dictionary().is_some_and(|reference| reference.is("TransformMethod", "DocMDP")) {
                return Ok(SignatureKind::Certification);
            }
        }
        Ok(SignatureKind::Approval)
    }

    /// The time in the dictionary. A signature of PAdES has it only there.
    fn claimed_at(&mut self, dictionary: &Dictionary) -> Result<Option<Timestamp>, NotAPdf> {
        let date = self.document.get(dictionary, "M")?;
        let date = date.string().filter(|_| !self.document.is_encrypted());
        Ok(date.and_then(|date| date::read(&date.bytes)))
    }
}
