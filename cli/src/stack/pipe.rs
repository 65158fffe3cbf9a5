//! The pipe: reads the table's stream, and puts the keys of archive jobs that became due on the queue.

use std::time::Duration;

use anyhow::Result;
use countersign::ledger::{PARTITION_KEY, SORT_KEY};
use dynoxide::Database;
use serde_dynamo::{AttributeValue, Item};
use tokio::sync::watch;

use super::{
    queue::Queue,
    stream::{Reader, Start},
};

/// EventBridge Pipes polls a shard four times a second; here it is a little more often.
const POLL_EVERY: Duration = Duration::from_millis(100);

const BATCH: usize = 100;

pub(super) struct Pipe(Reader);

impl Pipe {
    /// A pipe that starts at the end of the stream. Jobs that were due before are made due again when a stack starts.
    pub(super) fn open(database: Database, table: &str) -> Result<Self> {
        Reader::open(database, table, Start::End).map(Self)
    }

    /// Runs until the stack ends. `changes` counts the records read, which tells its receivers of every write.
    pub(super) async fn run(mut self, queue: Queue, changes: watch::Sender<u64>, mut stopping: watch::Receiver<bool>) {
        loop {
            match self.poll() {
                Ok((read, due)) => {
                    if read > 0 {
                        changes.send_modify(|changes| *changes = changes.wrapping_add(read));
                    }
                    due.into_iter().for_each(|partition| queue.send(&partition));
                }
                Err(problem) => tracing::error!(event = "pipe_failed", %problem),
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reads the next records. Returns their number, and the keys of the jobs that are due.
    fn poll(&mut self) -> Result<(u64, Vec<String>)> {
        let records = self.0.read(BATCH)?;
        let due = records.iter().filter_map(|record| due(&record.change.new_image)).collect();
        Ok((records.len() as u64, due))
    }
}

/// The partition key of an archive job that is due and not leased: the same filter as the pipe's in `template.yaml`.
fn due(image: &Item) -> Option<String> {
    let text = |name: &str| match image.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let is_due = text(SORT_KEY) == Some("ARCHIVE") && text("state") == Some("due") && text("claim").is_none();
    is_due.then(|| text(PARTITION_KEY).map(str::to_owned)).flatten()
}
