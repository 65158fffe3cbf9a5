//! Views: lists of documents, and the timeline of one.

use std::cmp::Ordering;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveState, EventView, Item, Ledger, Pdf, SubjectView, archive_jobs,
    keys::{self, List, SORT_KEY, attribute},
    pdfs,
    signers::{self, SignerView},
    status,
    table::{CONCURRENT, END, FIRST, Range},
};
use crate::domain::{Kind, LedgerError, Provider, Subject, SubjectId, SubjectKind, TimeSource, Trust};

/// The archive job of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveView {
    /// Its state.
    pub state: ArchiveState,
    /// Why, as a stable code.
    pub reason: Option<String>,
    /// The number of failed attempts since it was last requested.
    pub attempts: u32,
    /// When it is due again, while it waits.
    pub not_before: Option<Timestamp>,
    /// The number of events that requested it.
    pub requests: usize,
}

/// A document, pack or signer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentView {
    /// The service.
    pub provider: Provider,
    /// Its kind.
    pub kind: SubjectKind,
    /// The provider's id.
    pub id: SubjectId,
    /// Its status; `None` if it isn't known.
    pub status: Option<Kind>,
    /// How the event that gave the status was proven; the latest event if the status isn't known.
    pub trust: Option<Trust>,
    /// When the provider's API last reported this status.
    pub confirmed_at: Option<Timestamp>,
    /// When the status was reached.
    pub occurred_at: Option<Timestamp>,
    /// When the callback with that event arrived.
    pub updated_at: Option<Timestamp>,
    /// The number of its events.
    pub events: usize,
    /// Whether two different final statuses were reported.
    pub conflict: bool,
    /// Its archive job, if it has one.
    pub archive: Option<ArchiveView>,
    /// The number of its archived PDFs, old versions included.
    pub pdfs: usize,
    /// When its personal data was erased on request.
    pub forgotten_at: Option<Timestamp>,
    /// The request that it is the signed file of, if the two have different ids and were joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<SubjectId>,
    /// The signed files that were joined to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signed_files: Vec<SubjectId>,
    /// Whether its id may be that of a signed file whose request isn't known. Then both are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unjoined: bool,
    /// The requests that it may be the signed file of, while it is `unjoined`. With more than one, the callbacks are
    /// ambiguous, and the provider's API hasn't decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<SubjectId>,
}

/// A page of a list of documents.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentPage {
    /// The documents: by provider, then status, then the latest first.
    pub documents: Vec<DocumentView>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Everything about a subject.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// The subject.
    pub document: DocumentView,
    /// Its events, in the order in which they happened; those of the same time in the order of their arrival.
    pub events: Vec<EventView>,
    /// Its signers.
    pub signers: Vec<SignerView>,
    /// The documents that it signs, if it is a signer.
    pub documents: Vec<SubjectId>,
    /// Its archived PDFs.
    pub pdfs: Vec<Pdf>,
}

impl Ledger {
    /// A page of the list of documents and packs. `after` is the previous page's `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn documents(
        &self,
        provider: Option<Provider>,
        status: Option<Kind>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DocumentPage, LedgerError> {
        let prefix = status.map_or_else(String::new, |status| keys::status_prefix(Some(status)));
        let after = after.and_then(|after| after.split_once(' '));
        let mut subjects = Vec::new();
        let mut next = None;
        for provider in Provider::ALL.into_iter().filter(|each| provider.is_none_or(|wanted| wanted == *each)) {
            let before = match after {
                Some((name, _)) if provider.as_str() < name => continue,
                Some((name, place)) if provider.as_str() == name => Some(place.to_owned()),
                _ => None,
            };
            let remaining = limit - subjects.len();
            // One more than needed shows whether there is a next page.
            let range =
                Range { prefix: &prefix, before, after: None, descending: true, limit: remaining.saturating_add(1) };
            let mut entries = self.table.list(List::Documents(provider).partitions(), &range).await?;
            if entries.len() > remaining {
                entries.truncate(remaining);
                let place = entries.last().map(|entry| entry.place.clone());
                next = Some(format!("{provider} {}", place.unwrap_or_else(|| format!("{prefix}{}", END))));
            }
            subjects.extend(entries);
            if next.is_some() {
                break;
            }
        }
        let subjects = subjects.iter().map(|entry| keys::parse_subject(&entry.partition));
        let subjects: Vec<Subject> = subjects.collect::<Result<_, _>>()?;
        let reads = (0..subjects.len()).map(|index| self.joined_timeline(&subjects[index], false));
        let timelines: Vec<Option<Timeline>> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
        Ok(DocumentPage {
            documents: timelines.into_iter().flatten().map(|timeline| timeline.document).collect(),
            next,
        })
    }

    /// Whether anything was recorded about a document or pack of a provider.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn has_documents(&self, provider: Provider) -> Result<bool, LedgerError> {
        Ok(self.table.count(List::Documents(provider).partitions(), FIRST, 1).await? > 0)
    }

    /// The documents and packs of a provider without a terminal status, each with its place in the list. `after` is the
    /// last place of the previous part.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn open_documents(
        &self,
        provider: Provider,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Subject)>, LedgerError> {
        let open = Kind::ALL.into_iter().filter(|kind| kind.rank().is_some() && !kind.is_terminal());
        let prefixes = std::iter::once(None).chain(open.map(Some)).map(keys::status_prefix);
        let mut found = Vec::new();
        let mut after = after;
        for prefix in prefixes {
            let before = match after {
                Some(place) if !place.starts_with(&prefix) => continue,
                place => place.map(str::to_owned),
            };
            after = None;
            let range = Range { prefix: &prefix, before, after: None, descending: true, limit: limit - found.len() };
            for entry in self.table.list(List::Documents(provider).partitions(), &range).await? {
                let subject = keys::parse_subject(&entry.partition)?;
                found.push((entry.place, subject));
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Everything about one subject; `None` if it isn't known. A request's timeline includes its signed files'.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn timeline(&self, subject: &Subject) -> Result<Option<Timeline>, LedgerError> {
        self.joined_timeline(subject, true).await
    }

    /// [`Ledger::timeline`], optionally without signers.
    pub(super) async fn joined_timeline(
        &self,
        subject: &Subject,
        with_signers: bool,
    ) -> Result<Option<Timeline>, LedgerError> {
        let Some(mut timeline) = self.own_timeline(subject, with_signers).await? else { return Ok(None) };
        for id in timeline.document.signed_files.clone() {
            let file = Subject { provider: subject.provider, kind: SubjectKind::Document, id };
            if let Some(of_file) = self.own_timeline(&file, with_signers).await? {
                timeline.merge_file(of_file);
            }
        }
        Ok(Some(timeline))
    }

    /// Everything that is stored about one subject under its own id. Its signers need further reads.
    async fn own_timeline(&self, subject: &Subject, with_signers: bool) -> Result<Option<Timeline>, LedgerError> {
        let items = self.table.partition(&subject.partition(), "").await?;
        let Some(mut timeline) = timeline(subject, &items)? else { return Ok(None) };
        if with_signers {
            timeline.signers = self.signers(subject, &items).await?;
        }
        Ok(Some(timeline))
    }
}

/// The timeline in a subject's own items: all but its signers.
fn timeline(subject: &Subject, items: &[Item]) -> Result<Option<Timeline>, LedgerError> {
    let mut events = Vec::new();
    let mut greatest = None;
    let mut pdfs = Vec::new();
    let mut state = None;
    let mut job = None;
    for item in items {
        match item.need(SORT_KEY)? {
            keys::STATE => state = Some(item),
            // A cancelled job has no state.
            keys::ARCHIVE if item.text(attribute::STATE).is_some() => {
                job = Some(archive_jobs::job(subject.clone(), item)?);
            }
            sort if sort.starts_with(keys::EVENT_PREFIX) => {
                events.push(event(subject, item)?);
                let progress = Some((status::progress_of(item)?, item));
                if progress.as_ref().map(|(progress, _)| progress) > greatest.as_ref().map(|(progress, _)| progress) {
                    greatest = progress;
                }
            }
            // An erased PDF is no longer archived; `forgotten_at` in the state shows that there was one.
            sort if sort.starts_with(keys::PDF_PREFIX) && item.text(attribute::FORGOTTEN_AT).is_some() => {}
            sort if sort.starts_with(keys::PDF_PREFIX) => pdfs.push(pdfs::pdf(subject, item)?),
            _ => {}
        }
    }
    let Some(state) = state else { return Ok(None) };
    events.sort_by(in_order);
    if let Some(job) = &job {
        pdfs.iter_mut().for_each(|pdf| pdf.current = job.is_current(pdf));
    }
    let archive = job.map(|job| ArchiveView {
        state: job.state,
        reason: job.reason,
        attempts: job.attempts,
        not_before: job.not_before,
        requests: job.requests,
    });
    let mut document = document(subject, state, events.len(), archive, pdfs.len())?;
    if let Some((progress, event)) = greatest
        && Some(progress.as_str()) > state.text(attribute::PROGRESS)
    {
        document.follow(event)?;
    }
    // An id with other events is a request's own, and not that of a signed file.
    document.unjoined &= events.iter().all(|event| event.kind == Kind::Completed);
    if !document.unjoined {
        document.candidates.clear();
    }
    Ok(Some(Timeline { document, events, signers: Vec::new(), documents: signers::documents(items)?, pdfs }))
}

impl DocumentView {
    /// Gives it the status of a recorded event that the status hasn't followed yet: its delivery was interrupted.
    fn follow(&mut self, event: &Item) -> Result<(), LedgerError> {
        self.trust = event.text(attribute::TRUST).and_then(Trust::parse);
        self.updated_at = event.optional_time(attribute::RECEIVED_AT);
        let kind = event.parse(attribute::KIND, Kind::parse)?;
        if kind.rank().is_some() {
            (self.status, self.confirmed_at) = (Some(kind), None);
            self.occurred_at = event.optional_time(attribute::OCCURRED_AT);
        }
        Ok(())
    }
}

impl Timeline {
    /// Adds the timeline of a request's signed file.
    fn merge_file(&mut self, file: Self) {
        let document = &mut self.document;
        let same_status = file.document.status == document.status;
        document.confirmed_at = document.confirmed_at.max(file.document.confirmed_at.filter(|_| same_status));
        document.archive = document.archive.take().or(file.document.archive);
        document.events += file.events.len();
        document.pdfs += file.pdfs.len();
        self.events.extend(file.events);
        self.events.sort_by(in_order);
        for signer in file.signers {
            match self.signers.iter_mut().find(|known| known.id == signer.id) {
                Some(known) => known.status = known.status.max(signer.status),
                None => self.signers.push(signer),
            }
        }
        self.pdfs.extend(file.pdfs);
    }
}

/// The order in which events happened.
fn in_order(a: &EventView, b: &EventView) -> Ordering {
    let order_of = |event: &EventView| (event.occurred_at, event.received_at, event.position);
    order_of(a).cmp(&order_of(b)).then_with(|| a.id.cmp(&b.id))
}

fn document(
    subject: &Subject,
    state: &Item,
    events: usize,
    archive: Option<ArchiveView>,
    pdfs: usize,
) -> Result<DocumentView, LedgerError> {
    let status = status::status_of(state);
    let confirmed = state.text(attribute::CONFIRMED_STATUS).and_then(Kind::parse);
    let request = state.text(attribute::REQUEST).and_then(|id| SubjectId::parse(id).ok());
    Ok(DocumentView {
        provider: subject.provider,
        kind: subject.kind,
        id: subject.id.clone(),
        status,
        trust: state.text(attribute::TRUST).and_then(Trust::parse),
        confirmed_at: state.optional_time(attribute::CONFIRMED_AT).filter(|_| confirmed == status),
        occurred_at: state.optional_time(attribute::OCCURRED_AT),
        updated_at: state.optional_time(attribute::UPDATED_AT),
        events,
        conflict: state.set_size(attribute::TERMINALS) > 1,
        archive,
        pdfs,
        forgotten_at: state.optional_time(attribute::FORGOTTEN_AT),
        signed_files: signers::ids(state, attribute::SIGNED_FILES)?,
        unjoined: state.flag(attribute::SIGNED_FILE) && request.is_none(),
        candidates: signers::ids(state, attribute::CANDIDATES)?,
        request,
    })
}

fn event(subject: &Subject, item: &Item) -> Result<EventView, LedgerError> {
    let delivery = item.text(attribute::DELIVERY).and_then(|id| id.parse().ok());
    let payload = item.text(attribute::PAYLOAD);
    Ok(EventView {
        id: item.need(attribute::ID)?.to_owned(),
        kind: item.parse(attribute::KIND, Kind::parse)?,
        name: item.need(attribute::NAME)?.to_owned(),
        value: item.text(attribute::VALUE).map(str::to_owned),
        subject: SubjectView { kind: subject.kind, id: subject.id.clone() },
        occurred_at: item.time(attribute::OCCURRED_AT)?,
        time_source: item.parse(attribute::TIME_SOURCE, TimeSource::parse)?,
        received_at: item.time(attribute::RECEIVED_AT)?,
        trust: item.parse(attribute::TRUST, Trust::parse)?,
        source: item.need(attribute::SOURCE)?.to_owned(),
        position: item.number(attribute::POSITION).unwrap_or_default(),
        deliveries: item.set_size(attribute::DELIVERIES),
        foreign: item.flag(attribute::FOREIGN),
        note: item.text(attribute::NOTE).map(str::to_owned),
        payload: payload.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        payload_in_delivery: payload.is_none() && delivery.is_some(),
        delivery,
    })
}
