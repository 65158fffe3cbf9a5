//! Deliveries: each proven request, with its bytes, its proof, its policy and its outcome.
//!
//! A delivery is written in one of two ways; `intake` says which and why. Either it is accepted before anything else and
//! finished after everything else, and the index lists it first among the unfinished ones, then among those of its day. Or
//! it is written once, with the outcome that its recording is going to have.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Item, Ledger,
    bodies::{body_key, envelope_of},
    keys::{self, PARTITION_KEY, SORT_KEY, attribute},
};
use crate::{
    domain::{
        DeliveryId, LedgerError, Outcome, Policy, Proof, Proven, Provider, Route, Subject, SubscriptionPolicy, Trust,
        UnreadableEntry,
    },
    proof::signature::Fingerprint,
    time,
};

/// Maximum number of unreadable entries that are named one by one; the delivery's bytes have them all.
const MAX_NAMED_ENTRIES: usize = 100;

/// Which part was signed, if the body can be read in several ways.
const SIGNED_PART: &str = "signed_part";

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

/// What is stored of a delivery's recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished<'a> {
    /// What became of it.
    pub outcome: Outcome,
    /// Why, as a stable code.
    pub reason: String,
    /// The number of its events.
    pub events: usize,
    /// Its entries that can't be read.
    pub unreadable: &'a [UnreadableEntry],
}

impl Finished<'_> {
    fn item(&self) -> Item {
        let entries: Vec<String> = self.unreadable.iter().take(MAX_NAMED_ENTRIES).map(name_entry).collect();
        Item::default()
            .with(attribute::OUTCOME, self.outcome.as_str())
            .with(attribute::REASON, self.reason.as_str())
            .with("events", self.events)
            .with("unreadable", self.unreadable.len())
            .with("unreadable_entries", entries.as_slice())
    }
}

impl Ledger {
    /// Makes a delivery durable: its bytes, its proof with the certificate, its policy, and that it isn't recorded yet.
    /// From here on nothing of it can be lost. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't be written to.
    pub async fn accept(&self, delivery: &Proven) -> Result<(), LedgerError> {
        let item = self.accepted(delivery).await?;
        // If the id is taken, this very call was repeated after its response was lost: no other delivery has this id.
        self.table.put_new(item).await.map(drop)
    }

    /// Accepts a delivery whose recording failed, whatever of it is stored: [`Ledger::write`] may have succeeded.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't be written to.
    pub async fn accept_after_failure(&self, delivery: &Proven) -> Result<(), LedgerError> {
        let item = self.accepted(delivery).await?;
        self.table.put(item).await
    }

    /// Makes a delivery durable, as [`Ledger::accept`] does, with the outcome that its recording is going to have.
    ///
    /// # Errors
    /// When DynamoDB, or S3 for a large body, can't be written to.
    pub async fn write(&self, delivery: &Proven, finished: &Finished<'_>) -> Result<(), LedgerError> {
        let item = self.durable(delivery).await?;
        let item = item.with_all(finished.item()).with("finished_at", time::now());
        let item = item.with_all(keys::listed_delivery(delivery.id(), delivery.received_at()));
        // A call that DynamoDB processes late mustn't undo what was stored since.
        self.table.put_new(item).await.map(drop)
    }

    async fn accepted(&self, delivery: &Proven) -> Result<Item, LedgerError> {
        let item = self.durable(delivery).await?;
        let item = item.with(attribute::OUTCOME, Outcome::Accepted.as_str());
        Ok(item.with_all(keys::listed_accepted(delivery.id(), delivery.received_at())))
    }

    /// The item of a delivery without its outcome. Its certificate, and a large body, are stored first.
    async fn durable(&self, delivery: &Proven) -> Result<Item, LedgerError> {
        let (proof, envelope, policy) = (delivery.proof(), delivery.envelope(), delivery.policy());
        let item = Item::default()
            .with(PARTITION_KEY, keys::delivery(delivery.id()))
            .with(SORT_KEY, keys::DELIVERY)
            .with(attribute::PROVIDER, delivery.route().provider().as_str())
            .with(attribute::ROUTE, delivery.route().path())
            .with(attribute::RECEIVED_AT, delivery.received_at())
            .with(attribute::HEADERS, &envelope.headers)
            .with_some(attribute::EVENT, envelope.event.as_deref())
            .with(attribute::TRUST, delivery.trust().as_str())
            .with(attribute::TOKEN, proof.token)
            .with_some("certificate", proof.certificate.map(|certificate| certificate.to_string()))
            .with_some(SIGNED_PART, proof.part.map(|part| part.to_string()))
            .with_some("body_token", proof.body_token)
            .with_some(attribute::GROUPS, Some(policy.groups.as_slice()).filter(|groups| !groups.is_empty()))
            .with_some("unknown_subscription", policy.subscription.as_str());
        let key = body_key("deliveries", delivery.route(), delivery.received_at(), delivery.id());
        let certificate = async {
            match delivery.signer() {
                Some(signer) => self.keep_certificate(signer, delivery.received_at()).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(self.objects.with_body(item, &key, delivery.body()), certificate).map(|(item, ())| item)
    }

    /// Stores the outcome of a delivery, and takes it off the list of unfinished ones.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn finish(&self, delivery: &Proven, finished: &Finished<'_>) -> Result<(), LedgerError> {
        self.table
            .update(&keys::delivery(delivery.id()), keys::DELIVERY)
            .set_all(finished.item())
            .set_all_if_absent(Item::default().with("finished_at", time::now()))
            .set_all(keys::listed_delivery(delivery.id(), delivery.received_at()))
            .send()
            .await
            .map(drop)
    }

    /// Notes with the subjects of a delivery that is set aside that it is about them, so that erasing them finds it.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn note_set_aside(&self, delivery: &Proven, subjects: &BTreeSet<&Subject>) -> Result<(), LedgerError> {
        let sort = keys::aside(delivery.id());
        for subject in subjects {
            let update = self.table.update(&subject.partition(), &sort);
            update.set(attribute::RECEIVED_AT, delivery.received_at()).send().await?;
        }
        Ok(())
    }

    /// Reads a delivery back, with its body; `None` if there is none with this id.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read, the stored body's hash is not the recorded one, or the body was erased.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<StoredDelivery>, LedgerError> {
        let Some(item) = self.table.get(&keys::delivery(id), keys::DELIVERY).await? else { return Ok(None) };
        let record = record(id, &item)?;
        let body = self.objects.body_of(&item).await?;
        let route = item.parse(attribute::ROUTE, Route::from_path)?;
        let position = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
        let part = item.text(SIGNED_PART).map(str::parse).transpose();
        let proof = Proof {
            trust: item.parse(attribute::TRUST, Trust::parse)?,
            token: position(record.token),
            certificate: record.certificate,
            part: part.map_err(|_| LedgerError::Corrupt { attribute: SIGNED_PART })?,
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
