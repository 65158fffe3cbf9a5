//! Events: what a provider reports, under an identity that redelivery can't change.
//!
//! An [`EventId`] is computed only from authenticated bytes and from how they were proven. So an event posted with a
//! leaked token can't take the place of the event that the provider signed.

use std::fmt;

use aws_lc_rs::digest;
use bytestring::ByteString;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{DeliveryId, Provider, Subject, Trust};
use crate::time;

/// The meaning of an event, in Countersign's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Created, not sent yet.
    Draft,
    /// Sent to the signers.
    Sent,
    /// A signer viewed it.
    Viewed,
    /// A signer signed; others may still have to.
    Signed,
    /// It expired.
    Expired,
    /// A signer declined.
    Declined,
    /// The sender withdrew it.
    Voided,
    /// Deleted before it was signed.
    Removed,
    /// Every signer signed.
    Completed,
    /// Something else changed, or Countersign doesn't know the event.
    Updated,
    /// A signer was reminded.
    Reminded,
}

impl Kind {
    /// Every kind; those with a rank come first, in the order of their ranks.
    pub const ALL: [Self; 11] = [
        Self::Draft,
        Self::Sent,
        Self::Viewed,
        Self::Signed,
        Self::Expired,
        Self::Declined,
        Self::Voided,
        Self::Removed,
        Self::Completed,
        Self::Updated,
        Self::Reminded,
    ];

    /// How far along a subject of this status is; `None` for kinds that change no status.
    ///
    /// A subject's status is the greatest of its events' ranks, so the order of arrival can't matter.
    #[must_use]
    pub const fn rank(self) -> Option<u8> {
        match self {
            Self::Draft => Some(0),
            Self::Sent => Some(10),
            Self::Viewed => Some(20),
            Self::Signed => Some(30),
            Self::Expired => Some(40),
            Self::Declined => Some(41),
            Self::Voided => Some(42),
            Self::Removed => Some(43),
            Self::Completed => Some(50),
            Self::Updated | Self::Reminded => None,
        }
    }

    /// Whether nothing should follow it. Two different terminal kinds on one subject are a conflict.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Expired | Self::Declined | Self::Voided | Self::Removed | Self::Completed)
    }

    /// The name in keys and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Sent => "sent",
            Self::Viewed => "viewed",
            Self::Signed => "signed",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Voided => "voided",
            Self::Removed => "removed",
            Self::Completed => "completed",
            Self::Updated => "updated",
            Self::Reminded => "reminded",
        }
    }

    /// Parses [`Kind::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How far a service's clock may be ahead of ours.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Where an event's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The provider gave it, with its zone.
    Provider,
    /// The provider gave it without a zone; it is read in the zone that a setting names, or as UTC.
    ProviderLocal,
    /// The same, but a clock in that zone showed the time twice or never, because it was put back or forward. It is read
    /// as the earlier one of two times, or with the offset before the clock was put forward.
    ProviderLocalAmbiguous,
    /// The provider gave none: it is the time of arrival.
    Received,
}

impl TimeSource {
    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderLocal => "provider_local",
            Self::ProviderLocalAmbiguous => "provider_local_ambiguous",
            Self::Received => "received",
        }
    }

    /// Parses [`TimeSource::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Provider, Self::ProviderLocal, Self::ProviderLocalAmbiguous, Self::Received];
        all.into_iter().find(|source| source.as_str() == name)
    }
}

/// What decides whether two deliveries report the same event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The authenticated content.
    Content(Parts),
    /// The response of a service's API.
    Observed(Parts),
    /// The delivery: its content has neither id nor time, so each delivery is an event of its own.
    Delivery(DeliveryId),
}

impl Identity {
    /// Identified by these parts of the authenticated content, in a fixed order.
    #[must_use]
    pub fn content(parts: &[&str]) -> Self {
        Self::Content(Parts::of(parts))
    }

    /// Identified by these parts of an API's response, in a fixed order.
    #[must_use]
    pub fn observed(parts: &[&str]) -> Self {
        Self::Observed(Parts::of(parts))
    }
}

/// The parts of an identity as they are hashed. Each part is preceded by its length, so no two lists of parts hash the
/// same bytes. Held in one allocation, since a batch has up to twenty thousand events.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts(Box<[u8]>);

impl Parts {
    /// These parts, in this order.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let length = |part: &str| (part.len() as u64).to_be_bytes();
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| length(part).len() + part.len()).sum());
        for part in parts {
            bytes.extend_from_slice(&length(part));
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes.into())
    }

    /// The bytes to hash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Parts {
    /// Without the parts, which are a person's data: their hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(digest::digest(&digest::SHA256, &self.0)))
    }
}

/// SHA-256 over an event's identity; written in hex, as 64 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; digest::SHA256_OUTPUT_LEN]);

impl EventId {
    fn of(provider: Provider, trust: Trust, identity: &Identity) -> Self {
        let of_delivery;
        let (sort, parts) = match identity {
            Identity::Content(parts) => ("content", parts),
            Identity::Observed(parts) => ("observed", parts),
            Identity::Delivery(id) => {
                of_delivery = Parts::of(&[id.as_str()]);
                ("delivery", &of_delivery)
            }
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&Parts::of(&[provider.as_str(), trust.as_str(), sort]).0);
        context.update(&parts.0);
        let mut id = [0; digest::SHA256_OUTPUT_LEN];
        id.copy_from_slice(context.finish().as_ref());
        Self(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// One event, as the service's parser read it. How it was proven is known from its delivery.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// The document, signer or pack that it is about.
    pub subject: Subject,
    /// The provider's name for what happened or changed.
    pub name: String,
    /// The provider's value of what changed, if it gives one.
    pub value: Option<String>,
    /// Its meaning.
    pub kind: Kind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Where that time comes from.
    pub time_source: TimeSource,
    /// The time as the provider wrote it, read as UTC, if it has no zone: `occurred_at` then depends on a setting, and what
    /// identifies an event must not.
    pub local_time: Option<Timestamp>,
    /// What identifies it.
    pub identity: Identity,
    /// Its position among the events of its delivery, from 0.
    pub position: u32,
    /// The part of the delivery that reports it, as JSON text, without secrets. Events of a batch share the batch's bytes.
    pub payload: ByteString,
}

impl fmt::Debug for Event {
    /// Without name, value and payload, which are the sender's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("subject", &self.subject)
            .field("kind", &self.kind)
            .field("occurred_at", &self.occurred_at)
            .field("time_source", &self.time_source)
            .field("local_time", &self.local_time)
            .field("identity", &self.identity)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Event {
    /// The event's id, if it was proven with `trust`.
    #[must_use]
    pub fn id(&self, trust: Trust) -> EventId {
        EventId::of(self.subject.provider, trust, &self.identity)
    }

    /// The time that every redelivery has, whatever the settings are by then. `None` if the event's time is that of
    /// arrival, and the content identifies the event.
    #[must_use]
    pub fn lasting_time(&self) -> Option<Timestamp> {
        match (self.time_source, &self.identity) {
            (TimeSource::Received, Identity::Content(_)) => None,
            _ => Some(self.local_time.unwrap_or(self.occurred_at)),
        }
    }

    /// Whether it is said to have happened well after it was received: a clock or a time zone is wrong.
    #[must_use]
    pub fn is_after(&self, received_at: Timestamp) -> bool {
        self.occurred_at.duration_since(received_at) > MAX_CLOCK_SKEW
    }

    /// The sort key in its subject's partition: `EVENT#<time>#<id>`.
    ///
    /// The key must be the same in every redelivery. So `-` replaces a time that isn't lasting, and the time in a response
    /// of an API, which differs from call to call.
    #[must_use]
    pub fn sort_key(&self, trust: Trust) -> String {
        let time = self.lasting_time().filter(|_| !matches!(self.identity, Identity::Observed(_)));
        format!("EVENT#{}#{}", time.map_or_else(|| "-".to_owned(), time::format), self.id(trust))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(trust: Trust, parts: &[&str]) -> EventId {
        EventId::of(Provider::Signeasy, trust, &Identity::content(parts))
    }

    #[test]
    fn an_id_depends_on_every_part_their_order_and_the_trust() {
        assert_eq!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["a", "b"]));
        assert_ne!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["ab", ""]));
        assert_ne!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["b", "a"]));
        assert_ne!(id(Trust::Token, &["a"]), id(Trust::Signature, &["a"]));
    }

    #[test]
    fn the_id_of_a_known_event_never_changes() {
        // SHA-256 over the texts, each after its length in eight bytes, computed with another implementation.
        let id = id(Trust::Token, &["a", "bc"]).to_string();
        assert_eq!(id, "aaec4934d82943346ed3ae227e4ac6efb4f14779e4cf58ba2c9763652204da1e");
    }

    #[test]
    fn ranks_are_unique_and_ascend_in_the_order_of_the_list() {
        let ranks: Vec<u8> = Kind::ALL.into_iter().filter_map(Kind::rank).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
    }

    #[test]
    fn kind_names_read_back() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::parse(kind.as_str()) == Some(kind)));
        assert_eq!(Kind::parse("unknown"), None);
    }
}
