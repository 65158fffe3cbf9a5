//! Our own webhooks: the subscriptions under which a provider may call.
//!
//! A deleted webhook stays known, because its last callbacks may still be on their way.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Item, Ledger,
    keys::{self, attribute},
};
use crate::{
    domain::{KnownWebhook, LedgerError, Provider, Subject, SubjectId, WebhookRegister},
    time,
};

impl Ledger {
    /// Remembers that the webhook `key`, which watches `subject`, is ours. Also lists the subject, in case no callback ever
    /// mentions it. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn remember_webhook(&self, subject: &Subject, key: &SubjectId, at: Timestamp) -> Result<(), LedgerError> {
        let item = Item::default().with("entity", subject.id.as_str()).with(attribute::KNOWN_SINCE, at);
        let webhook = self.table.update(&keys::webhook(subject.provider, key), keys::WEBHOOK);
        webhook.set_all_if_absent(item).send().await?;
        self.table
            .update(&subject.partition(), keys::STATE)
            .set_all(keys::listed_document(subject, None, at))
            .set(attribute::UPDATED_AT, at)
            .only_if("attribute_not_exists(#updated_at)", [])
            .was_done()
            .await
            .map(drop)
    }

    /// A webhook; `None` if it isn't known to be ours.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn webhook(&self, provider: Provider, key: &SubjectId) -> Result<Option<KnownWebhook>, LedgerError> {
        let Some(item) = self.table.get(&keys::webhook(provider, key), keys::WEBHOOK).await? else { return Ok(None) };
        let entity = item.parse("entity", |entity| SubjectId::parse(entity).ok())?;
        Ok(Some(KnownWebhook { entity, known_since: item.time(attribute::KNOWN_SINCE)? }))
    }
}

#[async_trait]
impl WebhookRegister for Ledger {
    async fn remember(&self, subject: &Subject, key: &SubjectId) -> Result<(), LedgerError> {
        self.remember_webhook(subject, key, time::now()).await
    }
}
