//! The signatures within a PDF: what was found when they were verified.
//!
//! They are stored and reported as JSON, so names of fields and variants never change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything about the signatures within one PDF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfSignatures {
    /// The verdict on the file: the worst one of its signatures.
    pub verdict: PdfVerdict,
    /// Why the file as a whole couldn't be judged, as a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The number of revisions of the file. Each incremental update appends one.
    pub revisions: usize,
    /// The signatures, in the order of the form's fields.
    pub signatures: Vec<PdfSignature>,
}

/// The verdict on a PDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfVerdict {
    /// It has no signature.
    None,
    /// All signatures are intact.
    Intact,
    /// At least one signature can't be judged, and none is known to be broken.
    NotSupported,
    /// At least one signature is broken.
    Broken,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfSignature {
    /// The full name of its form field. May be personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it is.
    pub kind: SignatureKind,
    /// The verdict on it.
    #[serde(flatten)]
    pub verdict: SignatureVerdict,
    /// How much of the file it covers.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// The name in the signer's certificate. Personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The name of the certificate's issuer. Personal data, if the certificate is self-signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// SHA-256 of the signer's certificate, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// When it was made, as the signer claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// The time of its RFC 3161 time-stamp, if it has one that is intact. A document time-stamp is one itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamped_at: Option<Timestamp>,
    /// Whether the file has data for its validation in the long term: a document security store, or revocation data in
    /// the signature.
    pub long_term: bool,
    /// Whether its certificate leads to a trusted root.
    pub chain: Chain,
}

/// What a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureKind {
    /// A signer agrees to the document.
    Approval,
    /// The author says what may be changed afterwards (DocMDP).
    Certification,
    /// A time-stamp authority says that the document existed.
    DocumentTimestamp,
}

/// The verdict on a signature. A reason is a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "reason", rename_all = "snake_case")]
pub enum SignatureVerdict {
    /// It was made with its certificate's key, over exactly these bytes.
    Intact,
    /// It wasn't, or it leaves out what it should cover.
    Broken(String),
    /// Nothing is known, because this kind of signature isn't supported.
    NotSupported(String),
}

/// How much of the file a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "covers", rename_all = "snake_case")]
pub enum Coverage {
    /// All of it but the signature itself.
    File {
        /// The number of revisions.
        revision: usize,
    },
    /// The file as it was in this revision, counted from 1. Later revisions were added after signing.
    Revision {
        /// The number of the revision.
        revision: usize,
    },
    /// Not the whole of any revision.
    Gaps,
}

/// Whether a certificate leads to a trusted root. Revocation isn't checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// No roots are configured, or there is no intact signature.
    NotJudged,
    /// It leads to a configured root.
    Trusted,
    /// It leads to none, or was not valid at the time.
    Untrusted,
}

impl PdfSignatures {
    /// The result for a file with these signatures.
    #[must_use]
    pub fn new(signatures: Vec<PdfSignature>, revisions: usize) -> Self {
        let verdict = signatures.iter().map(|signature| signature.verdict.of_file()).max();
        Self { verdict: verdict.unwrap_or(PdfVerdict::None), reason: None, revisions, signatures }
    }

    /// The result for a file whose signatures can't be found. `reason` is a stable code.
    #[must_use]
    pub fn not_supported(reason: impl Into<String>) -> Self {
        Self { verdict: PdfVerdict::NotSupported, reason: Some(reason.into()), revisions: 0, signatures: Vec::new() }
    }

    /// The same without names, which are personal data.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        for signature in &mut self.signatures {
            (signature.field, signature.signer, signature.issuer) = (None, None, None);
        }
        self
    }
}

impl PdfVerdict {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Intact => "intact",
            Self::NotSupported => "not_supported",
            Self::Broken => "broken",
        }
    }
}

impl SignatureVerdict {
    /// The verdict on a file with only this signature.
    #[must_use]
    pub const fn of_file(&self) -> PdfVerdict {
        match self {
            Self::Intact => PdfVerdict::Intact,
            Self::Broken(_) => PdfVerdict::Broken,
            Self::NotSupported(_) => PdfVerdict::NotSupported,
        }
    }

    /// Its stable name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.of_file().as_str()
    }

    /// Why it isn't intact.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Intact => None,
            Self::Broken(reason) | Self::NotSupported(reason) => Some(reason),
        }
    }
}

impl Coverage {
    /// It in words, for a file with this number of revisions.
    #[must_use]
    pub fn describe(self, revisions: usize) -> String {
        match self {
            Self::File { .. } => "the whole file".to_owned(),
            Self::Revision { revision } => format!("revision {revision} of {revisions}"),
            Self::Gaps => "not a whole revision".to_owned(),
        }
    }
}

impl SignatureKind {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Certification => "certification",
            Self::DocumentTimestamp => "document_timestamp",
        }
    }
}

impl Chain {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJudged => "not_judged",
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(verdict: SignatureVerdict) -> PdfSignature {
        PdfSignature {
            field: Some("Signature of Ada".to_owned()),
            kind: SignatureKind::Approval,
            verdict,
            coverage: Coverage::Revision { revision: 2 },
            signer: Some("Ada".to_owned()),
            issuer: Some("Root".to_owned()),
            certificate: Some("00".to_owned()),
            claimed_at: Some("2026-11-26T00:00:00Z".parse().unwrap()),
            timestamped_at: None,
            long_term: false,
            chain: Chain::NotJudged,
        }
    }

    #[test]
    fn the_stored_form_never_changes() {
        let broken = SignatureVerdict::Broken("digest_mismatch".to_owned());
        let signatures = PdfSignatures::new(vec![signature(broken)], 3);
        let stored = r#"{"verdict":"broken","revisions":3,"signatures":[{"field":"Signature of Ada","kind":"approval","verdict":"broken","reason":"digest_mismatch","covers":"revision","revision":2,"signer":"Ada","issuer":"Root","certificate":"00","claimed_at":"2026-11-26T00:00:00Z","long_term":false,"chain":"not_judged"}]}"#;
        assert_eq!(serde_json::to_string(&signatures).unwrap(), stored);
        assert_eq!(serde_json::from_str::<PdfSignatures>(stored).unwrap(), signatures);
    }

    #[test]
    fn the_worst_signature_decides() {
        use SignatureVerdict::{Broken, Intact, NotSupported};
        let (broken, not_supported) = (|| Broken(String::new()), || NotSupported(String::new()));
        for (verdicts, expected) in [
            (vec![], PdfVerdict::None),
            (vec![Intact, Intact], PdfVerdict::Intact),
            (vec![Intact, not_supported()], PdfVerdict::NotSupported),
            (vec![not_supported(), broken(), Intact], PdfVerdict::Broken),
        ] {
            assert_eq!(PdfSignatures::new(verdicts.into_iter().map(signature).collect(), 1).verdict, expected);
        }
    }

    #[test]
    fn nothing_personal_remains_without_names() {
        let json =
            serde_json::to_string(&PdfSignatures::new(vec![signature(SignatureVerdict::Intact)], 1).without_names());
        let json = json.unwrap();
        assert!(!json.contains("Ada") && !json.contains("Root") && json.contains("certificate"), "{json}");
    }
}
