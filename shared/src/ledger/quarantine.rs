//! Quarantine: what was refused, for people to look at, and to take in after all when a certificate was corrected.
//!
//! Who sent a right path token was told it, so what came with one is kept whole for thirty days. What came without is
//! anybody's: of it a ring of fixed size remembers when, where and why, never what was sent, so that a flood can neither
//! fill the table nor say anything in it.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    EXPIRES_AT, Item, Ledger, LedgerError, PARTITION_KEY,
    bodies::{body_key, envelope_of},
    index::{self, List, Range},
};
use crate::{
    delivery::{Addressed, DeliveryId, Route},
    provider::Provider,
    time,
};

/// How long a refused request is kept: long enough for somebody to notice a wrong certificate, and to correct it.
pub const QUARANTINED_FOR: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Places in a provider's ring. The place follows from the second, so this many seconds of a flood are remembered, and
/// all instances together write a place once a second at most for each of them.
const RING_SLOTS: i64 = 100;

const SORT: &str = "QUARANTINE";

fn partition(id: &DeliveryId) -> String {
    format!("QUARANTINE#{id}")
}

/// What is told of a refused request that is kept.
#[derive(Clone, Debug, Serialize)]
pub struct QuarantineRecord {
    /// Its id; the delivery's, should it be taken in after all.
    pub id: DeliveryId,
    /// Whose callback it claims to be.
    pub provider: Provider,
    /// Where it was posted to.
    pub route: &'static str,
    /// When it came in.
    pub received_at: Timestamp,
    /// What the sender was told: `unproven`, `malformed`, `not_configured`.
    pub reason: String,
    /// The exact cause, as a stable code.
    pub cause: String,
    /// The kept body's size in bytes; `None` where no body could be kept.
    pub size: Option<u64>,
    /// The kept body's hash, in hex.
    pub sha256: Option<String>,
    /// Which path token it carried, from 0.
    pub token: u64,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// When it was taken in after all, if it was.
    pub taken_in_at: Option<Timestamp>,
}

/// A refused request read back.
pub struct Quarantined {
    /// The request, to be proven again; `None` where no body could be kept.
    pub request: Option<Addressed>,
    /// What is told of it.
    pub record: QuarantineRecord,
}

/// What a ring remembers of refused requests without a right path token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedEntry {
    /// When.
    pub at: Timestamp,
    /// Where it was posted to.
    pub route: &'static str,
    /// Why it was refused: `path_token` or `too_large`.
    pub cause: String,
    /// Its body's size in bytes.
    pub size: u64,
    /// How many were refused by the same instance since its entry before, this one included.
    pub refused: u64,
}

impl Ledger {
    /// Keeps a refused request for thirty days, with `body` in place of its own: without secrets, `None` where those
    /// can't be found.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't take it.
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
            .with("provider", route.provider().as_str())
            .with("route", route.path())
            .with("received_at", received_at)
            .with("reason", reason)
            .with("cause", cause)
            .with("headers", &envelope.headers)
            .with_some("event", envelope.event.as_deref())
            .with("token", request.token())
            .with(EXPIRES_AT, epoch_seconds(expiry(received_at)));
        if let Some(body) = body {
            item = self.with_body(item, &body_key("quarantine", route, received_at, id), body).await?;
        }
        let update = self.update(&partition(id), SORT).set_all(item).set_all(index::quarantine(id, received_at));
        update.send().await.map(drop)
    }

    /// Reads a refused request back; `None` when there is none of that id.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be asked, or the kept body's hash is not the recorded one.
    pub async fn quarantined(&self, id: &DeliveryId) -> Result<Option<Quarantined>, LedgerError> {
        let Some(item) = self.get(&partition(id), SORT).await? else { return Ok(None) };
        let record = record(id, &item)?;
        let request = if record.sha256.is_some() {
            let route = item.parse("route", Route::from_path)?;
            let token = usize::try_from(record.token).unwrap_or(usize::MAX);
            let body = self.body_of(&item).await?;
            Some(Addressed::quarantined(id.clone(), route, record.received_at, envelope_of(&item), body, token))
        } else {
            None
        };
        Ok(Some(Quarantined { request, record }))
    }

    /// The refused requests that are kept and weren't taken in, the latest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn quarantine_list(
        &self,
        provider: Option<Provider>,
        since: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<QuarantineRecord>, LedgerError> {
        let range = Range { prefix: "", before: None, descending: true, limit: usize::MAX - 1 };
        let since = since.map(time::format).unwrap_or_default();
        let now = time::now();
        let mut records = Vec::new();
        for entry in self.list(&List::Quarantine, &range).await? {
            if records.len() >= limit || entry.place < since {
                break;
            }
            let id = entry.partition.strip_prefix("QUARANTINE#").and_then(|id| id.parse().ok());
            let id: DeliveryId = id.ok_or(LedgerError::Corrupt { attribute: PARTITION_KEY })?;
            let Some(item) = self.get(&entry.partition, &entry.sort).await? else { continue };
            let record = record(&id, &item)?;
            // DynamoDB takes up to two days to delete what has expired.
            if provider.is_none_or(|provider| provider == record.provider) && record.expires_at > now {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Notes that a refused request was taken in after all, and takes it off the list.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn note_taken_in(&self, id: &DeliveryId) -> Result<(), LedgerError> {
        self.update(&partition(id), SORT)
            .set("taken_in_at", time::now())
            .remove(index::INDEX_PARTITION_KEY)
            .remove(index::INDEX_SORT_KEY)
            .only_if("attribute_exists(#received_at)", [])
            .was_done()
            .await
            .map(drop)
    }

    /// Remembers in its provider's ring that a request was refused, over what stood in the same place.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn remember_refused(&self, route: Route, entry: &RefusedEntry) -> Result<(), LedgerError> {
        let slot = entry.at.as_second().rem_euclid(RING_SLOTS);
        let item = Item::default()
            .with("at", entry.at)
            .with("route", route.path())
            .with("cause", entry.cause.as_str())
            .with("size", entry.size)
            .with("refused", entry.refused)
            .with(EXPIRES_AT, epoch_seconds(expiry(entry.at)));
        self.update(&ring(route.provider()), &format!("{slot:02}")).set_all(item).send().await.map(drop)
    }

    /// What a provider's ring remembers, the latest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn refused(&self, provider: Provider) -> Result<Vec<RefusedEntry>, LedgerError> {
        let items = self.partition(&ring(provider), "").await?;
        let mut entries = items.iter().map(refused_entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        Ok(entries)
    }
}

fn ring(provider: Provider) -> String {
    format!("RING#{provider}")
}

fn expiry(from: Timestamp) -> Timestamp {
    from.checked_add(QUARANTINED_FOR).unwrap_or(Timestamp::MAX)
}

/// As DynamoDB wants it: anything but a number of seconds would never expire.
fn epoch_seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

fn record(id: &DeliveryId, item: &Item) -> Result<QuarantineRecord, LedgerError> {
    let expires_at = item.number(EXPIRES_AT).and_then(|seconds| Timestamp::from_second(seconds.try_into().ok()?).ok());
    Ok(QuarantineRecord {
        id: id.clone(),
        provider: item.parse("provider", |name| name.parse().ok())?,
        route: item.parse("route", Route::from_path)?.path(),
        received_at: item.time("received_at")?,
        reason: item.need("reason")?.to_owned(),
        cause: item.need("cause")?.to_owned(),
        size: item.number("size"),
        sha256: item.text("sha256").map(str::to_owned),
        token: item.number("token").unwrap_or_default(),
        expires_at: expires_at.ok_or(LedgerError::Corrupt { attribute: EXPIRES_AT })?,
        taken_in_at: item.text("taken_in_at").and_then(|text| text.parse().ok()),
    })
}

fn refused_entry(item: &Item) -> Result<RefusedEntry, LedgerError> {
    Ok(RefusedEntry {
        at: item.time("at")?,
        route: item.parse("route", Route::from_path)?.path(),
        cause: item.need("cause")?.to_owned(),
        size: item.number("size").unwrap_or_default(),
        refused: item.number("refused").unwrap_or_default(),
    })
}
