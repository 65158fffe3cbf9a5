//! Records a function's DynamoDB calls: their inputs, their capacity units, and their number.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use axum::{Router, body::Body, extract::State};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::services;

/// A recorded call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// `PutItem`, …
    pub operation: String,
    /// Its input, in DynamoDB's JSON.
    pub input: Value,
    /// Its write capacity units, including the index, as the embedded DynamoDB counts them by AWS's rules.
    pub write_units: f64,
    /// Its read capacity units.
    pub read_units: f64,
    /// The number of its round, from 0. A round begins when a call arrives after one of the round before was answered.
    pub round: usize,
}

/// The recorded calls, and the round that is under way.
#[derive(Default)]
struct Recorded {
    calls: Vec<Call>,
    round: usize,
    has_answered: bool,
}

/// A proxy in front of DynamoDB that records all calls.
pub struct Capture {
    /// `http://…`
    pub url: String,
    recorded: Arc<Mutex<Recorded>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Proxy {
    to: String,
    client: Client<HttpConnector, Full<Bytes>>,
    recorded: Arc<Mutex<Recorded>>,
}

impl Capture {
    /// Listens on a free port, and forwards to the DynamoDB at `to`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(to: &str) -> Result<Self> {
        let recorded = Arc::default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let proxy = Proxy { to: to.to_owned(), client, recorded: Arc::clone(&recorded) };
        let router = Router::new().fallback(forward).with_state(proxy);
        let (listener, url) = services::bind().await?;
        let mut server = JoinSet::new();
        server.spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { url, recorded, _server: server })
    }

    /// Takes the calls recorded since the last `take`, in the order of their responses.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        mem::take(&mut *self.recorded.lock().unwrap_or_else(PoisonError::into_inner)).calls
    }
}

async fn forward(State(proxy): State<Proxy>, request: Request<Body>) -> Result<Response<Body>, StatusCode> {
    let bad = |_| StatusCode::BAD_GATEWAY;
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(bad)?.to_bytes();
    let round = {
        let mut recorded = proxy.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if mem::take(&mut recorded.has_answered) {
            recorded.round += 1;
        }
        recorded.round
    };
    let input: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    // Requests the capacity here, so that the function's own request is the same as when deployed. (The embedded
    // DynamoDB doesn't check request signatures.)
    let mut metered = input.clone();
    metered["ReturnConsumedCapacity"] = json!("TOTAL");
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let mut forwarded = Request::post(&proxy.to);
    for (name, value) in &head.headers {
        if !["host", "content-length"].contains(&name.as_str()) {
            forwarded = forwarded.header(name, value);
        }
    }
    let forwarded = forwarded.body(Full::from(metered.to_string())).map_err(|_| StatusCode::BAD_GATEWAY)?;
    let (head, body) = proxy.client.request(forwarded).await.map_err(|_| StatusCode::BAD_GATEWAY)?.into_parts();
    let body = body.collect().await.map_err(|_| StatusCode::BAD_GATEWAY)?.to_bytes();
    let output: Value = serde_json::from_slice(&body).unwrap_or_default();
    let units = units(&output["ConsumedCapacity"]);
    let reads = ["GetItem", "BatchGetItem", "Query", "Scan"].contains(&operation.as_str());
    // A failed condition costs as much as the write, but the embedded DynamoDB reports no capacity for it.
    let units = if head.status.is_success() { units } else { 1.0 };
    let (write_units, read_units) = if reads { (0.0, units) } else { (units, 0.0) };
    let call = Call { operation, input, write_units, read_units, round };
    let mut recorded = proxy.recorded.lock().unwrap_or_else(PoisonError::into_inner);
    recorded.has_answered |= recorded.round == round;
    recorded.calls.push(call);
    drop(recorded);
    let mut response = Response::builder().status(head.status);
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str() != "content-length") {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).map_err(|_| StatusCode::BAD_GATEWAY)
}

/// The capacity units in a `ConsumedCapacity`, which is an object or a list of objects.
fn units(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(all) => all.iter().map(units).sum(),
        one => one["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
