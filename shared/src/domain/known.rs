//! What a service may ask about what is stored. It asks through [`Known`] and never sees the table.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Candidates, CorrelationKey, DeliveryId, Kind, KnownWebhook, LedgerError, Provider, Subject, SubjectId};

/// The questions that a service may ask about what is stored.
///
/// Every method fails only if the storage can't be queried.
#[async_trait]
pub trait Known: Send + Sync {
    /// What callbacks reported about a subject; `None` for an unknown one.
    async fn history(&self, subject: &Subject) -> Result<Option<History>, LedgerError>;

    /// The body of a stored delivery; `None` if there is no delivery with this id.
    async fn body(&self, id: &DeliveryId) -> Result<Option<Bytes>, LedgerError>;

    /// The ids that were seen with a correlation key.
    async fn candidates(&self, key: &CorrelationKey) -> Result<Candidates, LedgerError>;

    /// The number of recorded events of a subject, by name.
    async fn event_counts(&self, subject: &Subject) -> Result<BTreeMap<String, u64>, LedgerError>;

    /// A webhook; `None` if it isn't known to be ours.
    async fn webhook(&self, provider: Provider, key: &SubjectId) -> Result<Option<KnownWebhook>, LedgerError>;
}

/// What callbacks reported about a subject, including those under its other id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The events, in the order in which they happened.
    pub events: Vec<PastEvent>,
    /// The request that the subject is the signed file of, if the two were joined.
    pub request: Option<SubjectId>,
}

impl History {
    /// Whether every event is a completion. An id with other events is a request's own, and not that of a signed file.
    #[must_use]
    pub fn is_only_completed(&self) -> bool {
        self.events.iter().all(|event| event.kind == Kind::Completed)
    }
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastEvent {
    /// The id under which it was reported.
    pub subject: SubjectId,
    /// Its meaning.
    pub kind: Kind,
    /// The provider's name for it.
    pub name: String,
    /// The first delivery that reported it; `None` if only the API did.
    pub delivery: Option<DeliveryId>,
}
