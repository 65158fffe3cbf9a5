//! Erasing what is stored of a subject. What remains of each thing is that it was there: times, statuses, ids, hashes.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use jiff::Timestamp;
use serde::Serialize;

use super::{ArchiveState, Item, Ledger, LedgerError, SORT_KEY, deliveries, index, orders, pdfs, status};
use crate::{delivery::DeliveryId, subject::Subject, time};

/// The reason of an archive order whose subject was erased on request.
pub const FORGOTTEN: &str = "forgotten";

/// What was found of a subject that is being forgotten.
#[derive(Clone, Debug, Default)]
pub struct Forgetting {
    /// How many events' payloads were erased.
    pub events: usize,
    /// The deliveries that told of it.
    pub deliveries: BTreeSet<DeliveryId>,
}

/// What became of objects that were to be erased, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Objects of which no version is left.
    pub erased: Vec<String>,
    /// Objects of which a version can't be deleted: Object Lock holds it, or the permission is missing.
    pub kept: Vec<String>,
}

impl Ledger {
    /// Marks a subject as forgotten and erases its events' payloads; `None` when nothing is known of it. From here on
    /// none of its documents is fetched again.
    ///
    /// # Errors
    /// When DynamoDB can't do it, or a worker is just fetching its documents ([`LedgerError::Busy`]).
    pub async fn forget_subject(&self, subject: &Subject, at: Timestamp) -> Result<Option<Forgetting>, LedgerError> {
        let partition = subject.partition();
        let items = self.partition(&partition, "").await?;
        if !items.iter().any(|item| item.text(SORT_KEY) == Some(status::SORT)) {
            return Ok(None);
        }
        if subject.kind.has_documents() {
            self.close_order(&partition, at).await?;
        }
        let mut found = Forgetting::default();
        for item in &items {
            let sort = item.need(SORT_KEY)?;
            if sort.starts_with("EVENT#") {
                found.deliveries.extend(told_by(item));
                // `null` stands for what was there: a redelivery sets only what is absent.
                self.update(&partition, sort).set("payload", "null").set("forgotten_at", at).send().await?;
                found.events += 1;
            } else if sort.starts_with(pdfs::PREFIX) {
                self.update(&partition, sort).set("forgotten_at", at).send().await?;
            }
        }
        self.update(&partition, status::SORT).set("forgotten_at", at).send().await?;
        Ok(Some(found))
    }

    /// Settles the archive order of a subject for good, even if it has none yet and events ask for one.
    async fn close_order(&self, partition: &str, at: Timestamp) -> Result<(), LedgerError> {
        let closed = self
            .update(partition, orders::SORT)
            .set("state", ArchiveState::Foreign.as_str())
            .set("reason", FORGOTTEN)
            .set("forgotten_at", at)
            .set_all(index::archive(partition, ArchiveState::Foreign, at))
            .add("revision", 1_u32)
            .remove("claim")
            .only_if("attribute_not_exists(#claim) OR #claim < ?", [time::now().into()])
            .was_done()
            .await?;
        if closed { Ok(()) } else { Err(LedgerError::Busy) }
    }

    /// Erases the body of a delivery, in its item and in the bucket. Its hash, proof and outcome stay.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't do it.
    pub async fn forget_body(&self, id: &DeliveryId, at: Timestamp) -> Result<Erased, LedgerError> {
        let partition = deliveries::partition(id);
        let Some(item) = self.get(&partition, deliveries::SORT).await? else { return Ok(Erased::default()) };
        self.update(&partition, deliveries::SORT).remove("body").set("forgotten_at", at).send().await?;
        match item.text("body_key") {
            Some(key) => self.erase(key).await,
            None => Ok(Erased::default()),
        }
    }

    /// Erases every version of all objects whose key starts with `prefix`.
    ///
    /// # Errors
    /// When S3 can't be asked. That it refuses to delete a version is no error: then the object is among the kept.
    pub async fn erase(&self, prefix: &str) -> Result<Erased, LedgerError> {
        let (mut all, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let mut markers = (None, None);
        loop {
            let page = self.s3.list_object_versions().bucket(&self.bucket).prefix(prefix);
            let page = page.set_key_marker(markers.0).set_version_id_marker(markers.1).send().await;
            let page = page.map_err(LedgerError::unavailable("ListObjectVersions"))?;
            let objects = page.versions().iter().map(|version| (version.key(), version.version_id()));
            let deleted = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            for (key, version) in objects.chain(deleted) {
                let Some(key) = key else { continue };
                all.insert(key.to_owned());
                if !self.delete_version(key, version).await? {
                    kept.insert(key.to_owned());
                }
            }
            if page.is_truncated() != Some(true) {
                break;
            }
            markers = (page.next_key_marker, page.next_version_id_marker);
        }
        Ok(Erased { erased: all.difference(&kept).cloned().collect(), kept: kept.into_iter().collect() })
    }
}

impl Ledger {
    /// Deletes a version of an object; `false` when that isn't allowed.
    async fn delete_version(&self, key: &str, version: Option<&str>) -> Result<bool, LedgerError> {
        let delete = self.s3.delete_object().bucket(&self.bucket).key(key).set_version_id(version.map(str::to_owned));
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("AccessDenied") => {
                Ok(false)
            }
            Err(error) => Err(LedgerError::unavailable("DeleteObject")(error)),
        }
    }
}

fn told_by(event: &Item) -> impl Iterator<Item = DeliveryId> {
    let set = event.attribute("deliveries").and_then(|value| value.as_ss().ok());
    set.into_iter().flatten().filter_map(|id| id.parse().ok())
}
