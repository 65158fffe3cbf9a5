//! What a service's API told when it was asked: the same events, statuses and orders as a callback's, under an identity
//! of their own, so that a callback that comes after all stands beside it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::{
    Item, Ledger, LedgerError,
    events::{Placed, Source},
    status,
    update::Updated,
    voice::Voice,
};
use crate::{
    event::{Event, Identity, Kind, TimeSource},
    intake::{Link, Reading},
    subject::Subject,
};

/// A subject's status as its service's API gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whose.
    pub subject: Subject,
    /// The status.
    pub status: Kind,
    /// When it came about or was last changed, as the API says, with or without a zone.
    pub changed_at: Option<(Timestamp, TimeSource)>,
}

/// A callback that a service says it made, and that never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// What it was about.
    pub subject: Subject,
    /// The event's name.
    pub name: String,
    /// What that means.
    pub kind: Kind,
    /// When it was made, as the service says.
    pub made_at: Timestamp,
    /// How many of this name are known of the subject already.
    pub known: u64,
}

/// What is known of a subject's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownStatus {
    /// Its status.
    pub status: Option<Kind>,
    /// The ends that it was told to have.
    ends: Vec<Kind>,
    /// Whether its status is confirmed.
    pub confirmed: bool,
    /// The status that the API gave and no callback told of, and since when.
    pub missing: Option<(Kind, Timestamp)>,
}

impl KnownStatus {
    /// Whether a callback told of this status, or of one that comes after it.
    #[must_use]
    pub fn covers(&self, status: Kind) -> bool {
        let beyond = self.status.and_then(Kind::rank) >= status.rank();
        self.status == Some(status) || self.ends.contains(&status) || (beyond && !status.is_terminal())
    }
}

impl Ledger {
    /// What is known of a subject's status.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn known_status(&self, subject: &Subject) -> Result<KnownStatus, LedgerError> {
        let state = self.get(&subject.partition(), status::SORT).await?.unwrap_or_default();
        let kind = |name| state.text(name).and_then(Kind::parse);
        let since = state.text("missing_since").and_then(|text| text.parse().ok());
        Ok(KnownStatus {
            status: kind("status").filter(|_| status::was_told(&state)),
            ends: Kind::ALL.into_iter().filter(|kind| state.set_has("terminals", kind.as_str())).collect(),
            confirmed: kind("confirmed_status") == kind("status"),
            missing: kind("missing_status").zip(since),
        })
    }

    /// Notes that the API gives a status that no callback has told of yet.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn note_missing(&self, subject: &Subject, status: Kind, at: Timestamp) -> Result<(), LedgerError> {
        self.update(&subject.partition(), status::SORT)
            .set("missing_status", status.as_str())
            .set("missing_since", at)
            .send()
            .await
            .map(drop)
    }

    /// Records a status that the API gave: event, status, archive order. `true` when it wasn't recorded before.
    ///
    /// # Errors
    /// When DynamoDB can't take it; doing it again is right.
    pub async fn observe(&self, observation: &Observation, links: &[Link], at: Timestamp) -> Result<bool, LedgerError> {
        let Observation { subject, status, changed_at } = observation;
        let (occurred_at, time_source) = changed_at.unwrap_or((at, TimeSource::Received));
        let event = Event {
            subject: subject.clone(),
            name: "status".to_owned(),
            value: Some(status.as_str().to_owned()),
            kind: *status,
            occurred_at,
            time_source,
            identity: Identity::observed(&[&subject.partition(), status.as_str()]),
            position: 0,
            payload: "null".into(),
        };
        // The status comes last: until it is there, whoever asks finds it missing, and does all of this again.
        let reading = Reading::default();
        let source = Source { voice: Voice::Api { at }, reading: &reading };
        self.order(source.voice, source.reading, subject, &[Placed { event: &event, occurred_at, is_new: true }])
            .await?;
        for link in links {
            self.link(link).await?;
        }
        let placed = self.put_observed(source, &event).await?;
        self.advance(source.voice, subject, &[placed]).await?;
        self.confirm(subject, *status, at).await?;
        Ok(placed.is_new)
    }

    /// How many events of each name are recorded of a subject, whoever told of them.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn event_counts(&self, subject: &Subject) -> Result<BTreeMap<String, u64>, LedgerError> {
        let mut counts = BTreeMap::new();
        for item in self.partition(&subject.partition(), "EVENT#").await? {
            *counts.entry(item.need("name")?.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    /// Records a callback that never came: event, status, archive order. `true` when it wasn't recorded before. Two who
    /// know the same number of others record the same one.
    ///
    /// # Errors
    /// When DynamoDB can't take it; doing it again is right.
    pub async fn record_unheard(&self, unheard: &Unheard, at: Timestamp) -> Result<bool, LedgerError> {
        let Unheard { subject, name, kind, made_at, known } = unheard;
        let event = Event {
            subject: subject.clone(),
            name: name.clone(),
            value: None,
            kind: *kind,
            occurred_at: *made_at,
            time_source: TimeSource::Provider,
            identity: Identity::observed(&[&subject.partition(), name, &known.to_string()]),
            position: 0,
            payload: "null".into(),
        };
        // The event comes last: it is by their number that the next one who asks knows what is missing.
        let reading = Reading::default();
        let source = Source { voice: Voice::Api { at }, reading: &reading };
        self.follow(source, subject, &[Placed { event: &event, occurred_at: *made_at, is_new: true }]).await?;
        Ok(self.put_observed(source, &event).await?.is_new)
    }

    async fn put_observed<'a>(&self, source: Source<'a>, event: &'a Event) -> Result<Placed<'a>, LedgerError> {
        let (partition, sort) = source.key(event);
        let written = self.update(&partition, &sort).set_all_if_absent(source.item(event));
        let (Updated::Done(before) | Updated::Refused(before)) =
            written.returning(ReturnValue::UpdatedOld).send().await?;
        let occurred_at = before.time("occurred_at").unwrap_or(event.occurred_at);
        Ok(Placed { event, occurred_at, is_new: before.text("id").is_none() })
    }
}

const CURSOR: &str = "CURSOR";

/// How far asking a service has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// What changed after this is asked for; everything, while there is none.
    pub since: Option<Timestamp>,
    /// When the pass that is under way began.
    pub pass_began_at: Option<Timestamp>,
    /// How far into its list that pass has come.
    pub offset: u64,
    /// The place in our own list up to which that pass has come.
    pub place: Option<String>,
    /// The service isn't asked before.
    pub not_before: Option<Timestamp>,
}

impl Ledger {
    /// Reads a cursor; one that was never written is at the beginning.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn cursor(&self, name: &str) -> Result<Cursor, LedgerError> {
        let item = self.get(&format!("CURSOR#{name}"), CURSOR).await?.unwrap_or_default();
        let time = |name| item.text(name).and_then(|text| text.parse().ok());
        Ok(Cursor {
            since: time("since"),
            pass_began_at: time("pass_began_at"),
            offset: item.number("offset").unwrap_or_default(),
            place: item.text("place").map(str::to_owned),
            not_before: time("not_before"),
        })
    }

    /// Writes a cursor.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn set_cursor(&self, name: &str, cursor: &Cursor) -> Result<(), LedgerError> {
        let set = Item::default()
            .with_some("since", cursor.since)
            .with_some("pass_began_at", cursor.pass_began_at)
            .with("offset", cursor.offset)
            .with_some("place", cursor.place.as_deref())
            .with_some("not_before", cursor.not_before);
        let absent = ["since", "pass_began_at", "place", "not_before"];
        let absent: Vec<&str> = absent.into_iter().filter(|name| set.attribute(name).is_none()).collect();
        let update = self.update(&format!("CURSOR#{name}"), CURSOR).set_all(set);
        absent.into_iter().fold(update, |update, name| update.remove(name)).send().await.map(drop)
    }
}
