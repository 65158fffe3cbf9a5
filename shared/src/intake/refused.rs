//! What becomes of a refused request: with a right path token it is kept in quarantine, without one it is a line in the
//! log, and at most once a second an entry in its provider's ring. None of this changes what the sender is told.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::timeout;

use super::{Refusal, Verdict};
use crate::{
    delivery::{Addressed, Route},
    ledger::{Ledger, LedgerError, RefusedEntry},
};

/// An instance writes into the ring this often at most: a flood must not be billed.
const RING_EVERY: Duration = Duration::from_secs(1);

/// A sender whose request was refused doesn't wait longer than this for it to be kept.
const KEEP_WITHIN: Duration = Duration::from_secs(4);

/// Somebody has to hear of it, other than of a gap in a ring.
const NOT_QUARANTINED: &str = "quarantine_failed";

/// Keeps refused requests, in their bounds.
pub(super) struct Refusals {
    route: Route,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    written: Option<Instant>,
    since: u64,
}

impl Ring {
    /// Counts one more; how many there were since the last entry, when it is time for one.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        if self.written.is_some_and(|written| now.saturating_duration_since(written) < RING_EVERY) {
            return None;
        }
        self.written = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

impl Refusals {
    pub(super) fn new(route: Route) -> Self {
        Self { route, ring: Mutex::default() }
    }

    /// A request that nobody can be asked about: its path token is wrong, or wasn't looked at.
    pub(super) async fn anybody_s(
        &self,
        ledger: &Ledger,
        verdict: Verdict,
        cause: &str,
        size: usize,
        received_at: Timestamp,
    ) -> Verdict {
        let (_, _, reason) = verdict.parts();
        tracing::warn!(event = "refused", provider = %self.route.provider(), reason, cause, size, metric.Refused = 1);
        let refused = self.ring.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
        if let Some(refused) = refused {
            let entry = RefusedEntry {
                at: received_at,
                route: self.route.path(),
                cause: cause.to_owned(),
                size: size as u64,
                refused,
            };
            kept("ring_failed", ledger.remember_refused(self.route, &entry)).await;
        }
        verdict
    }

    /// A request with a right path token whose own proof failed. `body` is what may be kept of it.
    pub(super) async fn addressed(
        &self,
        ledger: &Ledger,
        request: &Addressed,
        body: Option<&Bytes>,
        refusal: Refusal,
    ) -> Verdict {
        let (verdict, cause) = match refusal {
            Refusal::Unproven(cause) => (Verdict::Unproven, cause),
            Refusal::Malformed(cause) => (Verdict::Malformed, cause),
            Refusal::NotConfigured(cause) => (Verdict::NotConfigured, cause),
        };
        let (_, _, reason) = verdict.parts();
        tracing::warn!(event = "refused", provider = %self.route.provider(), reason, cause, quarantine = %request.id(), metric.Refused = 1, metric.Quarantined = 1);
        kept(NOT_QUARANTINED, ledger.quarantine(request, body, reason, cause)).await;
        verdict
    }
}

/// Waits for it to be kept, and says so if it isn't.
async fn kept(event: &'static str, work: impl Future<Output = Result<(), LedgerError>>) {
    let problem = match timeout(KEEP_WITHIN, work).await {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem.to_string(),
        Err(_) => "out of time".to_owned(),
    };
    tracing::error!(event, problem, metric.NotKept = (event == NOT_QUARANTINED).then_some(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_entry_a_second_that_counts_the_others() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut ring = Ring::default();
        assert_eq!(ring.count(start), Some(1));
        assert!((0..500).all(|n| ring.count(after(n)).is_none()));
        assert_eq!(ring.count(after(1000)), Some(501));
        assert_eq!(ring.count(after(1999)), None);
        assert_eq!(ring.count(after(60_000)), Some(2));
    }
}
