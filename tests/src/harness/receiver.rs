//! A receiver of forwarded events, as a customer would run it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use countersign_cli::bus::forwards::{Forwards, Secret, Target};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::PATIENCE;

/// A posted event.
#[derive(Clone, Debug)]
pub struct Received {
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The status with which it was answered.
    pub status: u16,
}

impl Received {
    /// The value of `webhook-id`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().expect("text")
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Verifies the signature as a customer would, and returns the body.
    #[must_use]
    pub fn verified(&self, secret: &str) -> Value {
        Webhook::new(secret).expect("a secret").verify(&self.body, &self.headers).expect("a valid signature");
        self.json()
    }
}

#[derive(Default)]
struct Shared {
    received: Vec<Received>,
    /// The statuses of the next responses.
    answers: VecDeque<u16>,
    /// The status of the responses after those; 204 if none is set.
    otherwise: Option<u16>,
}

/// An HTTP server that stores all posts. It ends with the test's process.
#[derive(Clone)]
pub struct Receiver {
    /// Its URL, with a path and a query.
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    /// Starts one that accepts everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hooks/countersign?key=k", listener.local_addr().expect("an address"));
        let receiver = Self { url, shared: Arc::default() };
        let router = Router::new().route("/hooks/countersign", post(take)).with_state(receiver.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        receiver
    }

    /// Answers the next posts with these statuses, and those that follow with 204.
    pub fn answer_with(&self, statuses: impl IntoIterator<Item = u16>) {
        let mut shared = self.shared.lock().expect("a lock");
        shared.answers.extend(statuses);
        shared.otherwise = None;
    }

    /// Answers every post with this status, until [`Self::answer_with`] is called.
    pub fn answer_all_with(&self, status: u16) {
        self.shared.lock().expect("a lock").otherwise = Some(status);
    }

    /// Everything that was posted.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().expect("a lock").received.clone()
    }

    /// Waits until this many posts have arrived, and returns them.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let until = Instant::now() + PATIENCE;
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(Instant::now() < until, "{} of {count} posts in time", received.len());
            tokio::time::sleep(super::local_stack::POLL).await;
        }
    }

    /// The option of a stack that forwards to these receivers.
    ///
    /// # Panics
    /// When the secret isn't one, or a receiver's URL can't be forwarded to.
    #[must_use]
    pub fn forwards(receivers: &[&Self], secret: &Secret) -> Forwards {
        let target = |receiver: &&Self| receiver.url.parse::<Target>().expect("a target");
        Forwards { targets: receivers.iter().map(target).collect(), secret: secret.clone() }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut shared = receiver.shared.lock().expect("a lock");
    let status = shared.answers.pop_front().or(shared.otherwise).unwrap_or(204);
    shared.received.push(Received { headers, body, status });
    StatusCode::from_u16(status).expect("a status")
}
