//! Deliveries: each proven request, with its bytes, its proof, its policy and its outcome.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Item, Ledger,
    bodies::{body_key, envelope_of},
    keys::{self, PARTITION_KEY, SORT_KEY, attribute},
};
use crate::{
    domain::{
        DeliveryId, LedgerError, Outcome, Policy, Proof, Proven, Provider, Route, SubscriptionPolicy, UnreadableEntry,
    },
    proof::signature::Fingerprint,
    time,
};

/// Maximum number of unreadable entries that are named one by one; the delivery's bytes have them all.
const MAX_NAMED_ENTRIES: usize = 100;

/// A delivery without its body.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// The service that sent it.
    pub provider: Provider,
    /// The path that it was posted to.
    pub route: &'static str,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why, as a stable code.
    pub reason: String,
    /// The number of its events.
    pub events: u64,
    /// The body's size in bytes.
    pub size: u64,
    /// The body's hash, in hex.
    pub sha256: String,
    /// The position of its path token among the configured ones, from 0.
    pub token: u64,
    /// The fingerprint of the certificate or key that verified its signature, if it is signed.
    pub certificate: Option<Fingerprint>,
    /// The position of its body token among the configured ones, from 0, if it had one.
    pub body_token: Option<u64>,
    /// The number of its unreadable entries.
    pub unreadable: u64,
    /// The first of them.
    pub unreadable_entries: Vec<String>,
}

/// A delivery that was read back.
pub struct StoredDelivery {
    /// The delivery, proven when it was stored.
    pub delivery: Proven,
    /// Its record.
    pub record: DeliveryRecord,
}

impl Ledger {
    /// Makes a delivery durable: its bytes, its proof with the certificate, its policy, and that it isn't recorded yet.
    /// From here on nothing of it can be lost. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't be written to.
    pub async fn accept(&self, delivery: &Proven) -> Result<(), LedgerError> {
        if let Some(signer) = delivery.signer() {
            self.keep_certificate(signer, delivery.received_at()).await?;
        }
        let (proof, envelope, policy) = (delivery.proof(), delivery.envelope(), delivery.policy());
        let item = Item::default()
            .with(PARTITION_KEY, keys::delivery(delivery.id()))
            .with(SORT_KEY, keys::DELIVERY)
            .with(attribute::PROVIDER, delivery.route().provider().as_str())
            .with(attribute::ROUTE, delivery.route().path())
            .with(attribute::RECEIVED_AT, delivery.received_at())
            .with(attribute::OUTCOME, Outcome::Accepted.as_str())
            .with(attribute::HEADERS, &envelope.headers)
            .with_some(attribute::EVENT, envelope.event.as_deref())
            .with(attribute::TRUST, delivery.trust().as_str())
            .with(attribute::TOKEN, proof.token)
            .with_some("certificate", proof.certificate.map(|certificate| certificate.to_string()))
            .with_some("body_token", proof.body_token)
            .with_some(attribute::GROUPS, Some(policy.groups.as_slice()).filter(|groups| !groups.is_empty()))
            .with_some("unknown_subscription", policy.subscription.as_str());
        let key = body_key("deliveries", delivery.route(), delivery.received_at(), delivery.id());
        let item = self.with_body(item, &key, delivery.body()).await?;
        let item = item.with_all(keys::listed_accepted(delivery.id(), delivery.received_at()));
        // If the id is taken, this very call was repeated after its response was lost: no other delivery has this id.
        self.table.put_new(item).await.map(drop)
    }

    /// Stores the outcome of a delivery, and takes it off the list of unfinished ones.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn finish(
        &self,
        delivery: &Proven,
        outcome: Outcome,
        reason: &str,
        events: usize,
        unreadable: &[UnreadableEntry],
    ) -> Result<(), LedgerError> {
        let entries: Vec<String> = unreadable.iter().take(MAX_NAMED_ENTRIES).map(name_entry).collect();
        self.table
            .update(&keys::delivery(delivery.id()), keys::DELIVERY)
            .set(attribute::OUTCOME, outcome.as_str())
            .set(attribute::REASON, reason)
            .set("events", events)
            .set("unreadable", unreadable.len())
            .set("unreadable_entries", entries.as_slice())
            .set_all_if_absent(Item::default().with("finished_at", time::now()))
            .set_all(keys::listed_delivery(delivery.id(), delivery.received_at()))
            .send()
            .await
            .map(drop)
    }

    /// Reads a delivery back, with its body; `None` if there is none with this id.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read, the stored body's hash is not the recorded one, or the body was erased.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<StoredDelivery>, LedgerError> {
        let Some(item) = self.table.get(&keys::delivery(id), keys::DELIVERY).await? else { return Ok(None) };
        let record = record(id, &item)?;
        let body = self.body_of(&item).await?;
        let route = item.parse(attribute::ROUTE, Route::from_path)?;
        let position = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let proof = Proof {
            token: position(record.token),
            certificate: record.certificate,
            body_token: record.body_token.map(position),
        };
        let policy = Policy {
            groups: item.list(attribute::GROUPS),
            subscription: SubscriptionPolicy::parse(item.text("unknown_subscription")),
        };
        let delivery = Proven::recorded(id.clone(), route, record.received_at, envelope_of(&item), body, proof, policy);
        Ok(Some(StoredDelivery { delivery, record }))
    }

    /// A delivery without its body; `None` if there is none with this id.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn delivery_record(&self, id: &DeliveryId) -> Result<Option<DeliveryRecord>, LedgerError> {
        let item = self.table.get(&keys::delivery(id), keys::DELIVERY).await?;
        item.map(|item| record(id, &item)).transpose()
    }
}

/// An unreadable entry as operators read it: `12: unexpected_shape at value`.
fn name_entry(UnreadableEntry { position, cause }: &UnreadableEntry) -> String {
    format!("{position}: {cause}")
}

fn record(id: &DeliveryId, item: &Item) -> Result<DeliveryRecord, LedgerError> {
    let certificate = item.text("certificate").map(str::parse::<Fingerprint>).transpose();
    Ok(DeliveryRecord {
        id: id.clone(),
        provider: item.parse(attribute::PROVIDER, |name| name.parse().ok())?,
        route: item.parse(attribute::ROUTE, Route::from_path)?.path(),
        received_at: item.time(attribute::RECEIVED_AT)?,
        outcome: item.parse(attribute::OUTCOME, Outcome::parse)?,
        reason: item.text(attribute::REASON).unwrap_or_default().to_owned(),
        events: item.number("events").unwrap_or_default(),
        size: item.number(attribute::SIZE).unwrap_or_default(),
        sha256: item.need(attribute::SHA256)?.to_owned(),
        token: item.number(attribute::TOKEN).unwrap_or_default(),
        certificate: certificate.map_err(|_| LedgerError::Corrupt { attribute: "certificate" })?,
        body_token: item.number("body_token"),
        unreadable: item.number("unreadable").unwrap_or_default(),
        unreadable_entries: item.list("unreadable_entries"),
    })
}
