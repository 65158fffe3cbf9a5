//! The origin of a report: a callback of the service, or a response of its API.

use jiff::Timestamp;

use crate::domain::{DeliveryId, Event, Proven, Reading, TimeSource, Trust};

/// The origin of a report.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The service, in a proven delivery.
    Callback(&'a Proven),
    /// The service's API, in a response.
    Api {
        /// When the API was called.
        at: Timestamp,
    },
}

impl<'a> Origin<'a> {
    /// How strongly a reading's events are proven. Responses of the API aren't signed. They are trusted because our
    /// credentials are only sent to the API's own host.
    pub(super) fn trust(self, reading: &Reading) -> Trust {
        match self {
            Self::Callback(delivery) => reading.trust.map_or(delivery.trust(), |trust| trust.weaker(delivery.trust())),
            Self::Api { .. } => Trust::Token,
        }
    }

    pub(super) const fn received_at(self) -> Timestamp {
        match self {
            Self::Callback(delivery) => delivery.received_at(),
            Self::Api { at } => at,
        }
    }

    /// The delivery; `None` for the API.
    pub(super) const fn delivery(self) -> Option<&'a DeliveryId> {
        match self {
            Self::Callback(delivery) => Some(delivery.id()),
            Self::Api { .. } => None,
        }
    }

    /// The groups whose documents are wanted; empty for all.
    pub(super) fn groups(self) -> &'a [String] {
        match self {
            Self::Callback(delivery) => &delivery.policy().groups,
            Self::Api { .. } => &[],
        }
    }

    /// Whether the origin gives no time for the event: the time at which we called an API says nothing about it.
    pub(super) fn is_without_time(self, event: &Event) -> bool {
        matches!(self, Self::Api { .. }) && event.time_source == TimeSource::Received
    }

    /// The name in items and answers.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Callback(_) => "callback",
            Self::Api { .. } => "reconcile",
        }
    }
}
