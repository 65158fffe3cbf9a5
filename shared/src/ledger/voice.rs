//! Who says something: a service that called back, or its API when it was asked.

use jiff::Timestamp;

use crate::{
    delivery::{DeliveryId, Proven},
    event::Trust,
};

/// Who tells of an event.
#[derive(Clone, Copy)]
pub(super) enum Voice<'a> {
    /// The service, in a proven delivery.
    Callback(&'a Proven),
    /// The service's API, in its answer to a question.
    Api {
        /// When it was asked.
        at: Timestamp,
    },
}

impl<'a> Voice<'a> {
    /// What it is worth. An answer of the API is signed by nobody: it is known by our own credentials for its host.
    pub(super) const fn trust(self) -> Trust {
        match self {
            Self::Callback(delivery) => delivery.trust(),
            Self::Api { .. } => Trust::Token,
        }
    }

    pub(super) const fn received_at(self) -> Timestamp {
        match self {
            Self::Callback(delivery) => delivery.received_at(),
            Self::Api { at } => at,
        }
    }

    pub(super) const fn delivery(self) -> Option<&'a DeliveryId> {
        match self {
            Self::Callback(delivery) => Some(delivery.id()),
            Self::Api { .. } => None,
        }
    }

    pub(super) fn groups(self) -> &'a [String] {
        match self {
            Self::Callback(delivery) => delivery.groups(),
            Self::Api { .. } => &[],
        }
    }

    /// The name in items and answers.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::Callback(_) => "callback",
            Self::Api { .. } => "reconcile",
        }
    }
}
