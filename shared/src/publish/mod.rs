//! Publishing: tells other systems, through an EventBridge bus, what was recorded.
//!
//! The table's stream is the outbox. Whatever a callback, a sweep or an operator records gives a stream record, and the
//! records of statuses, archive jobs and deliveries are turned into events here. So nothing that is recorded can be left
//! out: a record stays in the stream until its events are on the bus. An event may be published more than once, always
//! with the same id (`id`).

mod batches;
mod bus;
mod event;
mod id;
mod transitions;

use jiff::Timestamp;

pub use event::{
    Detail, DetailType, EventSubject, EventSubjectKind, PublishedEvent, PublishedPdf, SOURCE, UnknownDetailType,
    VERSION,
};

use self::{batches::Entry, bus::Bus};
use crate::{
    aws::Aws,
    domain::LedgerError,
    ledger::{self, ArchiveJob, Change, Item, Ledger, Pdf},
    settings::{Problems, Settings},
};

/// Maximum number of PDFs that an event names. At the longest ids this is less than the 256 KB that an event may have.
const MAX_PDFS: usize = 200;

/// The reason of an event that names only the first [`MAX_PDFS`] PDFs.
const MORE_PDFS: &str = "more_pdfs";

/// A record of the table's stream.
#[derive(Clone, Debug)]
pub struct StreamRecord {
    /// Its sequence number.
    pub sequence_number: String,
    /// When the item was written, in whole seconds.
    pub written_at: Timestamp,
    /// The item before, if there was one.
    pub before: Option<Item>,
    /// The item now, unless it was deleted.
    pub after: Option<Item>,
}

/// Publishes what the records of the table's stream say.
pub struct Publisher {
    ledger: Ledger,
    bus: Bus,
    bucket: String,
    /// Whether events name their PDFs' files.
    file_names: bool,
}

impl Publisher {
    /// A publisher with these settings.
    ///
    /// # Errors
    /// When they name no event bus.
    pub fn new(settings: &Settings, aws: &Aws, client: aws_sdk_eventbridge::Client) -> Result<Self, Problems> {
        let bus = settings.event_bus.clone().ok_or_else(|| Problems(vec!["EVENT_BUS is not set".to_owned()]))?;
        Ok(Self {
            ledger: Ledger::new(aws, settings.storage()),
            bus: Bus::new(client, bus),
            bucket: settings.bucket.clone(),
            file_names: settings.event_file_names,
        })
    }

    /// Publishes the events of `records`, which are in the order of their sequence numbers. Returns the sequence number of
    /// the first record that has to be delivered again, with all records after it; `None` if there is none.
    pub async fn publish(&self, records: &[StreamRecord]) -> Option<String> {
        let mut entries = Vec::new();
        // For each entry, the position of its record.
        let mut origins = Vec::new();
        let mut failed = None;
        for (position, record) in records.iter().enumerate() {
            match self.entries(record).await {
                Ok(of_record) => {
                    origins.extend(std::iter::repeat_n(position, of_record.len()));
                    entries.extend(of_record);
                }
                Err(error) => {
                    tracing::error!(event = "publish_failed", operation = "read", code = %error);
                    failed = Some(position);
                    break;
                }
            }
        }
        let published = match self.bus.put(&entries).await {
            Ok(()) => entries.len(),
            Err(not_put) => {
                tracing::error!(event = "publish_failed", operation = "PutEvents", code = not_put.code);
                failed = origins.get(not_put.first).copied();
                not_put.first
            }
        };
        if published > 0 {
            tracing::info!(event = "published", records = records.len(), metric.Published = published);
        }
        failed.and_then(|position| records.get(position)).map(|record| record.sequence_number.clone())
    }

    /// The events of one record.
    async fn entries(&self, record: &StreamRecord) -> Result<Vec<Entry>, LedgerError> {
        let Some(after) = &record.after else { return Ok(Vec::new()) };
        let change = match ledger::change(record.before.as_ref(), after) {
            Ok(change) => change,
            // An item that another program wrote must not hold up the events of all others.
            Err(problem) => {
                tracing::error!(event = "change_unreadable", record = record.sequence_number, %problem, metric.ChangesUnreadable = 1);
                None
            }
        };
        let Some(change) = change else { return Ok(Vec::new()) };
        let mut events = transitions::events(&change, record.written_at);
        if let Change::Job { after: Some(job), .. } = &change {
            for event in &mut events {
                self.complete(event, job).await?;
            }
        }
        Ok(events.into_iter().filter_map(entry).collect())
    }

    /// Adds to an event of an archive job what only other items know.
    async fn complete(&self, event: &mut PublishedEvent, job: &ArchiveJob) -> Result<(), LedgerError> {
        let known = self.ledger.status_image(&job.subject).await?;
        event.detail.status = known.status;
        event.detail.confirmed_at = known.confirmed_at;
        if event.detail_type == DetailType::DocumentArchived {
            let pdfs = self.ledger.current_pdfs(job).await?;
            if pdfs.len() > MAX_PDFS {
                event.detail.reason = Some(MORE_PDFS.to_owned());
            }
            event.detail.pdfs = pdfs.into_iter().take(MAX_PDFS).map(|pdf| self.published(pdf)).collect();
        }
        Ok(())
    }

    fn published(&self, pdf: Pdf) -> PublishedPdf {
        let Pdf { document, role, key, sha256, size, signatures, .. } = pdf;
        let signatures = signatures.map(|signatures| signatures.verdict);
        let file_name = pdf.file_name.filter(|_| self.file_names).map(|name| name.as_str().to_owned());
        PublishedPdf { document, role, bucket: self.bucket.clone(), key, sha256, size, signatures, file_name }
    }
}

/// An event as `PutEvents` takes it. Serializing a detail can't fail: it has no map with keys that aren't text.
fn entry(event: PublishedEvent) -> Option<Entry> {
    let detail = serde_json::to_string(&event.detail).ok()?;
    Some(Entry { event, detail })
}
