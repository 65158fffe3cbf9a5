//! A stand-in for the Lambda Runtime API: hands a function its events, takes its answers, and notes when.
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

/// A batch of 20,000 entries beside an embedded DynamoDB on a busy machine; anything longer is stuck.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a function sent back, and when all of it was there.
struct Answered {
    at: Instant,
    body: Result<Bytes, String>,
}

struct Shared {
    events: Mutex<mpsc::Receiver<Bytes>>,
    asked: mpsc::Sender<Instant>,
    answered: mpsc::Sender<Answered>,
}

/// One function's Runtime API. It ends when it is dropped.
pub struct Runtime {
    /// `host:port`, for `AWS_LAMBDA_RUNTIME_API`.
    pub address: String,
    events: mpsc::Sender<Bytes>,
    asked: mpsc::Receiver<Instant>,
    answered: mpsc::Receiver<Answered>,
    server: JoinHandle<()>,
}

impl Runtime {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (events, to_hand_over) = mpsc::channel(1);
        let (asked_sender, asked) = mpsc::channel(16);
        let (answered_sender, answered) = mpsc::channel(16);
        let shared = Shared { events: Mutex::new(to_hand_over), asked: asked_sender, answered: answered_sender };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{what}", post(answer))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::new(shared));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { address, events, asked, answered, server })
    }

    /// Waits until the function asks for its next event, and says when it did.
    ///
    /// # Errors
    /// When it doesn't, or says that it can't start.
    pub async fn asked(&mut self) -> Result<Instant> {
        tokio::select! {
            at = self.asked.recv() => at.context("the Runtime API has ended"),
            Some(answered) = self.answered.recv() => bail!("the function can't start: {:?}", answered.body.err()),
            () = tokio::time::sleep(PATIENCE) => bail!("the function doesn't ask for an event"),
        }
    }

    /// Hands over an event, for which the function must have asked; the answer, and how long it took.
    ///
    /// # Errors
    /// When there is no answer, or the function says that it failed.
    pub async fn invoke(&mut self, event: Bytes) -> Result<(Duration, Bytes)> {
        let start = Instant::now();
        self.events.send(event).await.context("the Runtime API has ended")?;
        let answered = tokio::time::timeout(PATIENCE, self.answered.recv()).await.context("no answer")?;
        let Answered { at, body } = answered.context("the Runtime API has ended")?;
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
    shared.asked.send(Instant::now()).await.map_err(|_| StatusCode::GONE)?;
    let event = shared.events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
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
    drop(shared.answered.send(Answered { at, body }).await);
    StatusCode::ACCEPTED
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let body = Err(String::from_utf8_lossy(&body).into_owned());
    drop(shared.answered.send(Answered { at: Instant::now(), body }).await);
    StatusCode::ACCEPTED
}
