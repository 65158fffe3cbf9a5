//! Erasure on request (GDPR). Of everything that is erased, times, statuses, ids and hashes remain.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveState, Item, Ledger,
    keys::{self, SORT_KEY, attribute},
    pdfs,
};
use crate::{
    domain::{DeliveryId, LedgerError, Subject},
    time,
};

/// The reason of an archive job whose subject was erased on request.
pub const FORGOTTEN: &str = "forgotten";

/// What was found of a subject that is being erased.
#[derive(Clone, Debug, Default)]
pub struct Forgetting {
    /// The number of events whose payloads were erased.
    pub events: usize,
    /// The deliveries that reported its events.
    pub deliveries: BTreeSet<DeliveryId>,
}

/// The result of erasing objects, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Objects without any version left.
    pub erased: Vec<String>,
    /// Objects with a version that can't be deleted: Object Lock holds it, or the permission is missing.
    pub kept: Vec<String>,
}

impl Ledger {
    /// Marks a subject as erased and erases the payloads of its events; `None` if it isn't known. From here on none of its
    /// documents is fetched again.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to, or a worker is fetching its documents right now
    /// ([`LedgerError::Busy`]).
    pub async fn forget_subject(&self, subject: &Subject, at: Timestamp) -> Result<Option<Forgetting>, LedgerError> {
        let partition = subject.partition();
        let items = self.table.partition(&partition, "").await?;
        if !items.iter().any(|item| item.text(SORT_KEY) == Some(keys::STATE)) {
            return Ok(None);
        }
        if subject.kind.has_documents() {
            self.close_job(&partition, at).await?;
        }
        let mut found = Forgetting::default();
        for item in &items {
            let sort = item.need(SORT_KEY)?;
            if sort.starts_with(keys::EVENT_PREFIX) {
                found.deliveries.extend(deliveries_of(item));
                // `null` takes the payload's place, because a redelivery sets what is absent.
                let update = self.table.update(&partition, sort).set(attribute::PAYLOAD, "null");
                update.set(attribute::FORGOTTEN_AT, at).send().await?;
                found.events += 1;
            } else if sort.starts_with(keys::PDF_PREFIX) {
                // File names often have a person's name in them.
                let mut update =
                    self.table.update(&partition, sort).remove(attribute::NAME).remove(attribute::FILE_NAME);
                if let Some(signatures) = pdfs::signatures(item) {
                    update = update.set(attribute::SIGNATURES, pdfs::signatures_text(&signatures.without_names()));
                }
                update.set(attribute::FORGOTTEN_AT, at).send().await?;
            }
        }
        self.table.update(&partition, keys::STATE).set(attribute::FORGOTTEN_AT, at).send().await?;
        Ok(Some(found))
    }

    /// Closes the archive job of a subject permanently. If it has none yet, events can't create one later.
    async fn close_job(&self, partition: &str, at: Timestamp) -> Result<(), LedgerError> {
        let is_closed = self
            .table
            .update(partition, keys::ARCHIVE)
            .set(attribute::STATE, ArchiveState::Foreign.as_str())
            .set(attribute::REASON, FORGOTTEN)
            .set(attribute::FORGOTTEN_AT, at)
            .set_all(keys::listed_job(partition, ArchiveState::Foreign, at))
            .add(attribute::REVISION, 1_u32)
            .remove(attribute::CLAIM)
            .only_if("attribute_not_exists(#claim) OR #claim < ?", [time::now().into()])
            .was_done()
            .await?;
        if is_closed { Ok(()) } else { Err(LedgerError::Busy) }
    }

    /// Erases the body of a delivery, in its item and in the bucket. Its hash, proof and outcome stay.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read or written to.
    pub async fn forget_body(&self, id: &DeliveryId, at: Timestamp) -> Result<Erased, LedgerError> {
        let partition = keys::delivery(id);
        let Some(item) = self.table.get(&partition, keys::DELIVERY).await? else { return Ok(Erased::default()) };
        let update = self.table.update(&partition, keys::DELIVERY).remove(attribute::BODY);
        update.set(attribute::FORGOTTEN_AT, at).send().await?;
        match item.text(attribute::BODY_KEY) {
            Some(key) => self.erase(key).await,
            None => Ok(Erased::default()),
        }
    }

    /// Erases every version of all objects whose key starts with `prefix`. A version that may not be deleted isn't an error:
    /// its object is among the kept ones.
    ///
    /// # Errors
    /// When S3 can't be read or written to.
    pub async fn erase(&self, prefix: &str) -> Result<Erased, LedgerError> {
        let deleted = self.objects.delete_versions(prefix).await?;
        let erased = deleted.all.difference(&deleted.kept).cloned().collect();
        Ok(Erased { erased, kept: deleted.kept.into_iter().collect() })
    }
}

fn deliveries_of(event: &Item) -> impl Iterator<Item = DeliveryId> {
    event.set(attribute::DELIVERIES).iter().filter_map(|id| id.parse().ok())
}
