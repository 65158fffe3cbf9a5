//! The sweep: finishes interrupted work. Spooled deliveries and those that stayed accepted are recorded. Archive jobs become
//! due again when their waiting time is over, when no worker took them, when their host is allowed by now, or when it is time
//! to try the API's credentials again.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    aws::Aws,
    deadline::Deadline,
    domain::{DeliveryId, LedgerError},
    intake,
    ledger::{ArchiveJob, ArchiveState, Ledger},
    outbound::HostPatterns,
    providers::Services,
    settings::Settings,
    time,
};

/// A callback function ends at 25 s: a delivery that is still accepted after this time was left behind.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_mins(1);

/// Stream, pipe and queue together take seconds: a job that no worker took for this long is stuck.
const NOT_TAKEN: SignedDuration = SignedDuration::from_mins(10);

/// Maximum number of items that are read at once. Of jobs and deliveries that can't go on, all are looked at: they stay at
/// the head of their lists and would hide the others.
const MAX_ITEMS: usize = 500;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Whether it stopped before it was done. The next one continues.
    pub out_of_time: bool,
    /// Deliveries that were finished.
    pub recorded: usize,
    /// Spooled deliveries that were accepted.
    pub taken_in: usize,
    /// Deliveries that still can't be finished.
    pub still_unfinished: usize,
    /// Archive jobs that became due.
    pub made_due: usize,
    /// Age of the oldest stuck archive job, in seconds; 0 if none is stuck.
    pub oldest_due_seconds: u64,
    /// Time since the oldest of the jobs whose waiting time is over was requested, in seconds; 0 if there is none.
    pub oldest_waiting_seconds: u64,
}

/// Finishes interrupted work.
pub struct Sweep {
    ledger: Ledger,
    services: Services,
    download_hosts: HostPatterns,
}

impl Sweep {
    /// A sweep with these settings' storage. Jobs that are blocked on a host go on once `DOWNLOAD_HOSTS` allows it.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        Self {
            ledger: Ledger::new(aws, settings.storage()),
            services: Services::start(settings, aws),
            download_hosts: settings.download_hosts.clone(),
        }
    }

    /// One run, as if it were `now`. Runs may happen at any time, also concurrently.
    ///
    /// # Errors
    /// If DynamoDB can't be queried.
    pub async fn run(&self, now: Timestamp) -> Result<Swept, LedgerError> {
        self.run_until(Deadline::NONE, now).await
    }

    /// The same, within this time. Jobs come first: waking them takes a write each, while a large batch takes seconds. The
    /// metrics of a part are logged as soon as it is done.
    ///
    /// # Errors
    /// If DynamoDB can't be queried. What could be done was done all the same.
    pub async fn run_until(&self, deadline: Deadline, now: Timestamp) -> Result<Swept, LedgerError> {
        let mut swept = Swept::default();
        let jobs = self.wake_jobs(deadline.first_of(3), now, &mut swept).await;
        if jobs.is_ok() {
            tracing::info!(
                event = "jobs_swept",
                made_due = swept.made_due,
                metric.OldestDueArchive = swept.oldest_due_seconds,
                metric.OldestWaitingArchive = swept.oldest_waiting_seconds,
            );
        }
        self.accept_spooled(deadline.first_of(2), &mut swept).await;
        self.finish_deliveries(deadline, now, &mut swept).await?;
        tracing::info!(
            event = "deliveries_swept",
            recorded = swept.recorded,
            taken_in = swept.taken_in,
            still_unfinished = swept.still_unfinished,
            out_of_time = swept.out_of_time,
            metric.UnfinishedDeliveries = swept.still_unfinished,
        );
        jobs.map(|()| swept)
    }

    /// Accepts and records deliveries that were spooled in the bucket while DynamoDB couldn't accept them.
    async fn accept_spooled(&self, deadline: Deadline, swept: &mut Swept) {
        let spooled = match self.ledger.spooled(MAX_ITEMS).await {
            Ok(spooled) => spooled,
            Err(problem) => {
                // Everything else can still be swept.
                tracing::error!(event = "pending_unknown", problem = %problem);
                return;
            }
        };
        for spooled in spooled {
            if deadline.is_over() {
                swept.out_of_time = true;
                return;
            }
            let recorded = match self.ledger.accept_spooled(&spooled).await {
                Ok(Some(delivery)) => intake::record(&self.ledger, &self.services, &delivery).await.map(drop),
                Ok(None) => continue,
                Err(problem) => Err(problem),
            };
            match recorded {
                Ok(()) => swept.taken_in += 1,
                Err(problem) => {
                    tracing::error!(event = "still_pending", problem = %problem);
                    swept.still_unfinished += 1;
                }
            }
        }
    }

    async fn finish_deliveries(
        &self,
        deadline: Deadline,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page = self.ledger.unfinished_page(before(now, LEFT_BEHIND), after, MAX_ITEMS).await?;
            for id in page.items {
                if deadline.is_over() {
                    swept.out_of_time = true;
                    return Ok(());
                }
                self.finish_delivery(&id, swept).await;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Finishes a delivery. One that can't be finished must not keep the others from being finished.
    async fn finish_delivery(&self, id: &DeliveryId, swept: &mut Swept) {
        let recorded = match self.ledger.delivery(id).await {
            Ok(Some(stored)) => intake::record(&self.ledger, &self.services, &stored.delivery).await.map(drop),
            Ok(None) => return,
            Err(problem) => Err(problem),
        };
        match recorded {
            Ok(()) => swept.recorded += 1,
            Err(problem) => {
                tracing::error!(event = "still_unfinished", delivery = %id, problem = %problem);
                swept.still_unfinished += 1;
            }
        }
    }

    async fn wake_jobs(&self, deadline: Deadline, now: Timestamp, swept: &mut Swept) -> Result<(), LedgerError> {
        let mut jobs = self.ledger.jobs(ArchiveState::Waiting, Some(now), MAX_ITEMS).await?;
        let not_taken = self.ledger.jobs(ArchiveState::Due, Some(before(now, NOT_TAKEN)), MAX_ITEMS).await?;
        swept.oldest_due_seconds = oldest(not_taken.iter().filter_map(|job| job.due_since), now);
        swept.oldest_waiting_seconds = oldest(jobs.iter().filter_map(|job| job.requested_at), now);
        jobs.extend(not_taken);
        self.wake_all(&jobs, swept).await?;
        let is_allowed = |job: &ArchiveJob| match &job.blocked_host {
            Some(host) => self.download_hosts.allows(host),
            None => true,
        };
        let mut after = None;
        loop {
            let mut page = self.ledger.jobs_page(ArchiveState::Blocked, Some(now), after, MAX_ITEMS).await?;
            page.items.retain(is_allowed);
            self.wake_all(&page.items, swept).await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
            if deadline.is_over() {
                swept.out_of_time = true;
                return Ok(());
            }
        }
    }

    async fn wake_all(&self, jobs: &[ArchiveJob], swept: &mut Swept) -> Result<(), LedgerError> {
        for job in jobs {
            if self.ledger.wake(job).await? {
                swept.made_due += 1;
            }
        }
        Ok(())
    }
}

/// Seconds since the first of these times; 0 if there is none.
fn oldest(times: impl Iterator<Item = Timestamp>, now: Timestamp) -> u64 {
    let age = times.min().map(|first| time::seconds_between(first, now));
    age.and_then(|seconds| seconds.try_into().ok()).unwrap_or_default()
}

fn before(now: Timestamp, time: SignedDuration) -> Timestamp {
    time::to_millis(now.checked_sub(time).unwrap_or(Timestamp::MIN))
}
