//! Events: each recorded once, however often it is delivered.
//!
//! Few events are written one by one, each with a condition. Many are first looked up, a hundred at a time. Missing ones
//! are put, 25 at a time; known ones remember one more delivery, unless they came in this very one. Two deliveries of one
//! batch at the same moment may both find an event missing and both put it: the same event, under the same key.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{
    Item, Ledger,
    keys::{self, PARTITION_KEY, SORT_KEY, attribute},
    origin::Origin,
    table::{CONCURRENT, Key, MAX_GET, MAX_WRITE, Updated, one},
};
use crate::domain::{DeliveryId, Event, LedgerError, Proven, Reading, Subject};

/// Maximum number of batches of [`MAX_GET`] events that are looked up and written concurrently. 20,000 events take about
/// three seconds, and no call waits long for the others.
const CONCURRENT_BATCHES: usize = 4;

/// Maximum number of events that are written one by one.
const FEW: usize = 10;

/// Maximum number of deliveries that an event remembers. A UUID is 36 bytes and an item holds 400 KB, so this is a tenth of
/// an item; the worst reported redelivery was 46 times. Further deliveries are still recorded as deliveries.
const MAX_REMEMBERED_DELIVERIES: usize = 1_000;

/// The longest payload that is repeated in the event's item, in bytes (an item holds 400 KB). The delivery has it anyway.
const MAX_PAYLOAD: usize = 32 * 1024;

/// The number of new and of known events in a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// First reported by this delivery, now or when it was recorded before: after a crash or a lost answer, the delivery
    /// that first reported an event must not count as a duplicate of itself.
    pub new: usize,
    /// Already known from another delivery, or from earlier in this one.
    pub known: usize,
}

/// An event as it is recorded.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) event: &'a Event,
    /// When it happened. If that is only the time of arrival, it is the first arrival: a redelivery must not make the
    /// event look newer.
    pub(super) occurred_at: Timestamp,
    pub(super) is_new: bool,
}

/// A reading that is being recorded, and its origin.
#[derive(Clone, Copy)]
pub(super) struct Recording<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) reading: &'a Reading,
}

impl Ledger {
    /// Records a delivery's events, their subjects' statuses and the archive jobs that follow from them. Doing it again, in
    /// any order, with any other delivery in between, changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be written to. The delivery stays accepted, and repeating the call finishes it.
    pub async fn record(&self, delivery: &Proven, reading: &Reading) -> Result<Recorded, LedgerError> {
        let recording = Recording { origin: Origin::Callback(delivery), reading };
        let distinct = recording.distinct();
        // Streams of indices: a closure that takes a reference can't be proven to be `Send`.
        let placed: Vec<Placed<'_>> = if distinct.len() <= FEW {
            let writes = (0..distinct.len()).map(|index| self.put_event(recording, delivery, distinct[index]));
            stream::iter(writes).buffered(CONCURRENT).try_collect().await?
        } else {
            let batches: Vec<&[&Event]> = distinct.chunks(MAX_GET).collect();
            let writes = (0..batches.len()).map(|index| self.put_events(recording, delivery, batches[index]));
            let batches: Vec<_> = stream::iter(writes).buffered(CONCURRENT_BATCHES).try_collect().await?;
            batches.into_iter().flatten().collect()
        };
        let new = placed.iter().filter(|placed| placed.is_new).count();

        let mut subjects: BTreeMap<&Subject, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in placed {
            subjects.entry(&placed.event.subject).or_default().push(placed);
        }
        let subjects: Vec<_> = subjects.into_iter().collect();
        let follow = (0..subjects.len()).map(|index| self.follow(recording, subjects[index].0, &subjects[index].1));
        let _: Vec<()> = stream::iter(follow).buffer_unordered(CONCURRENT).try_collect().await?;
        for link in &reading.links {
            self.link(link).await?;
        }
        Ok(Recorded { new, known: reading.events.len() - new })
    }

    /// The number of recorded events of a subject, by name, whether callbacks or the API reported them.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn event_counts(&self, subject: &Subject) -> Result<BTreeMap<String, u64>, LedgerError> {
        let mut counts = BTreeMap::new();
        for item in self.table.partition(&subject.partition(), keys::EVENT_PREFIX).await? {
            *counts.entry(item.need(attribute::NAME)?.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    /// Brings the status and the archive job of one subject up to its events.
    pub(super) async fn follow(
        &self,
        recording: Recording<'_>,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        self.advance(recording, subject, events).await?;
        self.enqueue(recording.origin, recording.reading, subject, events).await
    }

    /// Writes one event.
    async fn put_event<'a>(
        &self,
        recording: Recording<'a>,
        delivery: &Proven,
        event: &'a Event,
    ) -> Result<Placed<'a>, LedgerError> {
        // One call for new and known events: a set has each member once, so a replay of the same delivery adds nothing.
        let (partition, sort) = recording.key(event);
        let updated = self
            .table
            .update(&partition, &sort)
            .set_all_if_absent(recording.item(event))
            .add(attribute::DELIVERIES, one(delivery.id().as_str()))
            .only_if("attribute_not_exists(#deliveries) OR size(#deliveries) < ?", [MAX_REMEMBERED_DELIVERIES.into()])
            .returning(ReturnValue::UpdatedOld)
            .send()
            .await?;
        let (Updated::Done(before) | Updated::ConditionFailed(before)) = updated;
        Ok(recording.known(delivery, event, &before))
    }

    /// Writes up to [`MAX_GET`] different events.
    async fn put_events<'a>(
        &self,
        recording: Recording<'a>,
        delivery: &Proven,
        events: &[&'a Event],
    ) -> Result<Vec<Placed<'a>>, LedgerError> {
        let keys: Vec<Key> = events.iter().map(|event| recording.key(event)).collect();
        let found =
            self.table.get_many(&keys, &[attribute::DELIVERY, attribute::DELIVERIES, attribute::OCCURRED_AT]).await?;
        let found: HashMap<Key, Item> = found
            .into_iter()
            .filter_map(|item| Some(((item.text(PARTITION_KEY)?.to_owned(), item.text(SORT_KEY)?.to_owned()), item)))
            .collect();
        let mut placed = Vec::with_capacity(events.len());
        let mut missing = Vec::new();
        let mut redelivered = Vec::new();
        for (event, key) in events.iter().copied().zip(keys) {
            match found.get(&key) {
                // It came in this very delivery, whose recording is being finished.
                Some(item) if item.set_has(attribute::DELIVERIES, delivery.id().as_str()) => {
                    placed.push(recording.known(delivery, event, item));
                }
                Some(_) => redelivered.push(event),
                None => {
                    missing.push((event, key));
                    placed.push(Placed { event, occurred_at: event.occurred_at, is_new: true });
                }
            }
        }
        let updates = (0..redelivered.len()).map(|index| self.put_event(recording, delivery, redelivered[index]));
        let updated: Vec<Placed<'_>> = stream::iter(updates).buffered(CONCURRENT).try_collect().await?;
        placed.extend(updated);
        for batch in missing.chunks(MAX_WRITE) {
            let item = |(event, (partition, sort)): &(&Event, Key)| {
                let item = recording.item(event).with(attribute::DELIVERIES, one(delivery.id().as_str()));
                item.with(PARTITION_KEY, partition.as_str()).with(SORT_KEY, sort.as_str())
            };
            self.table.put_many(batch.iter().map(item).collect()).await?;
        }
        Ok(placed)
    }
}

impl<'a> Recording<'a> {
    /// The event's key.
    pub(super) fn key(self, event: &Event) -> Key {
        (event.subject.partition(), event.sort_key(self.origin.trust()))
    }

    /// The events without repetitions: a batch may repeat an event, and the first one counts.
    fn distinct(self) -> Vec<&'a Event> {
        let mut seen = HashSet::new();
        let events = self.reading.events.iter();
        events.filter(|event| seen.insert((&event.subject, event.id(self.origin.trust())))).collect()
    }

    /// An event whose item was `before`, which is empty for an unknown event. The event counts as new if this delivery was
    /// the first to report it. So a delivery that was interrupted, or is replayed, isn't mistaken for its own redelivery.
    fn known(self, delivery: &Proven, event: &'a Event, before: &Item) -> Placed<'a> {
        let first = before.text(attribute::DELIVERY);
        Placed {
            event,
            occurred_at: before.time(attribute::OCCURRED_AT).unwrap_or(event.occurred_at),
            is_new: first.is_none_or(|first| first == delivery.id().as_str()),
        }
    }

    /// The event's item, without its key.
    pub(super) fn item(self, event: &Event) -> Item {
        let trust = self.origin.trust();
        let payload = (event.payload.len() <= MAX_PAYLOAD).then_some(&*event.payload);
        Item::default()
            .with(attribute::ID, event.id(trust).to_string())
            .with(attribute::KIND, event.kind.as_str())
            .with(attribute::NAME, event.name.as_str())
            .with_some(attribute::VALUE, event.value.as_deref())
            .with(attribute::OCCURRED_AT, event.occurred_at)
            .with(attribute::TIME_SOURCE, event.time_source.as_str())
            .with(attribute::RECEIVED_AT, self.origin.received_at())
            .with(attribute::TRUST, trust.as_str())
            .with(attribute::SOURCE, self.origin.source())
            .with_some(attribute::DELIVERY, self.origin.delivery().map(DeliveryId::as_str))
            .with(attribute::POSITION, event.position)
            .with_some(attribute::FOREIGN, self.reading.foreign.then_some(true))
            .with_some(attribute::NOTE, self.reading.note)
            .with_some(attribute::PAYLOAD, payload)
    }
}
