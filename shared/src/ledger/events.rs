//! Events: each recorded once, whatever is redelivered.
//!
//! Few events are written one by one, each with a condition. Many are first looked for, a hundred at a time: what is
//! missing is put, 25 at a time; what is known remembers one more delivery, unless it came in this very one. Two
//! deliveries of one batch at the same moment may both find an event missing and both put it: the same event, under the
//! same key.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{
    Item, Ledger, LedgerError, PARTITION_KEY, SORT_KEY,
    batch::{Key, MAX_GET, MAX_WRITE},
    item::one,
    update::Updated,
    voice::Voice,
};
use crate::{
    delivery::{DeliveryId, Proven},
    event::Event,
    intake::Reading,
    subject::Subject,
};

/// How many items are written one by one at the same time.
const CONCURRENT_WRITES: usize = 16;

/// How many batches of [`MAX_GET`] events are looked for and written at the same time: 20,000 events take some three
/// seconds of DynamoDB's, and no call waits long for the others.
const CONCURRENT_BATCHES: usize = 4;

/// Up to so many events are written one by one.
const FEW: usize = 10;

/// Deliveries that an event remembers. A UUID is 36 bytes and an item holds 400 KB, so this is a tenth of an item; the
/// worst redelivery that anyone reported was 46 times. What comes after is still recorded as a delivery.
const MAX_REMEMBERED_DELIVERIES: usize = 1_000;

/// A larger payload isn't repeated in the event's item (which holds 400 KB): the delivery has it.
const MAX_PAYLOAD: usize = 32 * 1024;

/// How many of a delivery's events were new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// First known by this delivery, now or when it was recorded before: a crash or a lost answer in between must not
    /// turn the delivery that brought an event into a duplicate of itself.
    pub new: usize,
    /// Known already, from another delivery or from earlier in this one.
    pub known: usize,
}

/// An event as it is recorded.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) event: &'a Event,
    /// When it happened. Where that is when a callback came in, it is when the first one did: a redelivery must not
    /// make it look newer.
    pub(super) occurred_at: Timestamp,
    pub(super) is_new: bool,
}

/// Who tells it, and what that was read as.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) voice: Voice<'a>,
    pub(super) reading: &'a Reading,
}

impl Ledger {
    /// Records a delivery's events, their subjects' statuses and the archive orders that follow from them. Doing it
    /// again, in any order, with any other delivery in between, changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't take it; the delivery stays accepted, and doing it again finishes it.
    pub async fn record(&self, delivery: &Proven, reading: &Reading) -> Result<Recorded, LedgerError> {
        let source = Source { voice: Voice::Callback(delivery), reading };
        let distinct = source.distinct();
        // Streams of indices: a closure that takes a reference can't be proven to be `Send`.
        let placed: Vec<Placed<'_>> = if distinct.len() <= FEW {
            let writes = (0..distinct.len()).map(|index| self.put_event(source, delivery, distinct[index]));
            stream::iter(writes).buffered(CONCURRENT_WRITES).try_collect().await?
        } else {
            let batches: Vec<&[&Event]> = distinct.chunks(MAX_GET).collect();
            let writes = (0..batches.len()).map(|index| self.put_events(source, delivery, batches[index]));
            let batches: Vec<_> = stream::iter(writes).buffered(CONCURRENT_BATCHES).try_collect().await?;
            batches.into_iter().flatten().collect()
        };
        let new = placed.iter().filter(|placed| placed.is_new).count();

        let mut subjects: BTreeMap<&Subject, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in placed {
            subjects.entry(&placed.event.subject).or_default().push(placed);
        }
        let subjects: Vec<_> = subjects.into_iter().collect();
        let follow = (0..subjects.len()).map(|index| self.follow(source, subjects[index].0, &subjects[index].1));
        let _: Vec<()> = stream::iter(follow).buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        for link in &reading.links {
            self.link(link).await?;
        }
        Ok(Recorded { new, known: reading.events.len() - new })
    }

    /// Does what follows from the events of one subject.
    pub(super) async fn follow(
        &self,
        source: Source<'_>,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        self.advance(source.voice, subject, events).await?;
        self.order(source.voice, source.reading, subject, events).await
    }

    /// Writes one event.
    async fn put_event<'a>(
        &self,
        source: Source<'a>,
        delivery: &Proven,
        event: &'a Event,
    ) -> Result<Placed<'a>, LedgerError> {
        // One call whether it is known or not: a set takes a member once, so a replay of the same delivery adds nothing.
        let (partition, sort) = source.key(event);
        let updated = self
            .update(&partition, &sort)
            .set_all_if_absent(source.item(event))
            .add("deliveries", one(delivery.id().as_str()))
            .only_if("attribute_not_exists(#deliveries) OR size(#deliveries) < ?", [MAX_REMEMBERED_DELIVERIES.into()])
            .returning(ReturnValue::UpdatedOld)
            .send()
            .await?;
        let (Updated::Done(before) | Updated::Refused(before)) = updated;
        Ok(source.known(delivery, event, &before))
    }

    /// Writes up to [`MAX_GET`] different events.
    async fn put_events<'a>(
        &self,
        source: Source<'a>,
        delivery: &Proven,
        events: &[&'a Event],
    ) -> Result<Vec<Placed<'a>>, LedgerError> {
        let keys: Vec<Key> = events.iter().map(|event| source.key(event)).collect();
        let found = self.get_many(&keys, &["delivery", "deliveries", "occurred_at"]).await?;
        let found: HashMap<Key, Item> = found
            .into_iter()
            .filter_map(|item| Some(((item.text(PARTITION_KEY)?.to_owned(), item.text(SORT_KEY)?.to_owned()), item)))
            .collect();
        let mut placed = Vec::with_capacity(events.len());
        let mut missing = Vec::new();
        let mut redelivered = Vec::new();
        for (event, key) in events.iter().copied().zip(keys) {
            match found.get(&key) {
                // It came in this very delivery, which is being finished.
                Some(item) if item.set_has("deliveries", delivery.id().as_str()) => {
                    placed.push(source.known(delivery, event, item));
                }
                Some(_) => redelivered.push(event),
                None => {
                    missing.push((event, key));
                    placed.push(Placed { event, occurred_at: event.occurred_at, is_new: true });
                }
            }
        }
        let updates = (0..redelivered.len()).map(|index| self.put_event(source, delivery, redelivered[index]));
        let updated: Vec<Placed<'_>> = stream::iter(updates).buffered(CONCURRENT_WRITES).try_collect().await?;
        placed.extend(updated);
        for batch in missing.chunks(MAX_WRITE) {
            let item = |(event, (partition, sort)): &(&Event, Key)| {
                let item = source.item(event).with("deliveries", one(delivery.id().as_str()));
                item.with(PARTITION_KEY, partition.as_str()).with(SORT_KEY, sort.as_str())
            };
            self.put_many(batch.iter().map(item).collect()).await?;
        }
        Ok(placed)
    }
}

impl<'a> Source<'a> {
    pub(super) fn key(self, event: &Event) -> Key {
        (event.subject.partition(), event.sort_key(self.voice.trust()))
    }

    /// The events, each once: a batch may say the same thing twice, and the first time counts.
    fn distinct(self) -> Vec<&'a Event> {
        let mut seen = HashSet::new();
        let events = self.reading.events.iter();
        events.filter(|event| seen.insert((&event.subject, event.id(self.voice.trust())))).collect()
    }

    /// An event, of which this was stored before; nothing, if it wasn't known. It is new also if it came in this very
    /// delivery, so that one that was interrupted and is finished, or replayed, isn't taken for its own redelivery.
    fn known(self, delivery: &Proven, event: &'a Event, before: &Item) -> Placed<'a> {
        let first = before.text("delivery");
        Placed {
            event,
            occurred_at: before.time("occurred_at").unwrap_or(event.occurred_at),
            is_new: first.is_none_or(|first| first == delivery.id().as_str()),
        }
    }

    pub(super) fn item(self, event: &Event) -> Item {
        let trust = self.voice.trust();
        let payload = (event.payload.len() <= MAX_PAYLOAD).then_some(&*event.payload);
        Item::default()
            .with("id", event.id(trust).to_string())
            .with("kind", event.kind.as_str())
            .with("name", event.name.as_str())
            .with_some("value", event.value.as_deref())
            .with("occurred_at", event.occurred_at)
            .with("time_source", event.time_source.as_str())
            .with("received_at", self.voice.received_at())
            .with("trust", trust.as_str())
            .with("source", self.voice.source())
            .with_some("delivery", self.voice.delivery().map(DeliveryId::as_str))
            .with("position", event.position)
            .with_some("foreign", self.reading.foreign.then_some(true))
            .with_some("note", self.reading.note)
            .with_some("payload", payload)
    }
}
