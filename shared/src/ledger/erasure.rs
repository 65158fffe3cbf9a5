//! Erasure on request (GDPR). Of everything that is erased, times, statuses, ids and hashes remain.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveState, Item, Ledger,
    keys::{self, SORT_KEY, attribute},
    pdfs,
    table::{DeletedVersions, Held, Update, Value},
};
use crate::{
    domain::{DeliveryId, Kind, LedgerError, Subject, SubjectId},
    time,
};

/// The reason of an archive job whose subject was erased on request, and the name of an event whose own was erased.
pub const FORGOTTEN: &str = "forgotten";

/// What was erased of a subject, apart from deliveries and objects.
#[derive(Clone, Debug, Default)]
pub struct Forgetting {
    /// The number of events whose payloads were erased.
    pub events: usize,
    /// The deliveries that reported its events, and those about it that were set aside.
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

impl From<DeletedVersions> for Erased {
    fn from(deleted: DeletedVersions) -> Self {
        let erased = deleted.all.difference(&deleted.kept).cloned().collect();
        Self { erased, kept: deleted.kept.into_iter().collect() }
    }
}

impl Ledger {
    /// A subject with all that are joined to it: a request with its signed files. Empty if it isn't known.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn with_joined(&self, subject: &Subject) -> Result<BTreeSet<Subject>, LedgerError> {
        let mut found = BTreeSet::new();
        let mut open = vec![subject.clone()];
        while let Some(subject) = open.pop() {
            if found.contains(&subject) {
                continue;
            }
            let state = self.table.get(&subject.partition(), keys::STATE).await?;
            let state = match state {
                Some(state) => state,
                None if self.table.partition(&subject.partition(), keys::ASIDE_PREFIX).await?.is_empty() => continue,
                None => Item::default(),
            };
            let single = [attribute::REQUEST, attribute::SIGNED_FILE].into_iter().filter_map(|name| state.text(name));
            let ids = single.chain(state.set(attribute::SIGNED_FILES).iter().map(String::as_str));
            let ids = ids.filter_map(|id| SubjectId::parse(id).ok());
            open.extend(ids.map(|id| Subject { id, ..subject.clone() }));
            found.insert(subject);
        }
        Ok(found)
    }

    /// Closes the archive job of a subject permanently: from here on none of its documents is fetched, and no PDF is
    /// entered into its manifest. If it has no job yet, events can't create one later.
    ///
    /// # Errors
    /// When DynamoDB can't be written to, or a worker is fetching its documents right now ([`LedgerError::Busy`]).
    pub async fn close_job(&self, subject: &Subject, at: Timestamp) -> Result<(), LedgerError> {
        if !subject.kind.has_documents() {
            return Ok(());
        }
        let partition = subject.partition();
        let is_closed = self
            .table
            .update(&partition, keys::ARCHIVE)
            .set(attribute::STATE, ArchiveState::Foreign.as_str())
            .set(attribute::REASON, FORGOTTEN)
            .set(attribute::FORGOTTEN_AT, at)
            .set_all(keys::listed_job(&partition, ArchiveState::Foreign, at))
            .add(attribute::REVISION, 1_u32)
            .remove(attribute::CLAIM)
            .only_if("attribute_not_exists(#claim) OR #claim < ?", [time::now().into()])
            .was_done()
            .await?;
        if is_closed { Ok(()) } else { Err(LedgerError::Busy) }
    }

    /// Marks a subject as erased, and erases the personal data of its events and PDFs. Its job must be closed before: what
    /// a worker stores later wouldn't be found.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to.
    pub async fn forget_subject(&self, subject: &Subject, at: Timestamp) -> Result<Forgetting, LedgerError> {
        let partition = subject.partition();
        let mut found = Forgetting::default();
        for item in &self.table.partition(&partition, "").await? {
            let sort = item.need(SORT_KEY)?;
            let update = self.table.update(&partition, sort).set(attribute::FORGOTTEN_AT, at);
            if sort.starts_with(keys::EVENT_PREFIX) {
                found.deliveries.extend(deliveries_of(item));
                found.events += 1;
                without_personal_data(update, item).send().await?;
            } else if sort.starts_with(keys::PDF_PREFIX) {
                // File names often have a person's name in them.
                let update = update.remove(attribute::NAME).remove(attribute::FILE_NAME);
                let update = match pdfs::signatures(item) {
                    Some(signatures) => {
                        update.set(attribute::SIGNATURES, pdfs::signatures_text(&signatures.without_names()))
                    }
                    None => update,
                };
                update.send().await?;
            } else if let Some(delivery) = keys::parse_aside(sort) {
                found.deliveries.insert(delivery);
            }
        }
        self.table.update(&partition, keys::STATE).set(attribute::FORGOTTEN_AT, at).send().await?;
        Ok(found)
    }

    /// Erases the body of a delivery, in its item and in the bucket, also where the delivery was spooled. Its hash, proof
    /// and outcome stay. One that wasn't finished no longer waits for the sweep.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read or written to.
    pub async fn forget_body(&self, id: &DeliveryId, at: Timestamp) -> Result<Erased, LedgerError> {
        let partition = keys::delivery(id);
        let Some(item) = self.table.get(&partition, keys::DELIVERY).await? else { return Ok(Erased::default()) };
        let update = self.table.update(&partition, keys::DELIVERY).remove(attribute::BODY);
        let update = update.set_all(keys::listed_delivery(id, item.time(attribute::RECEIVED_AT)?));
        update.set(attribute::FORGOTTEN_AT, at).send().await?;
        let mut erased = self.erase_spooled(id).await?;
        if let Some(key) = item.text(attribute::BODY_KEY) {
            let body = self.erase(key).await?;
            erased.erased.extend(body.erased);
            erased.kept.extend(body.kept);
        }
        Ok(erased)
    }

    /// The objects of which Object Lock would keep a version if this subject were forgotten now: those under `prefixes`, and
    /// the bodies of `deliveries`.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read.
    pub async fn held(
        &self,
        prefixes: &BTreeSet<String>,
        deliveries: &BTreeSet<DeliveryId>,
    ) -> Result<Vec<Held>, LedgerError> {
        let now = time::now();
        let mut held = Vec::new();
        for prefix in prefixes {
            held.extend(self.objects.held(prefix, now).await?);
        }
        for id in deliveries {
            let item = self.table.get(&keys::delivery(id), keys::DELIVERY).await?;
            if let Some(key) = item.as_ref().and_then(|item| item.text(attribute::BODY_KEY)) {
                held.extend(self.objects.held(key, now).await?);
            }
        }
        Ok(held)
    }

    /// The deliveries that reported a subject's events.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn deliveries_about(&self, subject: &Subject) -> Result<BTreeSet<DeliveryId>, LedgerError> {
        let events = self.table.partition(&subject.partition(), keys::EVENT_PREFIX).await?;
        Ok(events.iter().flat_map(deliveries_of).collect())
    }

    /// Erases every version of all objects whose key starts with `prefix`. A version that may not be deleted isn't an error:
    /// its object is among the kept ones.
    ///
    /// # Errors
    /// When S3 can't be read or written to.
    pub async fn erase(&self, prefix: &str) -> Result<Erased, LedgerError> {
        self.objects.delete_versions(prefix).await.map(Erased::from)
    }
}

/// Erases what may be personal data in an event. A null takes its place, because a redelivery sets what is absent. A value
/// that gives the event its rank is one of the service's status codes, and stays.
fn without_personal_data<'a>(update: Update<'a>, event: &Item) -> Update<'a> {
    let has_rank = event.text(attribute::KIND).and_then(Kind::parse).is_some_and(|kind| kind.rank().is_some());
    let update = update.set(attribute::PAYLOAD, "null");
    let update = if has_rank { update } else { update.set(attribute::VALUE, Value::null()) };
    // A documented name is an identifier, by which reconcile knows the event. Anything else may be a person's text.
    let is_identifier = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if event.text(attribute::NAME).is_some_and(is_identifier) { update } else { update.set(attribute::NAME, FORGOTTEN) }
}

fn deliveries_of(event: &Item) -> impl Iterator<Item = DeliveryId> {
    event.set(attribute::DELIVERIES).iter().filter_map(|id| id.parse().ok())
}
