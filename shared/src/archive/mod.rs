//! The archive: fetches the final PDFs of a subject, checks them, and puts them into the bucket by their content.
//!
//! One run works on one job: lease it, query the provider's API for the final documents, fetch those that aren't archived
//! in their version yet, complete the job. Each archived document is noted at once, so a run that ends early is
//! continued and not repeated. A run stores its outcome before its function is ended, and an attempt counts from the lease
//! on: a worker that is killed all the same doesn't get its job for ever.

mod coding;
mod contents;
mod current;
mod download;
mod member_name;
mod members;
mod outcome;
mod pdf_file;
mod signatures;
mod spool;
mod store;
mod zip;

use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};

pub use contents::{FoundPdf, find_pdfs};
pub use spool::remove_leftovers;
use tokio::time::{Instant, timeout_at};

use self::{
    contents::Contents,
    members::Candidate,
    outcome::{is_exhausted, outcome},
    pdf_file::PdfFile,
    signatures::Signatures,
};
use crate::{
    aws::Aws,
    domain::{FileName, FinalDocument, Inspection, Kind, LedgerError, Stop, Subject, Unavailable},
    intake,
    ledger::{
        ArchiveJob, CurrentVersion, FORGOTTEN, HashedBytes, JobOutcome, Lease, Ledger, OTHER_GROUP, Pdf, ReportedStatus,
    },
    outbound::{Client, Timeouts, UrlPolicy},
    providers::Services,
    settings::Settings,
    time,
};

/// The worker's function ends after 15 minutes at most (Lambda's own limit). A lease must outlive that.
const LEASE: SignedDuration = SignedDuration::from_mins(16);

/// Time that is kept for storing a job's outcome before the function ends.
const RESERVE: Duration = Duration::from_secs(30);

/// A service may take its time to render a PDF; a large one may take minutes to arrive.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(60),
    stall: Duration::from_secs(20),
    total: Duration::from_secs(240),
};

/// Works on archive jobs.
pub struct Archiver {
    ledger: Ledger,
    services: Services,
    client: Client,
    store: store::Store,
    signatures: Signatures,
}

impl Archiver {
    /// An archiver with these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let policy = UrlPolicy::new(settings.download_hosts.clone(), settings.allow_insecure);
        Self {
            ledger: Ledger::new(aws, settings.storage()),
            services: Services::start(settings, aws),
            store: store::Store::new(aws.s3.clone(), settings.bucket.clone()),
            signatures: Signatures::new(settings),
            client: Client::new(policy, TIMEOUTS),
        }
    }

    /// Works on a subject's job, if it is due and no other worker holds its lease. The outcome is stored before `end`, when
    /// the function is ended: a job that isn't done by then failed an attempt, and continues in the next one.
    ///
    /// # Errors
    /// If the ledger can't be read or written. The job is unchanged: another attempt may succeed.
    pub async fn work(&self, subject: &Subject, end: Instant) -> Result<(), LedgerError> {
        let Some(lease) = self.ledger.lease(subject, LEASE).await? else {
            tracing::info!(event = "job_not_due", provider = %subject.provider, subject = %subject.id);
            return Ok(());
        };
        let outcome = if lease.job.forgotten {
            JobOutcome::Unwanted { reason: FORGOTTEN.to_owned() }
        } else if is_exhausted((&lease.job).into()) {
            JobOutcome::Failed { reason: "interrupted".to_owned() }
        } else {
            let work = async {
                // Boxed, because it is rare, and its future is larger than all the rest.
                self.finish_recording(&lease.job).boxed().await?;
                self.fetch(&lease).await
            };
            let done = timeout_at(end.checked_sub(RESERVE).unwrap_or(end), work).await;
            match done.unwrap_or_else(|_| Err(Unavailable::failed("out_of_time").into())) {
                Ok(()) => JobOutcome::Archived,
                Err(Stop::Unavailable(unavailable)) => outcome(unavailable, (&lease.job).into(), time::now()),
                Err(Stop::Ledger(error)) => return Err(error),
            }
        };
        log(subject, &outcome);
        self.ledger.complete(&lease, &outcome).await
    }

    /// Records the delivery that requested a job, if that was interrupted after the job became due.
    async fn finish_recording(&self, job: &ArchiveJob) -> Result<(), LedgerError> {
        let Some(id) = &job.delivery else { return Ok(()) };
        if self.ledger.is_recorded(job).await? {
            return Ok(());
        }
        let delivery = match self.ledger.delivery(id).await {
            Ok(Some(stored)) => stored.delivery,
            Err(problem) if problem.is_temporary() => return Err(problem),
            // What can't be read can't be recorded, but the service's API may know the documents.
            Ok(None) | Err(_) => return Ok(()),
        };
        tracing::info!(event = "recorded_by_worker", provider = %job.subject.provider, subject = %job.subject.id, delivery = %id);
        intake::record(&self.ledger, &self.services, &delivery).await.map(drop)
    }

    /// Fetches the missing documents. All are tried: one that is unavailable doesn't stop the others.
    async fn fetch(&self, lease: &Lease) -> Result<(), Stop> {
        let job = &lease.job;
        let subject = &job.subject;
        let service = self.services.of(subject.provider);
        let inspection = service.inspect(&self.client, subject, &self.ledger).await?;
        if !job.groups.is_empty() && inspection.group.as_ref().is_some_and(|group| !job.groups.contains(group)) {
            return Err(Unavailable::Unwanted { reason: OTHER_GROUP.to_owned() }.into());
        }
        self.record_report(subject, &inspection, time::now()).await?;
        if !job.complete && inspection.status != Some(Kind::Completed) && inspection.unavailable.is_none() {
            // Nothing says that the subject is complete, so its documents may be drafts.
            return Err(Unavailable::NotComplete { reason: "status_not_reported".to_owned(), ended: false }.into());
        }
        let mut first_failure = inspection.unavailable;
        for document in &inspection.documents {
            let slot = Pdf::slot(&document.document, document.role);
            if job.versions.get(&slot).is_some_and(|current| current.version == document.version) {
                continue;
            }
            let archived = match self.ledger.entered(subject, &slot, &document.version).await? {
                Some(sha256) => Ok(sha256),
                None => self.archive(lease, document).await,
            };
            match archived {
                Ok(sha256) => {
                    let current = CurrentVersion { version: document.version.clone(), sha256 };
                    self.ledger.note_version(subject, &slot, &current).await?;
                }
                Err(Stop::Unavailable(unavailable)) => {
                    let (reason, host) = (unavailable.reason(), unavailable.host());
                    tracing::warn!(event = "document_not_archived", provider = %subject.provider, subject = %subject.id, document = document.document, reason, host);
                    first_failure.get_or_insert(unavailable);
                }
                Err(stop @ Stop::Ledger(_)) => return Err(stop),
            }
        }
        match first_failure {
            Some(unavailable) => Err(unavailable.into()),
            None => Ok(self.leave_superseded(job, &inspection.documents).await?),
        }
    }

    /// Stops calling current what none of `documents` is: all that the service lists, and all archived.
    async fn leave_superseded(&self, leased: &ArchiveJob, documents: &[FinalDocument]) -> Result<(), LedgerError> {
        // An empty list says nothing about the documents.
        if documents.is_empty() || current::superseded(&leased.versions, documents).is_empty() {
            return Ok(());
        }
        // This run may have archived other versions since the job was leased.
        let Some(job) = self.ledger.job(&leased.subject).await? else { return Ok(()) };
        self.ledger.leave_versions(&job.subject, &current::superseded(&job.versions, documents)).await
    }

    /// Records what the API reports about the subject: its request, its status and its signers.
    async fn record_report(
        &self,
        subject: &Subject,
        inspection: &Inspection,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if let Some(request) = &inspection.request {
            let request = Subject { id: request.clone(), ..subject.clone() };
            self.ledger.join(&request, subject).await?;
        }
        if let Some(status) = inspection.status {
            let reported = ReportedStatus { subject: subject.clone(), status, changed_at: inspection.changed_at };
            self.ledger.report(&reported, now).await?;
        }
        for (link, status) in &inspection.signers {
            self.ledger.confirm_signer(link, *status, now).await?;
        }
        Ok(())
    }

    /// Downloads a document, checks it and keeps it. Returns its hash.
    async fn archive(&self, lease: &Lease, document: &FinalDocument) -> Result<String, Stop> {
        let downloaded = download::download(&self.client, document).await?;
        let opened = tokio::task::spawn_blocking(move || Contents::open(downloaded.file, &downloaded.codings)).await;
        let contents = opened.unwrap_or_else(|_| Err(Unavailable::failed("check_failed")))?;
        let hashed = document.sha256.as_deref().map(|expected| contents.compare(expected)).transpose()?;
        if let [only] = contents.pdfs.as_slice() {
            return self.keep(lease, document, &document.document, document.file_name.clone(), only, hashed).await;
        }
        let subject = &lease.job.subject;
        let known = self.ledger.members(subject, &document.document, document.role).await?;
        let candidates = contents.pdfs.iter().map(|pdf| Candidate { sha256: &pdf.sha256, name: pdf.name.as_deref() });
        let numbers = members::numbers(&known, &candidates.collect::<Vec<_>>());
        for (number, file) in numbers.into_iter().zip(&contents.pdfs) {
            let id = Pdf::member(&document.document, number);
            let file_name = document.file_name.as_ref().map(|name| name.numbered(number));
            let sha256 = self.keep(lease, document, &id, file_name, file, hashed).await?;
            let current = CurrentVersion { version: document.version.clone(), sha256 };
            self.ledger.note_version(subject, &Pdf::slot(&id, document.role), &current).await?;
        }
        Ok(contents.sha256)
    }

    /// Puts a checked PDF into the bucket and enters it into the manifest. Returns its hash.
    async fn keep(
        &self,
        lease: &Lease,
        document: &FinalDocument,
        id: &str,
        file_name: Option<FileName>,
        file: &PdfFile,
        hashed: Option<HashedBytes>,
    ) -> Result<String, Stop> {
        let subject = &lease.job.subject;
        let key = format!("{}/{}/{id}/{}.pdf", subject.provider, subject.id, file.sha256);
        self.store.put(&key, file).await?;
        let signatures = self.signatures.of(file.file.path()).await;
        signatures::log(subject, &file.sha256, &signatures);
        let pdf = Pdf {
            provider: subject.provider,
            subject: subject.id.clone(),
            document: id.to_owned(),
            role: document.role,
            file_name,
            key,
            size: file.size,
            sha256: file.sha256.clone(),
            archived_at: time::now(),
            version: Some(document.version.clone()).filter(|version| !version.is_empty()),
            source_event: lease.job.source_event.clone(),
            name: file.name.clone(),
            trailing_bytes: file.trailing_bytes,
            service_hash: hashed,
            signatures: Some(signatures),
            current: true,
        };
        self.ledger.enter_pdf(subject, &pdf).await?;
        tracing::info!(
            event = "document_archived",
            provider = %pdf.provider,
            subject = %subject.id,
            document = pdf.document,
            role = pdf.role.as_str(),
            size = pdf.size,
            sha256 = pdf.sha256,
            trailing_bytes = pdf.trailing_bytes,
            service_hash = hashed.map(HashedBytes::as_str),
            metric.ArchivedDocuments = 1,
        );
        Ok(pdf.sha256)
    }
}

/// Logs the outcome of a job.
fn log(subject: &Subject, outcome: &JobOutcome) {
    let (provider, subject) = (subject.provider, &subject.id);
    match outcome {
        JobOutcome::Archived => tracing::info!(event = "archived", %provider, %subject),
        JobOutcome::Cancelled => tracing::info!(event = "archive_withdrawn", %provider, %subject),
        JobOutcome::Waiting { not_before, reason, failed, .. } => {
            tracing::info!(event = "archive_waiting", %provider, %subject, reason, failed, not_before = time::format(*not_before));
        }
        JobOutcome::Blocked { host } => {
            tracing::error!(event = "archive_blocked", %provider, %subject, host, metric.ArchivesBlocked = 1);
        }
        JobOutcome::Denied { reason, not_before } => {
            tracing::error!(event = "archive_blocked", %provider, %subject, reason, not_before = time::format(*not_before), metric.ArchivesBlocked = 1);
        }
        JobOutcome::Failed { reason } => {
            tracing::error!(event = "archive_failed", %provider, %subject, reason, metric.ArchivesFailed = 1);
        }
        JobOutcome::Foreign { reason } => {
            tracing::warn!(event = "archive_foreign", %provider, %subject, reason, metric.ArchivesForeign = 1);
        }
        JobOutcome::Unwanted { reason } => tracing::info!(event = "archive_unwanted", %provider, %subject, reason),
    }
}
