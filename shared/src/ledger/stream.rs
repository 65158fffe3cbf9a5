//! The table's stream: what one write changed, read from the item before and after it.
//!
//! Only the items that other systems hear of are read: statuses, archive jobs and deliveries.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    ArchiveJob, Item, Ledger, archive_jobs,
    keys::{self, PARTITION_KEY, SORT_KEY, attribute},
    status,
};
use crate::domain::{DeliveryId, Kind, LedgerError, Outcome, Provider, Subject, Trust};

/// What one write changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The status of a subject.
    Status {
        /// The subject.
        subject: Subject,
        /// What was known before.
        before: StatusImage,
        /// What is known now.
        after: StatusImage,
    },
    /// An archive job. A cancelled job is `None`, as one that never existed.
    Job {
        /// The document or pack.
        subject: Subject,
        /// The job before.
        before: Option<Box<ArchiveJob>>,
        /// The job now.
        after: Option<Box<ArchiveJob>>,
    },
    /// A delivery.
    Delivery {
        /// Its id.
        id: DeliveryId,
        /// The service that sent it.
        provider: Provider,
        /// What had become of it before.
        before: Option<Outcome>,
        /// What became of it.
        after: Outcome,
        /// Why, as a stable code.
        reason: Option<String>,
    },
}

/// What is known of a subject's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusImage {
    /// The status.
    pub status: Option<Kind>,
    /// When the service's API last confirmed that status.
    pub confirmed_at: Option<Timestamp>,
    /// Every status that was ever reported, whichever came first.
    pub reports: BTreeMap<Kind, Report>,
    /// When its personal data was erased on request.
    pub forgotten_at: Option<Timestamp>,
}

/// A status that was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The greatest trust of its reports.
    pub trust: Trust,
    /// When it happened, by the first report of that trust.
    pub occurred_at: Timestamp,
}

impl StatusImage {
    /// Whether two statuses were reported that can't both be the last.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.reports.keys().filter(|kind| kind.is_terminal()).count() > 1
    }

    /// What a subject's `STATE` item says.
    pub(super) fn of(state: &Item) -> Self {
        let report = |kind: Kind, trust: Trust| {
            let occurred_at = state.optional_time(&keys::reported(kind, trust))?;
            Some((kind, Report { trust, occurred_at }))
        };
        let status = status::status_of(state);
        let confirmed = state.text(attribute::CONFIRMED_STATUS).and_then(Kind::parse);
        Self {
            status,
            confirmed_at: state.optional_time(attribute::CONFIRMED_AT).filter(|_| confirmed == status),
            // The stronger report replaces the weaker one.
            reports: Trust::ALL
                .into_iter()
                .flat_map(|trust| Kind::ALL.into_iter().filter_map(move |kind| report(kind, trust)))
                .collect(),
            forgotten_at: state.optional_time(attribute::FORGOTTEN_AT),
        }
    }
}

impl Ledger {
    /// What is known of a subject's status; nothing if the subject isn't known.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn status_image(&self, subject: &Subject) -> Result<StatusImage, LedgerError> {
        let state = self.table.get(&subject.partition(), keys::STATE).await?;
        Ok(state.as_ref().map(StatusImage::of).unwrap_or_default())
    }
}

/// What changed when the item `before` became `after`; `None` for items of other kinds.
///
/// # Errors
/// When an item lacks an attribute that every item of its kind has: some other program wrote it.
pub fn change(before: Option<&Item>, after: &Item) -> Result<Option<Change>, LedgerError> {
    let partition = after.need(PARTITION_KEY)?;
    let change = match after.need(SORT_KEY)? {
        keys::STATE => Change::Status {
            subject: keys::parse_subject(partition)?,
            before: before.map(StatusImage::of).unwrap_or_default(),
            after: StatusImage::of(after),
        },
        keys::ARCHIVE => {
            let subject = keys::parse_subject(partition)?;
            let job = |item: &Item| {
                let exists = item.text(attribute::STATE).is_some();
                exists.then(|| archive_jobs::job(subject.clone(), item).map(Box::new)).transpose()
            };
            let before = before.map(job).transpose()?.flatten();
            Change::Job { before, after: job(after)?, subject }
        }
        keys::DELIVERY => Change::Delivery {
            id: keys::parse_delivery(partition)?,
            provider: after.parse(attribute::PROVIDER, |name| name.parse().ok())?,
            before: before.and_then(|item| item.text(attribute::OUTCOME)).and_then(Outcome::parse),
            after: after.parse(attribute::OUTCOME, Outcome::parse)?,
            reason: after.text(attribute::REASON).map(str::to_owned),
        },
        _ => return Ok(None),
    };
    Ok(Some(change))
}
