//! What a test of faults sends, and what must be stored afterwards.

use std::collections::BTreeSet;

use countersign::{
    domain::{DeliveryId, Kind, Outcome, Provider, Route, Subject, SubjectId, SubjectKind},
    ledger::{ArchiveState, EventView, Timeline},
};
use countersign_cli::simulator::{
    callbacks::{self, Payload},
    legalesign::posts::{self, Post},
};
use end_to_end::{Answer, FaultyFunctions, Stored, legalesign, pack, sha256, subject};
use jiff::Timestamp;
use serde_json::json;

/// Larger than a body that is stored in the table, so that the bucket is called too.
const LARGE: usize = 9 * 1024;

/// Documents of a finished subject, each with a PDF of its own unless the service merges them.
const DOCUMENTS: usize = 2;

/// A callback to send.
#[derive(Debug, Clone)]
pub struct Callback {
    route: Route,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// What its event means.
    kind: Kind,
}

impl Callback {
    fn new(post: Post, kind: Kind) -> Self {
        Self { route: post.route, query: post.query, headers: post.headers, body: post.body.into(), kind }
    }
}

/// A callback that was sent, and the answer; `None` if there was none.
#[derive(Debug, Clone)]
pub struct Sent {
    callback: usize,
    pub answer: Option<Answer>,
}

impl Sent {
    /// Whether the sender won't send it again.
    pub fn acknowledged(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.status == 200)
    }

    fn delivery(&self) -> Option<DeliveryId> {
        let id = self.answer.as_ref()?.body["delivery"].as_str()?;
        Some(id.parse().expect("a delivery's id"))
    }
}

/// Callbacks about one subject, which is completed in the end, its PDFs archived.
pub struct Scenario {
    pub subject: Subject,
    pub callbacks: Vec<Callback>,
    /// Whether a callback that is sent again is the same event. QuicklySign's have no identity: each is a new event.
    identified: bool,
    /// Whether the body is stored as it was sent. SignEasy's token is removed.
    verbatim: bool,
    /// Whether a callback reports the completion. If not, the last callback makes the job due, and the API reports it.
    completes: bool,
    /// The number of PDFs.
    pdfs: usize,
}

/// Makes a scenario about a subject with this name.
pub type Make = fn(&FaultyFunctions, &str) -> Scenario;

/// One for each callback function.
pub const SCENARIOS: [Make; 5] = [
    Scenario::dropbox_sign,
    Scenario::quicklysign,
    Scenario::legalesign_batch,
    Scenario::legalesign_realtime,
    Scenario::signeasy,
];

fn document(provider: Provider, id: &str) -> Subject {
    subject(provider, SubjectKind::Document, id)
}

impl Scenario {
    /// A Dropbox Sign request, whose documents are merged into one PDF.
    pub fn dropbox_sign(functions: &FaultyFunctions, id: &str) -> Self {
        functions.simulator.signature_request(id).documents(DOCUMENTS);
        let callback = |event, kind, padding: usize| {
            let id = SubjectId::parse(id).expect("an id");
            let secret = functions.secrets.secret(Provider::DropboxSign);
            let options = callbacks::Options::default();
            let mut post =
                callbacks::callback(Provider::DropboxSign, event, &id, &options, secret).expect("a callback");
            // Whatever is before the first boundary isn't part of the form.
            post.body = [&vec![b'x'; padding], b"\r\n".as_slice(), &post.body].concat().into();
            Callback::new(post, kind)
        };
        let callbacks = vec![
            callback("signature_request_sent", Kind::Sent, 1),
            callback("signature_request_all_signed", Kind::Signed, LARGE),
        ];
        let subject = document(Provider::DropboxSign, id);
        Self { subject, callbacks, identified: true, verbatim: true, completes: false, pdfs: 1 }
    }

    /// A QuicklySign pack that is finished.
    pub fn quicklysign(functions: &FaultyFunctions, id: &str) -> Self {
        functions.simulator.pack(id).documents(DOCUMENTS);
        let callback = |event: &str, kind, padding: usize| Callback {
            route: Route::Quicklysign,
            query: None,
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!({
                "subscription_key": "k".repeat(padding),
                "entity_type": "Document",
                "entity_key": id,
                "callback_event": event,
            })
            .to_string()
            .into_bytes(),
            kind,
        };
        let callbacks = vec![
            callback("document_updated", Kind::Updated, 1),
            callback("final_document_generated", Kind::Completed, LARGE),
        ];
        Self { subject: pack(id), callbacks, identified: false, verbatim: true, completes: true, pdfs: DOCUMENTS }
    }

    /// A Legalesign document, in two batches.
    pub fn legalesign_batch(functions: &FaultyFunctions, id: &str) -> Self {
        let batch = |code, padding: usize| {
            let changes = json!([posts::status("document", id, code, Timestamp::now())]);
            let mut post = posts::batch(&legalesign::signing_key(&functions.secrets), &changes.to_string()).unwrap();
            post.body = [&post.body, b"&padding=".as_slice(), &vec![b'x'; padding]].concat().into();
            post
        };
        let callbacks = vec![Callback::new(batch(10, 1), Kind::Sent), Callback::new(batch(30, LARGE), Kind::Completed)];
        let subject = document(Provider::Legalesign, id);
        Self { subject, callbacks, identified: true, verbatim: true, completes: true, pdfs: DOCUMENTS }
    }

    /// A Legalesign document, by the signed form.
    pub fn legalesign_realtime(functions: &FaultyFunctions, id: &str) -> Self {
        let form = |event| {
            posts::signed_form(&legalesign::signing_key(&functions.secrets), id, posts::GROUP)
                .unwrap()
                .with_event(event)
        };
        let callbacks = vec![Callback::new(form("sent"), Kind::Sent), Callback::new(form("signed"), Kind::Completed)];
        let subject = document(Provider::Legalesign, id);
        Self { subject, callbacks, identified: true, verbatim: true, completes: true, pdfs: DOCUMENTS }
    }

    /// A SignEasy request, whose id is a number.
    pub fn signeasy(functions: &FaultyFunctions, name: &str) -> Self {
        let number = name.bytes().fold(7_u64, |number, byte| (number * 31 + u64::from(byte)) % 1_000_000_007);
        let id = SubjectId::parse(number.to_string()).expect("an id");
        let callback = |event, kind| {
            let options = callbacks::Options { payload: Payload::V2, ..Default::default() };
            let secret = functions.secrets.secret(Provider::Signeasy);
            let made = callbacks::callback(Provider::Signeasy, event, &id, &options, secret);
            Callback::new(made.expect("a callback"), kind)
        };
        let callbacks = vec![callback("rs.signed", Kind::Signed), callback("rs.completed", Kind::Completed)];
        let subject = document(Provider::Signeasy, id.as_str());
        Self { subject, callbacks, identified: true, verbatim: false, completes: true, pdfs: DOCUMENTS }
    }

    /// Number of calls until a callback is accepted.
    pub fn accepting_calls(&self, callback: &Callback) -> usize {
        if callback.body.len() > 8 * 1024 { 2 } else { 1 }
    }

    pub async fn send(&self, functions: &FaultyFunctions, callback: &Callback) -> Sent {
        let position = self.callbacks.iter().position(|other| other.kind == callback.kind);
        let headers: Vec<_> = callback.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = functions.post(callback.route, callback.query.as_deref(), &headers, &callback.body).await;
        Sent { callback: position.expect("a callback of this scenario"), answer }
    }

    /// Sends callbacks again that were not acknowledged. No faults are planned.
    pub async fn send_again(&self, functions: &FaultyFunctions, sent: &[Sent]) -> Vec<Sent> {
        let mut again = Vec::new();
        for (position, callback) in self.callbacks.iter().enumerate() {
            if !sent.iter().any(|sent| sent.callback == position && sent.acknowledged()) {
                let sent = self.send(functions, callback).await;
                assert!(sent.acknowledged(), "without faults: {sent:?}");
                again.push(sent);
            }
        }
        again
    }
}

/// Everything that was acknowledged is stored, and nothing is stored twice.
pub async fn assert_acknowledged_is_stored(
    functions: &FaultyFunctions,
    scenario: &Scenario,
    sent: &[Sent],
    context: &str,
) {
    let timeline = functions.ledger().timeline(&scenario.subject).await.expect("the ledger");
    let acknowledged: Vec<&Sent> = sent.iter().filter(|sent| sent.acknowledged()).collect();
    let Some(timeline) = timeline else {
        assert!(acknowledged.is_empty(), "{context}: nothing is stored");
        return;
    };
    assert_stored_once(&timeline, scenario, sent, context);
    for sent in acknowledged {
        let id = sent.delivery().expect("an acknowledged delivery has an id");
        let stored = functions.ledger().delivery(&id).await.expect("the ledger").expect(context);
        let callback = &scenario.callbacks[sent.callback];
        assert!(!scenario.verbatim || stored.delivery.body().as_ref() == callback.body, "{context}");
        let outcome = stored.record.outcome;
        let is_first = outcome == Outcome::Recorded;
        assert!(is_first || scenario.identified && outcome == Outcome::Duplicate, "{context}: {outcome:?}");
        let is_its_own = |event: &&EventView| event.delivery.as_deref() == Some(id.as_str());
        let events = timeline.events.iter().filter(|event| !is_first || is_its_own(event));
        let kinds: Vec<Kind> = events.map(|event| event.kind).collect();
        assert!(kinds.contains(&callback.kind), "{context}: {kinds:?}");
    }
    let requests_job = scenario.callbacks.last().map(|callback| callback.kind);
    let completed = timeline.events.iter().any(|event| Some(event.kind) == requests_job);
    let ranked = timeline.events.iter().map(|event| event.kind).filter(|kind| kind.rank().is_some());
    assert_eq!(timeline.document.status, ranked.max_by_key(|kind| kind.rank()), "{context}");
    assert_eq!(timeline.document.archive.is_some(), completed, "{context}");
    if completed {
        assert_archived(functions, scenario, &timeline, context).await;
    }
}

/// Everything is stored: every callback, the status and the PDFs.
pub async fn assert_complete(functions: &FaultyFunctions, scenario: &Scenario, sent: &[Sent], context: &str) {
    assert_acknowledged_is_stored(functions, scenario, sent, context).await;
    let timeline = functions.ledger().timeline(&scenario.subject).await.expect("the ledger").expect(context);
    let kinds: BTreeSet<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
    let sent = scenario.callbacks.iter().map(|callback| callback.kind);
    let completed = (!scenario.completes).then_some(Kind::Completed);
    let expected: BTreeSet<&str> = sent.chain(completed).map(Kind::as_str).collect();
    assert_eq!(kinds, expected, "{context}");
    assert_eq!((timeline.document.status, timeline.document.conflict), (Some(Kind::Completed), false), "{context}");
    assert!(timeline.document.confirmed_at.is_some(), "{context}");
}

/// Each event is stored once: per callback, or per delivery if callbacks have no identity. What only the API reported is
/// stored once, too.
fn assert_stored_once(timeline: &Timeline, scenario: &Scenario, sent: &[Sent], context: &str) {
    let (events, reports): (Vec<_>, Vec<_>) = timeline.events.iter().partition(|event| event.source == "callback");
    let deliveries: BTreeSet<_> = events.iter().filter_map(|event| event.delivery.as_deref()).collect();
    assert_eq!(deliveries.len(), events.len(), "{context}");
    assert!(reports.len() <= usize::from(!scenario.completes), "{context}: {reports:?}");
    if scenario.identified {
        assert!(events.len() <= scenario.callbacks.len(), "{context}: {events:?}");
        assert!(events.iter().all(|event| event.deliveries <= sent.len()), "{context}");
    } else {
        assert!(events.iter().all(|event| event.deliveries == 1), "{context}");
        assert!(events.len() <= sent.len(), "{context}");
    }
    let requests = timeline.document.archive.as_ref().map_or(0, |archive| archive.requests);
    if scenario.completes {
        let completions = events.iter().filter(|event| event.kind == Kind::Completed).count();
        assert_eq!(requests, completions, "{context}");
    } else {
        // Each delivery is a request of its own: something may have changed since.
        let deliveries = events.iter().filter(|event| event.kind == Kind::Signed).map(|event| event.deliveries);
        assert_eq!(requests, deliveries.sum::<usize>(), "{context}");
    }
}

/// Each document is archived once, and its bytes have the recorded hash.
async fn assert_archived(functions: &FaultyFunctions, scenario: &Scenario, timeline: &Timeline, context: &str) {
    let archive = timeline.document.archive.as_ref().expect("an archive job");
    assert_eq!(archive.state, ArchiveState::Archived, "{context}: {archive:?}");
    let documents: BTreeSet<_> = timeline.pdfs.iter().map(|pdf| (pdf.document.as_str(), pdf.role)).collect();
    assert_eq!(documents.len(), timeline.pdfs.len(), "{context}: {:?}", timeline.pdfs);
    assert_eq!(documents.len(), scenario.pdfs, "{context}");
    for pdf in &timeline.pdfs {
        assert!(pdf.current, "{context}");
        let bytes = functions.object(&pdf.key).await;
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size), "{context}");
    }
}

/// No stored delivery is left accepted, and every archived object has the hash in its name.
pub async fn assert_nothing_is_unfinished(functions: &FaultyFunctions) {
    for item in functions.items().await {
        let outcome = item.text("outcome");
        assert!(outcome.is_none_or(|outcome| ["recorded", "duplicate"].contains(&outcome)), "{outcome:?}");
    }
    let mut pdfs = 0;
    for key in functions.keys().await.into_iter().filter(|key| !key.starts_with("deliveries/")) {
        let name = key.rsplit('/').next().unwrap_or_default();
        assert_eq!(format!("{}.pdf", sha256(&functions.object(&key).await)), name);
        pdfs += 1;
    }
    assert!(pdfs > 0);
}
