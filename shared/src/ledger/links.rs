//! Who signs what: a signer's id among a document's items, and the document's among the signer's.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{Item, Ledger, LedgerError, SORT_KEY, item::one, read::CONCURRENT_READS, status};
use crate::{
    event::Kind,
    intake::Link,
    subject::{Subject, SubjectId, SubjectKind},
};

pub(super) const SIGNER_PREFIX: &str = "SIGNER#";
const DOCUMENTS_SORT: &str = "DOCUMENTS";

/// A person who signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerView {
    /// The provider's id.
    pub id: String,
    /// The signer's status, where one is known.
    pub status: Option<Kind>,
}

impl Ledger {
    /// Notes that a signer belongs to a document. Doing it again changes nothing.
    pub(super) async fn link(&self, link: &Link) -> Result<(), LedgerError> {
        self.update(&link.document.partition(), &sort_key(&link.signer.id))
            .set("signer", link.signer.id.as_str())
            .send()
            .await?;
        self.update(&link.signer.partition(), DOCUMENTS_SORT)
            .add("documents", one(link.document.id.as_str()))
            .send()
            .await
            .map(drop)
    }

    /// Notes what the provider's API says of a document's signer: that it is one, and the status.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn confirm_signer(&self, link: &Link, status: Option<Kind>, at: Timestamp) -> Result<(), LedgerError> {
        self.link(link).await?;
        let Some(status) = status else { return Ok(()) };
        self.update(&link.document.partition(), &sort_key(&link.signer.id))
            .set("confirmed_status", status.as_str())
            .set("confirmed_at", at)
            .send()
            .await?;
        self.confirm(&link.signer, status, at).await
    }

    /// A document's signers, from its own items. What was told of a signer goes before what the API said of it, unless
    /// nothing was told.
    pub(super) async fn signers(&self, document: &Subject, items: &[Item]) -> Result<Vec<SignerView>, LedgerError> {
        let of_document = |item: &&Item| item.text(SORT_KEY).is_some_and(|sort| sort.starts_with(SIGNER_PREFIX));
        let items: Vec<&Item> = items.iter().filter(of_document).collect();
        let views = (0..items.len()).map(|index| self.signer_view(document, items[index]));
        stream::iter(views).buffered(CONCURRENT_READS).try_collect().await
    }

    async fn signer_view(&self, document: &Subject, item: &Item) -> Result<SignerView, LedgerError> {
        let id = item.parse("signer", |id| SubjectId::parse(id).ok())?;
        let signer = Subject { provider: document.provider, kind: SubjectKind::Signer, id };
        let state = self.get(&signer.partition(), status::SORT).await?.unwrap_or_default();
        let told = state.text("status").or_else(|| item.text("confirmed_status"));
        Ok(SignerView { id: signer.id.to_string(), status: told.and_then(Kind::parse) })
    }
}

/// The ids of the documents that a signer signs, from its own items.
pub(super) fn documents(items: &[Item]) -> Vec<String> {
    let item = items.iter().find(|item| item.text(SORT_KEY) == Some(DOCUMENTS_SORT));
    let documents = item.and_then(|item| item.attribute("documents")?.as_ss().ok());
    let mut documents = documents.cloned().unwrap_or_default();
    documents.sort();
    documents
}

fn sort_key(signer: &SubjectId) -> String {
    format!("{SIGNER_PREFIX}{signer}")
}
