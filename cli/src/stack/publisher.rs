//! Feeds `publish` with the table's stream, as Lambda's event source mapping does: in batches, in order, again from the
//! first record that failed. A batch that crashes the function is halved until the record is found that does it.
//!
//! How far it has come is stored in the data folder after each batch. A process that is killed in between publishes the
//! batch again, and so leaves nothing out.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use countersign::ledger::SORT_KEY;
use dynoxide::Database;
use serde_dynamo::AttributeValue;
use tokio::sync::watch;

use super::{
    Functions,
    stream::{Reader, Start},
};
use crate::owner_only;

/// The file with the sequence number of the last published record.
const CHECKPOINT: &str = "published";

const POLL_EVERY: Duration = Duration::from_millis(100);

/// As in `template.yaml`.
const BATCH: usize = 100;

/// The pause after a failure, and the longest one: each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The maximum number of times that a record may crash the function. Then it is given up.
const MAX_CRASHES: u32 = 5;

pub(super) struct Publisher {
    functions: Arc<Functions>,
    reader: Reader,
    checkpoint: PathBuf,
}

/// The result of a batch.
enum Outcome {
    /// All its events are on the bus.
    Published,
    /// All before the record with this sequence number are done.
    FailedAt(String),
    /// The function crashed.
    Crashed,
}

impl Publisher {
    /// A publisher that continues where the last one on this data folder ended.
    pub(super) fn open(functions: Arc<Functions>, database: Database, table: &str, folder: &Path) -> Result<Self> {
        let checkpoint = folder.join(CHECKPOINT);
        let last = fs::read_to_string(&checkpoint).unwrap_or_default();
        // Without a readable file everything is published again: consumers deduplicate, but can't know what is missing.
        let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let start = if is_number { Start::After(last) } else { Start::First };
        Ok(Self { functions, reader: Reader::open(database, table, start)?, checkpoint })
    }

    /// Runs until the stack ends, and publishes what was written until then.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            let is_ending = *stopping.borrow();
            match self.reader.read(BATCH) {
                Ok(records) if !records.is_empty() => {
                    if self.publish(records, &mut stopping).await {
                        continue;
                    }
                    // The next start continues at the record that failed.
                    return;
                }
                Ok(_) => {}
                Err(problem) => tracing::error!(event = "stream_failed", %problem),
            }
            if is_ending {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Publishes records until all of them are done. `false` if the stack ended before that.
    async fn publish(&self, mut records: Vec<EventRecord>, stopping: &mut watch::Receiver<bool>) -> bool {
        let (mut size, mut crashes, mut pause) = (records.len(), 0, FIRST_PAUSE);
        while !records.is_empty() {
            let batch = size.min(records.len());
            let done = match self.invoke(&records[..batch]).await {
                Outcome::Published => batch,
                Outcome::FailedAt(failed) => {
                    records.iter().position(|record| sequence_number(record) == failed).unwrap_or(0)
                }
                Outcome::Crashed if batch > 1 => {
                    size = batch / 2;
                    continue;
                }
                Outcome::Crashed => {
                    crashes += 1;
                    if crashes >= MAX_CRASHES {
                        tracing::error!(event = "dead_letter", record = sequence_number(&records[0]));
                    }
                    usize::from(crashes >= MAX_CRASHES)
                }
            };
            if let Some(last) = done.checked_sub(1).and_then(|last| records.get(last)) {
                if let Err(problem) = self.store(sequence_number(last)) {
                    tracing::error!(event = "checkpoint_failed", %problem);
                }
                records.drain(..done);
                (size, crashes, pause) = (records.len(), 0, FIRST_PAUSE);
            } else {
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    _ = stopping.wait_for(|stop| *stop) => return false,
                }
            }
        }
        true
    }

    async fn invoke(&self, records: &[EventRecord]) -> Outcome {
        let records: Vec<EventRecord> = records.iter().filter(|record| passes(record)).cloned().collect();
        if records.is_empty() {
            return Outcome::Published;
        }
        let functions = Arc::clone(&self.functions);
        let mut event = Event::default();
        event.records = records;
        match tokio::spawn(async move { functions.publish.handle(event).await }).await {
            Ok(response) => {
                match response.batch_item_failures.into_iter().find_map(|failure| failure.item_identifier) {
                    Some(failed) => Outcome::FailedAt(failed),
                    None => Outcome::Published,
                }
            }
            Err(_) => Outcome::Crashed,
        }
    }

    /// Replaces the file at once: a reader finds the old number or the new one.
    fn store(&self, sequence_number: &str) -> std::io::Result<()> {
        let new = self.checkpoint.with_extension("new");
        let mut file = owner_only::open(&new)?;
        file.set_len(0)?;
        file.write_all(sequence_number.as_bytes())?;
        fs::rename(new, &self.checkpoint)
    }
}

fn sequence_number(record: &EventRecord) -> &str {
    record.change.sequence_number.as_deref().unwrap_or_default()
}

/// Whether a record may give events: the same filter as the function's in `template.yaml`.
fn passes(record: &EventRecord) -> bool {
    let text = |name: &str| match record.change.new_image.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let may_give_events = match text(SORT_KEY) {
        Some("STATE") => true,
        Some("ARCHIVE") => text("state").is_some_and(|state| ["archived", "blocked", "failed"].contains(&state)),
        Some("DELIVERY") => text("outcome") == Some("set_aside"),
        _ => false,
    };
    may_give_events && ["INSERT", "MODIFY"].contains(&record.event_name.as_str())
}
