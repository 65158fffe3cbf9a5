//! An event as people see it.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{DeliveryId, Kind, SubjectId, SubjectKind, TimeSource, Trust};

/// The subject of an event.
#[derive(Clone, Debug, Serialize)]
pub struct SubjectView {
    /// Its kind.
    pub kind: SubjectKind,
    /// The provider's id.
    pub id: SubjectId,
}

/// A recorded event.
#[derive(Clone, Serialize)]
pub struct EventView {
    /// Its identity: SHA-256, in hex.
    pub id: String,
    /// Its meaning.
    pub kind: Kind,
    /// The provider's name for it.
    pub name: String,
    /// The provider's value of what changed.
    pub value: Option<String>,
    /// Its subject.
    pub subject: SubjectView,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Where that time comes from.
    pub time_source: TimeSource,
    /// When it first arrived.
    pub received_at: Timestamp,
    /// How it was proven.
    pub trust: Trust,
    /// `callback`, or `reconcile` if the provider's API reported it.
    pub source: String,
    /// The first delivery that reported it; `None` if only the API did.
    pub delivery: Option<DeliveryId>,
    /// Its position in that delivery, from 0.
    pub position: u64,
    /// The number of deliveries that reported it.
    pub deliveries: usize,
    /// Whether it is about a group whose documents aren't wanted.
    pub foreign: bool,
    /// A remark for people who read the event, as a stable code, for example `unknown_subscription`.
    pub note: Option<String>,
    /// The part of the delivery that reports it, without secrets; `null` if it was erased, or isn't stored with the event.
    pub payload: serde_json::Value,
    /// Whether the payload isn't stored with the event, but in its delivery: [`crate::timeline`] reads it from there.
    #[serde(skip)]
    pub payload_in_delivery: bool,
}

impl fmt::Debug for EventView {
    /// Without name, value and payload, which are the sender's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventView")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("occurred_at", &self.occurred_at)
            .field("received_at", &self.received_at)
            .field("trust", &self.trust)
            .field("source", &self.source)
            .field("delivery", &self.delivery)
            .field("position", &self.position)
            .field("deliveries", &self.deliveries)
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}
