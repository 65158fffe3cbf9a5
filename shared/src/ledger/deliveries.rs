//! Deliveries: each request that was proven, with its bytes, its proof and what became of it.

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Item, Ledger, LedgerError, PARTITION_KEY, SORT_KEY,
    bodies::{body_key, envelope_of},
    index::{self, List, Range},
};
use crate::{
    delivery::{DeliveryId, Proof, Proven, Route},
    intake::{UnknownSubscription, UnreadableEntry},
    provider::Provider,
    signature::Fingerprint,
    time,
};

/// So many of the entries that can't be read are named one by one; the delivery's bytes have them all.
const MAX_NAMED_ENTRIES: usize = 100;

pub(super) const SORT: &str = "DELIVERY";

pub(super) fn partition(id: &DeliveryId) -> String {
    format!("DELIVERY#{id}")
}

/// What became of a proven delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its bytes are stored; its events may not be yet.
    Accepted,
    /// All its events are recorded, at least one of which wasn't before.
    Recorded,
    /// All its events were known already.
    Duplicate,
    /// It was proven, and can't be read: somebody has to look.
    SetAside,
}

impl Outcome {
    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::SetAside => "set_aside",
        }
    }

    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Recorded, Self::Duplicate, Self::SetAside];

    /// Reads what [`Outcome::as_str`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// What is told of a delivery.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// Who sent it.
    pub provider: Provider,
    /// Where it was posted to.
    pub route: &'static str,
    /// When it came in.
    pub received_at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, as a stable code.
    pub reason: String,
    /// How many events it holds.
    pub events: u64,
    /// The body's size in bytes.
    pub size: u64,
    /// The body's hash, in hex.
    pub sha256: String,
    /// Which path token it carried, from 0.
    pub token: u64,
    /// The fingerprint of the key that signed it, where it is signed.
    pub certificate: Option<String>,
    /// Which token its body carried, from 0, where it carried one.
    pub body_token: Option<u64>,
    /// How many of its entries can't be read.
    pub unreadable: u64,
    /// The first of them.
    pub unreadable_entries: Vec<String>,
}

/// A delivery read back, to be read again or shown.
pub struct StoredDelivery {
    /// The delivery, proven when it was stored.
    pub delivery: Proven,
    /// What is told of it.
    pub record: DeliveryRecord,
}

impl Ledger {
    /// Makes a delivery durable: its bytes, its proof with the certificate that gave it, and that it still has to be recorded. From here on nothing of
    /// it can be lost. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't take it.
    pub async fn accept(&self, delivery: &Proven) -> Result<(), LedgerError> {
        if let Some(signer) = delivery.signer() {
            self.keep_certificate(signer, delivery.received_at()).await?;
        }
        let body = delivery.body();
        let proof = delivery.proof();
        let envelope = delivery.envelope();
        let mut item = Item::default()
            .with(PARTITION_KEY, partition(delivery.id()))
            .with(SORT_KEY, SORT)
            .with("provider", delivery.route().provider().as_str())
            .with("route", delivery.route().path())
            .with("received_at", delivery.received_at())
            .with("outcome", Outcome::Accepted.as_str())
            .with("headers", &envelope.headers)
            .with_some("event", envelope.event.as_deref())
            .with("trust", delivery.trust().as_str())
            .with("token", proof.token)
            .with_some("certificate", proof.certificate.map(|certificate| certificate.to_string()))
            .with_some("body_token", proof.body_token)
            .with_some("groups", Some(delivery.groups()).filter(|groups| !groups.is_empty()))
            .with_some("unknown_subscription", delivery.unknown_subscription().as_str());
        let key = body_key("deliveries", delivery.route(), delivery.received_at(), delivery.id());
        item = self.with_body(item, &key, body).await?;
        let mut attributes = item.into_attributes();
        attributes.extend(index::accepted(delivery.id(), delivery.received_at()).into_attributes());
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            // The id is ours alone: it was this very call, whose first answer was lost.
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(LedgerError::unavailable("PutItem")(error)),
        }
    }

    /// Writes what became of a delivery, and takes it off the list of those that still have to be recorded.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn finish(
        &self,
        delivery: &Proven,
        outcome: Outcome,
        reason: &str,
        events: usize,
        unreadable: &[UnreadableEntry],
    ) -> Result<(), LedgerError> {
        let entries: Vec<String> = unreadable.iter().take(MAX_NAMED_ENTRIES).map(name_entry).collect();
        self.update(&partition(delivery.id()), SORT)
            .set("outcome", outcome.as_str())
            .set("reason", reason)
            .set("events", events)
            .set("unreadable", unreadable.len())
            .set("unreadable_entries", entries.as_slice())
            .set_all_if_absent(Item::default().with("finished_at", time::now()))
            .set_all(index::delivery(delivery.id(), delivery.received_at()))
            .send()
            .await
            .map(drop)
    }

    /// Reads a delivery back, with its body; `None` when there is none of that id.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be asked, or the stored body's hash is not the recorded one.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<StoredDelivery>, LedgerError> {
        let Some(item) = self.get(&partition(id), SORT).await? else { return Ok(None) };
        let record = record(id, &item)?;
        let body = self.body_of(&item).await?;
        let route = item.parse("route", Route::from_path)?;
        let envelope = envelope_of(&item);
        let certificate = record.certificate.as_deref().map(str::parse::<Fingerprint>).transpose();
        let certificate = certificate.map_err(|_| LedgerError::Corrupt { attribute: "certificate" })?;
        let position = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let proof = Proof { token: position(record.token), certificate, body_token: record.body_token.map(position) };
        let delivery = Proven::recorded(id.clone(), route, record.received_at, envelope, body, proof);
        let unknown = UnknownSubscription::parse(item.text("unknown_subscription"));
        let delivery = delivery.wanting(item.list("groups")).if_unknown(unknown);
        Ok(Some(StoredDelivery { delivery, record }))
    }

    /// Deliveries that were accepted before `before` and not finished, the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn unfinished(&self, before: Timestamp, limit: usize) -> Result<Vec<DeliveryId>, LedgerError> {
        let range = Range { prefix: "", before: Some(time::format(before)), descending: false, limit };
        let entries = self.list(&List::Accepted, &range).await?;
        entries.iter().map(|entry| id_of(&entry.partition)).collect()
    }

    /// All deliveries, the oldest first, whether finished or not. It reads the whole index.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn all_deliveries(&self) -> Result<Vec<DeliveryId>, LedgerError> {
        let mut pages = self
            .dynamodb
            .scan()
            .table_name(&self.table)
            .index_name(index::INDEX)
            .filter_expression("#s = :delivery")
            .expression_attribute_names("#s", SORT_KEY)
            .expression_attribute_values(":delivery", AttributeValue::S(SORT.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut ids = Vec::new();
        while let Some(item) = pages.next().await {
            let item = Item::from(item.map_err(LedgerError::unavailable("Scan"))?);
            ids.push(id_of(item.need(PARTITION_KEY)?)?);
        }
        // Ids sort by the time at which they came in.
        ids.sort();
        Ok(ids)
    }

    /// The deliveries of a UTC day (`2026-11-22`) that were finished, the latest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn deliveries(&self, day: &str, limit: usize) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let range = Range { prefix: "", before: None, descending: true, limit };
        let entries = self.list(&List::Deliveries(day.to_owned()), &range).await?;
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(item) = self.get(&entry.partition, &entry.sort).await? {
                records.push(record(&id_of(&entry.partition)?, &item)?);
            }
        }
        Ok(records)
    }

    pub(super) async fn get(&self, partition: &str, sort: &str) -> Result<Option<Item>, LedgerError> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, AttributeValue::S(partition.to_owned()))
            .key(SORT_KEY, AttributeValue::S(sort.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(LedgerError::unavailable("GetItem"))?;
        Ok(answer.item.map(Item::from))
    }
}

/// An entry that can't be read as people are told of it: `12: unexpected_shape at value`.
fn name_entry(UnreadableEntry { position, cause }: &UnreadableEntry) -> String {
    format!("{position}: {cause}")
}

pub(super) fn id_of(partition: &str) -> Result<DeliveryId, LedgerError> {
    let id = partition.strip_prefix("DELIVERY#").and_then(|id| id.parse().ok());
    id.ok_or(LedgerError::Corrupt { attribute: PARTITION_KEY })
}

pub(super) fn record(id: &DeliveryId, item: &Item) -> Result<DeliveryRecord, LedgerError> {
    Ok(DeliveryRecord {
        id: id.clone(),
        provider: item.parse("provider", |name| name.parse().ok())?,
        route: item.parse("route", Route::from_path)?.path(),
        received_at: item.time("received_at")?,
        outcome: item.parse("outcome", Outcome::parse)?,
        reason: item.text("reason").unwrap_or_default().to_owned(),
        events: item.number("events").unwrap_or_default(),
        size: item.number("size").unwrap_or_default(),
        sha256: item.need("sha256")?.to_owned(),
        token: item.number("token").unwrap_or_default(),
        certificate: item.text("certificate").map(str::to_owned),
        body_token: item.number("body_token"),
        unreadable: item.number("unreadable").unwrap_or_default(),
        unreadable_entries: item.list("unreadable_entries"),
    })
}
