//! Events: what a provider said happened, under an identity that redelivery can't change.
//!
//! An [`EventId`] is computed from authenticated bytes only, and from how they were proven: an event that somebody
//! posted with a leaked token can't take the place of the one that the provider signed.

use std::fmt;

use aws_lc_rs::digest;
use bytestring::ByteString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{delivery::DeliveryId, provider::Provider, subject::Subject, time};

/// What an event means, in the words of Countersign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Made, not sent yet.
    Draft,
    /// On its way to the signers.
    Sent,
    /// Somebody looked at it.
    Viewed,
    /// Somebody signed; others may still have to.
    Signed,
    /// Its time ran out.
    Expired,
    /// A signer refused.
    Declined,
    /// The sender took it back.
    Voided,
    /// Deleted before it was signed.
    Removed,
    /// Everybody signed.
    Completed,
    /// Something else changed, or the event is of a sort that Countersign doesn't know.
    Updated,
    /// A signer was reminded.
    Reminded,
}

impl Kind {
    /// Every kind, those with a rank in the order of their rank.
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

    /// How far along a subject of this status is; `None` for what changes no status.
    ///
    /// A subject's status is the greatest of its events' ranks, so that the order in which they arrive can't matter.
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

    /// Whether nothing should come after it. Two different terminal kinds on one subject are a conflict.
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

    /// Reads what [`Kind::as_str`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where an event's time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The provider said it, with its zone.
    Provider,
    /// The provider said it without a zone (Legalesign); it is read as UTC.
    ProviderLocal,
    /// The provider said nothing: it is when the callback came in.
    Received,
}

impl TimeSource {
    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::ProviderLocal => "provider_local",
            Self::Received => "received",
        }
    }

    /// Reads what [`TimeSource::as_str`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Provider, Self::ProviderLocal, Self::Received].into_iter().find(|source| source.as_str() == name)
    }
}

/// How strongly it is known who said something. A signature is more than a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The sender knew a shared secret.
    Token,
    /// The sender signed these very bytes.
    Signature,
}

impl Trust {
    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Signature => "signature",
        }
    }

    /// Reads what [`Trust::as_str`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Token, Self::Signature].into_iter().find(|trust| trust.as_str() == name)
    }
}

/// What makes two deliveries speak of the same event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The authenticated content says it.
    Content(Parts),
    /// A service's API said it when it was asked.
    Observed(Parts),
    /// The content has neither id nor time, so each delivery is an event of its own (QuicklySign).
    Delivery(DeliveryId),
}

impl Identity {
    /// Identified by these parts of the authenticated content, in a fixed order.
    #[must_use]
    pub fn content(parts: &[&str]) -> Self {
        Self::Content(Parts::of(parts))
    }

    /// Identified by these parts of what an API said, in a fixed order.
    #[must_use]
    pub fn observed(parts: &[&str]) -> Self {
        Self::Observed(Parts::of(parts))
    }
}

/// The parts of an identity, as they are hashed: every part is preceded by its length, so that no two lists of parts
/// hash the same text. In one piece, since a batch holds twenty thousand.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts(Box<[u8]>);

impl Parts {
    fn of(parts: &[&str]) -> Self {
        let length = |part: &str| (part.len() as u64).to_be_bytes();
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| length(part).len() + part.len()).sum());
        for part in parts {
            bytes.extend_from_slice(&length(part));
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes.into())
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
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

/// What a provider said, as its parser read it. How it was proven is the delivery's to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// The provider's name of what happened, or of what changed.
    pub name: String,
    /// The provider's value of what changed, where it gives one.
    pub value: Option<String>,
    /// What that means.
    pub kind: Kind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who says so.
    pub time_source: TimeSource,
    /// What makes it this event.
    pub identity: Identity,
    /// Its position among the events of its delivery, from 0.
    pub position: u32,
    /// The part of the delivery that says it, as JSON text, without any secret. A batch's share the batch's bytes.
    pub payload: ByteString,
}

impl Event {
    /// The event's identity when it was proven by `trust`.
    #[must_use]
    pub fn id(&self, trust: Trust) -> EventId {
        EventId::of(self.subject.provider, trust, &self.identity)
    }

    /// The sort key in its subject's partition: `EVENT#<time>#<id>`.
    ///
    /// The time must be the same in every redelivery, so where identity is content and the time is only when the
    /// callback came in, `-` stands in its place; and so it does where an API is asked, whose answer's time moves on.
    #[must_use]
    pub fn sort_key(&self, trust: Trust) -> String {
        let received_again_later =
            self.time_source == TimeSource::Received && matches!(self.identity, Identity::Content(_));
        let observed = matches!(self.identity, Identity::Observed(_));
        let time = if received_again_later || observed { "-".to_owned() } else { time::format(self.occurred_at) };
        format!("EVENT#{time}#{}", self.id(trust))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(trust: Trust, parts: &[&str]) -> EventId {
        EventId::of(Provider::Signeasy, trust, &Identity::content(parts))
    }

    #[test]
    fn every_part_counts_in_an_identity() {
        assert_eq!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["a", "b"]));
        assert_ne!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["ab", ""]));
        assert_ne!(id(Trust::Token, &["a", "b"]), id(Trust::Token, &["b", "a"]));
        assert_ne!(id(Trust::Token, &["a"]), id(Trust::Signature, &["a"]));
    }

    #[test]
    fn what_was_recorded_years_ago_is_found_again() {
        // SHA-256 over the texts, each after its length in eight bytes: computed by other means than this.
        let id = id(Trust::Token, &["a", "bc"]).to_string();
        assert_eq!(id, "aaec4934d82943346ed3ae227e4ac6efb4f14779e4cf58ba2c9763652204da1e");
    }

    #[test]
    fn ranks_are_unique_and_rise_in_the_order_of_the_list() {
        let ranks: Vec<u8> = Kind::ALL.into_iter().filter_map(Kind::rank).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
    }

    #[test]
    fn names_read_back() {
        assert!(Kind::ALL.into_iter().all(|kind| Kind::parse(kind.as_str()) == Some(kind)));
        assert_eq!(Kind::parse("unknown"), None);
    }
}
