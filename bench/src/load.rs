//! A load test of `countersign serve`: callbacks of all kinds at rising rates until it can't keep up, and then a look
//! whether everything that was accepted is in the ledger.
//!
//! Requests leave when their time has come, whether earlier ones were answered or not, and their time counts from when
//! they should have left: a server that is slow can't slow its own test down.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use countersign::provider::Provider;
use countersign_cli::{
    simulator::legalesign::posts::Post,
    stack::{self, Endpoints, Secrets},
};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::sleep_until,
};

use crate::{
    contestants::Programs,
    events::{Events, Sort},
    spread::percentile,
    starts::milliseconds,
};

/// Callbacks a second.
const RATES: [u64; 12] = [2, 5, 10, 15, 20, 30, 40, 60, 80, 160, 320, 640];

/// So long is each rate held.
const HOLD: Duration = Duration::from_secs(10);

/// A service gives up after this long at the latest (SignEasy).
const PATIENCE: Duration = Duration::from_secs(30);

/// A batch that couldn't be recorded in time is acknowledged once it is durable, and recorded by the sweep, which takes
/// what is a minute old. A stack that has just been saturated needs a few runs.
const SWEPT_WITHIN: Duration = Duration::from_secs(300);

/// It is saturated once fewer than so many in a hundred that were sent are answered while the rate is held.
const KEPT_UP: f64 = 0.9;

/// What is sent, in turns.
const KINDS: [Sort; 4] = [Sort::Quicklysign, Sort::Signeasy, Sort::Realtime, Sort::Batch(5)];

/// How one rate went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Callbacks a second that were sent.
    pub sent: f64,
    /// Callbacks a second that were answered 200 while the rate was held.
    pub answered: f64,
    /// Milliseconds from when a callback should have left to its answer.
    pub p50: f64,
    /// See there.
    pub p99: f64,
    /// Those that weren't answered 200.
    pub failed: usize,
}

/// How all of it went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Load {
    /// The rates, rising.
    pub steps: Vec<Step>,
    /// Callbacks that were answered 200.
    pub accepted: usize,
    /// Those of them that were acknowledged before they were recorded, as batches are when there is no time left.
    pub recorded_later: usize,
    /// Those of them whose delivery, or one of whose events, isn't in the ledger even after the sweep.
    pub lost: usize,
}

struct Server {
    process: Child,
    endpoints: Endpoints,
    secrets: Secrets,
}

struct Sent {
    time: Duration,
    in_time: bool,
    delivery: Option<String>,
}

/// Loads a fresh local stack.
///
/// # Errors
/// When it doesn't start, or its table can't be read.
pub async fn run(programs: &Programs) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&programs.function("countersign"), folder.path()).await?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut load = Load::default();
    let mut accepted = HashSet::new();
    for (round, rate) in RATES.into_iter().enumerate() {
        let sent = step(&server, &client, rate, round as u64).await?;
        let times: Vec<f64> = sent.iter().map(|sent| milliseconds(sent.time)).collect();
        let seconds = HOLD.as_secs_f64();
        let answered = sent.iter().filter(|sent| sent.in_time).count() as f64 / seconds;
        let step = Step {
            sent: sent.len() as f64 / seconds,
            answered,
            p50: percentile(&times, 50.0),
            p99: percentile(&times, 99.0),
            failed: sent.iter().filter(|sent| sent.delivery.is_none()).count(),
        };
        eprintln!("{rate} a second: {step:?}");
        accepted.extend(sent.into_iter().filter_map(|sent| sent.delivery));
        let saturated = step.answered < KEPT_UP * step.sent;
        load.steps.push(step);
        if saturated {
            break;
        }
    }
    load.accepted = accepted.len();
    load.recorded_later = missing(&server, &accepted).await?;
    load.lost = load.recorded_later;
    let until = Instant::now() + SWEPT_WITHIN;
    while load.lost > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(5)).await;
        load.lost = missing(&server, &accepted).await?;
    }
    server.end().await?;
    Ok(load)
}

impl Server {
    async fn start(file: &Path, data: &Path) -> Result<Self> {
        let mut process = Command::new(file)
            .args(["serve", "--port", "0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{}", file.display()))?;
        let mut lines = BufReader::new(process.stdout.take().context("its output")?).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        ensure!(line.starts_with("listening on "), "it doesn't start");
        let endpoints = serde_json::from_str(&std::fs::read_to_string(data.join("endpoints.json"))?)?;
        let mut secrets = Secrets::read(&data.join("secrets"))?;
        // Documents of another group would not be archived, which is less work.
        let mut proof = secrets.of(Provider::Legalesign).0.clone();
        proof["groups"] = Value::Null;
        secrets.set_proof(Provider::Legalesign, proof);
        Ok(Self { process, endpoints, secrets })
    }

    async fn end(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

async fn step(
    server: &Server,
    client: &Client<HttpConnector, Full<Bytes>>,
    rate: u64,
    round: u64,
) -> Result<Vec<Sent>> {
    let events = Events::new(&server.secrets, round);
    let count = rate * HOLD.as_secs();
    let mut requests = Vec::new();
    for number in 0..count {
        let post = events.post(KINDS[(number % KINDS.len() as u64) as usize], number)?;
        requests.push(request(server, &post)?);
    }
    let start = Instant::now() + Duration::from_millis(100);
    let mut sending = JoinSet::new();
    for (number, request) in requests.into_iter().enumerate() {
        let at = start + HOLD.mul_f64(number as f64 / count as f64);
        let client = client.clone();
        sending.spawn(async move {
            sleep_until(at.into()).await;
            let delivery = tokio::time::timeout(PATIENCE, send(&client, request)).await.ok().flatten();
            let now = Instant::now();
            Sent { time: now - at, in_time: delivery.is_some() && now <= start + HOLD, delivery }
        });
    }
    Ok(sending.join_all().await)
}

fn request(server: &Server, post: &Post) -> Result<Request<Full<Bytes>>> {
    let token = server.secrets.url_token(post.route.provider())?;
    let mut url = server.endpoints.http.clone() + &post.route.path().replace("{token}", &token);
    if let Some(query) = &post.query {
        url = format!("{url}?{query}");
    }
    let mut request = Request::post(url);
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    Ok(request.body(Full::new(post.body.clone()))?)
}

/// The delivery's id, if it was answered 200.
async fn send(client: &Client<HttpConnector, Full<Bytes>>, request: Request<Full<Bytes>>) -> Option<String> {
    let response = client.request(request).await.ok()?;
    let accepted = response.status() == 200;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    let body: Value = serde_json::from_slice(&body).ok()?;
    accepted.then(|| body["delivery"].as_str().map(str::to_owned)).flatten()
}

/// How many of these deliveries aren't recorded with all their events.
async fn missing(server: &Server, accepted: &HashSet<String>) -> Result<usize> {
    let aws = stack::clients(&server.endpoints.dynamodb, &server.endpoints.s3).await;
    let mut pages = aws.dynamodb.scan().table_name(&server.endpoints.table).into_paginator().items().send();
    let mut events: HashMap<String, u64> = HashMap::new();
    let mut recorded: HashMap<String, u64> = HashMap::new();
    while let Some(item) = pages.next().await {
        let item = item?;
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        if text("sk").starts_with("EVENT#") {
            *events.entry(text("delivery")).or_default() += 1;
        } else if let (Some(id), "recorded") = (text("pk").strip_prefix("DELIVERY#"), &*text("outcome")) {
            let count = item.get("events").and_then(|value: &AttributeValue| value.as_n().ok()?.parse().ok());
            recorded.insert(id.to_owned(), count.unwrap_or_default());
        }
    }
    Ok(accepted.iter().filter(|id| recorded.get(*id).is_none_or(|count| events.get(*id) != Some(count))).count())
}
