//! Signers: each signer's id is an item of the document, and each document's id is stored with the signer.

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::{
    Item, Ledger,
    keys::{self, SORT_KEY, attribute},
    table::{CONCURRENT, one},
};
use crate::domain::{Kind, LedgerError, Link, Subject, SubjectId, SubjectKind};

/// A signer of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignerView {
    /// The provider's id.
    pub id: SubjectId,
    /// The signer's status; `None` if it isn't known.
    pub status: Option<Kind>,
}

impl Ledger {
    /// Notes that a signer belongs to a document. Doing it again changes nothing.
    pub(super) async fn link(&self, link: &Link) -> Result<(), LedgerError> {
        self.put_signer(link, None).await
    }

    /// Notes that a signer belongs to a document, and has reached this status. A status of a lower rank changes nothing, so
    /// the order of arrival doesn't matter.
    pub(super) async fn raise_level(&self, link: &Link, status: Kind) -> Result<(), LedgerError> {
        self.put_signer(link, level(status)).await
    }

    async fn put_signer(&self, link: &Link, level: Option<String>) -> Result<(), LedgerError> {
        let (document, signer) = (link.document.partition(), link.signer.partition());
        let of_document = self.table.update(&document, &keys::signer(&link.signer.id));
        let mut of_document = of_document.set("signer", link.signer.id.as_str());
        if let Some(level) = &level {
            of_document = of_document
                .set(attribute::LEVEL, level.as_str())
                .only_if("attribute_not_exists(#level) OR #level < ?", [level.as_str().into()]);
        }
        let of_signer = self.table.update(&signer, keys::DOCUMENTS);
        let of_signer = of_signer.add("documents", one(link.document.id.as_str())).send();
        tokio::try_join!(of_document.send(), of_signer).map(drop)
    }

    /// A document's signers, from its own items. A signer's own status takes precedence over what the API reported with
    /// the document. A level counts if it is greater than both.
    pub(super) async fn signers(&self, document: &Subject, items: &[Item]) -> Result<Vec<SignerView>, LedgerError> {
        let is_signer = |item: &&Item| item.text(SORT_KEY).is_some_and(|sort| sort.starts_with(keys::SIGNER_PREFIX));
        let items: Vec<&Item> = items.iter().filter(is_signer).collect();
        let views = (0..items.len()).map(|index| self.signer_view(document, items[index]));
        stream::iter(views).buffered(CONCURRENT).try_collect().await
    }

    async fn signer_view(&self, document: &Subject, item: &Item) -> Result<SignerView, LedgerError> {
        let id = item.parse("signer", |id| SubjectId::parse(id).ok())?;
        let signer = Subject { provider: document.provider, kind: SubjectKind::Signer, id };
        let state = self.table.get(&signer.partition(), keys::STATE).await?.unwrap_or_default();
        let status = state.text(attribute::STATUS).or_else(|| item.text(attribute::CONFIRMED_STATUS));
        // The kinds that are statuses are in the order of their ranks.
        let status = status.and_then(Kind::parse).max(item.text(attribute::LEVEL).and_then(parse_level));
        Ok(SignerView { id: signer.id, status })
    }
}

/// A status as a level, `<rank>#<status>`, which sorts by rank; `None` for a kind that is no status.
fn level(status: Kind) -> Option<String> {
    status.rank().map(|rank| format!("{rank:02}#{}", status.as_str()))
}

/// Parses [`level`].
fn parse_level(text: &str) -> Option<Kind> {
    Kind::parse(text.split_once('#')?.1)
}

/// The ids of the documents that a signer signs, from its own items, in order.
pub(super) fn documents(items: &[Item]) -> Result<Vec<SubjectId>, LedgerError> {
    let item = items.iter().find(|item| item.text(SORT_KEY) == Some(keys::DOCUMENTS));
    item.map_or(Ok(Vec::new()), |item| ids(item, "documents"))
}

/// The ids in a set, in order.
pub(super) fn ids(item: &Item, attribute: &'static str) -> Result<Vec<SubjectId>, LedgerError> {
    let ids = item.set(attribute).iter().map(SubjectId::parse);
    let mut ids: Vec<SubjectId> = ids.collect::<Result<_, _>>().map_err(|_| LedgerError::Corrupt { attribute })?;
    ids.sort();
    Ok(ids)
}
