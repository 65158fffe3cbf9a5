//! Archive jobs: the one `ARCHIVE` item of a subject is the job of fetching its final PDFs.
//!
//! The table's stream hands over a job that is `due` and not leased. A worker leases it, does the work and stores the
//! outcome. An event that requests the job again meanwhile raises `revision`. Then the worker's outcome is rejected by
//! its condition, the lease is released, and that very write hands the job over once more. So two workers can't fetch the
//! same document twice, and no request is lost between a worker's last look and its outcome.

mod enqueue;
mod job;
mod lease;

use jiff::Timestamp;

pub use enqueue::OTHER_GROUP;
pub(super) use job::job;
pub use job::{ArchiveJob, ArchiveState, CurrentVersion};
pub use lease::{JobOutcome, Lease};

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Item, KnownStatus, Ledger,
    keys::{self, List, SORT_KEY, attribute},
    table::{CONCURRENT, FIRST, Page, Range, Update, Value, next_place},
};
use crate::{
    domain::{Kind, LedgerError, Subject},
    time,
};

impl Ledger {
    /// The update that makes a job due as if it were new.
    fn due_anew(&self, subject: &Subject) -> Update<'_> {
        let now = time::now();
        self.due_again(subject, now)
            .set(attribute::REQUESTED_AT, now)
            .set(attribute::ATTEMPTS, 0_u32)
            .remove(attribute::REASON)
            .remove(attribute::SECOND_LOOK)
    }

    fn due_again(&self, subject: &Subject, now: Timestamp) -> Update<'_> {
        let partition = subject.partition();
        self.table
            .update(&partition, keys::ARCHIVE)
            .set(attribute::STATE, ArchiveState::Due.as_str())
            .set_all(keys::listed_job(&partition, ArchiveState::Due, now))
            .set_all_if_absent(Item::default().with(attribute::DUE_SINCE, now))
            .add(attribute::REVISION, 1_u32)
            .remove(attribute::NOT_BEFORE)
            .remove(attribute::BLOCKED_HOST)
    }

    /// Whether the event that requested a job is recorded, and the status that follows from it.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn is_recorded(&self, job: &ArchiveJob) -> Result<bool, LedgerError> {
        let items = self.table.partition(&job.subject.partition(), "").await?;
        let is_event = |item: &Item| item.text(attribute::ID).is_some_and(|id| Some(id) == job.source_event.as_deref());
        let state = items.iter().find(|item| item.text(SORT_KEY) == Some(keys::STATE));
        let is_completed = state.is_some_and(|state| KnownStatus::of(state).covers(Kind::Completed));
        Ok(items.iter().any(is_event) && (is_completed || !job.complete))
    }

    /// Notes that one document of a leased job is in the archive, so that it isn't fetched again even if the rest of the
    /// job fails. `slot` is [`super::Pdf::slot`].
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn note_version(
        &self,
        subject: &Subject,
        slot: &str,
        current: &CurrentVersion,
    ) -> Result<(), LedgerError> {
        // A map inside the item would need a second write to exist first; one attribute for each document doesn't.
        self.table
            .update(&subject.partition(), keys::ARCHIVE)
            .set(&keys::version(slot), format!("{} {}", current.sha256, current.version))
            .set(attribute::NEW_PDFS, true)
            .send()
            .await
            .map(drop)
    }

    /// A subject's job; `None` if it has none.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn job(&self, subject: &Subject) -> Result<Option<ArchiveJob>, LedgerError> {
        let item = self.table.get(&subject.partition(), keys::ARCHIVE).await?;
        item.map(|item| job::job(subject.clone(), &item)).transpose()
    }

    /// Notes that no PDF in these slots of a leased job is current any more. The manifest keeps them.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn leave_versions(&self, subject: &Subject, slots: &[&str]) -> Result<(), LedgerError> {
        if slots.is_empty() {
            return Ok(());
        }
        let update = self.table.update(&subject.partition(), keys::ARCHIVE);
        slots.iter().fold(update, |update, slot| update.remove(&keys::version(slot))).send().await.map(drop)
    }

    /// Hands over a due job whose worker is known to be dead, without waiting for its lease to end. `false` if the job
    /// has changed since it was read.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn reclaim(&self, job: &ArchiveJob) -> Result<bool, LedgerError> {
        self.due_again(&job.subject, time::now())
            .remove(attribute::CLAIM)
            .only_if("#state = ? AND #revision = ?", [job.state.as_str().into(), job.revision.into()])
            .was_done()
            .await
    }

    /// Makes a job due on an operator's request, as if it were new and of any group. `false` if the subject has no job.
    ///
    /// A lease that holds stays, because its worker is fetching the documents. It finds that the job was requested again,
    /// and the job is handed over once more when the worker is done.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn retry(&self, subject: &Subject) -> Result<bool, LedgerError> {
        let again = || self.due_anew(subject).remove(attribute::GROUPS);
        let is_free = "attribute_exists(#state) AND (attribute_not_exists(#claim) OR #claim < ?)";
        let free = again().remove(attribute::CLAIM).only_if(is_free, [time::now().into()]);
        if free.was_done().await? {
            return Ok(true);
        }
        again().only_if("attribute_exists(#state)", []).was_done().await
    }

    /// Makes a waiting, blocked or stuck job due. `false` if it is leased, or has changed since it was read.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn wake(&self, job: &ArchiveJob) -> Result<bool, LedgerError> {
        let now = time::now();
        let unchanged: [Value; 3] = [job.state.as_str().into(), job.revision.into(), now.into()];
        self.due_again(&job.subject, now)
            .remove(attribute::CLAIM)
            .only_if("#state = ? AND #revision = ? AND (attribute_not_exists(#claim) OR #claim < ?)", unchanged)
            .was_done()
            .await
    }

    /// The jobs of a state that entered it, or are due again, before `before`; the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn jobs(
        &self,
        state: ArchiveState,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<ArchiveJob>, LedgerError> {
        Ok(self.jobs_page(state, before, None, limit).await?.items)
    }

    /// A page of [`Ledger::jobs`]. `after` is the previous page's `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn jobs_page(
        &self,
        state: ArchiveState,
        before: Option<Timestamp>,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<ArchiveJob>, LedgerError> {
        let range = Range { prefix: "", before: before.map(time::format), after, descending: false, limit };
        let entries = self.table.list(List::Archive(state).partitions(), &range).await?;
        let reads = (0..entries.len()).map(|index| self.table.get(&entries[index].partition, keys::ARCHIVE));
        let items: Vec<Option<Item>> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
        let mut jobs = Vec::new();
        for (entry, item) in entries.iter().zip(items) {
            // The index is eventually consistent: the job may have another state by now.
            let Some(item) = item.filter(|item| item.text(attribute::STATE) == Some(state.as_str())) else { continue };
            match keys::parse_subject(&entry.partition).and_then(|subject| job(subject, &item)) {
                Ok(job) => jobs.push(job),
                // An item that another program wrote must not keep the other jobs from being done.
                Err(problem) => {
                    tracing::error!(event = "job_unreadable", partition = entry.partition, %problem);
                }
            }
        }
        Ok(Page { items: jobs, next: next_place(&entries, limit) })
    }

    /// The number of jobs in a state, counted up to about `at_most`: an operator with more than that only needs to know
    /// that there are many.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn count_jobs(&self, state: ArchiveState, at_most: usize) -> Result<usize, LedgerError> {
        self.table.count(List::Archive(state).partitions(), FIRST, at_most).await
    }
}
