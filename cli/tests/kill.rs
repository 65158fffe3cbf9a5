//! `kill -9` of the whole stack at random moments under load. Afterwards every acknowledged callback is there, once, with
//! the right status and with PDFs that match their hashes, and its events are on the bus. One test sends many callbacks of
//! QuicklySign about the same packs, the other one every callback of every service.
//!
//! `COUNTERSIGN_KILLS` is the number of kills: 20 by default, 100 in `.ci/full`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::{digest, rand};
use bytes::Bytes;
use countersign::{
    domain::{DeliveryId, Kind, Outcome, Provider, Route, Subject, SubjectId, SubjectKind},
    ledger::ArchiveState,
    outbound::{Client, Timeouts, UrlPolicy},
    providers::Services,
    sweep::Sweep,
};
use countersign_cli::{
    bus,
    simulator::{self, callbacks},
    stack::{Folder, Options, Secrets, Stack},
};
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Concurrent senders.
const SENDERS: usize = 4;

/// Callbacks per pack.
const CALLBACKS_OF_A_PACK: usize = 3;

/// Generous timeout: CI machines are shared.
const PATIENCE: Duration = Duration::from_secs(180);

/// A callback that was acknowledged.
struct Acknowledged {
    delivery: DeliveryId,
    pack: String,
    event: &'static str,
}

async fn serve(data: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["serve", "--port", "0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = lines.next_line().await.expect("its output").expect("it starts after every kill");
    let http = line.strip_prefix("listening on ").expect("where it listens").to_owned();
    (child, http)
}

/// Sends callbacks until the stack stops answering.
async fn send(client: Client, url: String, numbers: Arc<AtomicUsize>, acknowledged: Arc<Mutex<Vec<Acknowledged>>>) {
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let pack = format!("pack-{}", number / CALLBACKS_OF_A_PACK);
        let event = if number % CALLBACKS_OF_A_PACK == 1 { "final_document_generated" } else { "document_updated" };
        // Some bodies are too large for the table and go to the bucket.
        let padding = "x".repeat(if number.is_multiple_of(5) { 9_000 } else { 1 });
        let body = serde_json::json!({"entity_key": pack, "callback_event": event, "subscription_key": padding});
        let request = Request::builder().method(Method::POST).uri(&url).body(Bytes::from(body.to_string()));
        let Ok(answer) = client.call(request.expect("a request"), 1 << 16).await else { return };
        if answer.status() == 200 {
            let answer: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
            let delivery = answer["delivery"].as_str().expect("a delivery").parse().expect("its id");
            acknowledged.lock().expect("no sender failed").push(Acknowledged { delivery, pack, event });
        }
    }
}

fn kills() -> usize {
    std::env::var("COUNTERSIGN_KILLS").map_or(20, |kills| kills.parse().expect("a number"))
}

fn count(acknowledged: &Mutex<Vec<Acknowledged>>) -> usize {
    acknowledged.lock().expect("no sender failed").len()
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).expect("random numbers");
    u64::from_be_bytes(bytes) % limit
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_callbacks_survive_kill_9() {
    let kills = kills();
    let folder = tempfile::tempdir().expect("a folder");
    let numbers = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let (policy, _) = UrlPolicy::only_host_of("http://127.0.0.1/", true).expect("a URL");
    let client = Client::new(policy, Timeouts::default());
    for kill in 0..kills {
        let (mut child, http) = serve(folder.path()).await;
        let secrets = Secrets::of_data_folder(folder.path()).expect("secrets");
        let token = secrets.url_token(Provider::Quicklysign).expect("a path token");
        let url = format!("{http}{}", Route::Quicklysign.path().replace("{token}", &token));
        let senders = (0..SENDERS)
            .map(|_| tokio::spawn(send(client.clone(), url.clone(), numbers.clone(), acknowledged.clone())));
        let senders: Vec<_> = senders.collect();
        // Sometimes the kill comes before the first answer, mostly while the stack is busy.
        let before = count(&acknowledged);
        let started = Instant::now();
        while !kill.is_multiple_of(4) && count(&acknowledged) == before && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(random_below(700))).await;
        child.kill().await.expect("kill -9");
        for sender in senders {
            sender.await.expect("a sender");
        }
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no sender failed"));
    assert!(acknowledged.len() > kills, "only {} were acknowledged: too few for this test", acknowledged.len());
    check(folder.path(), &acknowledged, numbers.load(Ordering::Relaxed)).await;
}

/// An acknowledged callback of any service.
struct AnyAcknowledged {
    delivery: DeliveryId,
    provider: Provider,
    event: &'static str,
}

/// Every documented callback of every service.
fn every_callback() -> Vec<(Provider, &'static str)> {
    let of = |provider| simulator::service(provider).events().into_iter().map(move |event| (provider, event.name));
    Provider::ALL.into_iter().flat_map(of).collect()
}

/// Sends every callback of every service in turn, each about an id of its own, until the stack stops answering.
async fn send_any(
    http: String,
    secrets: Arc<Secrets>,
    numbers: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<Vec<AnyAcknowledged>>>,
) {
    let callbacks = every_callback();
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (provider, event) = callbacks[number % callbacks.len()];
        let id = SubjectId::parse(format!("9{number:06}")).expect("an id");
        let options = callbacks::Options::default();
        let post = callbacks::callback(provider, event, &id, &options, secrets.secret(provider)).expect("a callback");
        let token = secrets.url_token(provider).expect("a path token");
        let url = format!("{http}{}", post.route.path().replace("{token}", &token));
        let Ok((status, answer)) = post.send(&url).await else { return };
        if status == 200 {
            let delivery = answer["delivery"].as_str().expect("a delivery").parse().expect("its id");
            acknowledged.lock().expect("no sender failed").push(AnyAcknowledged { delivery, provider, event });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_callbacks_of_every_service_survive_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let numbers = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let all: BTreeSet<_> = every_callback().into_iter().collect();
    let sent = |acknowledged: &Mutex<Vec<AnyAcknowledged>>| {
        let acknowledged = acknowledged.lock().expect("no sender failed");
        acknowledged.iter().map(|sent| (sent.provider, sent.event)).collect::<BTreeSet<_>>()
    };
    let (started, mut killed) = (Instant::now(), 0);
    // Until each callback was acknowledged at least once.
    while killed < kills() || sent(&acknowledged) != all {
        let missing: Vec<_> = all.difference(&sent(&acknowledged)).copied().collect();
        assert!(missing.is_empty() || started.elapsed() < PATIENCE, "not acknowledged: {missing:?}");
        let (mut child, http) = serve(folder.path()).await;
        let secrets = Arc::new(Secrets::of_data_folder(folder.path()).expect("secrets"));
        let senders = (0..SENDERS)
            .map(|_| tokio::spawn(send_any(http.clone(), secrets.clone(), numbers.clone(), acknowledged.clone())));
        let senders: Vec<_> = senders.collect();
        tokio::time::sleep(Duration::from_millis(300 + random_below(700))).await;
        child.kill().await.expect("kill -9");
        killed += 1;
        for sender in senders {
            sender.await.expect("a sender");
        }
    }
    let secrets = Secrets::of_data_folder(folder.path()).expect("secrets");
    let taken = Folder::take(folder.path()).expect("a lock").free().expect("a free folder");
    let options = Options { secrets, ..Options::for_tests().expect("options") };
    let stack = Stack::start(taken, options).await.expect("a stack");
    finish(&stack).await;
    retry_interrupted(&stack).await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no sender failed"));
    for sent in acknowledged {
        check_any(&stack, &sent).await;
    }
    stack.stop().await;
}

/// A job whose worker was killed nine times is failed, raises an alarm, and is retried by hand. No other job may be failed.
async fn retry_interrupted(stack: &Stack) {
    let ledger = stack.ledger();
    let failed = ledger.jobs(ArchiveState::Failed, None, 10_000).await.expect("the ledger");
    eprintln!("{} jobs were interrupted nine times", failed.len());
    for job in failed {
        assert_eq!(job.reason.as_deref(), Some("interrupted"), "{job:?}");
        assert!(ledger.retry(&job.subject).await.expect("the ledger"), "{job:?}");
    }
    finish(stack).await;
}

/// Checks that a callback is recorded, with each of its events once, and that PDFs match their hashes.
async fn check_any(stack: &Stack, sent: &AnyAcknowledged) {
    let (ledger, name) = (stack.ledger(), format!("{} {}", sent.provider, sent.event));
    let stored = ledger.delivery(&sent.delivery).await.expect("the ledger").expect("an acknowledged delivery");
    assert_eq!(stored.record.outcome, Outcome::Recorded, "{name}");
    let reading = Services::without_settings(&stack.aws).read(&stored.delivery).expect("a readable delivery");
    assert_eq!(stored.record.events, reading.events.len() as u64, "{name}");
    for event in &reading.events {
        let timeline = ledger.timeline(&event.subject).await.expect("the ledger").expect("a known subject");
        let id = event.id(stored.delivery.trust()).to_string();
        let there = timeline.events.iter().filter(|recorded| recorded.id == id).count();
        let of_delivery =
            timeline.events.iter().filter(|event| event.delivery.as_deref() == Some(sent.delivery.as_str()));
        let about = reading.events.iter().filter(|other| other.subject == event.subject).count();
        assert!(there <= 1 && of_delivery.count() == about, "{name}: {:?}", timeline.events);
        let archive = timeline.document.archive.as_ref().map(|archive| archive.state);
        assert!(matches!(archive, None | Some(ArchiveState::Archived)), "{name}: {archive:?}");
        for pdf in &timeline.pdfs {
            let object = stack.aws.s3.get_object().bucket(&stack.endpoints.bucket).key(&pdf.key).send().await;
            let bytes = object.expect("an object").body.collect().await.expect("its bytes").into_bytes();
            assert_eq!(sha256(&bytes), pdf.sha256, "{name}");
        }
    }
}

async fn check(data: &Path, acknowledged: &[Acknowledged], numbers: usize) {
    let secrets = Secrets::of_data_folder(data).expect("secrets");
    let taken = Folder::take(data).expect("a lock").free().expect("a free folder");
    let options = Options { secrets, ..Options::for_tests().expect("options") };
    let stack = Stack::start(taken, options).await.expect("a stack");
    let ledger = stack.ledger();
    finish(&stack).await;
    for sent in acknowledged {
        let stored = ledger.delivery(&sent.delivery).await.expect("the ledger").expect("an acknowledged delivery");
        assert_eq!(stored.record.outcome, Outcome::Recorded);
    }
    let mut events = 0;
    let mut published = BTreeSet::new();
    for number in 0..=numbers / CALLBACKS_OF_A_PACK {
        let pack = format!("pack-{number}");
        let id = SubjectId::parse(pack.as_str()).expect("an id");
        let subject = Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id };
        let expected = acknowledged.iter().filter(|sent| sent.pack == pack);
        let expected: BTreeSet<_> = expected.map(|sent| (Some(sent.delivery.as_str()), sent.event)).collect();
        let Some(timeline) = ledger.timeline(&subject).await.expect("the ledger") else {
            assert!(expected.is_empty(), "{pack} is lost");
            continue;
        };
        let there: Vec<_> =
            timeline.events.iter().map(|event| (event.delivery.as_deref(), event.name.as_str())).collect();
        let once: BTreeSet<_> = there.iter().copied().collect();
        assert_eq!(once.len(), there.len(), "{pack}: an event is recorded twice");
        assert!(once.is_superset(&expected), "{pack}: an event is lost");
        assert!(timeline.events.iter().all(|event| event.deliveries == 1), "{pack}");
        events += there.len();
        let completed = timeline.events.iter().any(|event| event.kind == Kind::Completed);
        assert_eq!(timeline.document.status, completed.then_some(Kind::Completed), "{pack}");
        assert_eq!(timeline.pdfs.is_empty(), !completed, "{pack}");
        if completed {
            let types = ["document.completed", "document.archived"];
            published.extend(types.map(|detail_type| (pack.clone(), detail_type.to_owned())));
        }
        let documents: BTreeSet<_> = timeline.pdfs.iter().map(|pdf| pdf.document.as_str()).collect();
        assert_eq!(documents.len(), timeline.pdfs.len(), "{pack}: a document is archived twice");
        for pdf in &timeline.pdfs {
            let object = stack.aws.s3.get_object().bucket(&stack.endpoints.bucket).key(&pdf.key).send().await;
            let bytes = object.expect("an object").body.collect().await.expect("its bytes").into_bytes();
            assert_eq!(sha256(&bytes), pdf.sha256, "{pack}");
        }
    }
    assert!(events <= numbers && events >= acknowledged.len());
    check_published(&stack, &published).await;
    stack.stop().await;
}

/// Waits until exactly these events are on the bus, by pack and type, each with one id.
async fn check_published(stack: &Stack, expected: &BTreeSet<(String, String)>) {
    let until = Instant::now() + PATIENCE;
    loop {
        let events = stack.bus.after(0, bus::Filter::default(), usize::MAX).await.expect("the bus");
        let ids: BTreeSet<_> = events.iter().map(|event| event.id().expect("an id")).collect();
        let there: BTreeSet<(String, String)> = events
            .iter()
            .map(|event| (event.subject().expect("a subject").id.to_string(), event.detail_type.clone()))
            .collect();
        assert_eq!(ids.len(), there.len(), "an event has two ids");
        if there == *expected {
            return;
        }
        let missing: Vec<_> = expected.difference(&there).collect();
        let unexpected: Vec<_> = there.difference(expected).collect();
        assert!(unexpected.is_empty() && Instant::now() < until, "missing: {missing:?}, unexpected: {unexpected:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Sweeps until nothing is left to do.
async fn finish(stack: &Stack) {
    let ledger = stack.ledger();
    let sweep = Sweep::new(&stack.settings, &stack.aws);
    let until = Instant::now() + PATIENCE;
    loop {
        let later = Timestamp::now().checked_add(SignedDuration::from_hours(72)).expect("a time");
        // Due jobs are in the queue: a sweep would enqueue them a second time.
        let left = ledger.unfinished(later, 10_000).await.expect("the ledger");
        let due = ledger.jobs(ArchiveState::Due, None, 10_000).await.expect("the ledger");
        let waiting = ledger.jobs(ArchiveState::Waiting, None, 10_000).await.expect("the ledger");
        if left.is_empty() && due.is_empty() && waiting.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{} unfinished, {} due, {waiting:?}", left.len(), due.len());
        if due.is_empty() {
            sweep.run(later).await.expect("a sweep");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
