//! Quarantine: rejected requests, for operators to look at, and to accept after all when a certificate was corrected.
//!
//! A valid path token means that the sender was given the URL, so the request is kept whole for 30 days. Without one it
//! could be from anyone: a ring of fixed size per provider only remembers when, where and why, never the content. So a
//! flood can neither fill the table nor put text into it.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    Item, Ledger,
    bodies::{body_key, envelope_of},
    keys::{self, EXPIRES_AT, INDEX_PARTITION_KEY, INDEX_SORT_KEY, List, attribute},
    table::{CONCURRENT, Entry, Range, next_place},
};
use crate::{
    domain::{Addressed, DeliveryId, LedgerError, Provider, Route},
    time,
};

/// How long a rejected request is kept: long enough for an operator to notice a wrong certificate and to correct it.
pub const QUARANTINED_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Number of slots in a provider's ring. The slot follows from the second, so this many seconds of a flood are remembered,
/// and each instance writes at most once a second.
const RING_SLOTS: i64 = 100;

/// Number of index entries that are read at once: the console shows the latest of what may be very many.
const PAGE: usize = 100;

/// A rejected request that is kept, without its body.
#[derive(Clone, Debug, Serialize)]
pub struct QuarantineRecord {
    /// Its id, which becomes the delivery's id if it is accepted after all.
    pub id: DeliveryId,
    /// The service whose callback it claims to be.
    pub provider: Provider,
    /// The path that it was posted to.
    pub route: &'static str,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The reason in the answer: `unproven`, `malformed`, `not_configured`.
    pub reason: String,
    /// The exact cause, as a stable code.
    pub cause: String,
    /// The kept body's size in bytes; `None` if no body could be kept.
    pub size: Option<u64>,
    /// The kept body's hash, in hex.
    pub sha256: Option<String>,
    /// The position of its path token among the configured ones, from 0.
    pub token: u64,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was accepted after all.
    pub taken_in_at: Option<Timestamp>,
}

/// A rejected request that was read back.
pub struct Quarantined {
    /// The request, to be proven again; `None` if no body could be kept.
    pub request: Option<Addressed>,
    /// Its record.
    pub record: QuarantineRecord,
}

/// A ring's entry of a rejected request without a valid path token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedEntry {
    /// When it arrived.
    pub at: Timestamp,
    /// The path that it was posted to.
    pub route: &'static str,
    /// Why it was rejected: `path_token` or `too_large`.
    pub cause: String,
    /// Its body's size in bytes.
    pub size: u64,
    /// The number of requests that the same instance rejected since its previous entry, this one included.
    pub refused: u64,
}

impl Ledger {
    /// Keeps a rejected request for 30 days. `body` replaces its own body: it is without secrets, and `None` if those can't
    /// be found. `reason` is the one in the answer, `cause` the exact one.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't be written to.
    pub async fn quarantine(
        &self,
        request: &Addressed,
        body: Option<&Bytes>,
        reason: &str,
        cause: &str,
    ) -> Result<(), LedgerError> {
        let (id, route, received_at) = (request.id(), request.route(), request.received_at());
        let envelope = request.envelope();
        let mut item = Item::default()
            .with(attribute::PROVIDER, route.provider().as_str())
            .with(attribute::ROUTE, route.path())
            .with(attribute::RECEIVED_AT, received_at)
            .with(attribute::REASON, reason)
            .with("cause", cause)
            .with(attribute::HEADERS, &envelope.headers)
            .with_some(attribute::EVENT, envelope.event.as_deref())
            .with(attribute::TOKEN, request.token())
            .with(EXPIRES_AT, epoch_seconds(expiry(received_at)));
        if let Some(body) = body {
            item = self.temporary.with_body(item, &body_key("quarantine", route, received_at, id), body).await?;
        }
        let update = self
            .table
            .update(&keys::quarantine(id), keys::QUARANTINE)
            .set_all(item)
            .set_all(keys::listed_quarantine(id, received_at));
        update.send().await.map(drop)
    }

    /// Reads a rejected request back; `None` if there is none with this id.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read, or the kept body's hash is not the recorded one.
    pub async fn quarantined(&self, id: &DeliveryId) -> Result<Option<Quarantined>, LedgerError> {
        let Some(item) = self.table.get(&keys::quarantine(id), keys::QUARANTINE).await? else { return Ok(None) };
        let record = record(id, &item)?;
        let request = if record.sha256.is_some() {
            let route = item.parse(attribute::ROUTE, Route::from_path)?;
            let token = usize::try_from(record.token).unwrap_or(usize::MAX);
            let body = self.temporary.body_of(&item).await?;
            Some(Addressed::quarantined(id.clone(), route, record.received_at, envelope_of(&item), body, token))
        } else {
            None
        };
        Ok(Some(Quarantined { request, record }))
    }

    /// The rejected requests that are kept and weren't accepted after all, the latest first, that arrived at `since` or
    /// later.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn quarantine_list(
        &self,
        provider: Option<Provider>,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<QuarantineRecord>, LedgerError> {
        let since = since.map(time::format).unwrap_or_default();
        let now = time::now();
        // DynamoDB takes up to two days to delete what has expired.
        let is_listed = |record: &QuarantineRecord| {
            provider.is_none_or(|provider| provider == record.provider) && record.expires_at > now
        };
        let mut listed = Vec::new();
        let mut before = None;
        loop {
            let range = Range { prefix: "", before: before.take(), after: None, descending: true, limit: PAGE };
            let entries = self.table.list(List::Quarantine.partitions(), &range).await?;
            let next = next_place(&entries, PAGE);
            let wanted: Vec<&Entry> = entries.iter().take_while(|entry| entry.place >= since).collect();
            let reads = (0..wanted.len()).map(|index| self.quarantine_record(wanted[index]));
            let records = stream::iter(reads).buffered(CONCURRENT);
            let records = records.try_filter_map(|record| ready(Ok(record.filter(is_listed))));
            listed.extend(records.take(limit - listed.len()).try_collect::<Vec<_>>().await?);
            if next.is_none() || listed.len() >= limit || wanted.len() < entries.len() {
                return Ok(listed);
            }
            before = next;
        }
    }

    async fn quarantine_record(&self, entry: &Entry) -> Result<Option<QuarantineRecord>, LedgerError> {
        let id = keys::parse_quarantine(&entry.partition)?;
        let item = self.table.get(&entry.partition, &entry.sort).await?;
        item.map(|item| record(&id, &item)).transpose()
    }

    /// The number of rejected requests that are kept and arrived at `since` or later, counted up to about `at_most`.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn count_quarantined(&self, since: Timestamp, at_most: usize) -> Result<usize, LedgerError> {
        self.table.count(List::Quarantine.partitions(), &time::format(since), at_most).await
    }

    /// Notes that a rejected request was accepted after all, and takes it off the list.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn note_accepted(&self, id: &DeliveryId) -> Result<(), LedgerError> {
        self.table
            .update(&keys::quarantine(id), keys::QUARANTINE)
            .set("taken_in_at", time::now())
            .remove(INDEX_PARTITION_KEY)
            .remove(INDEX_SORT_KEY)
            .only_if("attribute_exists(#received_at)", [])
            .was_done()
            .await
            .map(drop)
    }

    /// Remembers in its provider's ring that a request was rejected. Overwrites the slot.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn remember_rejected(&self, route: Route, entry: &RejectedEntry) -> Result<(), LedgerError> {
        let slot = entry.at.as_second().rem_euclid(RING_SLOTS);
        let item = Item::default()
            .with("at", entry.at)
            .with(attribute::ROUTE, route.path())
            .with("cause", entry.cause.as_str())
            .with(attribute::SIZE, entry.size)
            .with("refused", entry.refused)
            .with(EXPIRES_AT, epoch_seconds(expiry(entry.at)));
        self.table.update(&keys::ring(route.provider()), &keys::ring_slot(slot)).set_all(item).send().await.map(drop)
    }

    /// The entries of a provider's ring, the latest first.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn rejected(&self, provider: Provider) -> Result<Vec<RejectedEntry>, LedgerError> {
        let items = self.table.partition(&keys::ring(provider), "").await?;
        let mut entries = items.iter().map(rejected_entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        Ok(entries)
    }
}

fn expiry(from: Timestamp) -> Timestamp {
    from.checked_add(QUARANTINED_FOR).unwrap_or(Timestamp::MAX)
}

/// The unit of DynamoDB's expiry: an item with anything but a number of seconds never expires.
fn epoch_seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

fn record(id: &DeliveryId, item: &Item) -> Result<QuarantineRecord, LedgerError> {
    let expires_at = item.number(EXPIRES_AT).and_then(|seconds| Timestamp::from_second(seconds.try_into().ok()?).ok());
    Ok(QuarantineRecord {
        id: id.clone(),
        provider: item.parse(attribute::PROVIDER, |name| name.parse().ok())?,
        route: item.parse(attribute::ROUTE, Route::from_path)?.path(),
        received_at: item.time(attribute::RECEIVED_AT)?,
        reason: item.need(attribute::REASON)?.to_owned(),
        cause: item.need("cause")?.to_owned(),
        size: item.number(attribute::SIZE),
        sha256: item.text(attribute::SHA256).map(str::to_owned),
        token: item.number(attribute::TOKEN).unwrap_or_default(),
        expires_at: expires_at.ok_or(LedgerError::Corrupt { attribute: EXPIRES_AT })?,
        taken_in_at: item.optional_time("taken_in_at"),
    })
}

fn rejected_entry(item: &Item) -> Result<RejectedEntry, LedgerError> {
    Ok(RejectedEntry {
        at: item.time("at")?,
        route: item.parse(attribute::ROUTE, Route::from_path)?.path(),
        cause: item.need("cause")?.to_owned(),
        size: item.number(attribute::SIZE).unwrap_or_default(),
        refused: item.number("refused").unwrap_or_default(),
    })
}
