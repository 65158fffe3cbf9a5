//! Leases: a job that one worker alone is working on, and the outcome of that work.

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};

use super::{ArchiveJob, ArchiveState, job};
use crate::{
    domain::{LedgerError, Subject},
    ledger::{
        Ledger,
        keys::{self, INDEX_PARTITION_KEY, INDEX_SORT_KEY, attribute},
        table::{Update, Updated, Value},
    },
    time,
};

/// A job that one worker alone is working on, until the lease ends.
#[derive(Debug)]
pub struct Lease {
    /// The job, with the attempts before this lease.
    pub job: ArchiveJob,
    until: Timestamp,
}

/// The job wasn't requested again since it was leased, and the lease still holds.
const UNCHANGED: &str = "#revision = ? AND #claim = ?";

impl Lease {
    fn unchanged(&self) -> [Value; 2] {
        [self.job.revision.into(), self.until.into()]
    }
}

/// The outcome of the work on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// All its documents are in the archive.
    Archived,
    /// It is due again later.
    Waiting {
        /// When.
        not_before: Timestamp,
        /// Why, as a stable code.
        reason: String,
        /// Whether an attempt failed. Otherwise it was only too early.
        failed: bool,
        /// Whether the API didn't know the subject, so that the next look at the API decides.
        second_look: bool,
    },
    /// A host must be allowed first.
    Blocked {
        /// The host.
        host: String,
    },
    /// The credentials for the service's API must be corrected first.
    Denied {
        /// When to try again without being told that they were.
        not_before: Timestamp,
        /// The API's response, as a stable code.
        reason: String,
    },
    /// Given up.
    Failed {
        /// Why, as a stable code.
        reason: String,
    },
    /// The service's API doesn't know the subject, so it isn't ours.
    Foreign {
        /// Why, as a stable code.
        reason: String,
    },
    /// Its documents aren't wanted. Stored as foreign.
    Unwanted {
        /// Why, as a stable code.
        reason: String,
    },
    /// The API was queried, and there is nothing to archive: the job no longer exists.
    Cancelled,
}

impl Ledger {
    /// Leases a job for `lasting`, after which no worker can still be working on it. `None` if the job isn't due or is
    /// leased already. The lease itself counts as an attempt, until an outcome says that it didn't fail.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn lease(&self, subject: &Subject, lasting: SignedDuration) -> Result<Option<Lease>, LedgerError> {
        let now = time::now();
        let until = now.checked_add(lasting).unwrap_or(now);
        let updated = self
            .table
            .update(&subject.partition(), keys::ARCHIVE)
            .set(attribute::CLAIM, until)
            .add(attribute::ATTEMPTS, 1_u32)
            .only_if(
                "#state = ? AND (attribute_not_exists(#claim) OR #claim < ?)",
                [ArchiveState::Due.as_str().into(), now.into()],
            )
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        match updated {
            Updated::Done(item) => {
                let mut job = job(subject.clone(), &item)?;
                job.attempts = job.attempts.saturating_sub(1);
                Ok(Some(Lease { job, until }))
            }
            Updated::ConditionFailed(_) => Ok(None),
        }
    }

    /// Stores the outcome and releases the lease. If the job was requested again meanwhile, it stays due and is handed
    /// over once more.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn complete(&self, lease: &Lease, outcome: &JobOutcome) -> Result<(), LedgerError> {
        let now = time::now();
        let (job, partition) = (&lease.job, lease.job.subject.partition());
        let (state, reason, attempts) = match outcome {
            JobOutcome::Archived => (ArchiveState::Archived, None, job.attempts),
            JobOutcome::Waiting { reason, failed, .. } => {
                (ArchiveState::Waiting, Some(reason.clone()), job.attempts + u32::from(*failed))
            }
            JobOutcome::Blocked { host } => {
                (ArchiveState::Blocked, Some(format!("host_not_allowed: {host}")), job.attempts)
            }
            JobOutcome::Failed { reason } => (ArchiveState::Failed, Some(reason.clone()), job.attempts + 1),
            JobOutcome::Denied { reason, .. } => (ArchiveState::Blocked, Some(reason.clone()), job.attempts),
            JobOutcome::Foreign { reason } | JobOutcome::Unwanted { reason } => {
                (ArchiveState::Foreign, Some(reason.clone()), job.attempts)
            }
            JobOutcome::Cancelled => return self.cancel(lease).await,
        };
        let mut update = self.table.update(&partition, keys::ARCHIVE);
        let mut listed_at = now;
        if let JobOutcome::Waiting { not_before, .. } | JobOutcome::Denied { not_before, .. } = outcome {
            update = update.set(attribute::NOT_BEFORE, *not_before);
            listed_at = *not_before;
        }
        if let JobOutcome::Blocked { host } = outcome {
            update = update.set(attribute::BLOCKED_HOST, host.as_str());
        }
        if matches!(outcome, JobOutcome::Archived) {
            update = update.remove(attribute::NEW_PDFS);
        }
        update = match outcome {
            JobOutcome::Waiting { second_look: true, .. } => update.set(attribute::SECOND_LOOK, true),
            _ => update.remove(attribute::SECOND_LOOK),
        };
        update = match reason {
            Some(reason) => update.set(attribute::REASON, reason),
            None => update.remove(attribute::REASON),
        };
        let is_stored = update
            .set(attribute::STATE, state.as_str())
            .set(attribute::ATTEMPTS, attempts)
            .set(attribute::SETTLED_AT, now)
            .set_all(keys::listed_job(&partition, state, listed_at))
            .remove(attribute::CLAIM)
            .remove(attribute::DUE_SINCE)
            .only_if(UNCHANGED, lease.unchanged())
            .was_done()
            .await?;
        if is_stored { Ok(()) } else { self.release(lease).await }
    }

    /// Cancels a job, as if it had never been due. The versions that it remembers stay.
    async fn cancel(&self, lease: &Lease) -> Result<(), LedgerError> {
        let update = self.table.update(&lease.job.subject.partition(), keys::ARCHIVE);
        let gone = [
            attribute::STATE,
            attribute::REASON,
            attribute::CLAIM,
            attribute::DUE_SINCE,
            attribute::SECOND_LOOK,
            attribute::ATTEMPTS,
            INDEX_PARTITION_KEY,
            INDEX_SORT_KEY,
        ];
        let update = gone.into_iter().fold(update, Update::remove);
        let is_cancelled = update.only_if(UNCHANGED, lease.unchanged()).was_done().await?;
        if is_cancelled { Ok(()) } else { self.release(lease).await }
    }

    /// Releases a lease without an outcome: the job is due, and is handed over again.
    async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        let update = self.table.update(&lease.job.subject.partition(), keys::ARCHIVE).remove(attribute::CLAIM);
        update.only_if("#claim = ?", [lease.until.into()]).was_done().await.map(drop)
    }
}
