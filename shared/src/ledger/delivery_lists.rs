//! Lists of deliveries, page by page, and how many archive orders are in a state: what an operator looks at.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveState, DeliveryRecord, Ledger, LedgerError, Outcome, deliveries,
    index::{self, Entry, INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY, List, Range},
};
use crate::{delivery::DeliveryId, provider::Provider, time};

/// How many deliveries are read at the same time for a list.
const CONCURRENT_READS: usize = 16;

/// So many deliveries are looked at for one page at most, however few of them the filter lets through: a page comes
/// within a second or two, and may be short.
const MAX_EXAMINED: usize = 2_000;

/// Which deliveries are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of this provider.
    pub provider: Option<Provider>,
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
}

impl DeliveryFilter {
    fn lets_through(self, record: &DeliveryRecord) -> bool {
        self.provider.is_none_or(|provider| provider == record.provider)
            && self.outcome.is_none_or(|outcome| outcome == record.outcome)
    }
}

/// A page of a list of deliveries.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryPage {
    /// The deliveries, the latest first.
    pub deliveries: Vec<DeliveryRecord>,
    /// Where the next page starts, where there may be one.
    pub next: Option<String>,
}

impl Ledger {
    /// What is told of one delivery, without its body; `None` when there is none of that id.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn delivery_record(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, LedgerError> {
        let item = self.get(&deliveries::partition(id), deliveries::SORT).await?;
        item.map(|item| deliveries::record(id, &item)).transpose()
    }

    /// The finished deliveries of a UTC day (`2026-11-22`), `limit` a page; `after` is the page before's `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
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
            // One more than is wanted tells whether there is a next page.
            let range = Range { prefix: "", before: before.take(), descending: true, limit: limit + 1 };
            let mut entries = self.list(&list, &range).await?;
            let is_last = entries.len() <= limit;
            entries.truncate(limit);
            examined += entries.len();
            let records = self.records(&entries).await?;
            let mut left = entries.len();
            for (entry, record) in entries.into_iter().zip(records) {
                left -= 1;
                before = Some(entry.place);
                if let Some(record) = record.filter(|record| filter.lets_through(record)) {
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

    /// Deliveries that were accepted and whose recording hasn't finished, the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn unfinished_records(&self, limit: usize) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let range = Range { prefix: "", before: None, descending: false, limit };
        let entries = self.list(&List::Accepted, &range).await?;
        let records = self.records(&entries).await?;
        // The index lags behind: some may be finished by now.
        Ok(records.into_iter().flatten().filter(|record| record.outcome == Outcome::Accepted).collect())
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<DeliveryRecord>>, LedgerError> {
        let ids = entries.iter().map(|entry| deliveries::id_of(&entry.partition));
        let ids: Vec<DeliveryId> = ids.collect::<Result<_, _>>()?;
        let reads = (0..ids.len()).map(|index| self.delivery_record(&ids[index]));
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    /// How many archive orders are in a state, counted up to about `at_most`: who has more than that wants to know
    /// that it is many.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn count_orders(&self, state: ArchiveState, at_most: usize) -> Result<usize, LedgerError> {
        self.count(&List::Archive(state), index::FIRST, at_most).await
    }

    /// How many refused requests came in since then and are kept, counted up to about `at_most`.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn count_quarantined(&self, since: Timestamp, at_most: usize) -> Result<usize, LedgerError> {
        self.count(&List::Quarantine, &time::format(since), at_most).await
    }

    /// How many entries a list has from this place on.
    async fn count(&self, list: &List, first: &str, at_most: usize) -> Result<usize, LedgerError> {
        let counts = list.partitions().map(|partition| self.count_shard(partition, first, at_most));
        let counts = try_join_all(counts).await?;
        Ok(counts.into_iter().sum::<usize>().min(at_most))
    }

    async fn count_shard(&self, partition: String, first: &str, at_most: usize) -> Result<usize, LedgerError> {
        let answer = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#p = :p AND #s >= :first")
            .expression_attribute_names("#p", INDEX_PARTITION_KEY)
            .expression_attribute_names("#s", INDEX_SORT_KEY)
            .expression_attribute_values(":p", AttributeValue::S(partition))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
            .select(Select::Count)
            .limit(i32::try_from(at_most).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(LedgerError::unavailable("Query"))?;
        Ok(usize::try_from(answer.count).unwrap_or(0))
    }
}
