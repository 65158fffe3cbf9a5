//! The request and the response of PutEvents.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>. A request is rejected as a whole, or
//! accepted with a result for each entry. The limits are those of the API reference.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NAME, NewEvent};

/// Largest number of entries in a request.
const MAX_ENTRIES: usize = 10;

/// Largest total size of a request's entries, in bytes.
const MAX_SIZE: usize = 256 * 1024;

/// Size of an entry's `Time`, in bytes, by EventBridge's way of counting.
const TIME_SIZE: usize = 14;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Entry {
    /// Seconds since 1970.
    time: Option<f64>,
    source: Option<String>,
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

/// Why a whole request is rejected: the code and the message of the API's error.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    pub code: &'static str,
    pub message: String,
}

/// The result of one entry.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EntryResult {
    #[serde(rename_all = "PascalCase")]
    Accepted { event_id: String },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'static str, error_message: &'static str },
}

/// The response, after the accepted events have been stored.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Response {
    pub failed_entry_count: usize,
    pub entries: Vec<EntryResult>,
}

/// Reads a request: the events to store, and the response to send once they are stored.
pub fn read(body: &[u8], now: Timestamp) -> Result<(Vec<NewEvent>, Response), Rejected> {
    let invalid = |message: String| Rejected { code: "ValidationException", message };
    let request: Request = serde_json::from_slice(body)
        .map_err(|_| Rejected { code: "SerializationException", message: "not a PutEvents request".to_owned() })?;
    let count = request.entries.len();
    if count == 0 || count > MAX_ENTRIES {
        return Err(invalid(format!("{count} entries: a request has 1 to {MAX_ENTRIES}")));
    }
    let size: usize = request.entries.iter().map(Entry::size).sum();
    if size > MAX_SIZE {
        return Err(invalid(format!("the entries have {size} bytes: the limit is {MAX_SIZE}")));
    }
    let mut events = Vec::new();
    let entries = request.entries.into_iter().map(|entry| match entry.check(now) {
        Ok(event) => {
            events.push(event);
            EntryResult::Accepted { event_id: uuid::Uuid::now_v7().to_string() }
        }
        Err((error_code, error_message)) => EntryResult::Failed { error_code, error_message },
    });
    let entries: Vec<EntryResult> = entries.collect();
    Ok((
        events,
        Response { failed_entry_count: count - entries.iter().filter(|entry| entry.is_accepted()).count(), entries },
    ))
}

impl EntryResult {
    const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

impl Entry {
    /// Its size, counted as EventBridge documents it ("Calculating PutEvents event entry size").
    fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail].into_iter().flatten().chain(&self.resources);
        texts.map(String::len).sum::<usize>() + self.time.map_or(0, |_| TIME_SIZE)
    }

    /// The event, or the code and the message of the entry's failure.
    fn check(self, now: Timestamp) -> Result<NewEvent, (&'static str, &'static str)> {
        let missing = |message| ("InvalidArgument", message);
        let is_ours = |bus: &String| bus == NAME || bus.ends_with(&format!(":event-bus/{NAME}"));
        if !self.event_bus_name.as_ref().is_some_and(is_ours) {
            return Err(missing(
                "Parameter EventBusName is not valid. Reason: the local stack's bus is `countersign`.",
            ));
        }
        let required = |value: Option<String>| value.filter(|text| !text.is_empty());
        let source =
            required(self.source).ok_or_else(|| missing("Parameter Source is not valid. Reason: required."))?;
        if source.starts_with("aws.") {
            return Err(("NotAuthorizedForSourceException", "Sources that begin with `aws.` are reserved."));
        }
        let detail_type = required(self.detail_type)
            .ok_or_else(|| missing("Parameter DetailType is not valid. Reason: required."))?;
        let detail =
            required(self.detail).ok_or_else(|| missing("Parameter Detail is not valid. Reason: required."))?;
        let detail: Value = serde_json::from_str(&detail).unwrap_or_default();
        if !detail.is_object() {
            return Err(("MalformedDetail", "Detail is malformed."));
        }
        let time = self.time.map_or(Some(now), at).ok_or_else(|| missing("Parameter Time is not valid."))?;
        Ok(NewEvent { source, detail_type, time: whole_seconds(time), detail })
    }
}

/// A time of the protocol.
fn at(seconds: f64) -> Option<Timestamp> {
    let duration = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(duration).ok()
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
