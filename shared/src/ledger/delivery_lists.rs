//! Lists of deliveries.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    DeliveryRecord, Ledger,
    keys::{self, List},
    table::{CONCURRENT, Entry, Page, Range, next_place},
};
use crate::{
    domain::{DeliveryId, LedgerError, Outcome, Provider},
    time,
};

/// Maximum number of deliveries that are examined for one page, however few pass the filter. A page takes a second or
/// two at most, and may be short.
const MAX_EXAMINED: usize = 2_000;

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of this provider.
    pub provider: Option<Provider>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
}

impl DeliveryFilter {
    fn accepts(self, record: &DeliveryRecord) -> bool {
        self.provider.is_none_or(|provider| provider == record.provider)
            && self.outcome.is_none_or(|outcome| outcome == record.outcome)
    }
}

/// A page of a list of deliveries.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryPage {
    /// The deliveries, the latest first.
    pub deliveries: Vec<DeliveryRecord>,
    /// Where the next page starts, if there may be one.
    pub next: Option<String>,
}

impl Ledger {
    /// Deliveries that were accepted before `before` and not finished, the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn unfinished(&self, before: Timestamp, limit: usize) -> Result<Vec<DeliveryId>, LedgerError> {
        Ok(self.unfinished_page(before, None, limit).await?.items)
    }

    /// A page of [`Ledger::unfinished`]. `after` is the previous page's `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn unfinished_page(
        &self,
        before: Timestamp,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<DeliveryId>, LedgerError> {
        let range = Range { prefix: "", before: Some(time::format(before)), after, descending: false, limit };
        let entries = self.table.list(List::Accepted.partitions(), &range).await?;
        let ids = entries.iter().map(|entry| keys::parse_delivery(&entry.partition));
        Ok(Page { items: ids.collect::<Result<_, _>>()?, next: next_place(&entries, limit) })
    }

    /// Deliveries that were accepted and not finished, the oldest first, with their records.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn unfinished_records(&self, limit: usize) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let range = Range { prefix: "", before: None, after: None, descending: false, limit };
        let entries = self.table.list(List::Accepted.partitions(), &range).await?;
        let records = self.records(&entries).await?;
        // The index is eventually consistent: some may be finished by now.
        Ok(records.into_iter().flatten().filter(|record| record.outcome == Outcome::Accepted).collect())
    }

    /// All deliveries, finished or not, the oldest first. Reads the whole index.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn all_deliveries(&self) -> Result<Vec<DeliveryId>, LedgerError> {
        let partitions = self.table.scan_index(keys::DELIVERY).await?;
        let ids = partitions.iter().map(|partition| keys::parse_delivery(partition));
        let mut ids: Vec<DeliveryId> = ids.collect::<Result<_, _>>()?;
        // Ids sort by the time of arrival.
        ids.sort();
        Ok(ids)
    }

    /// The finished deliveries of a UTC day (`2026-11-22`), the latest first.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn deliveries(&self, day: &str, limit: usize) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let range = Range { prefix: "", before: None, after: None, descending: true, limit };
        let entries = self.table.list(List::Deliveries(day.to_owned()).partitions(), &range).await?;
        Ok(self.records(&entries).await?.into_iter().flatten().collect())
    }

    /// A page of the finished deliveries of a UTC day (`2026-11-22`), the latest first. `after` is the previous page's
    /// `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn deliveries_page(
        &self,
        day: &str,
        filter: DeliveryFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DeliveryPage, LedgerError> {
        let list = List::Deliveries(day.to_owned());
        let mut before = after.map(str::to_owned);
        let mut page = DeliveryPage { deliveries: Vec::new(), next: None };
        let mut examined = 0;
        loop {
            // One more than needed shows whether there is a next page.
            let range = Range {
                prefix: "",
                before: before.take(),
                after: None,
                descending: true,
                limit: limit.saturating_add(1),
            };
            let mut entries = self.table.list(list.partitions(), &range).await?;
            let is_last = entries.len() <= limit;
            entries.truncate(limit);
            examined += entries.len();
            let records = self.records(&entries).await?;
            let mut left = entries.len();
            for (entry, record) in entries.into_iter().zip(records) {
                left -= 1;
                before = Some(entry.place);
                if let Some(record) = record.filter(|record| filter.accepts(record)) {
                    page.deliveries.push(record);
                }
                if page.deliveries.len() == limit {
                    break;
                }
            }
            if is_last && left == 0 {
                return Ok(page);
            }
            if page.deliveries.len() == limit || examined >= MAX_EXAMINED {
                page.next = before;
                return Ok(page);
            }
        }
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<DeliveryRecord>>, LedgerError> {
        let ids = entries.iter().map(|entry| keys::parse_delivery(&entry.partition));
        let ids: Vec<DeliveryId> = ids.collect::<Result<_, _>>()?;
        let reads = (0..ids.len()).map(|index| self.delivery_record(&ids[index]));
        stream::iter(reads).buffered(CONCURRENT).try_collect().await
    }
}
