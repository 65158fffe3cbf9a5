//! Webhooks that are ours: the subscriptions under which a provider may call.
//!
//! One that was deleted stays known: its last callbacks may still be on their way.

use jiff::Timestamp;

use super::{Item, Ledger, LedgerError, index, status};
use crate::{
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};

const SORT: &str = "WEBHOOK";

fn partition(provider: Provider, key: &SubjectId) -> String {
    format!("WEBHOOK#{provider}#{key}")
}

/// A webhook that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownWebhook {
    /// The provider's key of what it is on.
    pub entity: SubjectId,
    /// Since when it is known.
    pub known_since: Timestamp,
}

impl Ledger {
    /// Remembers that a webhook is ours, and lists what it is on, of which nothing may ever be heard. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn remember_webhook(
        &self,
        provider: Provider,
        key: &SubjectId,
        entity: &SubjectId,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let item = Item::default().with("entity", entity.as_str()).with("known_since", at);
        self.update(&partition(provider, key), SORT).set_all_if_absent(item).send().await?;
        let subject = Subject { provider, kind: SubjectKind::DocumentPack, id: entity.clone() };
        self.update(&subject.partition(), status::SORT)
            .set_all(index::document(&subject, None, at))
            .set("updated_at", at)
            .only_if("attribute_not_exists(#updated_at)", [])
            .was_done()
            .await
            .map(drop)
    }

    /// A webhook, if it is ours.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn webhook(&self, provider: Provider, key: &SubjectId) -> Result<Option<KnownWebhook>, LedgerError> {
        let Some(item) = self.get(&partition(provider, key), SORT).await? else { return Ok(None) };
        let entity = item.parse("entity", |entity| SubjectId::parse(entity).ok())?;
        Ok(Some(KnownWebhook { entity, known_since: item.time("known_since")? }))
    }
}
