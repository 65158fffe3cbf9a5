//! The simulator's state: scripts, issued tokens, webhooks, and recorded requests.

use std::collections::{BTreeMap, HashMap, VecDeque};

use countersign::domain::Provider;
use uuid::Uuid;

use super::Simulator;
use super::behaviour::{Answer, Download, Part, Subject};
use super::call::Request;
use super::paper::Paper;
use super::subscriptions::Subscription;
use super::webhooks::{Callback, Webhook};

/// Limits of the lists, so that memory doesn't grow in a stack that runs for weeks. The oldest entries are dropped.
const MAX_REQUESTS: usize = 10_000;
const MAX_TOKENS: usize = 1_000;
const MAX_LOCATIONS: usize = 100;
const MAX_CALLBACKS: usize = 1_000;

pub(super) struct State {
    pub base_url: Option<String>,
    pub subjects: BTreeMap<(Provider, String), Subject>,
    /// Signed file id to request id, where a SignEasy request has two.
    pub signed: HashMap<String, String>,
    pub requests: VecDeque<Request>,
    /// Access tokens and their remaining calls.
    pub access_tokens: VecDeque<(String, u32)>,
    pub token_calls: u32,
    /// Short-lived locations: name, behaviour and file.
    pub locations: VecDeque<(String, Download, Paper)>,
    pub webhooks: Vec<Webhook>,
    pub callbacks: VecDeque<Callback>,
    pub webhook_page_size: usize,
    /// From Legalesign's signer id to the signer's reason for declining.
    pub rejections: HashMap<String, String>,
    pub subscriptions: Vec<Subscription>,
    /// The slug of the Legalesign group that documents belong to unless scripted.
    pub group: String,
    /// Number of keys generated for webhooks, log entries and subscriptions.
    pub keys: u64,
    renderings: u64,
    failures: VecDeque<Failure>,
}

struct Failure {
    prefix: String,
    status: u16,
    left: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            base_url: None,
            subjects: BTreeMap::new(),
            signed: HashMap::new(),
            requests: VecDeque::new(),
            access_tokens: VecDeque::new(),
            token_calls: u32::MAX,
            locations: VecDeque::new(),
            webhooks: Vec::new(),
            callbacks: VecDeque::new(),
            webhook_page_size: usize::MAX / 2,
            rejections: HashMap::new(),
            subscriptions: Vec::new(),
            group: "simulator".to_owned(),
            keys: 0,
            renderings: 0,
            failures: VecDeque::new(),
        }
    }
}

impl State {
    pub fn record(&mut self, request: Request) {
        push_bounded(&mut self.requests, request, MAX_REQUESTS);
    }

    pub fn record_callback(&mut self, callback: Callback) {
        push_bounded(&mut self.callbacks, callback, MAX_CALLBACKS);
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

    pub fn new_access_token(&mut self) -> String {
        let token = format!("simulated-{}", Uuid::now_v7().simple());
        let calls = self.token_calls;
        push_bounded(&mut self.access_tokens, (token.clone(), calls), MAX_TOKENS);
        token
    }

    /// Whether the token is valid. Uses up one of its calls.
    pub fn accepts_token(&mut self, token: &str) -> bool {
        let known = self.access_tokens.iter_mut().find(|(known, _)| known == token);
        match known {
            Some((_, 0)) | None => false,
            Some((_, left)) => {
                *left = left.saturating_sub(1);
                true
            }
        }
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
        let key = (service, state.request_of(service, id));
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
        let key = (service, state.request_of(service, id));
        state.subjects.get(&key).cloned().unwrap_or_default()
    }

    /// What has to come of this file now; uses up a download that was scripted for once.
    pub(super) fn download(&self, service: Provider, id: &str, part: Part) -> Download {
        let mut state = self.state();
        let key = (service, state.request_of(service, id));
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
    /// A SignEasy request is scripted by its pending id, and may be asked for by its signed one.
    pub fn request_of(&self, service: Provider, id: &str) -> String {
        match service {
            Provider::Signeasy => self.signed.get(id).map_or(id, String::as_str).to_owned(),
            Provider::Legalesign | Provider::Quicklysign => id.to_owned(),
        }
    }
}

/// Whether this is an id that the product accepts. The simulator knows exactly these.
pub(super) fn well_formed(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=200).contains(&id.len()) && id.bytes().all(plain)
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}
