//! The manifest: which PDFs of a subject are in the archive.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;

use super::{Item, Ledger, LedgerError, PARTITION_KEY, SORT_KEY};
use crate::{provider::Provider, subject::Subject};

pub(super) const PREFIX: &str = "PDF#";

/// What an archived PDF is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The signed document.
    Document,
    /// The service's certificate of completion.
    Certificate,
    /// The service's record of who did what.
    AuditLog,
}

impl Role {
    /// The name in keys and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Certificate => "certificate",
            Self::AuditLog => "audit_log",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Document, Self::Certificate, Self::AuditLog].into_iter().find(|role| role.as_str() == name)
    }
}

/// An archived PDF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pdf {
    /// Whose it is.
    pub provider: Provider,
    /// The id of the document, request or pack it belongs to.
    pub subject: String,
    /// The id of the document, which in a pack is one of several.
    pub document: String,
    /// What it is.
    pub role: Role,
    /// Its key in the bucket.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its hash, in hex.
    pub sha256: String,
    /// When it was put there.
    pub archived_at: Timestamp,
    /// The provider's marker of this version, where there is one.
    pub version: Option<String>,
    /// The event that asked for it.
    pub source_event: Option<String>,
    /// Whether it is the latest of its document and role.
    pub current: bool,
}

impl Pdf {
    /// What one version after another of a document stands in: its id and role.
    #[must_use]
    pub fn slot(document: &str, role: Role) -> String {
        format!("{document}#{}", role.as_str())
    }
}

impl Ledger {
    /// Enters a PDF into its subject's manifest. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn enter_pdf(&self, subject: &Subject, pdf: &Pdf) -> Result<(), LedgerError> {
        let sort = format!("{PREFIX}{}#{}", Pdf::slot(&pdf.document, pdf.role), pdf.sha256);
        let item = Item::default()
            .with("document", pdf.document.as_str())
            .with("role", pdf.role.as_str())
            .with("key", pdf.key.as_str())
            .with("size", pdf.size)
            .with("sha256", pdf.sha256.as_str())
            .with("archived_at", pdf.archived_at)
            .with_some("version", pdf.version.as_deref())
            .with_some("source_event", pdf.source_event.as_deref());
        self.update(&subject.partition(), &sort).set_all_if_absent(item).send().await.map(drop)
    }

    /// The hash of a document's PDF of this version, if one was entered: a run that ended before it could note the
    /// version left it, and another download would be the same document twice.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn entered(&self, subject: &Subject, slot: &str, version: &str) -> Result<Option<String>, LedgerError> {
        let items = self.partition(&subject.partition(), &format!("{PREFIX}{slot}#")).await?;
        let item = items.iter().find(|item| item.text("version").unwrap_or_default() == version);
        item.map(|item| item.need("sha256").map(str::to_owned)).transpose()
    }

    /// All items of a partition whose sort key starts with `prefix`, in order.
    pub(super) async fn partition(&self, partition: &str, prefix: &str) -> Result<Vec<Item>, LedgerError> {
        let query = self.dynamodb.query().table_name(&self.table).consistent_read(true);
        let query = query
            .expression_attribute_names("#p", PARTITION_KEY)
            .expression_attribute_values(":p", AttributeValue::S(partition.to_owned()));
        let query = if prefix.is_empty() {
            query.key_condition_expression("#p = :p")
        } else {
            query
                .key_condition_expression("#p = :p AND begins_with(#s, :s)")
                .expression_attribute_names("#s", SORT_KEY)
                .expression_attribute_values(":s", AttributeValue::S(prefix.to_owned()))
        };
        let items: Result<Vec<_>, _> = query.into_paginator().items().send().collect().await;
        Ok(items.map_err(LedgerError::unavailable("Query"))?.into_iter().map(Item::from).collect())
    }
}

/// A manifest item read back. Whether it is current is the archive order's to say.
pub(super) fn pdf(subject: &Subject, item: &Item) -> Result<Pdf, LedgerError> {
    Ok(Pdf {
        provider: subject.provider,
        subject: subject.id.to_string(),
        document: item.need("document")?.to_owned(),
        role: item.parse("role", Role::parse)?,
        key: item.need("key")?.to_owned(),
        size: item.number("size").unwrap_or_default(),
        sha256: item.need("sha256")?.to_owned(),
        archived_at: item.time("archived_at")?,
        version: item.text("version").map(str::to_owned),
        source_event: item.text("source_event").map(str::to_owned),
        current: false,
    })
}
