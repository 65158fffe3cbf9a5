//! Whether a callback came under a subscription of ours, where a provider's callbacks name theirs.
//!
//! What is to become of an unknown one is decided when the delivery comes in, and stored with it. So the sweep and a
//! replay judge as the function did; a replay can only find that a webhook has become known since.

use super::{Reading, Unreadable};
use crate::{
    delivery::Proven,
    ledger::{Ledger, LedgerError},
    subject::SubjectId,
};

/// What becomes of a delivery whose subscription isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownSubscription {
    /// Nobody looks: the provider's callbacks name none, or settings vouch for this one.
    #[default]
    Unasked,
    /// Its events say so.
    Noted,
    /// It is set aside.
    SetAside,
}

impl UnknownSubscription {
    /// The name in items; none where nobody looks.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Unasked => None,
            Self::Noted => Some("noted"),
            Self::SetAside => Some("set_aside"),
        }
    }

    /// Reads what [`UnknownSubscription::as_str`] wrote.
    #[must_use]
    pub fn parse(name: Option<&str>) -> Self {
        [Self::Noted, Self::SetAside].into_iter().find(|each| each.as_str() == name).unwrap_or_default()
    }
}

/// The note on events under a subscription that isn't known, or of a delivery that names none.
pub const UNKNOWN: &str = "unknown_subscription";

/// The note on events under a subscription that is on something else.
pub const OTHER_ENTITY: &str = "subscription_of_another_entity";

/// The subscription that a delivery names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The field that names it, or should.
    pub field: &'static str,
    /// The provider's key of it, where it is one.
    pub key: Option<SubjectId>,
}

/// Looks up the subscription that a delivery names.
///
/// # Errors
/// When DynamoDB can't be asked. Within: that the delivery is to be set aside.
pub(super) async fn check(
    ledger: &Ledger,
    delivery: &Proven,
    reading: Reading,
) -> Result<Result<Reading, Unreadable>, LedgerError> {
    let (policy, Some(subscribed)) = (delivery.unknown_subscription(), &reading.subscription) else {
        return Ok(Ok(reading));
    };
    if policy == UnknownSubscription::Unasked {
        return Ok(Ok(reading));
    }
    let known = match &subscribed.key {
        Some(key) => ledger.webhook(delivery.route().provider(), key).await?,
        None => None,
    };
    let note = match known {
        Some(webhook) if reading.events.iter().all(|event| event.subject.id == webhook.entity) => {
            return Ok(Ok(reading));
        }
        // A pack's webhook may tell of the documents in it, under keys of their own: that isn't documented.
        Some(_) => OTHER_ENTITY,
        None if policy == UnknownSubscription::SetAside => {
            return Ok(Err(Unreadable::new(UNKNOWN, subscribed.field)));
        }
        None => UNKNOWN,
    };
    tracing::warn!(event = note, delivery = %delivery.id(), provider = %delivery.route().provider());
    Ok(Ok(Reading { note: Some(note), ..reading }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_reads_back() {
        for each in [UnknownSubscription::Unasked, UnknownSubscription::Noted, UnknownSubscription::SetAside] {
            assert_eq!(UnknownSubscription::parse(each.as_str()), each);
        }
        assert_eq!(UnknownSubscription::parse(Some("else")), UnknownSubscription::Unasked);
    }
}
