//! When the queries of a service stop: after a 429, without credentials, or after several failures in a row.

use jiff::{SignedDuration, Timestamp};

use super::{Queried, Reconcile, Trouble};
use crate::{
    domain::{LONGEST_PAUSE, LedgerError, Unavailable},
    ledger::Cursor,
};

/// Pause after a 429 that names none.
const PAUSE: SignedDuration = SignedDuration::from_mins(15);

/// Consecutive failures after which a service isn't queried until the next run.
const MAX_FAILURES: usize = 3;

/// Whether the queries of a service go on.
pub(super) enum Next {
    GoOn,
    Stop(Halt),
}

/// Why the queries of a service stop, and for how long at least.
pub(super) struct Halt {
    reason: String,
    pause: Option<SignedDuration>,
    trouble: Option<Trouble>,
}

/// What an operator should know about a failed query.
pub(super) const fn trouble(unavailable: &Unavailable) -> Option<Trouble> {
    match unavailable {
        Unavailable::NotConfigured | Unavailable::Denied { .. } => Some(Trouble::Denied),
        Unavailable::Failed { .. } => Some(Trouble::Failed),
        _ => None,
    }
}

/// What a failed query means for the service's other subjects. `failures` counts the consecutive failures.
pub(super) fn next(unavailable: &Unavailable, failures: &mut usize) -> Next {
    let stop =
        |pause| Next::Stop(Halt { reason: unavailable.reason().to_owned(), pause, trouble: trouble(unavailable) });
    match unavailable {
        Unavailable::RateLimited { after } => stop(Some(after.unwrap_or(PAUSE).min(LONGEST_PAUSE))),
        Unavailable::NotConfigured => stop(None),
        Unavailable::Failed { .. } | Unavailable::Denied { .. } => {
            *failures += 1;
            if *failures >= MAX_FAILURES { stop(None) } else { Next::GoOn }
        }
        _ => {
            *failures = 0;
            Next::GoOn
        }
    }
}

impl Reconcile {
    /// Takes up the cursor of a service or feed after its pause. `None` if the pause isn't over; `result` then says so.
    pub(super) async fn resume(
        &self,
        name: &str,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<Option<Cursor>, LedgerError> {
        let cursor = self.ledger.cursor(name).await?;
        if cursor.not_before.is_some_and(|again| again > now) {
            result.stopped = Some("rate_limited".to_owned());
            return Ok(None);
        }
        Ok(Some(Cursor { not_before: None, ..cursor }))
    }

    /// Stops querying a service or feed until the next run, or for as long as the service asks.
    pub(super) async fn halt(
        &self,
        name: &str,
        cursor: Cursor,
        Halt { reason, pause, trouble }: Halt,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        result.stopped = Some(reason);
        result.trouble = trouble;
        let not_before = pause.and_then(|pause| now.checked_add(pause).ok());
        self.ledger.set_cursor(name, &Cursor { not_before, ..cursor }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_can_ask_for_a_pause_of_a_day_at_most() {
        let hour = SignedDuration::from_hours(1);
        for (asked, pause) in
            [(None, PAUSE), (Some(hour), hour), (Some(SignedDuration::from_secs(u32::MAX.into())), LONGEST_PAUSE)]
        {
            let Next::Stop(halt) = next(&Unavailable::RateLimited { after: asked }, &mut 0) else { panic!("goes on") };
            assert_eq!(halt.pause, Some(pause));
        }
    }
}
