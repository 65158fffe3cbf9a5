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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_eventbridge::config::{Config, Credentials, Region};
    use axum::{Json, Router, routing::post};
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::Provider,
        publish::{DetailType, EventSubject, EventSubjectKind, PublishedEvent},
    };

    fn entry(id: usize) -> Entry {
        let subject = EventSubject { kind: EventSubjectKind::Document, id: id.to_string() };
        let at = "2026-11-22T02:27:06Z".parse().unwrap();
        let event = PublishedEvent::new(DetailType::DocumentSent, Provider::Signeasy, subject, id.to_string(), at);
        Entry { event, detail: json!({"id": id}).to_string() }
    }

    /// A bus that answers each call with the next of `answers`, and the ids of the entries of each call. An answer has
    /// whether each entry is accepted.
    async fn bus(answers: &[&[bool]]) -> (Bus, Arc<Mutex<Vec<Vec<u64>>>>) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<Vec<bool>> = answers.iter().map(|answer| answer.to_vec()).collect();
        let seen = Arc::clone(&calls);
        // The SDK declares `application/x-amz-json-1.1`, which axum's `Json` doesn't accept.
        let answer = move |body: Bytes| {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let id = |entry: &Value| serde_json::from_str::<Value>(entry["Detail"].as_str()?).ok()?["id"].as_u64();
            let ids = request["Entries"].as_array().unwrap().iter().map(|entry| id(entry).unwrap()).collect();
            let mut calls = seen.lock().unwrap();
            let results = answers[calls.len()].iter().map(|is_accepted| match is_accepted {
                true => json!({"EventId": "e"}),
                false => json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}),
            });
            let results: Vec<Value> = results.collect();
            calls.push(ids);
            std::future::ready(Json(json!({"FailedEntryCount": 0, "Entries": results})))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
        let config = Config::builder()
            .behavior_version(crate::aws::behavior_version())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .endpoint_url(url);
        (Bus::new(Client::from_conf(config.build()), "bus".to_owned()), calls)
    }

    fn calls(calls: &Mutex<Vec<Vec<u64>>>) -> Vec<Vec<u64>> {
        calls.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn only_entries_that_were_not_accepted_are_put_again() {
        let (bus, seen) = bus(&[&[true, false, true, false], &[false, true], &[true]]).await;
        let entries: Vec<Entry> = (0..4).map(entry).collect();
        assert_eq!(bus.put(&entries).await, Ok(()));
        assert_eq!(calls(&seen), [vec![0, 1, 2, 3], vec![1, 3], vec![1]]);
    }

    #[tokio::test]
    async fn an_entry_without_a_result_is_put_again() {
        let (bus, seen) = bus(&[&[true], &[true]]).await;
        assert_eq!(bus.put(&[entry(0), entry(1)]).await, Ok(()));
        assert_eq!(calls(&seen), [vec![0, 1], vec![1]]);
    }

    #[tokio::test]
    async fn the_first_entry_that_is_never_accepted_is_reported_and_ends_the_batches() {
        let all: &[bool] = &[true; 10];
        let (bus, seen) = bus(&[all, &[true, false], &[false], &[false], &[false]]).await;
        let entries: Vec<Entry> = (0..12).map(entry).collect();
        let not_put = NotPut { first: 11, code: "ThrottlingException".to_owned() };
        assert_eq!(bus.put(&entries).await, Err(not_put));
        assert_eq!(calls(&seen)[1..], [vec![10, 11], vec![11], vec![11], vec![11]]);
    }
}
