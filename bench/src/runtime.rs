//! A substitute for the Lambda Runtime API: delivers events to a function, receives its answers, and records the times.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Response, StatusCode},
    routing::{get, post},
};
use bytes::Bytes;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

/// Timeout of an invocation: enough for a batch of 20,000 entries with an embedded DynamoDB on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A function's answer or error, and the time when it had arrived completely.
struct Answer {
    at: Instant,
    body: Result<Bytes, String>,
}

struct Shared {
    events: Mutex<mpsc::Receiver<Bytes>>,
    requests: mpsc::Sender<Instant>,
    answers: mpsc::Sender<Answer>,
}

/// The Runtime API of one function. Stops when it is dropped.
pub struct Runtime {
    /// `host:port`, for `AWS_LAMBDA_RUNTIME_API`.
    pub address: String,
    events: mpsc::Sender<Bytes>,
    requests: mpsc::Receiver<Instant>,
    answers: mpsc::Receiver<Answer>,
    server: JoinHandle<()>,
}

impl Runtime {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (events, events_receiver) = mpsc::channel(1);
        let (requests_sender, requests) = mpsc::channel(16);
        let (answers_sender, answers) = mpsc::channel(16);
        let shared = Shared { events: Mutex::new(events_receiver), requests: requests_sender, answers: answers_sender };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{what}", post(answer))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::new(shared));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { address, events, requests, answers, server })
    }

    /// Waits until the function requests its next event. Returns the time of the request.
    ///
    /// # Errors
    /// When it makes no request in time, or reports that it can't start.
    pub async fn next_request(&mut self) -> Result<Instant> {
        tokio::select! {
            at = self.requests.recv() => at.context("the Runtime API has ended"),
            Some(answer) = self.answers.recv() => bail!("the function can't start: {:?}", answer.body.err()),
            () = tokio::time::sleep(TIMEOUT) => bail!("the function doesn't request an event"),
        }
    }

    /// Delivers an event, which the function must have requested. Returns the time until the answer, and the answer.
    ///
    /// # Errors
    /// When there is no answer in time, or the function reports a failure.
    pub async fn invoke(&mut self, event: Bytes) -> Result<(Duration, Bytes)> {
        let start = Instant::now();
        self.events.send(event).await.context("the Runtime API has ended")?;
        let answer = tokio::time::timeout(TIMEOUT, self.answers.recv()).await.context("no answer")?;
        let Answer { at, body } = answer.context("the Runtime API has ended")?;
        let body = body.map_err(|error| anyhow::anyhow!("the function failed: {error}"))?;
        Ok((at - start, body))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Result<Response<Body>, StatusCode> {
    let ended = |_| StatusCode::GONE;
    shared.requests.send(Instant::now()).await.map_err(|_| StatusCode::GONE)?;
    let event = shared.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + TIMEOUT;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:000000000000:function:bench")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0")
        .body(Body::from(event))
        .map_err(ended)
}

async fn answer(State(shared): State<Arc<Shared>>, Path((_, what)): Path<(String, String)>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let body = if what == "response" { Ok(body) } else { Err(String::from_utf8_lossy(&body).into_owned()) };
    drop(shared.answers.send(Answer { at, body }).await);
    StatusCode::ACCEPTED
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let body = Err(String::from_utf8_lossy(&body).into_owned());
    drop(shared.answers.send(Answer { at: Instant::now(), body }).await);
    StatusCode::ACCEPTED
}
