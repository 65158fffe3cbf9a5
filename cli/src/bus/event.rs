//! Events on the bus.

use countersign::{
    domain::{Provider, Subject, SubjectId},
    publish::DetailType,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// An event to append.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Who published it: `countersign`.
    pub source: String,
    /// Type, such as `document.completed`.
    pub detail_type: String,
    /// Time, in whole seconds like EventBridge's.
    pub time: Timestamp,
    /// Content: a JSON object.
    pub detail: Value,
}

/// A stored event. Serialized with the names of the event that a target of EventBridge receives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Position in the log, from 1.
    #[serde(skip)]
    pub position: i64,
    /// Who published it: `countersign`.
    pub source: String,
    /// Type, such as `document.completed`.
    #[serde(rename = "detail-type")]
    pub detail_type: String,
    /// Time, in whole seconds.
    pub time: Timestamp,
    /// Content: a JSON object.
    pub detail: Value,
}

impl Event {
    /// The event's own id, the same in every repetition. Events of other sources may have none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.text("id")
    }

    /// The service that it is about.
    #[must_use]
    pub fn provider(&self) -> Option<Provider> {
        self.text("provider")?.parse().ok()
    }

    /// The document, pack or signer that it is about.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        let subject = &self.detail["subject"];
        let kind = subject["kind"].as_str()?.parse().ok()?;
        Some(Subject { provider: self.provider()?, kind, id: SubjectId::parse(subject["id"].as_str()?).ok()? })
    }

    /// A text at the top level of the detail.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.detail[name].as_str()
    }
}

/// Which events to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only events of this service.
    pub provider: Option<Provider>,
    /// Only events of this type.
    pub detail_type: Option<DetailType>,
}
