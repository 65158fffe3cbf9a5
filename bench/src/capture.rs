//! Listens in on a function's calls of DynamoDB: what it asks for, what that costs, and how many calls there are.

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

/// A call, as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// `PutItem`, …
    pub operation: String,
    /// Its input, in DynamoDB's JSON.
    pub input: Value,
    /// Capacity units that it wrote, the index included, as the embedded DynamoDB counts them by AWS's rules.
    pub write_units: f64,
    /// Capacity units that it read.
    pub read_units: f64,
}

/// A proxy before a DynamoDB that remembers all calls.
pub struct Capture {
    /// `http://…`
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Proxy {
    to: String,
    client: Client<HttpConnector, Full<Bytes>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Capture {
    /// Listens on a free port, before the DynamoDB at `to`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(to: &str) -> Result<Self> {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let proxy = Proxy { to: to.to_owned(), client, calls: Arc::clone(&calls) };
        let router = Router::new().fallback(pass_on).with_state(proxy);
        let (listener, url) = services::bind().await?;
        let mut server = JoinSet::new();
        server.spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { url, calls, _server: server })
    }

    /// The calls since it was asked last, in the order of their answers.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pass_on(State(proxy): State<Proxy>, request: Request<Body>) -> Result<Response<Body>, StatusCode> {
    let bad = |_| StatusCode::BAD_GATEWAY;
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(bad)?.to_bytes();
    let input: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    // Asked for here, so that the function's own request stays as it is deployed. (The embedded DynamoDB doesn't look at
    // signatures.)
    let mut asking = input.clone();
    asking["ReturnConsumedCapacity"] = json!("TOTAL");
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let mut forwarded = Request::post(&proxy.to);
    for (name, value) in &head.headers {
        if !["host", "content-length"].contains(&name.as_str()) {
            forwarded = forwarded.header(name, value);
        }
    }
    let forwarded = forwarded.body(Full::from(asking.to_string())).map_err(|_| StatusCode::BAD_GATEWAY)?;
    let (head, body) = proxy.client.request(forwarded).await.map_err(|_| StatusCode::BAD_GATEWAY)?.into_parts();
    let body = body.collect().await.map_err(|_| StatusCode::BAD_GATEWAY)?.to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let units = units(&answer["ConsumedCapacity"]);
    let reads = ["GetItem", "BatchGetItem", "Query", "Scan"].contains(&operation.as_str());
    // A condition that doesn't hold costs what the write would have; the embedded one then says nothing.
    let units = if head.status.is_success() { units } else { 1.0 };
    let (write_units, read_units) = if reads { (0.0, units) } else { (units, 0.0) };
    let call = Call { operation, input, write_units, read_units };
    proxy.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    let mut response = Response::builder().status(head.status);
    for (name, value) in head.headers.iter().filter(|(name, _)| name.as_str() != "content-length") {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).map_err(|_| StatusCode::BAD_GATEWAY)
}

/// One capacity, or a list of them.
fn units(capacity: &Value) -> f64 {
    match capacity {
        Value::Array(all) => all.iter().map(units).sum(),
        one => one["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
