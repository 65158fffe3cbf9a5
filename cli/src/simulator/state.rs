//! The simulator's state: scripts, recorded requests, short-lived locations, and what single services remember.

use std::collections::{BTreeMap, HashMap, VecDeque};

use countersign::domain::Provider;
use http::Extensions;
use uuid::Uuid;

use super::Simulator;
use super::behaviour::{Answer, Download, Part, Subject};
use super::call::Request;
use super::paper::Paper;

/// Limits of the lists, so that memory doesn't grow in a stack that runs for weeks. The oldest entries are dropped.
const MAX_REQUESTS: usize = 10_000;
const MAX_LOCATIONS: usize = 100;

#[derive(Default)]
pub(super) struct State {
    pub base_url: Option<String>,
    pub subjects: BTreeMap<(Provider, String), Subject>,
    /// For a subject with another id besides its own: from that id to its own one.
    pub other_ids: HashMap<(Provider, String), String>,
    pub requests: VecDeque<Request>,
    /// Short-lived locations: name, behaviour and file.
    pub locations: VecDeque<(String, Download, Paper)>,
    /// What single services remember, by type.
    own: Extensions,
    /// Number of keys generated so far.
    keys: u64,
    renderings: u64,
    failures: VecDeque<Failure>,
}

struct Failure {
    prefix: String,
    status: u16,
    left: usize,
}

impl State {
    pub fn record(&mut self, request: Request) {
        push_bounded(&mut self.requests, request, MAX_REQUESTS);
    }

    /// The part of the state that only one service has. `T` is a type of that service's own.
    pub fn own<T: Clone + Default + Send + Sync + 'static>(&mut self) -> &mut T {
        self.own.get_or_insert_default()
    }

    /// The number of the next key, from 1.
    pub fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    pub fn fail_next(&mut self, times: usize, prefix: &str, status: u16) {
        self.failures.push_back(Failure { prefix: prefix.to_owned(), status, left: times });
    }

    /// The status of the next scripted failure for this path, if any. Uses the failure up.
    pub fn failure(&mut self, path: &str) -> Option<u16> {
        self.failures.retain(|failure| failure.left > 0);
        let failure = self.failures.iter_mut().find(|failure| path.starts_with(&failure.prefix))?;
        failure.left -= 1;
        Some(failure.status)
    }

    /// The number of the next rendering, from 1.
    pub fn next_rendering(&mut self) -> u64 {
        self.renderings += 1;
        self.renderings
    }

    /// Creates a short-lived location for a download, and returns its path.
    pub fn new_location(&mut self, download: Download, paper: Paper) -> String {
        let name = Uuid::now_v7().simple().to_string();
        let path = format!("/files/{name}");
        push_bounded(&mut self.locations, (name, download, paper), MAX_LOCATIONS);
        path
    }
}

impl Simulator {
    /// The subject as scripted, with the answer that holds for this request. Ids that are no ids are unknown.
    pub(super) fn subject(&self, service: Provider, id: &str) -> Subject {
        let mut state = self.state();
        let key = (service, state.own_id(service, id));
        let mut subject = match state.subjects.get_mut(&key) {
            Some(subject) => {
                let next = subject.next_answers.pop_front();
                let permanent = subject.answer.clone();
                Subject { answer: next.or(permanent), ..subject.clone() }
            }
            None => Subject::default(),
        };
        if !well_formed(id) {
            subject.answer = Some(Answer::Unknown);
        }
        subject
    }

    /// The subject as scripted, without using anything up.
    pub(super) fn peek(&self, service: Provider, id: &str) -> Subject {
        let state = self.state();
        let key = (service, state.own_id(service, id));
        state.subjects.get(&key).cloned().unwrap_or_default()
    }

    /// What has to come of this file now; uses up a download that was scripted for once.
    pub(super) fn download(&self, service: Provider, id: &str, part: Part) -> Download {
        let mut state = self.state();
        let key = (service, state.own_id(service, id));
        let Some(subject) = state.subjects.get_mut(&key) else {
            return Download::Pdf;
        };
        let own = subject.downloads.get(&part).cloned();
        match part {
            Part::Record => own.unwrap_or_default(),
            Part::Document(_) => {
                let next = subject.next_downloads.pop_front();
                next.or(own).unwrap_or_else(|| subject.download.clone())
            }
        }
    }
}

impl State {
    /// The id by which a subject is scripted, if `id` may be another one.
    pub fn own_id(&self, service: Provider, id: &str) -> String {
        self.other_ids.get(&(service, id.to_owned())).map_or(id, String::as_str).to_owned()
    }
}

/// Whether this is an id that the product accepts. The simulator knows exactly these.
pub(super) fn well_formed(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=200).contains(&id.len()) && id.bytes().all(plain)
}

/// Appends an item, and drops the oldest one if there would be more than `max`.
pub(super) fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}
