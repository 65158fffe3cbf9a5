//! What a service may ask about what is stored.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::Ledger;
use crate::domain::{
    Candidates, CorrelationKey, DeliveryId, History, Known, KnownWebhook, LedgerError, PastEvent, Provider, Subject,
    SubjectId,
};

#[async_trait]
impl Known for Ledger {
    async fn history(&self, subject: &Subject) -> Result<Option<History>, LedgerError> {
        let timeline = self.joined_timeline(subject, false).await?;
        Ok(timeline.map(|timeline| {
            let event = |event: super::EventView| PastEvent {
                subject: event.subject.id,
                kind: event.kind,
                name: event.name,
                delivery: event.delivery,
            };
            History { request: timeline.document.request, events: timeline.events.into_iter().map(event).collect() }
        }))
    }

    async fn body(&self, id: &DeliveryId) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.delivery(id).await?.map(|stored| stored.delivery.body().clone()))
    }

    async fn candidates(&self, key: &CorrelationKey) -> Result<Candidates, LedgerError> {
        Ledger::candidates(self, key).await
    }

    async fn event_counts(&self, subject: &Subject) -> Result<BTreeMap<String, u64>, LedgerError> {
        Ledger::event_counts(self, subject).await
    }

    async fn webhook(&self, provider: Provider, key: &SubjectId) -> Result<Option<KnownWebhook>, LedgerError> {
        Ledger::webhook(self, provider, key).await
    }
}
