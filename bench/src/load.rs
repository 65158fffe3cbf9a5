//! A load test of `countersign serve`: callbacks of all kinds at rising rates until it can't keep up, and then a check
//! that everything that was accepted is in the ledger.
//!
//! Requests are sent on schedule, even if earlier ones haven't been answered, and their response time counts from the
//! scheduled time. So a slow server can't slow its own test down.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use countersign::domain::Provider;
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
    events::{EventKind, Events},
    spread::percentile,
    starts::milliseconds,
};

/// Rates in callbacks per second.
const RATES: [u64; 9] = [10, 20, 50, 100, 150, 200, 250, 300, 400];

/// Duration of each rate.
const HOLD: Duration = Duration::from_secs(10);

/// Timeout of a callback: the longest of the services' own timeouts (SignEasy's).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum wait for the sweep. A batch that couldn't be recorded in time is acknowledged once it is durable, and
/// recorded by the sweep when it is a minute old. After saturation, the sweep needs several runs.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(300);

/// The stack is saturated if less than this share of the callbacks is answered while the rate is held.
const KEPT_UP: f64 = 0.9;

/// Number of entries of the large batch.
pub const BATCH: usize = 5_000;

/// The kinds of callbacks, sent in turns.
const KINDS: [EventKind; 4] = [EventKind::Quicklysign, EventKind::Signeasy, EventKind::Realtime, EventKind::Batch(5)];

/// The result of one rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Callbacks sent per second.
    pub sent: f64,
    /// Callbacks per second that were answered with 200 while the rate was held.
    pub answered: f64,
    /// Median of the response times in milliseconds, from the scheduled time.
    pub p50: f64,
    /// 99th percentile of the response times in milliseconds, from the scheduled time.
    pub p99: f64,
    /// Number of callbacks that weren't answered with 200.
    pub failed: usize,
}

impl Step {
    /// Whether nearly all callbacks were answered while the rate was held.
    #[must_use]
    pub fn kept_up(&self) -> bool {
        self.answered >= KEPT_UP * self.sent
    }
}

/// The result of the load test.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Load {
    /// The results by rising rate.
    pub steps: Vec<Step>,
    /// Seconds until a batch of [`BATCH`] entries was answered, on the idle stack.
    #[serde(default)]
    pub batch: Option<f64>,
    /// Number of callbacks that were answered with 200.
    pub accepted: usize,
    /// Number of accepted callbacks that weren't recorded yet at the end of the test, such as batches that ran out of
    /// time.
    pub recorded_later: usize,
    /// Number of accepted callbacks whose delivery or events aren't all in the ledger even after the sweep.
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

/// Runs the load test on a new local stack.
///
/// # Errors
/// When the stack doesn't start, or its table can't be read.
pub async fn run(programs: &Programs) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&programs.function("countersign"), folder.path()).await?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut load = Load::default();
    let mut accepted = HashSet::new();
    let (time, delivery) = batch(&server, &client).await?;
    eprintln!("a batch of {BATCH} entries: {time:.1} s");
    load.batch = Some(time);
    accepted.insert(delivery);
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
        eprintln!("{rate} per second: {step:?}");
        accepted.extend(sent.into_iter().filter_map(|sent| sent.delivery));
        let saturated = !step.kept_up();
        load.steps.push(step);
        if saturated {
            break;
        }
    }
    load.accepted = accepted.len();
    load.recorded_later = missing(&server, &accepted).await?;
    load.lost = load.recorded_later;
    let until = Instant::now() + SWEEP_TIMEOUT;
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
        let mut lines = BufReader::new(process.stdout.take().context("the server's output")?).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        ensure!(line.starts_with("listening on "), "the server doesn't start");
        let endpoints = serde_json::from_str(&std::fs::read_to_string(data.join("endpoints.json"))?)?;
        let mut secrets = Secrets::read(&data.join("secrets"))?;
        // Without a restriction to groups: documents of other groups wouldn't be archived, which would be less load.
        let mut proof = secrets.of(Provider::Legalesign).0.clone();
        proof["groups"] = Value::Null;
        secrets.set_proof(Provider::Legalesign, proof);
        Ok(Self { process, endpoints, secrets })
    }

    async fn end(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// Sends the large batch. Returns the seconds until it was answered, and the delivery's id.
async fn batch(server: &Server, client: &Client<HttpConnector, Full<Bytes>>) -> Result<(f64, String)> {
    // A run of its own, whose ids no callback of the steps has.
    let events = Events::new(&server.secrets, 999);
    let request = request(server, &events.post(EventKind::Batch(BATCH), 0)?)?;
    let start = Instant::now();
    let delivery = send(client, request).await.context("the large batch wasn't answered with 200")?;
    Ok((start.elapsed().as_secs_f64(), delivery))
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
            let delivery = tokio::time::timeout(TIMEOUT, send(&client, request)).await.ok().flatten();
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

/// Sends a callback. Returns the delivery's id if the answer is 200.
async fn send(client: &Client<HttpConnector, Full<Bytes>>, request: Request<Full<Bytes>>) -> Option<String> {
    let response = client.request(request).await.ok()?;
    let accepted = response.status() == 200;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    let body: Value = serde_json::from_slice(&body).ok()?;
    accepted.then(|| body["delivery"].as_str().map(str::to_owned)).flatten()
}

/// The number of these deliveries that aren't recorded with all their events.
async fn missing(server: &Server, accepted: &HashSet<String>) -> Result<usize> {
    let aws = stack::clients(&server.endpoints.dynamodb, &server.endpoints.s3, &server.endpoints.key()).await;
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
