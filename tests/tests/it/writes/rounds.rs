//! A proxy in front of DynamoDB that counts rounds of calls and capacity units.
//!
//! It answers no call of a round before all of them have arrived. So a function that waits for one call before it sends the
//! next isn't answered, and calls that it was expected to send together have been sent together. No clock is involved.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, extract::State};
use bytes::Bytes;
use countersign::{
    aws::Aws,
    outbound::{Client, Timeouts, UrlPolicy},
};
use end_to_end::Embedded;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The calls of each round, in any order: an operation and the kind of item, `PutItem DELIVERY` for example.
pub type Expected = &'static [&'static [&'static str]];

/// Units of a failed condition. The embedded DynamoDB reports none.
const FAILED_CONDITION: f64 = 1.0;

/// Clients of a DynamoDB behind the proxy.
pub struct Rounds {
    pub aws: Aws,
    proxy: Arc<Proxy>,
}

struct Proxy {
    url: String,
    client: Client,
    seen: Mutex<Seen>,
    /// The number of rounds of which all calls have arrived.
    complete: watch::Sender<usize>,
}

#[derive(Default)]
struct Seen {
    expected: Expected,
    rounds: Vec<Vec<String>>,
    /// `None` while every call is let through.
    units: Option<Units>,
}

/// Capacity units of all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    pub write: f64,
    pub read: f64,
}

impl Rounds {
    /// A proxy that lets every call through until [`Rounds::expect`].
    pub async fn start(embedded: &Embedded) -> Self {
        let url = embedded.dynamodb_url.clone();
        let (policy, _) = UrlPolicy::only_host_of(&url, true).unwrap();
        let client = Client::new(policy, Timeouts::default());
        let proxy = Proxy { url, client, seen: Mutex::default(), complete: watch::Sender::new(0) };
        let proxy = Arc::new(proxy);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(Arc::clone(&proxy));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { aws: embedded.clients_at(&address, &embedded.s3_url), proxy }
    }

    /// Counts units from now on, of whatever calls.
    pub fn count(&self) {
        *self.proxy.seen() = Seen { units: Some(Units::default()), ..Seen::default() };
    }

    /// Expects these rounds, and counts units from now on.
    pub fn expect(&self, expected: Expected) {
        *self.proxy.seen() = Seen { expected, rounds: vec![Vec::new()], units: Some(Units::default()) };
        self.proxy.complete.send_replace(0);
    }

    /// The units since [`Rounds::expect`], if exactly the expected calls were made.
    pub fn units(&self) -> Units {
        let mut seen = mem::take(&mut *self.proxy.seen());
        seen.rounds.retain(|round| !round.is_empty());
        seen.rounds.iter_mut().for_each(|round| round.sort());
        let mut expected: Vec<Vec<&str>> = seen.expected.iter().map(|round| round.to_vec()).collect();
        expected.iter_mut().for_each(|round| round.sort_unstable());
        assert_eq!(seen.rounds, expected);
        seen.units.expect("rounds were expected")
    }
}

impl Proxy {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and waits until all calls of its round have arrived.
    async fn arrive(&self, call: String) {
        let round = {
            let mut seen = self.seen();
            let Some(round) = seen.rounds.len().checked_sub(1) else { return };
            seen.rounds[round].push(call);
            let expected = seen.expected.get(round).map_or(0, |round| round.len());
            if seen.rounds[round].len() >= expected {
                seen.rounds.push(Vec::new());
                self.complete.send_replace(round + 1);
            }
            round
        };
        let mut complete = self.complete.subscribe();
        complete.wait_for(|complete| *complete > round).await.expect("the proxy");
    }
}

async fn forward(
    State(proxy): State<Arc<Proxy>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], Bytes) {
    let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let mut input: Value = serde_json::from_slice(&body).unwrap();
    let key = input["Key"]["sk"]["S"].as_str().or(input["Item"]["sk"]["S"].as_str()).unwrap_or("-");
    proxy.arrive(format!("{operation} {}", key.split('#').next().unwrap_or_default())).await;
    input["ReturnConsumedCapacity"] = json!("TOTAL");
    let mut request = Request::post(&proxy.url);
    for (name, value) in headers.iter().filter(|(name, _)| !["host", "content-length"].contains(&name.as_str())) {
        request = request.header(name, value);
    }
    let response = proxy.client.call(request.body(Bytes::from(input.to_string())).unwrap(), 1 << 24).await.unwrap();
    let output: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let used = units(&output["ConsumedCapacity"]);
    if let Some(units) = &mut proxy.seen().units {
        match operation.as_str() {
            "GetItem" | "BatchGetItem" | "Query" => units.read += used,
            _ if response.status().is_success() => units.write += used,
            _ => units.write += FAILED_CONDITION,
        }
    }
    (response.status(), [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], response.into_body())
}

/// The units in a `ConsumedCapacity`: one for each table in calls about several items.
fn units(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(tables) => tables.iter().map(units).sum(),
        table => table["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
