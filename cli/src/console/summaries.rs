//! What deliveries say, for a list of them: the first event of each, and how many more there are.
//!
//! A delivery's bytes never change, so each is read once and remembered. Larger ones aren't read: their bodies are in
//! the bucket, and a list that is rendered every few seconds must stay cheap.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign::{
    delivery::DeliveryId,
    ledger::{DeliveryRecord, Ledger, LedgerError},
    providers,
    subject::Subject,
};
use futures::{StreamExt, TryStreamExt, stream};

/// Up to this size a body stands in the delivery's item.
const MAX_SIZE: u64 = 8 * 1024;

/// A summary is some 200 bytes.
const MAX_REMEMBERED: usize = 5_000;

const CONCURRENT_READS: usize = 16;

/// What a delivery says.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The first event's name, in the service's words.
    pub name: String,
    /// What that is about.
    pub subject: Subject,
    /// How many events there are besides.
    pub more: usize,
}

/// Summaries that are remembered; `None` where a delivery can't be read or has no event.
#[derive(Default)]
pub struct Summaries(Mutex<HashMap<DeliveryId, Option<Summary>>>);

impl Summaries {
    /// The summaries of these deliveries, in their order.
    pub async fn of(&self, ledger: &Ledger, records: &[&DeliveryRecord]) -> Result<Vec<Option<Summary>>, LedgerError> {
        let reads = (0..records.len()).map(|index| self.one(ledger, records[index]));
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    async fn one(&self, ledger: &Ledger, record: &DeliveryRecord) -> Result<Option<Summary>, LedgerError> {
        if record.size > MAX_SIZE {
            return Ok(None);
        }
        if let Some(known) = self.remembered().get(&record.id) {
            return Ok(known.clone());
        }
        let stored = ledger.delivery(&record.id).await?;
        let reading = stored.and_then(|stored| providers::read(&stored.delivery).ok());
        let events = reading.unwrap_or_default().events;
        let more = events.len().saturating_sub(1);
        let summary = events.into_iter().next().map(|event| Summary { name: event.name, subject: event.subject, more });
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(record.id.clone(), summary.clone());
        Ok(summary)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<DeliveryId, Option<Summary>>> {
        // Whoever panicked meanwhile left a whole map: an insertion is all that is done to it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
