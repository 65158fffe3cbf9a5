//! A local stack for a test: callbacks go in over HTTP as the services send them, and what is stored is looked at.
//!
//! Nothing here is a stand-in: the gateway builds real API Gateway events, the functions are the deployed ones, and
//! DynamoDB and S3 are spoken to by the real SDK. Only the services' APIs are simulated.

pub mod bench;
pub mod browser;
pub mod fault_proxy;
pub mod legalesign;
pub mod raw_http;
pub mod rig;
pub mod signeasy;
mod stored;

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign::{
    delivery::Route,
    ledger::{ArchiveState, Ledger, Timeline},
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};
use countersign_cli::stack::{Folder, Options, Stack};
use http::{Method, Request};
use serde_json::Value;
use tempfile::TempDir;

/// So long may something take that happens by itself within a second: these machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// One for all tests: reading the trusted certificates for a new one takes its time. Its limits are those of a sender who
/// can wait.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let timeouts = Timeouts { first_byte: PATIENCE, total: PATIENCE, ..Timeouts::default() };
    Client::new(UrlPolicy::new(HostPatterns::default(), true), timeouts)
});

/// A client of the host of `url` alone.
#[must_use]
pub fn client_of(url: &str) -> Client {
    let (_, url) = UrlPolicy::only_host_of(url, true).expect("a URL");
    CLIENT.with_hosts(HostPatterns::only_host_of(&url))
}

/// A stack on a folder of its own.
pub struct World {
    /// The stack.
    pub stack: Stack,
    folder: TempDir,
}

/// What a callback was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// The three that say what became of it: status, outcome, reason.
    #[must_use]
    pub fn verdict(&self) -> (u16, &str, &str) {
        (self.status, self.body["outcome"].as_str().unwrap_or("-"), self.body["reason"].as_str().unwrap_or("-"))
    }

    /// The delivery's id.
    #[must_use]
    pub fn delivery(&self) -> &str {
        self.body["delivery"].as_str().expect("nothing was kept")
    }
}

impl World {
    /// A stack with throw-away secrets and no schedule.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with other options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(TempDir::new().expect("a folder"), change).await
    }

    /// A stack on a folder in which there is something already.
    pub async fn on(folder: TempDir) -> Self {
        Self::start_on(folder, |_| {}).await
    }

    async fn start_on(folder: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::for_tests().expect("options");
        change(&mut options);
        let taken = Folder::take(folder.path()).expect("a lock").expect("a free folder");
        Self { stack: Stack::start(taken, options).await.expect("a stack"), folder }
    }

    /// Ends the stack and starts another on the same folder.
    pub async fn restart(self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options { secrets: self.stack.secrets.clone(), ..Options::for_tests().expect("options") };
        change(&mut options);
        self.stack.stop().await;
        let taken = Folder::take(self.folder.path()).expect("a lock").expect("a free folder");
        Self { stack: Stack::start(taken, options).await.expect("a stack"), folder: self.folder }
    }

    /// The stack's ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.stack.ledger()
    }

    /// Posts a body to a route with the right path token.
    pub async fn post(&self, route: Route, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let url = self.stack.callback_url(route).expect("a path token");
        self.post_to(&url, &[("content-type", content_type)], body).await
    }

    /// Posts a body to a URL.
    pub async fn post_to(&self, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(url);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = client_of(url).call(request, 1 << 20).await.expect("an answer");
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
        Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        }
    }

    /// Posts a QuicklySign callback about a pack.
    pub async fn quicklysign(&self, event: &str, pack: &str) -> Answer {
        let body = serde_json::json!({
            "subscription_key": "key", "entity_type": "Document", "entity_key": pack, "callback_event": event,
        });
        self.post(Route::Quicklysign, "application/json", body.to_string()).await
    }

    /// The timeline of a subject; it must be known.
    pub async fn timeline(&self, subject: &Subject) -> Timeline {
        self.ledger().timeline(subject).await.expect("the ledger").expect("a known subject")
    }

    /// Waits until a subject's archive order has one of these states, and gives its timeline.
    pub async fn archive_is(&self, subject: &Subject, states: &[ArchiveState]) -> Timeline {
        let until = Instant::now() + PATIENCE;
        loop {
            let timeline = self.timeline(subject).await;
            let state = timeline.document.archive.as_ref().map(|archive| archive.state);
            if state.is_some_and(|state| states.contains(&state)) {
                return timeline;
            }
            assert!(Instant::now() < until, "{state:?} is not one of {states:?}: {:?}", timeline.document);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The bytes of an object in the archive.
    pub async fn object(&self, key: &str) -> Bytes {
        stored::object(&self.stack.aws, &self.stack.endpoints.bucket, key).await
    }

    /// The keys of all objects in the bucket.
    pub async fn keys(&self) -> Vec<String> {
        stored::keys(&self.stack.aws, &self.stack.endpoints.bucket).await
    }

    /// All items but the traces of what was refused.
    pub async fn believed(&self) -> Vec<countersign::ledger::Item> {
        stored::believed(&self.stack.aws, &self.stack.endpoints.table).await
    }

    /// All items of the table.
    pub async fn items(&self) -> Vec<countersign::ledger::Item> {
        stored::items(&self.stack.aws, &self.stack.endpoints.table).await
    }
}

/// A subject.
#[must_use]
pub fn subject(provider: Provider, kind: SubjectKind, id: &str) -> Subject {
    Subject { provider, kind, id: SubjectId::parse(id).expect("an id") }
}

/// A QuicklySign pack.
#[must_use]
pub fn pack(id: &str) -> Subject {
    subject(Provider::Quicklysign, SubjectKind::DocumentPack, id)
}

/// SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}
