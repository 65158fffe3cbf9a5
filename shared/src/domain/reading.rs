//! What a proven delivery says, as its service's parser reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Correlation, Event, Kind, Subject, SubjectId, Trust};

/// The content of a delivery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Its events, in the order of the delivery.
    pub events: Vec<Event>,
    /// How strongly its events are proven, if that is less than the delivery is: the delivery is signed, but what decides
    /// the meaning of its events isn't. Such an event never counts as a contradiction.
    pub trust: Option<Trust>,
    /// Entries that can't be read. They don't keep the others from being recorded.
    pub unreadable: Vec<UnreadableEntry>,
    /// Signers and the documents that they sign, as far as the delivery names them.
    pub links: Vec<Link>,
    /// Signers of a document and how far each has got, as far as the delivery names it beside its events. Such a level has no
    /// event of its own; it raises the signer's status and never lowers it.
    pub levels: Vec<(Link, Kind)>,
    /// What joins a subject to the same document under another id, for services that use two.
    pub correlations: Vec<Correlation>,
    /// The requests that a signed file may belong to, by its subject: what the correlations have in common with those of
    /// other deliveries. Not read from the delivery, but looked up when it is recorded.
    pub candidates: BTreeMap<Subject, BTreeSet<SubjectId>>,
    /// Whether the delivery says that something changed, but not what: then the provider's API is queried.
    pub ask: bool,
    /// Whether it is about a group whose documents aren't wanted.
    pub foreign: bool,
    /// The subscription that the delivery names, for services whose callbacks name one.
    pub subscription: Option<Subscription>,
    /// A remark for people who read the events, as a stable code.
    pub note: Option<&'static str>,
}

impl Reading {
    /// Whether one of its events concerns an archive job: it makes the job due, or closes it.
    #[must_use]
    pub fn requests_job(&self, event: &Event) -> bool {
        event.subject.kind.has_documents() && (self.foreign || self.ask || event.kind == Kind::Completed)
    }

    /// Whether any of its events concerns an archive job.
    #[must_use]
    pub fn requests_jobs(&self) -> bool {
        self.events.iter().any(|event| self.requests_job(event))
    }
}

impl From<Vec<Event>> for Reading {
    fn from(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}

/// A proven delivery, or one entry of it, that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {path}")]
pub struct Unreadable {
    /// What is wrong, as a stable code.
    pub code: &'static str,
    /// Where, as a path into the JSON; `.` for all of it. Never a value.
    pub path: String,
}

impl Unreadable {
    /// Unreadable for this reason, at this place.
    #[must_use]
    pub fn new(code: &'static str, path: &str) -> Self {
        Self { code, path: path.to_owned() }
    }
}

/// One unreadable entry of a delivery that is readable otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableEntry {
    /// Its position in the delivery, from 0.
    pub position: u32,
    /// What is wrong with it.
    pub cause: Unreadable,
}

/// A signer and a document that this person signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The person.
    pub signer: Subject,
    /// The document.
    pub document: Subject,
}

/// The subscription that a delivery names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The field that names it, or should.
    pub field: &'static str,
    /// The provider's key of the subscription; `None` when the field is missing or holds no key.
    pub key: Option<SubjectId>,
}

/// What happens to a delivery whose subscription isn't known. Decided when the delivery comes in, and stored with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionPolicy {
    /// The subscription isn't looked up: the service's callbacks name none, or the settings vouch for this one.
    #[default]
    Ignore,
    /// Its events are recorded with a note.
    Note,
    /// The delivery is set aside.
    SetAside,
}

impl SubscriptionPolicy {
    /// The name in items; none for [`SubscriptionPolicy::Ignore`].
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Ignore => None,
            Self::Note => Some("noted"),
            Self::SetAside => Some("set_aside"),
        }
    }

    /// Parses [`SubscriptionPolicy::as_str`]; any other name is [`SubscriptionPolicy::Ignore`].
    #[must_use]
    pub fn parse(name: Option<&str>) -> Self {
        [Self::Note, Self::SetAside].into_iter().find(|each| each.as_str() == name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_policy_reads_back() {
        for each in [SubscriptionPolicy::Ignore, SubscriptionPolicy::Note, SubscriptionPolicy::SetAside] {
            assert_eq!(SubscriptionPolicy::parse(each.as_str()), each);
        }
        assert_eq!(SubscriptionPolicy::parse(Some("else")), SubscriptionPolicy::Ignore);
    }
}
