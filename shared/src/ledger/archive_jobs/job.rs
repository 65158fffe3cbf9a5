//! An archive job as it is stored.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{DeliveryId, LedgerError, Subject},
    ledger::{
        Item, Pdf,
        keys::{VERSION_PREFIX, attribute},
    },
};

/// The state of an archive job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveState {
    /// To be done now.
    Due,
    /// To be done at a later time.
    Waiting,
    /// Done.
    Archived,
    /// An operator has to allow a host, or correct the API's credentials, first.
    Blocked,
    /// Given up after the last attempt.
    Failed,
    /// The provider's API doesn't know the subject as ours, or its documents aren't wanted.
    Foreign,
}

impl ArchiveState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Due, Self::Waiting, Self::Archived, Self::Blocked, Self::Failed, Self::Foreign];

    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Waiting => "waiting",
            Self::Archived => "archived",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Foreign => "foreign",
        }
    }

    /// Parses [`ArchiveState::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// An archive job as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveJob {
    /// The subject whose documents are fetched.
    pub subject: Subject,
    /// Its state.
    pub state: ArchiveState,
    /// The number of failed attempts since it was last requested, including those whose worker was killed.
    pub attempts: u32,
    /// When it is due again, while it waits or is blocked by the API's credentials.
    pub not_before: Option<Timestamp>,
    /// When it was last requested, by an event or an operator.
    pub requested_at: Option<Timestamp>,
    /// Since when it has been due, however often it was handed over since.
    pub due_since: Option<Timestamp>,
    /// Why it has this state: a stable code, followed by the host if one is blocked.
    pub reason: Option<String>,
    /// The number of events that requested it.
    pub requests: usize,
    /// The event that requested it last.
    pub source_event: Option<String>,
    /// The delivery of that event, if it may have been interrupted before the event was recorded.
    pub delivery: Option<DeliveryId>,
    /// Whether an event reported that the subject is complete. Otherwise an event only requested a query of the provider's API.
    pub complete: bool,
    /// The groups whose documents are wanted; empty for all.
    pub groups: Vec<String>,
    /// The version of each current document, by [`Pdf::slot`](crate::ledger::Pdf::slot). These aren't fetched again.
    pub versions: BTreeMap<String, CurrentVersion>,
    pub(super) revision: u64,
    /// The provider's host that isn't allowed, while the job is blocked.
    pub blocked_host: Option<String>,
    /// Whether the subject's personal data was erased on request: nothing of it is fetched again.
    pub forgotten: bool,
    /// Whether it waited because the API didn't know the subject, so that the next look at the API decides.
    pub second_look: bool,
    /// Whether PDFs were archived since all of them last were.
    pub new_pdfs: bool,
}

/// What is archived for one document in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentVersion {
    /// The provider's marker of its version; empty if there is none.
    pub version: String,
    /// The archived file's hash, in hex.
    pub sha256: String,
}

impl ArchiveJob {
    /// A job in this state, about which nothing else is known.
    #[cfg(test)]
    pub(crate) fn new(subject: Subject, state: ArchiveState) -> Self {
        Self {
            subject,
            state,
            attempts: 0,
            not_before: None,
            requested_at: None,
            due_since: None,
            reason: None,
            requests: 0,
            source_event: None,
            delivery: None,
            complete: false,
            groups: Vec::new(),
            versions: BTreeMap::new(),
            revision: 0,
            blocked_host: None,
            forgotten: false,
            second_look: false,
            new_pdfs: false,
        }
    }

    /// Whether a PDF of its subject is the latest of its document and role.
    pub(in crate::ledger) fn is_current(&self, pdf: &Pdf) -> bool {
        let current = self.versions.get(&Pdf::slot(&pdf.document, pdf.role));
        current.is_some_and(|current| current.sha256 == pdf.sha256)
    }
}

/// Reads the archive job of `subject` from its item.
pub(in crate::ledger) fn job(subject: Subject, item: &Item) -> Result<ArchiveJob, LedgerError> {
    let number = |name| item.number(name).unwrap_or_default();
    let versions = item.attributes().filter_map(|(name, value)| {
        let (slot, AttributeValue::S(text)) = (name.strip_prefix(VERSION_PREFIX)?, value) else { return None };
        let (sha256, version) = text.split_once(' ')?;
        Some((slot.to_owned(), CurrentVersion { version: version.to_owned(), sha256: sha256.to_owned() }))
    });
    Ok(ArchiveJob {
        subject,
        state: item.parse(attribute::STATE, ArchiveState::parse)?,
        attempts: u32::try_from(number("attempts")).unwrap_or(u32::MAX),
        not_before: item.optional_time(attribute::NOT_BEFORE),
        requested_at: item.optional_time(attribute::REQUESTED_AT),
        due_since: item.optional_time(attribute::DUE_SINCE),
        reason: item.text(attribute::REASON).map(str::to_owned),
        requests: item.set_size(attribute::REQUESTS),
        source_event: item.text(attribute::SOURCE_EVENT).map(str::to_owned),
        delivery: item.text(attribute::DELIVERY).and_then(|id| id.parse().ok()),
        complete: item.flag(attribute::COMPLETE),
        groups: item.list(attribute::GROUPS),
        versions: versions.collect(),
        revision: number("revision"),
        blocked_host: item.text(attribute::BLOCKED_HOST).map(str::to_owned),
        forgotten: item.text(attribute::FORGOTTEN_AT).is_some(),
        second_look: item.flag(attribute::SECOND_LOOK),
        new_pdfs: item.flag(attribute::NEW_PDFS),
    })
}
