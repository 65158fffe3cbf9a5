//! The sweep: finishes what was left. Deliveries that wait in the bucket or stayed accepted are recorded, waiting archive
//! orders whose time has come are due, and so are those that were handed over and never taken, or whose host is allowed
//! by now.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    intake,
    ledger::{ArchiveState, Ledger, LedgerError},
    outbound::HostPatterns,
    time,
};

/// A callback function ends at 25 s: what is still accepted after this was left behind.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_mins(1);

/// The stream, the pipe and the queue together take seconds; an order that nobody took for this long is lost to them.
const NOT_TAKEN: SignedDuration = SignedDuration::from_mins(10);

/// So many of each sort in one run. What is left is the next run's.
const MAX_ITEMS: usize = 500;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Deliveries that were finished.
    pub recorded: usize,
    /// Deliveries that had to wait in the bucket and were taken in.
    pub taken_in: usize,
    /// Deliveries that still can't be.
    pub still_unfinished: usize,
    /// Archive orders that were made due.
    pub made_due: usize,
    /// For how many seconds the oldest archive order has been due without an outcome; 0 when none is left lying.
    pub oldest_due_seconds: u64,
}

/// Finishes what was left.
pub struct Sweep {
    ledger: Ledger,
    download_hosts: HostPatterns,
}

impl Sweep {
    /// A sweep of this ledger; orders that wait for a host go on when `download_hosts` allows it.
    #[must_use]
    pub const fn new(ledger: Ledger, download_hosts: HostPatterns) -> Self {
        Self { ledger, download_hosts }
    }

    /// One run, as if it were `now`. It may run at any time, also twice at once.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn run(&self, now: Timestamp) -> Result<Swept, LedgerError> {
        let mut swept = Swept::default();
        self.take_in_pending(&mut swept).await;
        self.finish_deliveries(now, &mut swept).await?;
        self.wake_orders(now, &mut swept).await?;
        tracing::info!(
            event = "swept",
            recorded = swept.recorded,
            taken_in = swept.taken_in,
            still_unfinished = swept.still_unfinished,
            made_due = swept.made_due,
            metric.UnfinishedDeliveries = swept.still_unfinished,
            metric.OldestDueArchive = swept.oldest_due_seconds,
        );
        Ok(swept)
    }

    /// Accepts what waited in the bucket while DynamoDB couldn't take it, and records it.
    async fn take_in_pending(&self, swept: &mut Swept) {
        let pending = match self.ledger.pending(MAX_ITEMS).await {
            Ok(pending) => pending,
            Err(problem) => {
                // Everything else can still be swept.
                tracing::error!(event = "pending_unknown", problem = %problem);
                return;
            }
        };
        for pending in pending {
            let taken_in = match self.ledger.accept_pending(&pending).await {
                Ok(Some(delivery)) => intake::record(&self.ledger, &delivery).await.map(drop),
                Ok(None) => continue,
                Err(problem) => Err(problem),
            };
            match taken_in {
                Ok(()) => swept.taken_in += 1,
                Err(problem) => {
                    tracing::error!(event = "still_pending", problem = %problem);
                    swept.still_unfinished += 1;
                }
            }
        }
    }

    async fn finish_deliveries(&self, now: Timestamp, swept: &mut Swept) -> Result<(), LedgerError> {
        for id in self.ledger.unfinished(before(now, LEFT_BEHIND), MAX_ITEMS).await? {
            let recorded = match self.ledger.delivery(&id).await {
                Ok(Some(stored)) => intake::record(&self.ledger, &stored.delivery).await.map(drop),
                Ok(None) => continue,
                Err(problem) => Err(problem),
            };
            match recorded {
                Ok(()) => swept.recorded += 1,
                // One that can't be finished must not keep the others from it.
                Err(problem) => {
                    tracing::error!(event = "still_unfinished", delivery = %id, problem = %problem);
                    swept.still_unfinished += 1;
                }
            }
        }
        Ok(())
    }

    async fn wake_orders(&self, now: Timestamp, swept: &mut Swept) -> Result<(), LedgerError> {
        let mut orders = self.ledger.orders(ArchiveState::Waiting, Some(now), MAX_ITEMS).await?;
        let not_taken = self.ledger.orders(ArchiveState::Due, Some(before(now, NOT_TAKEN)), MAX_ITEMS).await?;
        let due_since = not_taken.iter().filter_map(|order| order.due_since).min();
        let age = due_since.map(|since| time::seconds_between(since, now));
        swept.oldest_due_seconds = age.and_then(|seconds| seconds.try_into().ok()).unwrap_or_default();
        orders.extend(not_taken);
        let blocked = self.ledger.orders(ArchiveState::Blocked, None, MAX_ITEMS).await?;
        let allowed = |host: &Option<String>| host.as_ref().is_some_and(|host| self.download_hosts.allows(host));
        orders.extend(blocked.into_iter().filter(|order| allowed(&order.blocked_host)));
        for order in orders {
            if self.ledger.wake(&order).await? {
                swept.made_due += 1;
            }
        }
        Ok(())
    }
}

fn before(now: Timestamp, time: SignedDuration) -> Timestamp {
    time::to_millis(now.checked_sub(time).unwrap_or(Timestamp::MIN))
}
