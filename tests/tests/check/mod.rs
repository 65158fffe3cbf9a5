//! What is sent in a test of faults, and what must be stored of it afterwards.

use std::collections::BTreeSet;

use countersign::{
    delivery::{DeliveryId, Route},
    event::Kind,
    ledger::{ArchiveState, EventView, Outcome, Timeline},
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};
use countersign_cli::{
    commands::trigger::{self, Payload},
    simulator::legalesign::posts::{self, Post},
};
use end_to_end::{
    pack,
    rig::{Rig, Told},
    sha256, subject,
};
use jiff::Timestamp;
use serde_json::json;

/// Larger than what stands in the table, so that the bucket is asked too.
const LARGE: usize = 9 * 1024;

/// How many documents a finished subject has.
const DOCUMENTS: usize = 2;

/// A callback to send.
#[derive(Debug, Clone)]
pub struct Callback {
    route: Route,
    query: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// What the event that comes of it means.
    kind: Kind,
}

impl Callback {
    fn of(post: Post, kind: Kind) -> Self {
        Self { route: post.route, query: post.query, headers: post.headers, body: post.body.into(), kind }
    }
}

/// A callback that was sent, and what its sender heard.
#[derive(Debug, Clone)]
pub struct Sent {
    callback: usize,
    pub told: Option<Told>,
}

impl Sent {
    /// Whether the sender won't send it again.
    pub fn acknowledged(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.status == 200)
    }

    fn delivery(&self) -> Option<&DeliveryId> {
        self.told.as_ref()?.delivery.as_ref()
    }
}

/// Callbacks about one subject, which ends completed, with its PDFs archived.
pub struct Scenario {
    pub subject: Subject,
    pub callbacks: Vec<Callback>,
    /// Whether a callback that is sent again is the same event. QuicklySign's have no identity: each is an event.
    identified: bool,
    /// Whether the bytes are stored as they came. A token is taken out of SignEasy's.
    verbatim: bool,
}

/// Makes a scenario about a subject of this name.
pub type Make = fn(&Rig, &str) -> Scenario;

/// One for each function that takes callbacks.
pub const SCENARIOS: [Make; 4] =
    [Scenario::quicklysign, Scenario::legalesign_batch, Scenario::legalesign_realtime, Scenario::signeasy];

fn document(provider: Provider, id: &str) -> Subject {
    subject(provider, SubjectKind::Document, id)
}

impl Scenario {
    /// A pack of QuicklySign's that is finished.
    pub fn quicklysign(rig: &Rig, id: &str) -> Self {
        rig.simulator.pack(id).documents(DOCUMENTS);
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
        Self { subject: pack(id), callbacks, identified: false, verbatim: true }
    }

    /// A document of Legalesign's, in two batches.
    pub fn legalesign_batch(rig: &Rig, id: &str) -> Self {
        let batch = |code, padding: usize| {
            let changes = json!([posts::status("document", id, code, Timestamp::now())]);
            let mut post = posts::batch(&rig.signing_key(), &changes.to_string());
            post.body = [&post.body, b"&padding=".as_slice(), &vec![b'x'; padding]].concat().into();
            post
        };
        let callbacks = vec![Callback::of(batch(10, 1), Kind::Sent), Callback::of(batch(30, LARGE), Kind::Completed)];
        Self { subject: document(Provider::Legalesign, id), callbacks, identified: true, verbatim: true }
    }

    /// A document of Legalesign's, by the signed form.
    pub fn legalesign_realtime(rig: &Rig, id: &str) -> Self {
        let form = |event| posts::signed_form(&rig.signing_key(), id, posts::GROUP).upon(event);
        let callbacks = vec![Callback::of(form("sent"), Kind::Sent), Callback::of(form("signed"), Kind::Completed)];
        Self { subject: document(Provider::Legalesign, id), callbacks, identified: true, verbatim: true }
    }

    /// A request of SignEasy's, whose ids are numbers.
    pub fn signeasy(rig: &Rig, name: &str) -> Self {
        let number = name.bytes().fold(7_u64, |number, byte| (number * 31 + u64::from(byte)) % 1_000_000_007);
        let id = SubjectId::parse(number.to_string()).expect("an id");
        let callback = |event, kind| {
            let made = trigger::callback(Provider::Signeasy, event, Payload::V2, &id, Some(rig.all_secrets()));
            let trigger::Callback { route, query, headers, body } = made.expect("a callback");
            Callback { route, query, headers, body: body.into(), kind }
        };
        let callbacks = vec![callback("rs.signed", Kind::Signed), callback("rs.completed", Kind::Completed)];
        Self { subject: document(Provider::Signeasy, id.as_str()), callbacks, identified: true, verbatim: false }
    }

    /// How many calls it takes until a callback is accepted.
    pub fn accepting_calls(&self, callback: &Callback) -> usize {
        if callback.body.len() > 8 * 1024 { 2 } else { 1 }
    }

    pub async fn send(&self, rig: &Rig, callback: &Callback) -> Sent {
        let position = self.callbacks.iter().position(|other| other.kind == callback.kind);
        let headers: Vec<_> = callback.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = rig.post(callback.route, callback.query.as_deref(), &headers, callback.body.clone()).await;
        Sent { callback: position.expect("one of them"), told }
    }

    /// Sends again what nobody acknowledged.
    pub async fn send_again(&self, rig: &Rig, sent: &[Sent]) -> Vec<Sent> {
        let mut again = Vec::new();
        for (position, callback) in self.callbacks.iter().enumerate() {
            if !sent.iter().any(|sent| sent.callback == position && sent.acknowledged()) {
                let sent = self.send(rig, callback).await;
                assert!(sent.acknowledged(), "nothing is wrong any more: {sent:?}");
                again.push(sent);
            }
        }
        again
    }
}

/// All that was acknowledged is there, and nothing is there twice.
pub async fn acknowledged(rig: &Rig, scenario: &Scenario, sent: &[Sent], context: &str) {
    let timeline = rig.ledger().timeline(&scenario.subject).await.expect("the ledger");
    let acknowledged: Vec<&Sent> = sent.iter().filter(|sent| sent.acknowledged()).collect();
    let Some(timeline) = timeline else {
        assert!(acknowledged.is_empty(), "{context}: nothing is known of it");
        return;
    };
    once(&timeline, scenario, sent, context);
    for sent in acknowledged {
        let id = sent.delivery().expect("an acknowledged delivery has an id");
        let stored = rig.ledger().delivery(id).await.expect("the ledger").expect(context);
        let callback = &scenario.callbacks[sent.callback];
        assert!(!scenario.verbatim || stored.delivery.body().as_ref() == callback.body, "{context}");
        let outcome = stored.record.outcome;
        let is_first = outcome == Outcome::Recorded;
        assert!(is_first || scenario.identified && outcome == Outcome::Duplicate, "{context}: {outcome:?}");
        let told_first = |event: &&EventView| event.delivery.as_deref() == Some(id.as_str());
        let events = timeline.events.iter().filter(|event| !is_first || told_first(event));
        let kinds: Vec<Kind> = events.map(|event| event.kind).collect();
        assert!(kinds.contains(&callback.kind), "{context}: {kinds:?}");
    }
    let completed = timeline.events.iter().any(|event| event.kind == Kind::Completed);
    let told = timeline.events.iter().map(|event| event.kind).filter(|kind| kind.rank().is_some());
    assert_eq!(timeline.document.status, told.max_by_key(|kind| kind.rank()), "{context}");
    assert_eq!(timeline.document.archive.is_some(), completed, "{context}");
    if completed {
        archived(rig, &timeline, context).await;
    }
}

/// All is there: every callback, the status and the PDFs.
pub async fn whole(rig: &Rig, scenario: &Scenario, sent: &[Sent], context: &str) {
    acknowledged(rig, scenario, sent, context).await;
    let timeline = rig.ledger().timeline(&scenario.subject).await.expect("the ledger").expect(context);
    let kinds: BTreeSet<&str> = timeline.events.iter().map(|event| event.kind.as_str()).collect();
    let sent: BTreeSet<&str> = scenario.callbacks.iter().map(|callback| callback.kind.as_str()).collect();
    assert_eq!(kinds, sent, "{context}");
    assert_eq!((timeline.document.status, timeline.document.conflict), (Some(Kind::Completed), false), "{context}");
    assert!(timeline.document.confirmed_at.is_some(), "{context}");
}

/// Each event is there once: of each callback, or of each delivery where those have no identity.
fn once(timeline: &Timeline, scenario: &Scenario, sent: &[Sent], context: &str) {
    let deliveries: BTreeSet<_> = timeline.events.iter().filter_map(|event| event.delivery.as_deref()).collect();
    assert_eq!(deliveries.len(), timeline.events.len(), "{context}");
    if scenario.identified {
        assert!(timeline.events.len() <= scenario.callbacks.len(), "{context}: {:?}", timeline.events);
        assert!(timeline.events.iter().all(|event| event.deliveries <= sent.len()), "{context}");
    } else {
        assert!(timeline.events.iter().all(|event| event.deliveries == 1), "{context}");
        assert!(timeline.events.len() <= sent.len(), "{context}");
    }
    let requests = timeline.events.iter().filter(|event| event.kind == Kind::Completed).count();
    assert_eq!(timeline.document.archive.as_ref().map_or(0, |archive| archive.requests), requests, "{context}");
}

/// Each document is archived, once, and is what its hash says.
async fn archived(rig: &Rig, timeline: &Timeline, context: &str) {
    let archive = timeline.document.archive.as_ref().expect("an order");
    assert_eq!(archive.state, ArchiveState::Archived, "{context}: {archive:?}");
    let documents: BTreeSet<_> = timeline.pdfs.iter().map(|pdf| (pdf.document.as_str(), pdf.role)).collect();
    assert_eq!(documents.len(), timeline.pdfs.len(), "{context}: {:?}", timeline.pdfs);
    assert_eq!(documents.len(), DOCUMENTS, "{context}");
    for pdf in &timeline.pdfs {
        assert!(pdf.current, "{context}");
        let bytes = rig.object(&pdf.key).await;
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size), "{context}");
    }
}

/// Over everything that is stored: no delivery is left accepted, and every object is what its name says.
pub async fn everything(rig: &Rig) {
    for item in rig.items().await {
        let outcome = item.text("outcome");
        assert!(outcome.is_none_or(|outcome| ["recorded", "duplicate"].contains(&outcome)), "{outcome:?}");
    }
    let mut pdfs = 0;
    for key in rig.keys("").await.into_iter().filter(|key| !key.starts_with("deliveries/")) {
        let name = key.rsplit('/').next().unwrap_or_default();
        assert_eq!(format!("{}.pdf", sha256(&rig.object(&key).await)), name);
        pdfs += 1;
    }
    assert!(pdfs > 0);
}
