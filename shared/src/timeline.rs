//! The timeline of a subject, with the payloads of its events.
//!
//! An event that came alone doesn't repeat in its item what its delivery has: its payload is read from the delivery, by the
//! service's parser. Only events of a batch have their payloads stored with them, because reading one back would take the
//! whole batch.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::{
    domain::{DeliveryId, LedgerError, Subject},
    ledger::{Ledger, Timeline},
    providers::Services,
};

/// Maximum number of deliveries that are read concurrently.
const CONCURRENT: usize = 16;

/// Everything about one subject; `None` if it isn't known. A request's timeline includes its signed files'. A payload is
/// null if it was erased on request, or its delivery's body can't be read as it was.
///
/// # Errors
/// If DynamoDB or S3 can't be queried.
pub async fn timeline(
    ledger: &Ledger,
    services: &Services,
    subject: &Subject,
) -> Result<Option<Timeline>, LedgerError> {
    let Some(mut timeline) = ledger.timeline(subject).await? else { return Ok(None) };
    let without = timeline.events.iter().filter(|event| event.payload_in_delivery);
    let deliveries: BTreeSet<&DeliveryId> = without.filter_map(|event| event.delivery.as_ref()).collect();
    let deliveries: Vec<DeliveryId> = deliveries.into_iter().cloned().collect();
    let reads = (0..deliveries.len()).map(|index| payloads(ledger, services, &deliveries[index]));
    let payloads: Vec<_> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
    let mut payloads: BTreeMap<String, Value> = payloads.into_iter().flatten().collect();
    for event in timeline.events.iter_mut().filter(|event| event.payload_in_delivery) {
        event.payload = payloads.remove(&event.id).unwrap_or_default();
    }
    Ok(Some(timeline))
}

/// The payloads of a delivery's events, by the events' ids.
async fn payloads(
    ledger: &Ledger,
    services: &Services,
    id: &DeliveryId,
) -> Result<BTreeMap<String, Value>, LedgerError> {
    let delivery = match ledger.delivery(id).await {
        Ok(Some(stored)) => stored.delivery,
        Err(problem @ LedgerError::Unavailable { .. }) => return Err(problem),
        // An erased or changed body must not keep the rest of the timeline from being shown.
        Ok(None) | Err(_) => return Ok(BTreeMap::new()),
    };
    let reading = services.read(&delivery).unwrap_or_default();
    let payloads = reading.events.iter().map(|event| {
        let payload = serde_json::from_str(&event.payload).unwrap_or_default();
        (event.id(delivery.trust()).to_string(), payload)
    });
    Ok(payloads.collect())
}
