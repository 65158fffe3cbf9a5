//! Rejected requests. With a valid path token a request is kept in quarantine. Without one it is a line in the log and, at
//! most once a second, an entry in its provider's ring. None of this changes the answer.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;

use super::{Verdict, in_time};
use crate::{
    domain::{Addressed, Rejection, Route},
    ledger::{Ledger, RejectedEntry},
};

/// Minimum time between two ring entries of an instance, so that a flood of requests doesn't cause a flood of paid writes.
const RING_EVERY: Duration = Duration::from_secs(1);

/// Maximum time that the sender of a rejected request waits until the request is stored.
pub(super) const KEEP_WITHIN: Duration = Duration::from_secs(4);

/// Stores rejected requests, or only counts them, so that their storage stays limited.
pub(super) struct Rejections {
    route: Route,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    written: Option<Instant>,
    since: u64,
}

impl Ring {
    /// Counts one more request. Returns the number of requests since the last entry when the next entry is due.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        if self.written.is_some_and(|written| now.saturating_duration_since(written) < RING_EVERY) {
            return None;
        }
        self.written = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

impl Rejections {
    pub(super) fn new(route: Route) -> Self {
        Self { route, ring: Mutex::default() }
    }

    /// Rejects a request without a valid path token: it could be from anyone.
    pub(super) async fn reject(
        &self,
        ledger: &Ledger,
        verdict: Verdict,
        cause: &str,
        size: usize,
        received_at: Timestamp,
    ) -> Verdict {
        let reason = verdict.reason();
        tracing::warn!(
            event = "refused",
            provider = %self.route.provider(),
            reason,
            cause,
            size,
            metric.Refused = 1,
            metric.Proven = 0,
        );
        let count = self.ring.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
        if let Some(refused) = count {
            let entry = RejectedEntry {
                at: received_at,
                route: self.route.path(),
                cause: cause.to_owned(),
                size: size as u64,
                refused,
            };
            if let Err(problem) = in_time(deadline(), ledger.remember_rejected(self.route, &entry)).await {
                tracing::error!(event = "ring_failed", problem);
            }
        }
        verdict
    }

    /// Rejects a request with a valid path token whose own proof failed, and keeps it. `body` is the body as it may be kept.
    pub(super) async fn quarantine(
        &self,
        ledger: &Ledger,
        request: &Addressed,
        body: Option<&Bytes>,
        rejection: Rejection,
    ) -> Verdict {
        let (verdict, cause) = match rejection {
            Rejection::Unproven(cause) => (Verdict::Unproven, cause),
            Rejection::Malformed(cause) => (Verdict::Malformed, cause),
            Rejection::NotConfigured(cause) => (Verdict::NotConfigured, cause),
        };
        let reason = verdict.reason();
        tracing::warn!(
            event = "refused",
            provider = %self.route.provider(),
            reason,
            cause,
            quarantine = %request.id(),
            metric.Refused = 1,
            metric.Proven = 0,
            metric.Quarantined = 1,
        );
        if let Err(problem) = in_time(deadline(), ledger.quarantine(request, body, reason, cause)).await {
            tracing::error!(event = "quarantine_failed", problem, metric.NotKept = 1);
        }
        verdict
    }
}

/// The deadline for storing a request that is rejected now. Its sender waits until then.
fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + KEEP_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_entry_per_second_that_counts_the_rest() {
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
