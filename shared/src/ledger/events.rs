//! Events: each recorded once, however often it is delivered.
//!
//! Few events are written one by one, each with a condition. Many are first looked up, a hundred at a time. Missing ones
//! are inserted, 25 at a time; known ones remember one more delivery, unless they came in this very one. If two deliveries
//! find the same event missing at the same moment, only one inserts it, and the event remembers the other one as well.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Item, Ledger,
    keys::{self, PARTITION_KEY, SORT_KEY, attribute},
    origin::Origin,
    table::{CONCURRENT, Key, MAX_GET, MAX_WRITE, Updated, one},
};
use crate::domain::{DeliveryId, Event, LedgerError, Proven, Reading, Subject, Trust};

/// Maximum number of batches of [`MAX_GET`] events that are looked up and written concurrently. 20,000 events take about
/// three seconds, and no call waits long for the others.
const CONCURRENT_BATCHES: usize = 4;

/// Maximum number of events of a delivery that are written one by one.
pub const FEW: usize = 10;

/// Maximum number of deliveries that an event remembers. A UUID is 36 bytes and an item holds 400 KB, so this is a tenth of
/// an item; the worst reported redelivery was 46 times. Further deliveries are still recorded as deliveries.
const MAX_REMEMBERED_DELIVERIES: usize = 1_000;

/// The longest payload of a batch's entry that is repeated in the event's item, in bytes. The delivery has it anyway. An
/// entry has about 150, and an item up to 1 KB costs one write unit.
const MAX_PAYLOAD: usize = 384;

/// The note on an event that is said to have happened after it was received.
pub const TIME_AFTER_RECEIPT: &str = "time_after_receipt";

/// The number of new and of known events in a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// First reported by this delivery, now or when it was recorded before: after a crash or a lost answer, the delivery
    /// that first reported an event must not count as a duplicate of itself.
    pub new: usize,
    /// Already known from another delivery, or from earlier in this one.
    pub known: usize,
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
    /// When DynamoDB can't be written to. Repeating the call finishes it.
    pub async fn record(&self, delivery: &Proven, reading: &Reading) -> Result<Recorded, LedgerError> {
        let events = self.record_events(delivery, reading);
        let (recorded, ()) = tokio::try_join!(events, self.record_statuses(delivery, reading))?;
        self.request_jobs(delivery, reading).await?;
        Ok(recorded)
    }

    /// Records a delivery's events and signers.
    ///
    /// # Errors
    /// When DynamoDB can't be written to. Repeating the call finishes it.
    pub async fn record_events(&self, delivery: &Proven, reading: &Reading) -> Result<Recorded, LedgerError> {
        let recording = Recording { origin: Origin::Callback(delivery), reading };
        let distinct = recording.distinct();
        // A stream of indices: a closure that takes a reference can't be proven to be `Send`.
        let links = (0..reading.links.len()).map(|index| self.link(&reading.links[index]));
        let links = stream::iter(links).buffer_unordered(CONCURRENT).try_collect::<()>();
        let levels = (0..reading.levels.len()).map(|index| {
            let (link, status) = &reading.levels[index];
            self.raise_level(link, *status)
        });
        let levels = stream::iter(levels).buffer_unordered(CONCURRENT).try_collect::<()>();
        let (new, (), ()) = tokio::try_join!(self.put_all_events(recording, delivery, &distinct), links, levels)?;
        Ok(Recorded { new, known: reading.events.len() - new })
    }

    /// Brings the statuses of a delivery's subjects up to its events. A status follows from the events alone, not from what
    /// is stored of them.
    ///
    /// # Errors
    /// When DynamoDB can't be written to. Repeating the call finishes it.
    pub async fn record_statuses(&self, delivery: &Proven, reading: &Reading) -> Result<(), LedgerError> {
        let recording = Recording { origin: Origin::Callback(delivery), reading };
        let mut subjects: BTreeMap<&Subject, Vec<&Event>> = BTreeMap::new();
        for event in &reading.events {
            subjects.entry(&event.subject).or_default().push(event);
        }
        let subjects: Vec<_> = subjects.into_iter().collect();
        let statuses = (0..subjects.len()).map(|index| self.follow(recording, subjects[index].0, &subjects[index].1));
        stream::iter(statuses).buffer_unordered(CONCURRENT).try_collect().await
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

    /// Writes these events, all different. Returns the number of new ones.
    async fn put_all_events(
        &self,
        recording: Recording<'_>,
        delivery: &Proven,
        events: &[&Event],
    ) -> Result<usize, LedgerError> {
        let new: Vec<usize> = if events.len() <= FEW {
            let writes = (0..events.len()).map(|index| self.put_event(recording, delivery, events[index]));
            let new: Vec<bool> = stream::iter(writes).buffered(CONCURRENT).try_collect().await?;
            new.into_iter().map(usize::from).collect()
        } else {
            let batches: Vec<&[&Event]> = events.chunks(MAX_GET).collect();
            let writes = (0..batches.len()).map(|index| self.put_events(recording, delivery, batches[index]));
            stream::iter(writes).buffered(CONCURRENT_BATCHES).try_collect().await?
        };
        Ok(new.into_iter().sum())
    }

    /// Writes one event. `true` if it is new.
    async fn put_event(&self, recording: Recording<'_>, delivery: &Proven, event: &Event) -> Result<bool, LedgerError> {
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
        Ok(is_new(delivery, &before))
    }

    /// Writes up to [`MAX_GET`] different events. Returns the number of new ones.
    async fn put_events(
        &self,
        recording: Recording<'_>,
        delivery: &Proven,
        events: &[&Event],
    ) -> Result<usize, LedgerError> {
        let keys: Vec<Key> = events.iter().map(|event| recording.key(event)).collect();
        let found = self.table.get_many(&keys, &[attribute::DELIVERY, attribute::DELIVERIES]).await?;
        let found: HashMap<Key, Item> = found
            .into_iter()
            .filter_map(|item| Some(((item.text(PARTITION_KEY)?.to_owned(), item.text(SORT_KEY)?.to_owned()), item)))
            .collect();
        let mut new = 0;
        let mut missing = Vec::new();
        let mut known = Vec::new();
        for (event, key) in events.iter().copied().zip(keys) {
            match found.get(&key) {
                // It came in this very delivery, whose recording is being finished.
                Some(item) if item.set_has(attribute::DELIVERIES, delivery.id().as_str()) => {
                    new += usize::from(is_new(delivery, item));
                }
                Some(_) => known.push(event),
                None => missing.push((event, key)),
            }
        }
        for batch in missing.chunks(MAX_WRITE) {
            let item = |(event, (partition, sort)): &(&Event, Key)| {
                let item = recording.item(event).with(attribute::DELIVERIES, one(delivery.id().as_str()));
                item.with(PARTITION_KEY, partition.as_str()).with(SORT_KEY, sort.as_str())
            };
            let items: Vec<Item> = batch.iter().map(item).collect();
            let existing = self.table.insert_many(&items).await?;
            new += batch.len() - existing.len();
            known.extend(existing.into_iter().map(|position| batch[position].0));
        }
        let updates = (0..known.len()).map(|index| self.put_event(recording, delivery, known[index]));
        let updated: Vec<bool> = stream::iter(updates).buffered(CONCURRENT).try_collect().await?;
        new += updated.into_iter().filter(|is_new| *is_new).count();
        Ok(new)
    }
}

/// Whether an event whose item was `before`, empty if it wasn't known, is new. It counts as new if this very delivery
/// brought it first, so that a delivery that was interrupted, or is replayed, isn't mistaken for its own redelivery.
fn is_new(delivery: &Proven, before: &Item) -> bool {
    before.text(attribute::DELIVERY).is_none_or(|first| first == delivery.id().as_str())
}

impl<'a> Recording<'a> {
    /// How strongly its events are proven.
    pub(super) fn trust(self) -> Trust {
        self.origin.trust(self.reading)
    }

    /// The event's key.
    pub(super) fn key(self, event: &Event) -> Key {
        (event.subject.partition(), event.sort_key(self.trust()))
    }

    /// The events without repetitions: a batch may repeat an event, and the first one counts.
    fn distinct(self) -> Vec<&'a Event> {
        let mut seen = HashSet::new();
        let events = self.reading.events.iter();
        events.filter(|event| seen.insert((&event.subject, event.id(self.trust())))).collect()
    }

    /// The event's item, without its key.
    pub(super) fn item(self, event: &Event) -> Item {
        let trust = self.trust();
        // A payload that is the delivery's only one is read from there.
        let is_one_of_many = self.reading.events.len() > 1 && event.payload.len() <= MAX_PAYLOAD;
        let payload = is_one_of_many.then_some(&*event.payload);
        let is_early = event.is_after(self.origin.received_at());
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
            .with_some(attribute::NOTE, self.reading.note.or(is_early.then_some(TIME_AFTER_RECEIPT)))
            .with_some(attribute::PAYLOAD, payload)
    }
}
