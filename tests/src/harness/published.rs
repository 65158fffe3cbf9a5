//! What was published on an event bus.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    domain::{Kind, Subject, SubjectKind, Trust},
    publish::{DetailType, EventSubject, PublishedEvent},
};
use countersign_cli::bus::{Filter, Log};

/// The type of event that a subject of this kind gives for a status.
#[must_use]
pub fn type_of_status(subject: SubjectKind, status: Kind) -> Option<DetailType> {
    let noun = if subject == SubjectKind::Signer { "signer" } else { "document" };
    format!("{noun}.{}", status.as_str()).parse().ok()
}

/// All events on a bus, in the order in which they arrived. One that arrived again is there once.
pub async fn published(bus: &Log) -> Vec<PublishedEvent> {
    let events = bus.after(0, Filter::default(), usize::MAX).await.expect("the bus");
    let events = serde_json::to_value(&events).expect("JSON");
    serde_json::from_value(events).expect("events of Countersign")
}

/// The types of the events about a subject, each with the greatest trust. Fails if a fact has two ids, or two facts have
/// one. Events of archive jobs may have several ids.
pub fn types_of(events: &[PublishedEvent], subject: &Subject) -> BTreeMap<DetailType, Option<Trust>> {
    let about = EventSubject::from(subject);
    let mut types: BTreeMap<DetailType, Option<Trust>> = BTreeMap::new();
    let mut ids: BTreeMap<&str, BTreeSet<DetailType>> = BTreeMap::new();
    let of_subject =
        |event: &&PublishedEvent| event.detail.provider == subject.provider && event.detail.subject == about;
    for event in events.iter().filter(of_subject) {
        let trust = types.entry(event.detail_type).or_default();
        *trust = (*trust).max(event.detail.trust);
        ids.entry(&event.detail.id).or_default().insert(event.detail_type);
    }
    assert!(ids.values().all(|types| types.len() == 1), "{ids:?}");
    let of_statuses = types.iter().filter(|(_, trust)| trust.is_some()).map(|(detail_type, _)| detail_type);
    for detail_type in of_statuses {
        let with_it = ids.values().filter(|types| types.contains(detail_type)).count();
        assert_eq!(with_it, 1, "{detail_type} of {} has {with_it} ids", subject.partition());
    }
    types
}
