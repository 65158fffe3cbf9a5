//! Replay: proves and records stored deliveries again, and rejected requests that can be proven by now.
//!
//! A delivery keeps its id, so everything that it reported the first time is found as its own: outcome, events, statuses
//! and archive jobs stay as they are. A replay adds what couldn't be read then and can be now. A rejected request continues
//! where it was rejected: its path token was valid, so the service's own proof is checked once more, against today's
//! secrets.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{
    aws::Aws,
    domain::{DeliveryId, LedgerError, Outcome, Provider, Rejection},
    intake,
    ledger::{DeliveryRecord, Ledger, StoredDelivery},
    providers::{NotProven, Services},
    settings::Settings,
    time,
    verify::{VerifyError, verify},
};

/// Maximum number of days that are listed one by one.
const MAX_DAYS: usize = 60;

/// Which deliveries are replayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// Only those that arrived since.
    pub since: Option<Timestamp>,
    /// Only of this provider.
    pub provider: Option<Provider>,
}

impl Selection {
    /// The selected stored deliveries, the oldest day first, including unfinished ones.
    ///
    /// # Errors
    /// If DynamoDB can't be queried.
    pub async fn deliveries(self, ledger: &Ledger) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let now = time::now();
        let since = self.since.unwrap_or(Timestamp::MIN);
        let is_selected = |record: &DeliveryRecord| {
            record.received_at >= since && self.provider.is_none_or(|wanted| wanted == record.provider)
        };
        let mut records = Vec::new();
        // Each day is a list of its own. For many days, or without a limit, one scan of the index is less work.
        let days = self.since.map(|since| days(since, now).take(MAX_DAYS + 1).collect::<Vec<_>>());
        let ids = match days.filter(|days| days.len() <= MAX_DAYS) {
            None => ledger.all_deliveries().await?,
            Some(days) => {
                for day in days {
                    let listed = ledger.deliveries(&day, usize::MAX).await?;
                    records.extend(listed.into_iter().rev().filter(is_selected));
                }
                ledger.unfinished(now, usize::MAX).await?
            }
        };
        for id in ids {
            records.extend(ledger.delivery_record(&id).await?.filter(is_selected));
        }
        Ok(records)
    }
}

/// The result of a replay for one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its outcome before, or `quarantined`.
    pub before: &'static str,
    /// Its outcome now, or `quarantined`.
    pub outcome: &'static str,
    /// The number of its events.
    pub events: usize,
    /// Why it couldn't be replayed, as a stable code.
    pub problem: Option<String>,
}

/// Replays deliveries.
pub struct Replay {
    ledger: Ledger,
    services: Services,
}

impl Replay {
    /// A replay with these settings' secrets and storage.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let ledger = Ledger::new(aws, settings.storage());
        Self { ledger, services: Services::verifying(settings, aws) }
    }

    /// The stored deliveries of a selection, the oldest day first, including unfinished ones.
    ///
    /// # Errors
    /// If DynamoDB can't be queried.
    pub async fn stored(&self, selection: Selection) -> Result<Vec<DeliveryId>, LedgerError> {
        Ok(selection.deliveries(&self.ledger).await?.into_iter().map(|record| record.id).collect())
    }

    /// Replays one stored delivery; `None` if there is no delivery with this id.
    ///
    /// # Errors
    /// If the ledger can't be read or written. The replay can be repeated.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<Replayed>, LedgerError> {
        let stored = match self.ledger.delivery(id).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            // An erased, changed or unreadable body must not keep the other deliveries from being replayed.
            Err(problem @ (LedgerError::Forgotten | LedgerError::BodyChanged | LedgerError::BodyDenied)) => {
                let Some(record) = self.ledger.delivery_record(id).await? else { return Ok(None) };
                let before = record.outcome.as_str();
                return Ok(Some(failed(id, before, problem.code())));
            }
            Err(problem) => return Err(problem),
        };
        let before = stored.record.outcome;
        if matches!(before, Outcome::Recorded | Outcome::Duplicate)
            && let Some(code) = self.unreadable_now(&stored)
        {
            return Ok(Some(failed(id, before.as_str(), &code)));
        }
        if let Some(code) = self.unproven_now(id, &stored).await? {
            return Ok(Some(failed(id, before.as_str(), &code)));
        }
        let answer = intake::record(&self.ledger, &self.services, &stored.delivery).await?;
        let outcome = answer.verdict.outcome();
        let (delivery, before) = (id.clone(), before.as_str());
        Ok(Some(Replayed { delivery, before, outcome, events: answer.events, problem: None }))
    }

    /// Why the delivery's proof fails today, from what is stored; `None` if it holds or only a path token proved it.
    async fn unproven_now(&self, id: &DeliveryId, stored: &StoredDelivery) -> Result<Option<String>, LedgerError> {
        let proof = stored.delivery.proof();
        if proof.certificate.is_some() {
            return match verify(&self.ledger, &self.services, id).await {
                Ok(_) => Ok(None),
                Err(VerifyError::Ledger(problem @ LedgerError::Unavailable { .. })) => Err(problem),
                Err(problem) => Ok(Some(problem.code().to_owned())),
            };
        }
        let service = self.services.of(stored.delivery.route().provider());
        Ok(service.reverify(&stored.delivery).await.err().map(|problem| code(&problem).to_owned()))
    }

    /// Why a delivery that was read once can't be read by this version; `None` if it can. Then its record stays as it is.
    fn unreadable_now(&self, stored: &StoredDelivery) -> Option<String> {
        match self.services.read(&stored.delivery) {
            Err(unreadable) => Some(format!("unreadable_now: {unreadable}")),
            Ok(reading) if (reading.events.len() as u64) < stored.record.events => {
                Some("unreadable_now: events".to_owned())
            }
            Ok(_) => None,
        }
    }

    /// The rejected requests of a selection, the oldest first.
    ///
    /// # Errors
    /// If DynamoDB can't be queried.
    pub async fn quarantined(&self, selection: Selection) -> Result<Vec<DeliveryId>, LedgerError> {
        let records = self.ledger.quarantine_list(selection.provider, selection.since, usize::MAX).await?;
        Ok(records.into_iter().rev().map(|record| record.id).collect())
    }

    /// Accepts a rejected request if it can be proven by now; `None` if no request with this id is kept.
    ///
    /// # Errors
    /// If the ledger can't be read or written. The replay can be repeated.
    pub async fn rejected(&self, id: &DeliveryId) -> Result<Option<Replayed>, LedgerError> {
        let Some(kept) = self.ledger.quarantined(id).await? else { return Ok(None) };
        let Some(request) = kept.request else { return Ok(Some(failed(id, QUARANTINED, "body_not_kept"))) };
        let service = self.services.of(request.route().provider());
        let delivery = match service.verify_quarantined(request).await {
            Ok(delivery) => delivery,
            Err(problem) => return Ok(Some(failed(id, QUARANTINED, code(&problem)))),
        };
        self.ledger.accept(&delivery).await?;
        let answer = intake::record(&self.ledger, &self.services, &delivery).await?;
        self.ledger.note_accepted(id).await?;
        let outcome = answer.verdict.outcome();
        Ok(Some(Replayed { delivery: id.clone(), before: QUARANTINED, outcome, events: answer.events, problem: None }))
    }
}

/// Why something isn't proven, as a stable code. Missing configuration is logged too.
fn code(problem: &NotProven) -> &'static str {
    let missing: &dyn Display = match problem {
        NotProven::NotConfigured(missing) => missing,
        NotProven::Rejected(Rejection::NotConfigured(missing)) => missing,
        NotProven::Rejected(rejection) => return rejection.cause(),
    };
    tracing::error!(event = "not_configured", problem = %missing);
    "not_configured"
}

const QUARANTINED: &str = "quarantined";

fn failed(id: &DeliveryId, before: &'static str, problem: &str) -> Replayed {
    Replayed { delivery: id.clone(), before, outcome: before, events: 0, problem: Some(problem.to_owned()) }
}

/// The UTC days from one time to another, inclusive.
fn days(from: Timestamp, to: Timestamp) -> impl Iterator<Item = String> {
    let (from, last) = (from.to_zoned(TimeZone::UTC).date(), to.to_zoned(TimeZone::UTC).date());
    let day = SignedDuration::from_hours(24);
    let next = move |date: &jiff::civil::Date| date.checked_add(day).ok().filter(|date| *date <= last);
    std::iter::successors(Some(from).filter(|first| *first <= last), next).map(|date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_utc_days_between_two_times_are_listed() {
        let list = |from: &str, to: &str| days(from.parse().unwrap(), to.parse().unwrap()).collect::<Vec<_>>();
        let three = ["2026-12-31", "2027-01-01", "2027-01-02"];
        assert_eq!(list("2026-12-31T23:59:59Z", "2027-01-02T00:00:00Z"), three);
        assert_eq!(list("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"), ["2026-12-31"]);
        assert!(list("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z").is_empty());
    }
}
