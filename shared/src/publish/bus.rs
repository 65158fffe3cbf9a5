//! The event bus: puts batches of events, and the entries that it didn't accept again.

use std::time::Duration;

use aws_sdk_eventbridge::{
    Client,
    error::ProvideErrorMetadata,
    primitives::DateTime,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};

use super::{
    SOURCE,
    batches::{Entry, batches},
};

/// The pauses before entries that weren't accepted are put again. After the last one, the stream delivers their records
/// again, with growing pauses of its own.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];

/// An event bus.
pub(super) struct Bus {
    client: Client,
    name: String,
}

/// Why events couldn't be put.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotPut {
    /// The position of the first of them.
    pub(super) first: usize,
    /// EventBridge's error code, or why there was no response.
    pub(super) code: String,
}

impl Bus {
    /// The bus with this name or ARN.
    pub(super) const fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Puts events, in order, batch by batch. Ends at the first batch of which an event can't be put.
    pub(super) async fn put(&self, entries: &[Entry]) -> Result<(), NotPut> {
        let sizes: Vec<usize> = entries.iter().map(Entry::size).collect();
        for batch in batches(&sizes) {
            let start = batch.start;
            let put = self.put_batch(&entries[batch]).await;
            put.map_err(|NotPut { first, code }| NotPut { first: start + first, code })?;
        }
        Ok(())
    }

    async fn put_batch(&self, entries: &[Entry]) -> Result<(), NotPut> {
        let mut left: Vec<usize> = (0..entries.len()).collect();
        let mut pauses = PAUSES.into_iter();
        loop {
            let requests = left.iter().map(|position| self.request(&entries[*position])).collect();
            let results = match self.client.put_events().set_entries(Some(requests)).send().await {
                Ok(output) => output.entries.unwrap_or_default(),
                // The SDK has tried again already.
                Err(error) => {
                    let code = error.code().unwrap_or("no_response").to_owned();
                    return Err(NotPut { first: left[0], code });
                }
            };
            let code = results.iter().find_map(PutEventsResultEntry::error_code).map(str::to_owned);
            // Results have the order of the requests. A missing one says nothing, so its event is put again.
            let is_put = |position: usize| results.get(position).is_some_and(|result| result.error_code().is_none());
            left =
                left.iter().enumerate().filter(|(position, _)| !is_put(*position)).map(|(_, entry)| *entry).collect();
            let Some(first) = left.first() else { return Ok(()) };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(NotPut { first: *first, code: code.unwrap_or_else(|| "no_result".to_owned()) }),
            }
        }
    }

    fn request(&self, entry: &Entry) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(entry.event.detail_type.as_str())
            .time(DateTime::from_secs(entry.event.time.as_second()))
            .detail(entry.detail.as_str())
            .build()
    }
}
