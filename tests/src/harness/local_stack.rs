//! The entry point over HTTP.

use std::{
    collections::BTreeSet,
    ops::Deref,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign::{
    domain::{Provider, Route, Subject, SubjectId},
    ledger::{ArchiveState, Timeline},
    publish::DetailType,
};
use countersign_cli::{
    simulator::callbacks,
    stack::{Folder, Options, Stack},
};
use http::{Method, Request};
use tempfile::TempDir;

use super::{
    Answer, Stored, client_of, options,
    published::{published, types_of},
    throw_away_secrets,
};
use crate::PATIENCE;

/// Interval between two checks of a condition that is waited for.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// A running local stack in a folder of its own. Callbacks are posted to it over HTTP.
pub struct LocalStack {
    stack: Stack,
    folder: TempDir,
}

impl LocalStack {
    /// A stack with throw-away secrets and no schedule.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other options.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(throw_away_secrets());
        change(&mut options);
        Self::open(TempDir::new().expect("a folder"), options).await
    }

    /// The same with these variables in the functions' environment.
    pub async fn start_with_environment(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self::start_with(|options| options.environment.extend(variables)).await
    }

    /// A stack in a folder that another one has left.
    pub async fn start_in(folder: TempDir) -> Self {
        Self::open(folder, options(throw_away_secrets())).await
    }

    async fn open(folder: TempDir, options: Options) -> Self {
        let taken = Folder::take(folder.path()).expect("a lock").free().expect("a free folder");
        Self { stack: Stack::start(taken, options).await.expect("a stack"), folder }
    }

    /// Ends the stack and starts another one in the same folder, with the same secrets.
    pub async fn restart(self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(self.secrets.clone());
        change(&mut options);
        self.stack.stop().await;
        Self::open(self.folder, options).await
    }

    /// Ends the stack.
    pub async fn stop(self) {
        self.stack.stop().await;
    }

    /// Posts a body to a route with the right path token.
    pub async fn post(&self, route: Route, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let url = self.callback_url(route).expect("a path token");
        self.post_to(&url, &[("content-type", content_type)], body).await
    }

    /// Posts a body to a URL. Headers without a value are left out.
    pub async fn post_to(&self, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, url, headers, body).await
    }

    /// The same with any method.
    pub async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = client_of(url).call(request, 1 << 20).await.expect("an answer");
        Answer::new(response.status(), response.headers(), response.body())
    }

    /// Sends a documented callback about this id, as `countersign trigger` does. It must be recorded.
    pub async fn trigger(&self, provider: Provider, event: &str, id: &str) {
        let id = SubjectId::parse(id).expect("an id");
        let secret = self.secrets.secret(provider);
        let options = callbacks::Options::default();
        let callback = callbacks::callback(provider, event, &id, &options, secret).expect("a callback");
        let url = self.callback_url(callback.route).expect("a path token");
        let (status, answer) = callback.send(&url).await.expect("an answer");
        assert_eq!((status.as_u16(), answer["outcome"].as_str()), (200, Some("recorded")), "{answer}");
    }

    /// Waits until a subject's timeline is as expected, and returns it. The subject must be known.
    pub async fn wait_for_timeline(&self, subject: &Subject, expected: impl Fn(&Timeline) -> bool) -> Timeline {
        let until = Instant::now() + PATIENCE;
        loop {
            let timeline = self.timeline(subject).await;
            if expected(&timeline) {
                return timeline;
            }
            assert!(Instant::now() < until, "not as expected in time: {timeline:#?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until exactly these types of events are published about a subject. Events of its archive job may be missing
    /// in `expected`.
    pub async fn wait_for_events(&self, subject: &Subject, expected: &BTreeSet<DetailType>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let is_of_job = |detail_type: &DetailType| detail_type.as_str().starts_with("document.archive");
            let types = types_of(&published(&self.bus).await, subject).into_keys();
            let types: BTreeSet<_> = types.filter(|each| expected.contains(each) || !is_of_job(each)).collect();
            if types == *expected {
                return;
            }
            let wrong = types.difference(expected).next().is_some() || Instant::now() > until;
            assert!(!wrong, "{}: {types:?} are published, not {expected:?}", subject.partition());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a subject's archive job is in one of these states, and returns the timeline.
    pub async fn wait_for_archive(&self, subject: &Subject, states: &[ArchiveState]) -> Timeline {
        let state = |timeline: &Timeline| timeline.document.archive.as_ref().map(|archive| archive.state);
        self.wait_for_timeline(subject, |timeline| state(timeline).is_some_and(|state| states.contains(&state))).await
    }

    /// Waits until a subject is archived and its archive job was enqueued this many times.
    pub async fn wait_for_archive_requests(&self, subject: &Subject, requests: usize) -> Timeline {
        let is_done = |timeline: &Timeline| {
            let archive = timeline.document.archive.as_ref();
            archive.is_some_and(|archive| archive.state == ArchiveState::Archived && archive.requests == requests)
        };
        self.wait_for_timeline(subject, is_done).await
    }
}

impl Deref for LocalStack {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}
