//! Replay: takes stored deliveries through proof and recording again, and refused ones that can be proven by now.
//!
//! A delivery keeps its id, so everything that it told the first time is found as its own: outcome, events, statuses and
//! archive orders stay as they are. What it adds is what couldn't be read then and can be now. A refused request starts
//! where it was refused: its path token was right, so the provider's own proof is asked for once more, with the secrets
//! as they are now.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{
    aws::Aws,
    delivery::DeliveryId,
    intake::{self, NotProven, Refusal},
    ledger::{DeliveryRecord, Ledger, LedgerError, Outcome, StoredDelivery},
    provider::Provider,
    providers::{self, Provers},
    settings::Settings,
    time,
    verify::{VerifyError, verify},
};

/// So many days are asked for one by one at most.
const MAX_DAYS: usize = 60;

/// What is to be replayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    /// Only what came in from then on.
    pub since: Option<Timestamp>,
    /// Only of this provider.
    pub provider: Option<Provider>,
}

impl Selection {
    /// The stored deliveries that it means, the oldest day first. Those that are still to be finished are among them.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn deliveries(self, ledger: &Ledger) -> Result<Vec<DeliveryRecord>, LedgerError> {
        let now = time::now();
        let since = self.since.unwrap_or(Timestamp::MIN);
        let is_meant = |record: &DeliveryRecord| {
            record.received_at >= since && self.provider.is_none_or(|wanted| wanted == record.provider)
        };
        let mut records = Vec::new();
        // Each day is a list of its own; for many of them, or for nobody knows how many, reading it all is less work.
        let days = self.since.map(|since| days(since, now).take(MAX_DAYS + 1).collect::<Vec<_>>());
        let ids = match days.filter(|days| days.len() <= MAX_DAYS) {
            None => ledger.all_deliveries().await?,
            Some(days) => {
                for day in days {
                    let listed = ledger.deliveries(&day, usize::MAX - 1).await?;
                    records.extend(listed.into_iter().rev().filter(is_meant));
                }
                ledger.unfinished(now, usize::MAX - 1).await?
            }
        };
        for id in ids {
            records.extend(ledger.delivery_record(&id).await?.filter(is_meant));
        }
        Ok(records)
    }
}

/// What a replay came to for one delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What it was before: an outcome, or `quarantined`.
    pub before: &'static str,
    /// What it is now: an outcome, or `quarantined`.
    pub outcome: &'static str,
    /// How many events it holds.
    pub events: usize,
    /// Why it couldn't be replayed, as a stable code, if it couldn't.
    pub problem: Option<String>,
}

/// Replays deliveries.
pub struct Replay {
    ledger: Ledger,
    provers: Provers,
}

impl Replay {
    /// A replay with these settings' secrets and storage.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let ledger = Ledger::new(aws, &settings.table, &settings.bucket);
        Self { ledger, provers: Provers::new(settings, aws) }
    }

    /// The stored deliveries of a selection, the oldest day first. Those that are still to be finished are among them.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn stored(&self, selection: Selection) -> Result<Vec<DeliveryId>, LedgerError> {
        Ok(selection.deliveries(&self.ledger).await?.into_iter().map(|record| record.id).collect())
    }

    /// Replays one stored delivery; `None` when there is none of that id.
    ///
    /// # Errors
    /// When the ledger can't be asked or written to; replaying it again is right.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<Replayed>, LedgerError> {
        let stored = match self.ledger.delivery(id).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            // What the law wanted erased, or somebody changed, isn't there to be read; the others still are.
            Err(problem @ (LedgerError::Forgotten | LedgerError::BodyChanged)) => {
                let Some(record) = self.ledger.delivery_record(id).await? else { return Ok(None) };
                let before = record.outcome.as_str();
                let code = if problem == LedgerError::Forgotten { "forgotten" } else { "body_changed" };
                return Ok(Some(failed(id, before, code)));
            }
            Err(problem) => return Err(problem),
        };
        let before = stored.record.outcome;
        if matches!(before, Outcome::Recorded | Outcome::Duplicate)
            && let Some(code) = unreadable_now(&stored)
        {
            return Ok(Some(failed(id, before.as_str(), &code)));
        }
        if let Some(code) = self.unproven_now(id, &stored).await? {
            return Ok(Some(failed(id, before.as_str(), &code)));
        }
        let answer = intake::record(&self.ledger, &stored.delivery).await?;
        let (_, outcome, _) = answer.verdict.parts();
        let (delivery, before) = (id.clone(), before.as_str());
        Ok(Some(Replayed { delivery, before, outcome, events: answer.events, problem: None }))
    }

    /// What was proven by more than its path token must be proven by it again, from what is stored. Why it isn't, if it
    /// isn't.
    async fn unproven_now(&self, id: &DeliveryId, stored: &StoredDelivery) -> Result<Option<String>, LedgerError> {
        let proof = stored.delivery.proof();
        if proof.certificate.is_some() {
            return match verify(&self.ledger, id).await {
                Ok(_) => Ok(None),
                Err(VerifyError::Ledger(problem @ LedgerError::Unavailable { .. })) => Err(problem),
                Err(problem) => Ok(Some(problem.code().to_owned())),
            };
        }
        if proof.body_token.is_some() {
            return Ok(self.provers.prove_seal(&stored.delivery).await.err().map(|problem| code(&problem).to_owned()));
        }
        Ok(None)
    }

    /// The refused requests of a selection, the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn quarantined(&self, selection: Selection) -> Result<Vec<DeliveryId>, LedgerError> {
        let records = self.ledger.quarantine_list(selection.provider, selection.since, usize::MAX - 1).await?;
        Ok(records.into_iter().rev().map(|record| record.id).collect())
    }

    /// Takes a refused request in, if it can be proven by now; `None` when none of that id is kept.
    ///
    /// # Errors
    /// When the ledger can't be asked or written to; doing it again is right.
    pub async fn refused(&self, id: &DeliveryId) -> Result<Option<Replayed>, LedgerError> {
        let Some(kept) = self.ledger.quarantined(id).await? else { return Ok(None) };
        let Some(request) = kept.request else { return Ok(Some(failed(id, QUARANTINED, "body_not_kept"))) };
        let delivery = match self.provers.prove(request).await {
            Ok(delivery) => delivery,
            Err(problem) => return Ok(Some(failed(id, QUARANTINED, code(&problem)))),
        };
        self.ledger.accept(&delivery).await?;
        let answer = intake::record(&self.ledger, &delivery).await?;
        self.ledger.note_taken_in(id).await?;
        let (_, outcome, _) = answer.verdict.parts();
        Ok(Some(Replayed { delivery: id.clone(), before: QUARANTINED, outcome, events: answer.events, problem: None }))
    }
}

/// What was read once and can't be by this version keeps its record. Why it can't be, if it can't.
fn unreadable_now(stored: &StoredDelivery) -> Option<String> {
    match providers::read(&stored.delivery) {
        Err(unreadable) => Some(format!("unreadable_now: {unreadable}")),
        Ok(reading) if (reading.events.len() as u64) < stored.record.events => {
            Some("unreadable_now: events".to_owned())
        }
        Ok(_) => None,
    }
}

/// Why something isn't proven, as a stable code. That we lack what it takes is logged too.
fn code(problem: &NotProven) -> &'static str {
    let missing: &dyn Display = match problem {
        NotProven::NotConfigured(missing) => missing,
        NotProven::Refused(Refusal::NotConfigured(missing)) => missing,
        NotProven::Refused(refusal) => return refusal.cause(),
    };
    tracing::error!(event = "not_configured", problem = %missing);
    "not_configured"
}

const QUARANTINED: &str = "quarantined";

fn failed(id: &DeliveryId, before: &'static str, problem: &str) -> Replayed {
    Replayed { delivery: id.clone(), before, outcome: before, events: 0, problem: Some(problem.to_owned()) }
}

/// The UTC days from one time to another, both included.
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
    fn every_day_between_two_times_is_looked_at() {
        let list = |from: &str, to: &str| days(from.parse().unwrap(), to.parse().unwrap()).collect::<Vec<_>>();
        let three = ["2026-12-31", "2027-01-01", "2027-01-02"];
        assert_eq!(list("2026-12-31T23:59:59Z", "2027-01-02T00:00:00Z"), three);
        assert_eq!(list("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"), ["2026-12-31"]);
        assert!(list("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z").is_empty());
    }
}
