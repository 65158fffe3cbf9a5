//! What is sent in a test of faults, and what must be stored of it afterwards.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    delivery::{DeliveryId, Route},
    event::Kind,
    ledger::{ArchiveState, Outcome, Timeline},
    subject::Subject,
};
use end_to_end::{
    pack,
    rig::{Rig, Told},
    sha256,
};

/// Larger than what stands in the table, so that the bucket is asked too.
const LARGE: usize = 9 * 1024;

/// How many documents a finished subject has.
const DOCUMENTS: usize = 2;

/// A callback to send.
#[derive(Debug, Clone)]
pub struct Callback {
    route: Route,
    content_type: &'static str,
    body: Vec<u8>,
    /// The name of the event that comes of it.
    event: &'static str,
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
}

impl Scenario {
    /// A pack of QuicklySign's that is finished. Its callbacks have no identity: each delivery is an event.
    pub fn quicklysign(rig: &Rig, id: &str) -> Self {
        rig.simulator.pack(id).documents(DOCUMENTS);
        let callback = |event: &'static str, padding: usize| Callback {
            route: Route::Quicklysign,
            content_type: "application/json",
            body: serde_json::json!({
                "subscription_key": "k".repeat(padding),
                "entity_type": "Document",
                "entity_key": id,
                "callback_event": event,
            })
            .to_string()
            .into_bytes(),
            event,
        };
        let callbacks = vec![callback("document_updated", 1), callback("final_document_generated", LARGE)];
        Self { subject: pack(id), callbacks }
    }

    /// How many calls it takes until a callback is accepted.
    pub fn accepting_calls(&self, callback: &Callback) -> usize {
        if callback.body.len() > 8 * 1024 { 2 } else { 1 }
    }

    pub async fn send(&self, rig: &Rig, callback: &Callback) -> Sent {
        let position = self.callbacks.iter().position(|other| other.body == callback.body);
        let headers = [("content-type", callback.content_type)];
        let told = rig.post(callback.route, &headers, callback.body.clone()).await;
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
    once(&timeline, sent, context);
    for sent in acknowledged {
        let id = sent.delivery().expect("an acknowledged delivery has an id");
        let stored = rig.ledger().delivery(id).await.expect("the ledger").expect(context);
        let callback = &scenario.callbacks[sent.callback];
        assert_eq!(stored.delivery.body().as_ref(), callback.body, "{context}");
        assert_eq!(stored.record.outcome, Outcome::Recorded, "{context}");
        let events = timeline.events.iter().filter(|event| event.delivery.as_deref() == Some(id.as_str()));
        let names: Vec<&str> = events.map(|event| event.name.as_str()).collect();
        assert_eq!(names, [callback.event], "{context}");
    }
    let completed = timeline.events.iter().any(|event| event.kind == Kind::Completed);
    assert_eq!(timeline.document.status, completed.then_some(Kind::Completed), "{context}");
    assert_eq!(timeline.document.archive.is_some(), completed, "{context}");
    if completed {
        archived(rig, &timeline, context).await;
    }
}

/// All is there: every callback, the status and the PDFs.
pub async fn whole(rig: &Rig, scenario: &Scenario, sent: &[Sent], context: &str) {
    acknowledged(rig, scenario, sent, context).await;
    let timeline = rig.ledger().timeline(&scenario.subject).await.expect("the ledger").expect(context);
    let names: BTreeSet<&str> = timeline.events.iter().map(|event| event.name.as_str()).collect();
    let sent: BTreeSet<&str> = scenario.callbacks.iter().map(|callback| callback.event).collect();
    assert_eq!(names, sent, "{context}");
    assert_eq!((timeline.document.status, timeline.document.conflict), (Some(Kind::Completed), false), "{context}");
    assert!(timeline.document.confirmed_at.is_some(), "{context}");
}

/// Each delivery is one event, and each event is of one delivery.
fn once(timeline: &Timeline, sent: &[Sent], context: &str) {
    let deliveries: BTreeSet<_> = timeline.events.iter().filter_map(|event| event.delivery.as_deref()).collect();
    assert_eq!(deliveries.len(), timeline.events.len(), "{context}");
    assert!(timeline.events.iter().all(|event| event.deliveries == 1), "{context}");
    let mut at_most: BTreeMap<usize, usize> = BTreeMap::new();
    sent.iter().for_each(|sent| *at_most.entry(sent.callback).or_default() += 1);
    assert!(timeline.events.len() <= at_most.values().sum(), "{context}");
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
        assert!(outcome.is_none_or(|outcome| outcome == "recorded"), "{outcome:?}");
    }
    let mut pdfs = 0;
    for key in rig.keys("").await.into_iter().filter(|key| !key.starts_with("deliveries/")) {
        let name = key.rsplit('/').next().unwrap_or_default();
        assert_eq!(format!("{}.pdf", sha256(&rig.object(&key).await)), name);
        pdfs += 1;
    }
    assert!(pdfs > 0);
}
