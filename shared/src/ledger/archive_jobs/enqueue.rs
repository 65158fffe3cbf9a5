//! Enqueues archive jobs. Two kinds of event do: one that reports that a document is complete, and one that only reports
//! that something changed.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::ArchiveState;
use crate::{
    domain::{Event, Kind, LedgerError, Proven, Reading, Subject, SubjectId},
    ledger::{
        Item, Ledger,
        events::FEW,
        keys::{self, attribute},
        origin::Origin,
        table::{CONCURRENT, Update, Updated, Value, one},
    },
    time,
};

/// Maximum number of requests that a job remembers. A further one makes it due without being remembered, so that it isn't
/// lost.
const MAX_REMEMBERED_REQUESTS: usize = 200;

/// Length of the part of an event's id that distinguishes the requests of one subject, in characters.
const REQUEST_CHARS: usize = 32;

/// The reason of a job for a group whose documents aren't wanted.
pub const OTHER_GROUP: &str = "other_group";

impl Ledger {
    /// Makes the archive jobs due that a delivery's events request. Doing it again changes nothing.
    ///
    /// The table's stream hands a job over at once. If there are few events, a worker that finds less than it needs records
    /// the delivery first, which the job names.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn request_jobs(&self, delivery: &Proven, reading: &Reading) -> Result<(), LedgerError> {
        let mut subjects: BTreeMap<&Subject, Vec<&Event>> = BTreeMap::new();
        for event in reading.events.iter().filter(|event| reading.requests_job(event)) {
            subjects.entry(&event.subject).or_default().push(event);
        }
        let subjects: Vec<_> = subjects.into_iter().collect();
        let origin = Origin::Callback(delivery);
        // A stream of indices: a closure that takes a reference can't be proven to be `Send`.
        let jobs =
            (0..subjects.len()).map(|index| self.enqueue(origin, reading, subjects[index].0, &subjects[index].1));
        stream::iter(jobs).buffer_unordered(CONCURRENT).try_collect().await
    }

    /// Makes the archive job of a subject due if one of `events` requests it and hasn't done so before.
    pub(in crate::ledger) async fn enqueue(
        &self,
        origin: Origin<'_>,
        reading: &Reading,
        subject: &Subject,
        events: &[&Event],
    ) -> Result<(), LedgerError> {
        if !subject.kind.has_documents() {
            return Ok(());
        }
        if reading.foreign {
            return self.close_unwanted(subject).await;
        }
        // A batch may repeat an event.
        let mut seen = BTreeSet::new();
        for event in events {
            let id = event.id(origin.trust(reading));
            if !seen.insert(id) {
                continue;
            }
            let id = id.to_string();
            if event.kind == Kind::Completed {
                let due = self.make_due(origin, reading, subject, &id).set(attribute::COMPLETE, true);
                self.request(due, &id[..REQUEST_CHARS]).await?;
            } else if let Some(delivery) = origin.delivery().filter(|_| reading.ask) {
                // The same event may come again because something else changed: each delivery is a new request.
                self.request(self.make_due(origin, reading, subject, &id), delivery.as_str()).await?;
            }
        }
        Ok(())
    }

    /// Makes the job of a signed file due because of a request that it may belong to, once for each request. A file without
    /// a job gets one with its own event, and the request is known by then.
    pub(in crate::ledger) async fn query_again(&self, file: &Subject, request: &SubjectId) -> Result<(), LedgerError> {
        let condition = "attribute_exists(#state) AND attribute_not_exists(#forgotten_at) \
                         AND (attribute_not_exists(#candidates) OR NOT contains(#candidates, ?))";
        let due = self.due_anew(file).add(attribute::CANDIDATES, one(request.as_str()));
        due.only_if(condition, [request.as_str().into()]).was_done().await.map(drop)
    }

    /// Makes a job due by `due`, unless this very request already has.
    async fn request(&self, due: Update<'_>, request: &str) -> Result<(), LedgerError> {
        let unless_known = due
            .clone()
            .add(attribute::REQUESTS, one(request))
            .only_if(
                "attribute_not_exists(#requests) OR (NOT contains(#requests, ?) AND size(#requests) < ?)",
                [request.into(), MAX_REMEMBERED_REQUESTS.into()],
            )
            .send()
            .await?;
        if let Updated::ConditionFailed(item) = unless_known
            && !item.set_has(attribute::REQUESTS, request)
        {
            due.send().await?;
        }
        Ok(())
    }

    fn make_due(&self, origin: Origin<'_>, reading: &Reading, subject: &Subject, source_event: &str) -> Update<'_> {
        let update = self.due_anew(subject).set(attribute::SOURCE_EVENT, source_event);
        let update = match origin.delivery().filter(|_| reading.events.len() <= FEW) {
            Some(delivery) => update.set(attribute::DELIVERY, delivery.as_str()),
            None => update.remove(attribute::DELIVERY),
        };
        let groups = origin.groups();
        if groups.is_empty() {
            update.remove(attribute::GROUPS)
        } else {
            update.set(attribute::GROUPS, Value::from(groups))
        }
    }

    /// Closes the job of a subject whose documents aren't wanted, unless it exists already.
    async fn close_unwanted(&self, subject: &Subject) -> Result<(), LedgerError> {
        let (partition, now) = (subject.partition(), time::now());
        let item = Item::default()
            .with(attribute::STATE, ArchiveState::Foreign.as_str())
            .with(attribute::REASON, OTHER_GROUP)
            .with(attribute::SETTLED_AT, now);
        let update = self.table.update(&partition, keys::ARCHIVE).set_all(item);
        let update = update.set_all(keys::listed_job(&partition, ArchiveState::Foreign, now));
        update.only_if("attribute_not_exists(#state)", []).was_done().await.map(drop)
    }
}
