//! The manifest: which PDFs of a subject are in the archive.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveJob, Item, Ledger,
    keys::{self, attribute},
};
use crate::domain::{FileName, LedgerError, PdfSignatures, Provider, Role, Subject, SubjectId};

/// An archived PDF.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Pdf {
    /// The service.
    pub provider: Provider,
    /// The id of the document, request or pack that it belongs to.
    pub subject: SubjectId,
    /// The id of the document, which in a pack is one of several.
    pub document: String,
    /// What it is.
    pub role: Role,
    /// A readable file name, if the service reports a name for the document.
    pub file_name: Option<FileName>,
    /// Its key in the bucket.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash, in hex.
    pub sha256: String,
    /// When it was archived.
    pub archived_at: Timestamp,
    /// The provider's marker of this version; `None` if there is none.
    pub version: Option<String>,
    /// The event that requested it.
    pub source_event: Option<String>,
    /// Its name in the zip that it came in, without folders and deceptive characters. `None` if it came in none, or was
    /// forgotten.
    pub name: Option<String>,
    /// The number of bytes after the PDF's end, which were served with it.
    pub trailing_bytes: u64,
    /// What the service's own hash was found to be the hash of; `None` if the service reports none.
    pub service_hash: Option<HashedBytes>,
    /// The signatures within it; `None` if they weren't verified, because it was archived by an older version.
    pub signatures: Option<PdfSignatures>,
    /// Whether it is the latest of its document and role.
    pub current: bool,
}

impl fmt::Debug for Pdf {
    /// Without names, which people gave.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pdf")
            .field("key", &self.key)
            .field("role", &self.role)
            .field("size", &self.size)
            .field("version", &self.version)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// Which bytes a service's own hash is the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashedBytes {
    /// The archived PDF.
    Pdf,
    /// The zip that it came in.
    Zip,
    /// The file with the content coding that it was sent with.
    Coded,
}

impl HashedBytes {
    /// The name in the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Zip => "zip",
            Self::Coded => "coded",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Pdf, Self::Zip, Self::Coded].into_iter().find(|bytes| bytes.as_str() == name)
    }
}

/// An archived PDF that came in a zip with others.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number, from 1: it is the document `<document>-<number>`.
    pub number: u32,
    /// Its hash, in hex.
    pub sha256: String,
    /// Its name in the zip.
    pub name: Option<String>,
}

impl fmt::Debug for Member {
    /// Without the name, which a person gave.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("number", &self.number).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl Pdf {
    /// The id of one of the documents that came in a zip: `<document>-<number>`.
    #[must_use]
    pub fn member(document: &str, number: u32) -> String {
        keys::member(document, number)
    }

    /// The slot that the versions of one document in one role share: `<document>#<role>`.
    #[must_use]
    pub fn slot(document: &str, role: Role) -> String {
        keys::slot(document, role)
    }

    /// Whether a slot is that of a [`Pdf::member`] of this document in this role.
    #[must_use]
    pub fn is_slot_of_member(slot: &str, document: &str, role: Role) -> bool {
        slot.rsplit_once('#').is_some_and(|(id, of)| of == role.as_str() && keys::member_number(document, id).is_some())
    }
}

impl Ledger {
    /// Enters a PDF into its subject's manifest. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn enter_pdf(&self, subject: &Subject, pdf: &Pdf) -> Result<(), LedgerError> {
        let sort = keys::pdf(&pdf.document, pdf.role, &pdf.sha256);
        let item = Item::default()
            .with("document", pdf.document.as_str())
            .with("role", pdf.role.as_str())
            .with_some(attribute::FILE_NAME, pdf.file_name.as_ref().map(FileName::as_str))
            .with("key", pdf.key.as_str())
            .with(attribute::SIZE, pdf.size)
            .with(attribute::SHA256, pdf.sha256.as_str())
            .with("archived_at", pdf.archived_at)
            .with_some("version", pdf.version.as_deref())
            .with_some(attribute::SOURCE_EVENT, pdf.source_event.as_deref())
            .with_some(attribute::NAME, pdf.name.as_deref())
            .with("trailing_bytes", pdf.trailing_bytes)
            .with_some("service_hash", pdf.service_hash.map(HashedBytes::as_str))
            .with_some(attribute::SIGNATURES, pdf.signatures.as_ref().map(signatures_text));
        self.table.update(&subject.partition(), &sort).set_all_if_absent(item).send().await.map(drop)
    }

    /// The hash, in hex, of the PDF of this version in a slot ([`Pdf::slot`]), if it is in the manifest. It may be there
    /// although the job hasn't noted the version, because a worker died in between. Downloading the document again would
    /// then archive it twice.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn entered(&self, subject: &Subject, slot: &str, version: &str) -> Result<Option<String>, LedgerError> {
        let items = self.table.partition(&subject.partition(), &keys::pdfs_of(slot)).await?;
        let item = items.iter().find(|item| item.text("version").unwrap_or_default() == version);
        item.map(|item| item.need(attribute::SHA256).map(str::to_owned)).transpose()
    }

    /// The current PDFs of a job's subject, without erased ones.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn current_pdfs(&self, job: &ArchiveJob) -> Result<Vec<Pdf>, LedgerError> {
        let items = self.table.partition(&job.subject.partition(), keys::PDF_PREFIX).await?;
        let pdfs = items.iter().filter(|item| item.text(attribute::FORGOTTEN_AT).is_none());
        let mut pdfs: Vec<Pdf> = pdfs.map(|item| pdf(&job.subject, item)).collect::<Result<_, _>>()?;
        pdfs.iter_mut().for_each(|pdf| pdf.current = job.is_current(pdf));
        pdfs.retain(|pdf| pdf.current);
        Ok(pdfs)
    }
}

impl Ledger {
    /// All versions of the PDFs that came in a zip in place of this document.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn members(&self, subject: &Subject, document: &str, role: Role) -> Result<Vec<Member>, LedgerError> {
        let items = self.table.partition(&subject.partition(), &keys::pdfs_of_members(document)).await?;
        let mut members = Vec::new();
        for item in &items {
            if let Some(number) = keys::member_number(document, item.need("document")?)
                && item.text("role") == Some(role.as_str())
            {
                let name = item.text(attribute::NAME).map(str::to_owned);
                members.push(Member { number, sha256: item.need(attribute::SHA256)?.to_owned(), name });
            }
        }
        Ok(members)
    }
}

/// Reads a manifest item. Whether it is current is known from the archive job.
pub(super) fn pdf(subject: &Subject, item: &Item) -> Result<Pdf, LedgerError> {
    Ok(Pdf {
        provider: subject.provider,
        subject: subject.id.clone(),
        document: item.need("document")?.to_owned(),
        role: item.parse("role", Role::parse)?,
        file_name: item.text(attribute::FILE_NAME).map(|name| FileName::stored(name.to_owned())),
        key: item.need("key")?.to_owned(),
        size: item.number(attribute::SIZE).unwrap_or_default(),
        sha256: item.need(attribute::SHA256)?.to_owned(),
        archived_at: item.time("archived_at")?,
        version: item.text("version").map(str::to_owned),
        source_event: item.text(attribute::SOURCE_EVENT).map(str::to_owned),
        name: item.text(attribute::NAME).map(str::to_owned),
        trailing_bytes: item.number("trailing_bytes").unwrap_or_default(),
        service_hash: item.text("service_hash").and_then(HashedBytes::parse),
        signatures: signatures(item),
        current: false,
    })
}

/// The JSON of signatures in an item.
pub(super) fn signatures_text(signatures: &PdfSignatures) -> String {
    serde_json::to_string(signatures).unwrap_or_default()
}

/// The signatures of a manifest item.
pub(super) fn signatures(item: &Item) -> Option<PdfSignatures> {
    item.text(attribute::SIGNATURES).and_then(|json| serde_json::from_str(json).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_a_zip_member_has_no_name() {
        let member = Member { number: 2, sha256: "ab".to_owned(), name: Some("Private.pdf".to_owned()) };
        assert_eq!(format!("{member:?}"), r#"Member { number: 2, sha256: "ab", .. }"#);
    }
}
