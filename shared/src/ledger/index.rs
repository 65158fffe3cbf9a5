//! The one index: lists of documents, deliveries and archive orders.
//!
//! Its partition key is overloaded (`DOCUMENT#…`, `DELIVERY#…`, `ACCEPTED#…`, `ARCHIVE#…`, `QUARANTINE#…`) and sharded, since
//! "everything of one provider in one status" would be one hot partition. A list is a query of every shard, merged.

use std::cmp::Reverse;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{ArchiveState, Item, Ledger, LedgerError, PARTITION_KEY, SORT_KEY};
use crate::{delivery::DeliveryId, event::Kind, provider::Provider, subject::Subject, time};

/// The index's name.
pub const INDEX: &str = "gsi1";
/// The index's partition key.
pub const INDEX_PARTITION_KEY: &str = "gsi1pk";
/// The index's sort key.
pub const INDEX_SORT_KEY: &str = "gsi1sk";

/// A partition takes 1,000 writes a second, so a list takes this many thousands.
const SHARDS: usize = 8;

/// Sorts before everything that is written into a sort key: DynamoDB sorts by bytes, and refuses an empty text as a key.
pub(super) const FIRST: &str = " ";

/// Sorts after everything that is written into a sort key.
pub(super) const END: &str = "~";

/// A list that the index keeps.
#[derive(Clone, Debug)]
pub(super) enum List {
    /// A provider's documents and packs, by status and time.
    Documents(Provider),
    /// The finished deliveries of a day (`2026-11-22`), by time.
    Deliveries(String),
    /// Deliveries whose recording hasn't finished, by time.
    Accepted,
    /// Archive orders of a state, by the time at which they entered it, or at which they are due again.
    Archive(ArchiveState),
    /// Refused requests that are kept, by time.
    Quarantine,
}

impl List {
    fn partition(&self, shard: usize) -> String {
        match self {
            Self::Documents(provider) => format!("DOCUMENT#{provider}#{shard}"),
            Self::Deliveries(day) => format!("DELIVERY#{day}#{shard}"),
            Self::Accepted => format!("ACCEPTED#{shard}"),
            Self::Archive(state) => format!("ARCHIVE#{}#{shard}", state.as_str()),
            Self::Quarantine => format!("QUARANTINE#{shard}"),
        }
    }

    /// The partition keys of all its shards.
    pub(super) fn partitions(&self) -> impl Iterator<Item = String> {
        (0..SHARDS).map(|shard| self.partition(shard))
    }

    /// The index's attributes of an item in this list. `key` spreads items over the shards.
    fn entry(&self, key: &str, sort: String) -> Item {
        // FNV-1a: stable for ever, which the standard library's hasher doesn't promise.
        let hash = key
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        Item::default().with(INDEX_PARTITION_KEY, self.partition(shard)).with(INDEX_SORT_KEY, sort)
    }
}

/// The prefix under which documents of a status are listed; `-` where none is known.
pub(super) fn status_prefix(status: Option<Kind>) -> String {
    format!("{}#", status.map_or("-", Kind::as_str))
}

pub(super) fn document(subject: &Subject, status: Option<Kind>, at: Timestamp) -> Item {
    let sort = format!("{}{}#{}", status_prefix(status), time::format(at), subject.id);
    List::Documents(subject.provider).entry(subject.id.as_str(), sort)
}

pub(super) fn accepted(id: &DeliveryId, received_at: Timestamp) -> Item {
    List::Accepted.entry(id.as_str(), format!("{}#{id}", time::format(received_at)))
}

pub(super) fn delivery(id: &DeliveryId, received_at: Timestamp) -> Item {
    let received_at = time::format(received_at);
    List::Deliveries(received_at[..10].to_owned()).entry(id.as_str(), format!("{received_at}#{id}"))
}

pub(super) fn quarantine(id: &DeliveryId, received_at: Timestamp) -> Item {
    List::Quarantine.entry(id.as_str(), format!("{}#{id}", time::format(received_at)))
}

pub(super) fn archive(partition: &str, state: ArchiveState, at: Timestamp) -> Item {
    List::Archive(state).entry(partition, format!("{}#{partition}", time::format(at)))
}

/// One entry of a list: the item's key, and its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) place: String,
    pub(super) partition: String,
    pub(super) sort: String,
}

/// Which part of a list is wanted.
pub(super) struct Range<'a> {
    /// Entries whose place starts with this.
    pub(super) prefix: &'a str,
    /// Only entries whose place is before this one.
    pub(super) before: Option<String>,
    /// Latest first.
    pub(super) descending: bool,
    /// At most so many.
    pub(super) limit: usize,
}

impl Ledger {
    /// The entries of `list` in `range`, merged from all shards.
    pub(super) async fn list(&self, list: &List, range: &Range<'_>) -> Result<Vec<Entry>, LedgerError> {
        let shards = try_join_all((0..SHARDS).map(|shard| self.list_shard(list.partition(shard), range))).await?;
        let mut entries: Vec<Entry> = shards.into_iter().flatten().collect();
        if range.descending {
            entries.sort_by(|a, b| Reverse(a).cmp(&Reverse(b)));
        } else {
            entries.sort();
        }
        entries.truncate(range.limit);
        Ok(entries)
    }

    async fn list_shard(&self, partition: String, range: &Range<'_>) -> Result<Vec<Entry>, LedgerError> {
        let last = range.before.clone().unwrap_or_else(|| format!("{}{END}", range.prefix));
        let first = if range.prefix.is_empty() { FIRST } else { range.prefix };
        if last.as_str() < first {
            return Ok(Vec::new());
        }
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#p = :p AND #s BETWEEN :first AND :last")
            .expression_attribute_names("#p", INDEX_PARTITION_KEY)
            .expression_attribute_names("#s", INDEX_SORT_KEY)
            .expression_attribute_values(":p", AttributeValue::S(partition))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last.clone()))
            .scan_index_forward(!range.descending)
            .limit(i32::try_from(range.limit.saturating_add(1)).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut entries = Vec::new();
        while let Some(item) = pages.next().await {
            let item = Item::from(item.map_err(LedgerError::unavailable("Query"))?);
            let entry = Entry {
                place: item.need(INDEX_SORT_KEY)?.to_owned(),
                partition: item.need(PARTITION_KEY)?.to_owned(),
                sort: item.need(SORT_KEY)?.to_owned(),
            };
            // BETWEEN takes in its upper end.
            if entry.place != last {
                entries.push(entry);
            }
            if entries.len() >= range.limit {
                break;
            }
        }
        Ok(entries)
    }
}
