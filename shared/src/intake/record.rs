//! Records deliveries: when a callback arrives, and again for the sweep and for a replay.
//!
//! The calls go out in rounds. Calls of one round don't depend on each other:
//!
//! | round | written once, requests an archive job | written once, requests none | accepted before |
//! |---|---|---|---|
//! | 1 | delivery, lookups | delivery, lookups | lookups |
//! | 2 | job, correlation keys | event, signers, correlation keys | all of it |
//! | 3 | event, signers, status, files' jobs | status, files' jobs | files' jobs, then the outcome |
//!
//! The correlation keys of a signed file are written in round 1, before its job.
//!
//! An outcome other than the expected one is stored as soon as it is known. A delivery with many events requests its jobs
//! after recording them.
//!
//! A crash leaves what was stored until then, and perhaps any of the calls of its round:
//! - *Round 1*: the delivery, the correlation keys of a signed file, or nothing. No timeline mentions it.
//! - *Round 2*: with a job, the job may be due. Its worker finds no event, and records the delivery, which the job names.
//!   Without one, the event may be stored. Its delivery is, and a timeline shows the status that follows from it.
//! - *Round 3*: the same; the worker also finds an event without its status.
//!
//! In every case the service, which got no answer, sends again, and the new delivery does all of it. The one that was
//! interrupted keeps its bytes and the outcome that it was going to have; `countersign replay` adds what it lacks. An
//! accepted delivery is left to the sweep, which does all of it again.

use std::collections::BTreeSet;

use futures::FutureExt;

use super::{Answer, Verdict, subscription};
use crate::{
    domain::{LedgerError, Outcome, Proven, Reading, Unreadable, UnreadableEntry},
    ledger::{FEW, Finished, Ledger, Match, Recorded},
    providers::Services,
};

/// How a delivery is stored before it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is, and its outcome isn't final.
    Accepted,
    /// It isn't: it is written once, with the outcome that its recording is going to have.
    NotYet,
}

/// Reads an accepted delivery and records its events. Repeating it changes nothing.
///
/// # Errors
/// If the ledger can't be written; the delivery stays accepted.
pub async fn record(ledger: &Ledger, services: &Services, delivery: &Proven) -> Result<Answer, LedgerError> {
    record_reading(ledger, delivery, services.read(delivery), Stored::Accepted).await
}

/// Records what a delivery was read as.
pub(super) async fn record_reading(
    ledger: &Ledger,
    delivery: &Proven,
    reading: Result<Reading, Unreadable>,
    stored: Stored,
) -> Result<Answer, LedgerError> {
    let mut reading = match reading {
        Ok(reading) => reading,
        Err(unreadable) => return set_aside(ledger, delivery, &unreadable, stored).await,
    };
    let is_unreadable = reading.events.is_empty() && !reading.unreadable.is_empty();
    let expected = if is_unreadable { Outcome::SetAside } else { Outcome::Recorded };

    let write = async {
        match stored {
            Stored::Accepted => Ok(()),
            Stored::NotYet => ledger.write(delivery, &finished(&reading, expected)).await,
        }
    };
    let ((), checked, clues) =
        tokio::try_join!(write, subscription::check(ledger, delivery, &reading), ledger.clues(&reading.correlations))?;
    reading.candidates = clues.candidates();
    reading.note = match checked {
        Ok(note) => note,
        Err(unknown) => {
            let subjects = reading.events.iter().map(|event| &event.subject).collect();
            ledger.note_set_aside(delivery, &subjects).await?;
            return set_aside(ledger, delivery, &unknown, Stored::Accepted).await;
        }
    };
    report_unreadable(delivery, &reading.unreadable);

    let (reading, requests_job) = (&reading, reading.requests_jobs());
    // Boxed, because together they are too large for a thread's stack.
    let events = ledger.record_events(delivery, reading).boxed();
    let statuses = ledger.record_statuses(delivery, reading).boxed();
    let jobs = ledger.request_jobs(delivery, reading).boxed();
    let notes = ledger.note_clues(clues).boxed();
    let query = |matches: BTreeSet<Match>| async move { ledger.query_requests(&matches).await }.boxed();
    let finish = async |recorded: Recorded| {
        let is_duplicate = recorded.new == 0 && recorded.known > 0;
        let outcome = if is_duplicate { Outcome::Duplicate } else { expected };
        if stored == Stored::Accepted || outcome != expected {
            ledger.finish(delivery, &finished(reading, outcome)).await?;
        }
        Ok::<_, LedgerError>((outcome, recorded.new))
    };
    let (outcome, new) = match stored {
        Stored::NotYet if requests_job => {
            let ((), matches) = tokio::try_join!(jobs, notes)?;
            let (recorded, (), ()) = tokio::try_join!(events, statuses, query(matches))?;
            finish(recorded).await?
        }
        Stored::NotYet => {
            let (recorded, matches) = tokio::try_join!(events, notes)?;
            tokio::try_join!(statuses, query(matches), finish(recorded)).map(|((), (), finished)| finished)?
        }
        Stored::Accepted if reading.events.len() <= FEW => {
            let (recorded, (), (), matches) = tokio::try_join!(events, statuses, jobs, notes)?;
            query(matches).await?;
            finish(recorded).await?
        }
        Stored::Accepted => {
            let (recorded, (), matches) = tokio::try_join!(events, statuses, notes)?;
            tokio::try_join!(jobs, query(matches))?;
            finish(recorded).await?
        }
    };
    Ok(answer(delivery, reading, outcome, new))
}

/// What is stored of a recording with this outcome.
fn finished(reading: &Reading, outcome: Outcome) -> Finished<'_> {
    let reason = Verdict::from(outcome).reason().to_owned();
    Finished { outcome, reason, events: reading.events.len(), unreadable: &reading.unreadable }
}

/// The answer to a delivery that is recorded, which is also logged.
fn answer(delivery: &Proven, reading: &Reading, outcome: Outcome, new: usize) -> Answer {
    let events = reading.events.len();
    tracing::info!(
        event = outcome.as_str(),
        delivery = %delivery.id(),
        provider = %delivery.route().provider(),
        trust = delivery.trust().as_str(),
        events,
        new,
        foreign = reading.foreign,
        metric.Proven = 1,
        metric.Recorded = (outcome == Outcome::Recorded).then_some(1),
        metric.Duplicates = (outcome == Outcome::Duplicate).then_some(1),
    );
    Answer { events, unreadable: reading.unreadable.len(), ..Answer::kept(delivery, Verdict::from(outcome)) }
}

/// Sets a delivery aside that can't be read, and raises an alarm.
async fn set_aside(
    ledger: &Ledger,
    delivery: &Proven,
    unreadable: &Unreadable,
    stored: Stored,
) -> Result<Answer, LedgerError> {
    let Unreadable { code, path } = unreadable;
    let provider = delivery.route().provider();
    tracing::error!(
        event = "set_aside",
        delivery = %delivery.id(),
        %provider,
        cause = code,
        path,
        metric.Proven = 1,
        metric.SetAside = 1,
    );
    let finished = Finished { outcome: Outcome::SetAside, reason: unreadable.to_string(), events: 0, unreadable: &[] };
    match stored {
        Stored::Accepted => ledger.finish(delivery, &finished).await?,
        Stored::NotYet => ledger.write(delivery, &finished).await?,
    }
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
