//! Checks the subscription of a callback, for services whose callbacks name one.
//!
//! What happens to an unknown one is fixed when the delivery arrives, and stored with it. So sweep and replay judge as the
//! function did; a replay can only find that a webhook has become known since.

use crate::{
    domain::{LedgerError, Proven, Reading, SubscriptionPolicy, Unreadable},
    ledger::Ledger,
};

/// The note on events whose subscription isn't known, or isn't named.
pub const UNKNOWN_SUBSCRIPTION: &str = "unknown_subscription";

/// The note on events whose subscription watches another subject.
pub const OTHER_ENTITY: &str = "subscription_of_another_entity";

/// Looks up the subscription that a delivery names. Returns the note on its events if it isn't ours, or why the delivery
/// is set aside.
pub(super) async fn check(
    ledger: &Ledger,
    delivery: &Proven,
    reading: &Reading,
) -> Result<Result<Option<&'static str>, Unreadable>, LedgerError> {
    let (policy, Some(subscription)) = (delivery.policy().subscription, &reading.subscription) else {
        return Ok(Ok(reading.note));
    };
    if policy == SubscriptionPolicy::Ignore {
        return Ok(Ok(reading.note));
    }
    let provider = delivery.route().provider();
    let known = match &subscription.key {
        Some(key) => ledger.webhook(provider, key).await?,
        None => None,
    };
    let note = match known {
        Some(webhook) if reading.events.iter().all(|event| event.subject.id == webhook.entity) => {
            return Ok(Ok(reading.note));
        }
        // A pack's webhook may report on the documents in it, under keys of their own: that isn't documented.
        Some(_) => OTHER_ENTITY,
        None if policy == SubscriptionPolicy::SetAside => {
            return Ok(Err(Unreadable::new(UNKNOWN_SUBSCRIPTION, subscription.field)));
        }
        None => UNKNOWN_SUBSCRIPTION,
    };
    tracing::warn!(event = note, delivery = %delivery.id(), %provider);
    Ok(Ok(Some(note)))
}
