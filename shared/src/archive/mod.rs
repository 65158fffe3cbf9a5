//! The archive: fetches the final PDFs of a subject, checks them and puts them into the bucket by their content.
//!
//! One order is one run: claim it, ask the provider's API what there is, fetch what isn't there in its version yet,
//! settle the order. Every document that got into the bucket is noted at once, so a run that ends early is continued,
//! not repeated.

mod file;
mod pdf;
mod store;
mod unpack;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use pdf::PdfFault;

use self::file::PdfFile;
use crate::{
    aws::Aws,
    event::{Kind, TimeSource},
    intake::Link,
    ledger::{Claim, CurrentVersion, FORGOTTEN, Ledger, LedgerError, OTHER_GROUP, Order, OrderOutcome, Pdf, Role},
    outbound::{Client, Credential, OutboundError, Timeouts, UrlPolicy},
    providers::Apis,
    settings::Settings,
    subject::Subject,
    time,
};

/// The worker's function ends after 15 minutes at most (Lambda's own limit); a claim must outlive that.
const CLAIM: SignedDuration = SignedDuration::from_mins(16);

/// A service may take its time to render a PDF; a large one may take minutes to come.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(60),
    stall: Duration::from_secs(20),
    total: Duration::from_secs(240),
};

/// After these pauses a failed order is tried again; after the last one it is given up. Together they are two days:
/// longer than any outage that a service's users would bear.
const BACKOFF: [SignedDuration; 8] = [
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(15),
    SignedDuration::from_hours(24),
];

/// A document that isn't ready yet is asked for again this much later, unless the service says when.
const NOT_READY: SignedDuration = SignedDuration::from_mins(2);

/// No service puts an order off for longer: one that says "in a hundred years" is wrong, and nobody would notice.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// What a provider's API says of a subject whose documents are wanted.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The status that the API gives, in our words.
    pub status: Option<Kind>,
    /// The group that it belongs to, where the service has groups.
    pub group: Option<String>,
    /// Who signs it, and the status that the API gives for each.
    pub signers: Vec<(Link, Option<Kind>)>,
    /// The final documents.
    pub documents: Vec<Wanted>,
    /// When the status came about or was last changed, where the API says so.
    pub changed_at: Option<(Timestamp, TimeSource)>,
    /// What is in the way of having them all.
    pub obstacle: Option<Obstacle>,
}

/// A final document to fetch.
#[derive(Debug)]
pub struct Wanted {
    /// The document's id.
    pub document: String,
    /// What it is.
    pub role: Role,
    /// The service's marker of its version; empty where it gives none.
    pub version: String,
    /// Where it is.
    pub url: String,
    /// The credential that the service's own host wants.
    pub credential: Option<Credential>,
    /// The document's SHA-256 in hex, where the service tells it.
    pub sha256: Option<String>,
}

/// Why an API can't say, or a document can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It isn't ready; that's no failure. Again then, or when it is usual.
    NotReady {
        /// Why, as a stable code.
        reason: String,
        /// How much later the service wants to be asked again.
        after: Option<SignedDuration>,
    },
    /// The subject isn't complete, so there is no final document.
    NotComplete {
        /// Why, as a stable code.
        reason: String,
        /// Whether it never will be: it was declined or removed.
        ended: bool,
    },
    /// It failed; another time may help.
    Failed {
        /// Why, as a stable code.
        reason: String,
    },
    /// The API doesn't know the subject as ours.
    Foreign {
        /// How it said so.
        reason: String,
    },
    /// The document is on a host that isn't allowed.
    HostNotAllowed {
        /// The host.
        host: String,
    },
}

impl Obstacle {
    /// A failure with this code.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    /// Why, as a stable code.
    fn reason(&self) -> &str {
        match self {
            Self::NotReady { reason, .. }
            | Self::NotComplete { reason, .. }
            | Self::Failed { reason }
            | Self::Foreign { reason } => reason,
            Self::HostNotAllowed { .. } => "host_not_allowed",
        }
    }

    fn host(&self) -> Option<&str> {
        if let Self::HostNotAllowed { host } = self { Some(host) } else { None }
    }
}

impl From<OutboundError> for Obstacle {
    fn from(error: OutboundError) -> Self {
        match (error.code(), error.host()) {
            ("host_not_allowed", Some(host)) => Self::HostNotAllowed { host: host.to_owned() },
            (code, _) => Self::failed(code),
        }
    }
}

/// Does archive orders.
pub struct Archiver {
    ledger: Ledger,
    apis: Apis,
    downloads: Client,
    store: store::Store,
}

impl Archiver {
    /// An archiver with these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let policy = UrlPolicy::new(settings.download_hosts.clone(), settings.allow_insecure);
        let downloads = Client::new(policy, TIMEOUTS);
        Self {
            ledger: Ledger::new(aws, &settings.table, &settings.bucket),
            apis: Apis::new(settings, aws, &downloads),
            store: store::Store::new(aws.s3.clone(), settings.bucket.clone()),
            downloads,
        }
    }

    /// Does the order of a subject, if it is due and nobody else is at it.
    ///
    /// # Errors
    /// When the ledger can't be asked or written to; the order is as it was, and doing it again is right.
    pub async fn work(&self, subject: &Subject) -> Result<(), LedgerError> {
        let Some(claim) = self.ledger.claim(subject, CLAIM).await? else {
            tracing::info!(event = "order_not_due", provider = %subject.provider, subject = %subject.id);
            return Ok(());
        };
        let outcome = if claim.order.forgotten {
            OrderOutcome::Foreign { reason: FORGOTTEN.to_owned() }
        } else {
            match self.fetch(&claim).await? {
                Ok(()) => OrderOutcome::Archived,
                Err(obstacle) => outcome(obstacle, Standing::of(&claim.order), time::now()),
            }
        };
        log(subject, &outcome);
        self.ledger.settle(&claim, &outcome).await
    }

    /// Fetches what is missing. All documents are tried, so that one that can't be had doesn't keep the others out.
    async fn fetch(&self, claim: &Claim) -> Result<Result<(), Obstacle>, LedgerError> {
        let subject = &claim.order.subject;
        let inspection = match self.apis.inspect(subject).await {
            Ok(inspection) => inspection,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let groups = &claim.order.groups;
        if !groups.is_empty() && inspection.group.as_ref().is_some_and(|group| !groups.contains(group)) {
            return Ok(Err(Obstacle::Foreign { reason: OTHER_GROUP.to_owned() }));
        }
        let now = time::now();
        if let Some(status) = inspection.status {
            self.ledger.confirm(subject, status, now).await?;
        }
        for (link, status) in &inspection.signers {
            self.ledger.confirm_signer(link, *status, now).await?;
        }
        if !claim.order.complete && inspection.status != Some(Kind::Completed) && inspection.obstacle.is_none() {
            // Nobody said that it is complete: for all that is known, what there is are drafts.
            let reason = "status_not_told".to_owned();
            return Ok(Err(Obstacle::NotComplete { reason, ended: false }));
        }
        let mut first_obstacle = inspection.obstacle;
        for wanted in &inspection.documents {
            let slot = Pdf::slot(&wanted.document, wanted.role);
            let current = claim.order.versions.get(&slot);
            if current.is_some_and(|current| current.version == wanted.version) {
                continue;
            }
            let archived = match self.ledger.entered(subject, &slot, &wanted.version).await? {
                Some(sha256) => Ok(sha256),
                None => self.archive(claim, wanted).await?,
            };
            match archived {
                Ok(sha256) => {
                    let current = CurrentVersion { version: wanted.version.clone(), sha256 };
                    self.ledger.note_version(subject, &slot, &current).await?;
                }
                Err(obstacle) => {
                    let (reason, host) = (obstacle.reason(), obstacle.host());
                    tracing::warn!(event = "document_not_archived", provider = %subject.provider, subject = %subject.id, document = wanted.document, reason, host);
                    first_obstacle.get_or_insert(obstacle);
                }
            }
        }
        Ok(first_obstacle.map_or(Ok(()), Err))
    }

    /// Downloads what is wanted, checks it and keeps it. Gives its hash.
    async fn archive(&self, claim: &Claim, wanted: &Wanted) -> Result<Result<String, Obstacle>, LedgerError> {
        let files = match file::download(&self.downloads, wanted).await {
            Ok(files) => files,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        if let [only] = files.pdfs.as_slice() {
            return self.keep(claim, wanted, &wanted.document, only).await;
        }
        // Several came in a zip: each is a document of its own, named by its position.
        for (position, file) in files.pdfs.iter().enumerate() {
            let document = format!("{}-{}", wanted.document, position + 1);
            match self.keep(claim, wanted, &document, file).await? {
                Ok(sha256) => {
                    let current = CurrentVersion { version: wanted.version.clone(), sha256 };
                    let slot = Pdf::slot(&document, wanted.role);
                    self.ledger.note_version(&claim.order.subject, &slot, &current).await?;
                }
                Err(obstacle) => return Ok(Err(obstacle)),
            }
        }
        Ok(Ok(files.sha256))
    }

    /// Puts a checked PDF into the bucket and enters it into the manifest. Gives its hash.
    async fn keep(
        &self,
        claim: &Claim,
        wanted: &Wanted,
        document: &str,
        file: &PdfFile,
    ) -> Result<Result<String, Obstacle>, LedgerError> {
        let subject = &claim.order.subject;
        let key = format!("{}/{}/{document}/{}.pdf", subject.provider, subject.id, file.sha256);
        if let Err(obstacle) = self.store.put(&key, file).await {
            return Ok(Err(obstacle));
        }
        let pdf = Pdf {
            provider: subject.provider,
            subject: subject.id.to_string(),
            document: document.to_owned(),
            role: wanted.role,
            key,
            size: file.size,
            sha256: file.sha256.clone(),
            archived_at: time::now(),
            version: Some(wanted.version.clone()).filter(|version| !version.is_empty()),
            source_event: claim.order.source_event.clone(),
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
            metric.ArchivedDocuments = 1,
        );
        Ok(Ok(pdf.sha256))
    }
}

/// Tells what the work on an order came to.
fn log(subject: &Subject, outcome: &OrderOutcome) {
    let (provider, subject) = (subject.provider, &subject.id);
    match outcome {
        OrderOutcome::Archived => tracing::info!(event = "archived", %provider, %subject),
        OrderOutcome::Withdrawn => tracing::info!(event = "archive_withdrawn", %provider, %subject),
        OrderOutcome::Waiting { not_before, reason, failed } => {
            tracing::info!(event = "archive_waiting", %provider, %subject, reason, failed, not_before = time::format(*not_before));
        }
        OrderOutcome::Blocked { host } => {
            tracing::error!(event = "archive_blocked", %provider, %subject, host, metric.ArchivesBlocked = 1);
        }
        OrderOutcome::Failed { reason } => {
            tracing::error!(event = "archive_failed", %provider, %subject, reason, metric.ArchivesFailed = 1);
        }
        OrderOutcome::Foreign { reason } => {
            tracing::warn!(event = "archive_foreign", %provider, %subject, reason, metric.ArchivesForeign = 1);
        }
    }
}

/// What counts of an order when there is an obstacle.
#[derive(Clone, Copy)]
struct Standing {
    /// How often it failed before.
    attempts: u32,
    /// Whether an event said that the subject is complete.
    complete: bool,
    /// Whether there is anything in the archive.
    has_pdfs: bool,
}

impl Standing {
    fn of(order: &Order) -> Self {
        Self { attempts: order.attempts, complete: order.complete, has_pdfs: !order.versions.is_empty() }
    }
}

/// What an obstacle makes of an order.
fn outcome(obstacle: Obstacle, order: Standing, now: Timestamp) -> OrderOutcome {
    let later = |pause: SignedDuration| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    match obstacle {
        Obstacle::NotReady { reason, after } => {
            let pause = after.unwrap_or(NOT_READY).clamp(SignedDuration::ZERO, LONGEST_PAUSE);
            OrderOutcome::Waiting { not_before: later(pause), reason, failed: false }
        }
        // The API was asked what happened, and this is the answer; the next callback asks again.
        Obstacle::NotComplete { .. } if !order.complete => {
            if order.has_pdfs {
                OrderOutcome::Archived
            } else {
                OrderOutcome::Withdrawn
            }
        }
        Obstacle::NotComplete { reason, ended: false } => {
            OrderOutcome::Waiting { not_before: later(NOT_READY), reason, failed: false }
        }
        // A callback said that it is complete, so one of the two is wrong.
        Obstacle::NotComplete { reason, ended: true } | Obstacle::Failed { reason } => {
            match BACKOFF.get(order.attempts as usize) {
                Some(pause) => OrderOutcome::Waiting { not_before: later(*pause), reason, failed: true },
                None => OrderOutcome::Failed { reason },
            }
        }
        Obstacle::Foreign { reason } => OrderOutcome::Foreign { reason },
        Obstacle::HostNotAllowed { host } => OrderOutcome::Blocked { host },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T00:00:00Z";

    fn standing(attempts: u32, complete: bool, has_pdfs: bool) -> Standing {
        Standing { attempts, complete, has_pdfs }
    }

    fn outcome_now(obstacle: Obstacle, order: Standing) -> OrderOutcome {
        outcome(obstacle, order, NOW.parse().unwrap())
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later_and_then_given_up() {
        let mut times = Vec::new();
        for attempts in 0.. {
            match outcome_now(Obstacle::failed("http_500"), standing(attempts, true, false)) {
                OrderOutcome::Waiting { not_before, failed: true, .. } => times.push(not_before),
                OrderOutcome::Failed { reason } => {
                    assert_eq!(reason, "http_500");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(times.len(), BACKOFF.len());
        assert!(times.is_sorted());
    }

    #[test]
    fn what_is_not_ready_is_no_failure() {
        let obstacle =
            Obstacle::NotReady { reason: "being_dearchived".to_owned(), after: Some(SignedDuration::from_hours(4)) };
        for complete in [true, false] {
            let waiting = outcome_now(obstacle.clone(), standing(99, complete, false));
            let OrderOutcome::Waiting { not_before, failed, .. } = waiting else { panic!("{waiting:?}") };
            assert_eq!((not_before.to_string().as_str(), failed), ("2026-11-22T04:00:00Z", false));
        }
    }

    #[test]
    fn what_is_not_complete_ends_a_question_and_not_an_order() {
        let not_complete = |ended| Obstacle::NotComplete { reason: "r".to_owned(), ended };
        for ended in [true, false] {
            assert_eq!(outcome_now(not_complete(ended), standing(0, false, false)), OrderOutcome::Withdrawn);
            assert_eq!(outcome_now(not_complete(ended), standing(0, false, true)), OrderOutcome::Archived);
            let waiting = outcome_now(not_complete(ended), standing(0, true, false));
            let OrderOutcome::Waiting { failed, .. } = waiting else { panic!("{waiting:?}") };
            assert_eq!(failed, ended, "what will never be complete is tried again only so often");
        }
    }
}
