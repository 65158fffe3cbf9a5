//! Sharded lists in the index: merges the shards of a list, in order, and counts their entries.

use std::cmp::Reverse;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::future::try_join_all;

use super::{Item, Table, unavailable};
use crate::{
    domain::LedgerError,
    ledger::keys::{INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY, PARTITION_KEY, SORT_KEY},
};

/// Sorts before every sort key of the index. DynamoDB sorts by bytes, and rejects an empty text as a key.
pub(in crate::ledger) const FIRST: &str = " ";

/// Sorts after every sort key of the index.
pub(in crate::ledger) const END: &str = "~";

/// One entry of a list: the item's key, and its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) place: String,
    pub(in crate::ledger) partition: String,
    pub(in crate::ledger) sort: String,
}

/// A page of a list, the oldest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page starts, if there may be one.
    pub next: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub(in crate::ledger) struct Range<'a> {
    /// Entries whose place starts with this.
    pub(in crate::ledger) prefix: &'a str,
    /// Only entries whose place is before this one.
    pub(in crate::ledger) before: Option<String>,
    /// Only entries whose place is after this one.
    pub(in crate::ledger) after: Option<String>,
    /// Latest first.
    pub(in crate::ledger) descending: bool,
    /// Maximum number of entries; `usize::MAX` for no limit.
    pub(in crate::ledger) limit: usize,
}

/// Where the page after these entries starts; `None` if there were fewer than the limit.
pub(in crate::ledger) fn next_place(entries: &[Entry], limit: usize) -> Option<String> {
    entries.last().filter(|_| entries.len() >= limit).map(|last| last.place.clone())
}

impl Table {
    /// The entries in `range` of the list with these partitions, merged.
    pub(in crate::ledger) async fn list(
        &self,
        partitions: Vec<String>,
        range: &Range<'_>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let shards = try_join_all(partitions.into_iter().map(|partition| self.list_shard(partition, range))).await?;
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
        let first = match &range.after {
            Some(after) => after,
            None if range.prefix.is_empty() => FIRST,
            None => range.prefix,
        };
        if last.as_str() < first {
            return Ok(Vec::new());
        }
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("#p = :p AND #s BETWEEN :first AND :last")
            .expression_attribute_names("#p", INDEX_PARTITION_KEY)
            .expression_attribute_names("#s", INDEX_SORT_KEY)
            .expression_attribute_values(":p", AttributeValue::S(partition))
            .expression_attribute_values(":first", AttributeValue::S(first.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last.clone()))
            .scan_index_forward(!range.descending)
            // BETWEEN includes both ends, which are dropped below.
            .limit(i32::try_from(range.limit.saturating_add(2)).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut entries = Vec::new();
        while let Some(item) = pages.next().await {
            let item = Item::from(item.map_err(unavailable("Query"))?);
            let entry = Entry {
                place: item.need(INDEX_SORT_KEY)?.to_owned(),
                partition: item.need(PARTITION_KEY)?.to_owned(),
                sort: item.need(SORT_KEY)?.to_owned(),
            };
            if entry.place != last && Some(&entry.place) != range.after.as_ref() {
                entries.push(entry);
            }
            if entries.len() >= range.limit {
                break;
            }
        }
        Ok(entries)
    }

    /// The number of entries from the place `first` on of the list with these partitions, counted up to `at_most`.
    pub(in crate::ledger) async fn count(
        &self,
        partitions: Vec<String>,
        first: &str,
        at_most: usize,
    ) -> Result<usize, LedgerError> {
        let counts = partitions.into_iter().map(|partition| self.count_shard(partition, first, at_most));
        Ok(try_join_all(counts).await?.into_iter().fold(0, usize::saturating_add).min(at_most))
    }

    async fn count_shard(&self, partition: String, first: &str, at_most: usize) -> Result<usize, LedgerError> {
        let output = self
            .client
            .query()
            .table_name(&self.name)
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
            .map_err(unavailable("Query"))?;
        Ok(usize::try_from(output.count).unwrap_or(0))
    }
}
