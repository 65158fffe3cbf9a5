//! Records accepted deliveries: when a callback arrives, and again for the sweep and for a replay.

use super::{Answer, Verdict, subscription};
use crate::{
    domain::{LedgerError, Outcome, Proven, Reading, Unreadable, UnreadableEntry},
    ledger::Ledger,
    providers::Services,
};

/// Reads an accepted delivery and records its events. Repeating it changes nothing.
///
/// # Errors
/// If the ledger can't be written; the delivery stays accepted.
pub async fn record(ledger: &Ledger, services: &Services, delivery: &Proven) -> Result<Answer, LedgerError> {
    record_reading(ledger, delivery, services.read(delivery)).await
}

/// Records what a delivery was read as.
pub(super) async fn record_reading(
    ledger: &Ledger,
    delivery: &Proven,
    reading: Result<Reading, Unreadable>,
) -> Result<Answer, LedgerError> {
    let checked = match reading {
        Ok(reading) => subscription::check(ledger, delivery, reading).await,
        Err(unreadable) => Err(unreadable.into()),
    };
    let reading = match checked {
        Ok(reading) => reading,
        Err(subscription::NotRecorded::Unreadable(unreadable)) => {
            return set_aside(ledger, delivery, &unreadable).await;
        }
        Err(subscription::NotRecorded::Ledger(error)) => return Err(error),
    };
    report_unreadable(delivery, &reading.unreadable);
    let recorded = ledger.record(delivery, &reading).await?;
    ledger.correlate(&reading.correlations).await?;
    let outcome = if reading.events.is_empty() && !reading.unreadable.is_empty() {
        Outcome::SetAside
    } else if recorded.new == 0 && recorded.known > 0 {
        Outcome::Duplicate
    } else {
        Outcome::Recorded
    };
    let verdict = Verdict::from(outcome);
    let events = reading.events.len();
    ledger.finish(delivery, outcome, verdict.reason(), events, &reading.unreadable).await?;
    tracing::info!(
        event = outcome.as_str(),
        delivery = %delivery.id(),
        provider = %delivery.route().provider(),
        trust = delivery.trust().as_str(),
        events,
        new = recorded.new,
        foreign = reading.foreign,
        metric.Recorded = (outcome == Outcome::Recorded).then_some(1),
        metric.Duplicates = (outcome == Outcome::Duplicate).then_some(1),
    );
    Ok(Answer { events, unreadable: reading.unreadable.len(), ..Answer::kept(delivery, verdict) })
}

/// Sets a delivery aside that can't be read, and raises an alarm.
async fn set_aside(ledger: &Ledger, delivery: &Proven, unreadable: &Unreadable) -> Result<Answer, LedgerError> {
    let Unreadable { code, path } = unreadable;
    let provider = delivery.route().provider();
    tracing::error!(event = "set_aside", delivery = %delivery.id(), %provider, cause = code, path, metric.SetAside = 1);
    ledger.finish(delivery, Outcome::SetAside, &unreadable.to_string(), 0, &[]).await?;
    Ok(Answer::kept(delivery, Verdict::SetAside))
}

/// Raises the same alarm for unreadable entries as for a whole delivery, once for all of them.
fn report_unreadable(delivery: &Proven, entries: &[UnreadableEntry]) {
    let Some(UnreadableEntry { position, cause: Unreadable { code, path } }) = entries.first() else { return };
    tracing::error!(
        event = "set_aside",
        delivery = %delivery.id(),
        provider = %delivery.route().provider(),
        entries = entries.len(),
        first_position = position,
        cause = code,
        path,
        metric.SetAside = 1,
    );
}
