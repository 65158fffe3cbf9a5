//! Events: each recorded once, whatever is redelivered.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Item, Ledger, LedgerError, item::one, update::Updated};
use crate::{delivery::Proven, event::Event, subject::Subject};

/// How many events are written at the same time.
const CONCURRENT_WRITES: usize = 16;

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

impl Ledger {
    /// Records a delivery's events, their subjects' statuses and the archive orders that follow from them. Doing it
    /// again, in any order, with any other delivery in between, changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't take it; the delivery stays accepted, and doing it again finishes it.
    pub async fn record(&self, delivery: &Proven, events: &[Event]) -> Result<Recorded, LedgerError> {
        // A batch may say the same thing twice; the first time counts.
        let mut seen = HashSet::new();
        let key = |event: &Event| (event.subject.partition(), event.sort_key(delivery.trust()));
        let distinct: Vec<usize> = (0..events.len()).filter(|index| seen.insert(key(&events[*index]))).collect();
        drop(seen);
        let writes = distinct.iter().copied().map(|index| self.put_event(delivery, &events[index]));
        let written: Vec<bool> = stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        let new = written.into_iter().filter(|new| *new).count();

        let mut subjects: BTreeMap<&Subject, Vec<&Event>> = BTreeMap::new();
        for index in distinct {
            subjects.entry(&events[index].subject).or_default().push(&events[index]);
        }
        let subjects: Vec<Vec<&Event>> = subjects.into_values().collect();
        let follow = (0..subjects.len()).map(|index| self.follow(delivery, &subjects[index]));
        let _: Vec<()> = stream::iter(follow).buffer_unordered(CONCURRENT_WRITES).try_collect().await?;
        Ok(Recorded { new, known: events.len() - new })
    }

    /// Does what follows from the events of one subject.
    async fn follow(&self, delivery: &Proven, events: &[&Event]) -> Result<(), LedgerError> {
        let Some(first) = events.first() else { return Ok(()) };
        self.advance(delivery, &first.subject, events).await?;
        self.order(delivery, &first.subject, events).await
    }

    /// Writes one event; `true` when this delivery is the first that brought it.
    async fn put_event(&self, delivery: &Proven, event: &Event) -> Result<bool, LedgerError> {
        let trust = delivery.trust();
        let payload = (event.payload.len() <= MAX_PAYLOAD).then_some(event.payload.as_str());
        let item = Item::default()
            .with("id", event.id(trust).as_str())
            .with("kind", event.kind.as_str())
            .with("name", event.name.as_str())
            .with_some("value", event.value.as_deref())
            .with("occurred_at", event.occurred_at)
            .with("time_source", event.time_source.as_str())
            .with("received_at", delivery.received_at())
            .with("trust", trust.as_str())
            .with("source", "callback")
            .with("delivery", delivery.id().as_str())
            .with("position", event.position)
            .with_some("payload", payload);
        // One call whether it is known or not: a set takes a member once, so a replay of the same delivery adds nothing.
        let updated = self
            .update(&event.subject.partition(), &event.sort_key(trust))
            .set_all_if_absent(item)
            .add("deliveries", one(delivery.id().as_str()))
            .only_if("attribute_not_exists(#deliveries) OR size(#deliveries) < ?", [MAX_REMEMBERED_DELIVERIES.into()])
            .returning(ReturnValue::UpdatedOld)
            .send()
            .await?;
        let (Updated::Done(before) | Updated::Refused(before)) = updated;
        Ok(before.text("delivery").is_none_or(|first| first == delivery.id().as_str()))
    }
}
