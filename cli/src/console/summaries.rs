//! Summaries of deliveries for lists: the first event of each, and the number of further events.
//!
//! A delivery's bytes never change, so each is read once and cached. Larger ones aren't read: their bodies are in the
//! bucket, and a list that is rendered every few seconds must stay cheap.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign::{
    domain::{DeliveryId, LedgerError, Subject},
    ledger::{DeliveryRecord, Ledger},
    providers::Services,
};
use futures::{StreamExt, TryStreamExt, stream};

/// Maximum size in bytes of a body that is stored inline, in the delivery's item.
const MAX_SIZE: u64 = 8 * 1024;

/// Maximum number of cached summaries. Each has about 200 bytes.
const MAX_CACHED: usize = 5_000;

const CONCURRENT_READS: usize = 16;

/// The summary of a delivery.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The first event's name, in the service's words.
    pub name: String,
    /// The first event's subject.
    pub subject: Subject,
    /// The number of further events.
    pub more: usize,
}

/// A cache of summaries. `None` for deliveries that can't be read or have no events.
#[derive(Default)]
pub struct Summaries(Mutex<HashMap<DeliveryId, Option<Summary>>>);

impl Summaries {
    /// The summaries of these deliveries, in their order.
    pub async fn of(
        &self,
        ledger: &Ledger,
        services: &Services,
        records: &[&DeliveryRecord],
    ) -> Result<Vec<Option<Summary>>, LedgerError> {
        let reads = (0..records.len()).map(|index| self.one(ledger, services, records[index]));
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    async fn one(
        &self,
        ledger: &Ledger,
        services: &Services,
        record: &DeliveryRecord,
    ) -> Result<Option<Summary>, LedgerError> {
        if record.size > MAX_SIZE {
            return Ok(None);
        }
        if let Some(cached) = self.cache().get(&record.id) {
            return Ok(cached.clone());
        }
        let stored = ledger.delivery(&record.id).await?;
        let reading = stored.and_then(|stored| services.read(&stored.delivery).ok());
        let events = reading.unwrap_or_default().events;
        let more = events.len().saturating_sub(1);
        let summary = events.into_iter().next().map(|event| Summary { name: event.name, subject: event.subject, more });
        let mut cache = self.cache();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(record.id.clone(), summary.clone());
        Ok(summary)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<DeliveryId, Option<Summary>>> {
        // After a panic in another thread the map is still consistent, because it is only cleared and inserted into.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
