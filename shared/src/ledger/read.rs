//! What the ledger tells: lists of documents, and the timeline of one.

use std::cmp::Ordering;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    ArchiveState, Item, Ledger, LedgerError, Pdf, SORT_KEY,
    index::{self, List, Range},
    links::{self, SignerView},
    orders, pdfs, status,
};
use crate::{
    event::{Kind, TimeSource, Trust},
    provider::Provider,
    subject::{Subject, SubjectKind},
};

/// How many documents are read at the same time for a list.
pub(super) const CONCURRENT_READS: usize = 16;

/// A subject's archive order, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveView {
    /// Where it stands.
    pub state: ArchiveState,
    /// Why, as a stable code.
    pub reason: Option<String>,
    /// How often it failed since it was last asked for.
    pub attempts: u32,
    /// When it is due again, while it waits.
    pub not_before: Option<Timestamp>,
    /// How many events asked for it.
    pub requests: usize,
}

/// A document, pack or signer, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// Who told of it.
    pub provider: Provider,
    /// What it is.
    pub kind: SubjectKind,
    /// The provider's id of it.
    pub id: String,
    /// Its status, where one is known.
    pub status: Option<Kind>,
    /// How the event that gave the status was proven; the latest event, where none is known.
    pub trust: Option<Trust>,
    /// When the provider's API last said that this is the status, if it did.
    pub confirmed_at: Option<Timestamp>,
    /// When the status came about.
    pub occurred_at: Option<Timestamp>,
    /// When the callback with that event came in.
    pub updated_at: Option<Timestamp>,
    /// How many events are recorded of it.
    pub events: usize,
    /// Whether two statuses were told of it that can't both be its last.
    pub conflict: bool,
    /// Its archive order, where there is one.
    pub archive: Option<ArchiveView>,
    /// How many PDFs of it are archived, old versions included.
    pub pdfs: usize,
    /// When its personal data was erased on request, if it was.
    pub forgotten_at: Option<Timestamp>,
    /// The request that it is the signed file of, where it has an id of its own and was joined to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The signed files that were joined to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signed_files: Vec<String>,
    /// Whether its id may be that of a signed file whose request isn't known: then both stand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unjoined: bool,
}

/// A page of a list of documents.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentPage {
    /// The documents: by provider, then status, then the latest first.
    pub documents: Vec<Document>,
    /// Where the next page starts, where there is one.
    pub next: Option<String>,
}

/// What a subject is, for people who read JSON.
#[derive(Clone, Debug, Serialize)]
pub struct SubjectView {
    /// What it is.
    pub kind: SubjectKind,
    /// The provider's id of it.
    pub id: String,
}

/// A recorded event.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// Its identity: SHA-256, in hex.
    pub id: String,
    /// What it means.
    pub kind: Kind,
    /// The provider's name of it.
    pub name: String,
    /// The provider's value of what changed.
    pub value: Option<String>,
    /// What it is about.
    pub subject: SubjectView,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who says so.
    pub time_source: TimeSource,
    /// When it first came in.
    pub received_at: Timestamp,
    /// How it was proven.
    pub trust: Trust,
    /// `callback`, or `reconcile` when the provider had to be asked.
    pub source: String,
    /// The delivery in which it first came.
    pub delivery: Option<String>,
    /// Its position in that delivery, from 0.
    pub position: u64,
    /// In how many deliveries it came.
    pub deliveries: usize,
    /// Whether it is about a group whose documents aren't wanted.
    pub foreign: bool,
    /// What people should know who read it, as a stable code: `unknown_subscription`, for one.
    pub note: Option<String>,
    /// What the provider sent, without secrets; `null` where only the delivery holds it.
    pub payload: serde_json::Value,
}

/// Everything that is known of a subject.
#[derive(Clone, Debug, Serialize)]
pub struct Timeline {
    /// The subject.
    pub document: Document,
    /// Its events, in the order in which they happened; those of the same time in the order in which they were told.
    pub events: Vec<EventView>,
    /// Its signers.
    pub signers: Vec<SignerView>,
    /// The documents that it is to sign, where it is a signer.
    pub documents: Vec<String>,
    /// Its archived PDFs.
    pub pdfs: Vec<Pdf>,
}

impl Ledger {
    /// Lists documents and packs, `limit` a page; `after` is the page before's `next`.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn documents(
        &self,
        provider: Option<Provider>,
        status: Option<Kind>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DocumentPage, LedgerError> {
        let prefix = status.map_or_else(String::new, |status| index::status_prefix(Some(status)));
        let after = after.and_then(|after| after.split_once(' '));
        let mut subjects = Vec::new();
        let mut next = None;
        for provider in Provider::ALL.into_iter().filter(|each| provider.is_none_or(|wanted| wanted == *each)) {
            let before = match after {
                Some((name, _)) if provider.as_str() < name => continue,
                Some((name, place)) if provider.as_str() == name => Some(place.to_owned()),
                _ => None,
            };
            let wanted = limit - subjects.len();
            // One more than is wanted tells whether there is a next page.
            let range = Range { prefix: &prefix, before, descending: true, limit: wanted + 1 };
            let mut entries = self.list(&List::Documents(provider), &range).await?;
            if entries.len() > wanted {
                entries.truncate(wanted);
                let place = entries.last().map(|entry| entry.place.clone());
                next = Some(format!("{provider} {}", place.unwrap_or_else(|| format!("{prefix}{}", index::END))));
            }
            subjects.extend(entries);
            if next.is_some() {
                break;
            }
        }
        let subjects = subjects.iter().map(|entry| entry.partition.parse::<Subject>());
        let subjects: Vec<Subject> =
            subjects.collect::<Result<_, _>>().map_err(|_| LedgerError::Corrupt { attribute: super::PARTITION_KEY })?;
        let reads = (0..subjects.len()).map(|index| self.joined_timeline(&subjects[index], false));
        let timelines: Vec<Option<Timeline>> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(DocumentPage {
            documents: timelines.into_iter().flatten().map(|timeline| timeline.document).collect(),
            next,
        })
    }

    /// The documents and packs of a provider that aren't at their end, each with its place; `after` is the last place of
    /// the part before.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn open_documents(
        &self,
        provider: Provider,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Subject)>, LedgerError> {
        let open = Kind::ALL.into_iter().filter(|kind| kind.rank().is_some() && !kind.is_terminal());
        let prefixes = std::iter::once(None).chain(open.map(Some)).map(index::status_prefix);
        let mut found = Vec::new();
        let mut after = after;
        for prefix in prefixes {
            let before = match after {
                Some(place) if !place.starts_with(&prefix) => continue,
                place => place.map(str::to_owned),
            };
            after = None;
            let range = Range { prefix: &prefix, before, descending: true, limit: limit - found.len() };
            for entry in self.list(&List::Documents(provider), &range).await? {
                let subject =
                    entry.partition.parse().map_err(|_| LedgerError::Corrupt { attribute: super::PARTITION_KEY })?;
                found.push((entry.place, subject));
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Everything that is stored about one subject under its own id, if wanted with its signers, for which more has to be
    /// read.
    pub(super) async fn own_timeline(
        &self,
        subject: &Subject,
        with_signers: bool,
    ) -> Result<Option<Timeline>, LedgerError> {
        let items = self.partition(&subject.partition(), "").await?;
        let Some(mut timeline) = timeline(subject, &items)? else { return Ok(None) };
        if with_signers {
            timeline.signers = self.signers(subject, &items).await?;
        }
        Ok(Some(timeline))
    }
}

/// What a subject's own items say of it: all but its signers.
fn timeline(subject: &Subject, items: &[Item]) -> Result<Option<Timeline>, LedgerError> {
    let mut events = Vec::new();
    let mut pdfs = Vec::new();
    let mut state = None;
    let mut order = None;
    for item in items {
        match item.need(SORT_KEY)? {
            status::SORT => state = Some(item),
            // An order that was withdrawn has no state.
            orders::SORT if item.text("state").is_some() => order = Some(orders::order(subject.clone(), item)?),
            sort if sort.starts_with("EVENT#") => events.push(event(subject, item)?),
            // What was erased isn't archived any more; that it was is told by the tombstone in the state.
            sort if sort.starts_with(pdfs::PREFIX) && item.text("forgotten_at").is_some() => {}
            sort if sort.starts_with(pdfs::PREFIX) => pdfs.push(pdfs::pdf(subject, item)?),
            _ => {}
        }
    }
    let Some(state) = state else { return Ok(None) };
    events.sort_by(in_order);
    if let Some(order) = &order {
        for pdf in &mut pdfs {
            let current = order.versions.get(&Pdf::slot(&pdf.document, pdf.role));
            pdf.current = current.is_some_and(|current| current.sha256 == pdf.sha256);
        }
    }
    let archive = order.map(|order| ArchiveView {
        state: order.state,
        reason: order.reason,
        attempts: order.attempts,
        not_before: order.not_before,
        requests: order.requests,
    });
    let mut document = document(subject, state, events.len(), archive, pdfs.len());
    document.unjoined &= only_completed(&events);
    Ok(Some(Timeline { document, events, signers: Vec::new(), documents: links::documents(items), pdfs }))
}

/// Whether nothing but completion happened under an id. One by which other things happened is a request's own, and not
/// that of its signed file.
pub(crate) fn only_completed(events: &[EventView]) -> bool {
    events.iter().all(|event| event.kind == Kind::Completed)
}

/// The order in which events happened.
pub(super) fn in_order(a: &EventView, b: &EventView) -> Ordering {
    let order_of = |event: &EventView| (event.occurred_at, event.received_at, event.position);
    order_of(a).cmp(&order_of(b)).then_with(|| a.id.cmp(&b.id))
}

fn document(subject: &Subject, state: &Item, events: usize, archive: Option<ArchiveView>, pdfs: usize) -> Document {
    let time = |name| state.text(name).and_then(|text| text.parse().ok());
    let status = state.text("status").and_then(Kind::parse);
    let confirmed = state.text("confirmed_status").and_then(Kind::parse);
    let request = state.text("request");
    let mut signed_files =
        state.attribute("signed_files").and_then(|files| files.as_ss().ok().cloned()).unwrap_or_default();
    signed_files.sort();
    Document {
        provider: subject.provider,
        kind: subject.kind,
        id: subject.id.to_string(),
        status,
        trust: state.text("trust").and_then(Trust::parse),
        confirmed_at: time("confirmed_at").filter(|_| confirmed == status),
        occurred_at: time("occurred_at"),
        updated_at: time("updated_at"),
        events,
        conflict: state.set_size("terminals") > 1,
        archive,
        pdfs,
        forgotten_at: time("forgotten_at"),
        request: request.map(str::to_owned),
        signed_files,
        unjoined: state.flag("signed_file") && request.is_none(),
    }
}

fn event(subject: &Subject, item: &Item) -> Result<EventView, LedgerError> {
    Ok(EventView {
        id: item.need("id")?.to_owned(),
        kind: item.parse("kind", Kind::parse)?,
        name: item.need("name")?.to_owned(),
        value: item.text("value").map(str::to_owned),
        subject: SubjectView { kind: subject.kind, id: subject.id.to_string() },
        occurred_at: item.time("occurred_at")?,
        time_source: item.parse("time_source", TimeSource::parse)?,
        received_at: item.time("received_at")?,
        trust: item.parse("trust", Trust::parse)?,
        source: item.need("source")?.to_owned(),
        delivery: item.text("delivery").map(str::to_owned),
        position: item.number("position").unwrap_or_default(),
        deliveries: item.set_size("deliveries"),
        foreign: item.flag("foreign"),
        note: item.text("note").map(str::to_owned),
        payload: item.text("payload").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
    })
}
