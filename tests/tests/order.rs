//! Whatever order deliveries are recorded in, however events are split over them, repeated, interrupted or recorded at
//! the same time: documents, statuses and archive orders come out as an oracle says that knows nothing of order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use countersign::{
    delivery::{Proven, Route},
    event::{Event, Identity, Kind, TimeSource, Trust},
    intake::Reading,
    ledger::{ArchiveState, Document, Ledger},
    provider::Provider,
    subject::{Subject, SubjectKind},
};
use end_to_end::{
    bench::{self, Bench},
    subject,
};
use futures::future::join_all;
use jiff::Timestamp;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

/// A case is some hundred calls of the embedded DynamoDB.
const CASES: u32 = 16;

/// Up to so many events of a delivery, each remembers every delivery that brought it, also when they come at once.
const COUNTED_EXACTLY: usize = 10;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What happened once: to which of the subjects, what, and when.
#[derive(Clone, Copy, Debug)]
struct Fact {
    subject: usize,
    kind: Kind,
    second: i64,
}

/// A delivery: whether it is signed, and which of the facts it tells, perhaps several times.
#[derive(Clone, Debug)]
struct Telling {
    signed: bool,
    facts: Vec<Index>,
}

/// Deliveries that are recorded at the same time, each perhaps cut short after so many microseconds.
type Moment = Vec<(Index, Option<u64>)>;

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (0..4_usize, 0..Kind::ALL.len(), 0..4_i64);
    vec(fact.prop_map(|(subject, kind, second)| Fact { subject, kind: Kind::ALL[kind], second }), 1..24)
}

fn tellings() -> impl Strategy<Value = Vec<Telling>> {
    let telling = (any::<bool>(), vec(any::<Index>(), 1..16));
    vec(telling.prop_map(|(signed, facts)| Telling { signed, facts }), 1..5)
}

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    let cut = option::weighted(0.3, 0..20_000_u64);
    vec(vec((any::<Index>(), cut), 1..4), 0..5)
}

/// The subjects of a case: nobody else's.
fn subjects(case: u64) -> [Subject; 4] {
    let id = format!("case-{case}");
    [
        subject(Provider::Legalesign, SubjectKind::Document, &id),
        subject(Provider::Legalesign, SubjectKind::Signer, &id),
        subject(Provider::Signeasy, SubjectKind::Document, &id),
        subject(Provider::Quicklysign, SubjectKind::DocumentPack, &id),
    ]
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_313_792 + second).unwrap()
}

fn event(subjects: &[Subject], number: usize, fact: Fact, position: usize) -> Event {
    let subject = subjects[fact.subject].clone();
    Event {
        identity: Identity::content(&[&subject.partition(), &number.to_string()]),
        subject,
        name: format!("fact {number}"),
        value: None,
        kind: fact.kind,
        occurred_at: at(fact.second),
        time_source: TimeSource::Provider,
        position: u32::try_from(position).unwrap(),
        payload: format!(r#"{{"fact": {number}}}"#).into(),
    }
}

/// What the oracle says of one subject.
#[derive(Debug, PartialEq)]
struct Expected {
    status: Option<Kind>,
    occurred_at: Option<Timestamp>,
    trust: Option<Trust>,
    conflict: bool,
    requests: Option<usize>,
    /// In how many deliveries each event came, by its name and trust.
    events: BTreeMap<(String, Trust), usize>,
}

/// The oracle: what is told of a subject, in whatever order.
fn expected(subject: usize, has_documents: bool, facts: &[Fact], tellings: &[Telling]) -> Option<Expected> {
    let mut told: BTreeMap<(usize, Trust), BTreeSet<usize>> = BTreeMap::new();
    for (number, telling) in tellings.iter().enumerate() {
        let trust = if telling.signed { Trust::Signature } else { Trust::Token };
        for fact in telling.facts.iter().map(|index| index.index(facts.len())) {
            if facts[fact].subject == subject {
                told.entry((fact, trust)).or_default().insert(number);
            }
        }
    }
    let all = || told.keys().map(|(fact, trust)| (facts[*fact], *trust));
    let last = all().max_by_key(|(fact, trust)| (fact.kind.rank().map_or(-1, i32::from), fact.second, *trust))?;
    let is_status = last.0.kind.rank().is_some();
    let terminal: BTreeSet<Kind> = all().map(|(fact, _)| fact.kind).filter(|kind| kind.is_terminal()).collect();
    let completed = all().filter(|(fact, _)| fact.kind == Kind::Completed).count();
    Some(Expected {
        status: is_status.then_some(last.0.kind),
        occurred_at: is_status.then(|| at(last.0.second)),
        trust: Some(last.1),
        conflict: terminal.len() > 1,
        requests: (has_documents && completed > 0).then_some(completed),
        events: told.iter().map(|((fact, trust), by)| ((format!("fact {fact}"), *trust), by.len())).collect(),
    })
}

/// What the ledger says of one subject.
async fn recorded(ledger: &Ledger, subject: &Subject) -> Option<Expected> {
    let timeline = ledger.timeline(subject).await.unwrap()?;
    let Document { status, occurred_at, trust, conflict, events, archive, .. } = timeline.document;
    assert_eq!(events, timeline.events.len());
    if let Some(archive) = &archive {
        assert_eq!((archive.state, archive.attempts), (ArchiveState::Due, 0));
    }
    let requests = archive.map(|archive| archive.requests);
    let events = timeline.events.into_iter();
    let events = events.map(|event| ((event.name, event.trust), event.deliveries)).collect();
    Some(Expected { status, occurred_at, trust, conflict, requests, events })
}

/// Records a delivery, or dies while doing so.
async fn record(ledger: &Ledger, delivery: &Proven, reading: &Reading, cut: Option<u64>) {
    match cut {
        None => drop(ledger.record(delivery, reading).await.unwrap()),
        Some(after) => drop(tokio::time::timeout(Duration::from_micros(after), ledger.record(delivery, reading)).await),
    }
}

#[test]
fn documents_are_the_same_in_any_order_split_repeated_interrupted_and_at_once() {
    let bench = RUNTIME.block_on(Bench::start());
    let ledger = bench.ledger();
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let case = std::cell::Cell::new(0_u64);
    let listed = std::cell::RefCell::new(BTreeMap::new());
    let run = TestRunner::new(config).run(&(facts(), tellings(), moments(), any::<bool>()), |input| {
        let (facts, tellings, moments, at_once) = input;
        case.set(case.get() + 1);
        let subjects = subjects(case.get());
        let deliveries: Vec<(Proven, Reading)> = tellings
            .iter()
            .map(|telling| {
                let tell = |(position, index): (usize, &Index)| {
                    let number = index.index(facts.len());
                    event(&subjects, number, facts[number], position)
                };
                let events: Vec<Event> = telling.facts.iter().enumerate().map(tell).collect();
                // The events are handed over as they are, whatever the body is.
                let prove = if telling.signed { bench::signed_delivery } else { bench::delivery };
                (prove(Route::LegalesignBatch, "body"), Reading::from(events))
            })
            .collect();
        RUNTIME.block_on(async {
            let record =
                async |index: usize, cut| record(&ledger, &deliveries[index].0, &deliveries[index].1, cut).await;
            for moment in &moments {
                join_all(moment.iter().map(|(index, cut)| record(index.index(deliveries.len()), *cut))).await;
            }
            // In the end each was recorded: by its sender's repetition or by the sweep.
            if at_once {
                join_all((0..deliveries.len()).map(|index| record(index, None))).await;
            } else {
                for index in (0..deliveries.len()).rev() {
                    record(index, None).await;
                }
            }
            let exactly = deliveries.iter().all(|(_, reading)| reading.events.len() <= COUNTED_EXACTLY);
            for (number, subject) in subjects.iter().enumerate() {
                let mut expected = expected(number, subject.kind.has_documents(), &facts, &tellings);
                let recorded = recorded(&ledger, subject).await;
                if let (false, Some(expected), Some(recorded)) = (exactly, &mut expected, &recorded) {
                    // Many events are put all at once: whoever comes at the same moment may go uncounted.
                    for (event, deliveries) in &mut expected.events {
                        let counted = recorded.events.get(event).copied().unwrap_or(0);
                        prop_assert!((1..=*deliveries).contains(&counted), "{event:?}: {counted} of {deliveries}");
                        *deliveries = counted;
                    }
                }
                prop_assert_eq!(&recorded, &expected, "{}", subject.partition());
                if let Some(recorded) = recorded
                    && subject.kind.has_documents()
                {
                    listed.borrow_mut().insert(subject.partition(), recorded.status);
                }
            }
            Ok(())
        })
    });
    run.unwrap();
    RUNTIME.block_on(every_document_is_listed_once_under_its_status(&ledger, &listed.into_inner()));
}

async fn every_document_is_listed_once_under_its_status(ledger: &Ledger, expected: &BTreeMap<String, Option<Kind>>) {
    let mut listed = Vec::new();
    for status in [None].into_iter().chain(Kind::ALL.into_iter().filter(|kind| kind.rank().is_some()).map(Some)) {
        let mut next = None;
        loop {
            let page = ledger.documents(None, status, next.as_deref(), 7).await.unwrap();
            for document in page.documents {
                assert!(status.is_none() || document.status == status, "{document:?}");
                let found = subject(document.provider, document.kind, &document.id);
                listed.push((status.is_none(), found.partition(), document.status));
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    listed.sort();
    let mut all: Vec<_> = expected.iter().map(|(partition, status)| (true, partition.clone(), *status)).collect();
    all.extend(
        expected
            .iter()
            .filter(|(_, status)| status.is_some())
            .map(|(partition, status)| (false, partition.clone(), *status)),
    );
    all.sort();
    assert_eq!(listed, all);
}

/// A large batch that comes twice, in parts, and at once: as many events as it has, and not one more.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_recorded_once_however_it_comes() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    let subjects = subjects(0);
    let fact = |number: usize| Fact { subject: number % 4, kind: Kind::ALL[number % 11], second: number as i64 };
    let reading = |numbers: std::ops::Range<usize>| {
        let events = numbers.enumerate().map(|(position, number)| event(&subjects, number, fact(number), position));
        Reading::from(events.collect::<Vec<_>>())
    };
    let deliveries: Vec<(Proven, Reading)> = [0..240, 0..240, 100..180, 0..3]
        .map(|numbers| (bench::signed_delivery(Route::LegalesignBatch, "batch"), reading(numbers)))
        .into();
    join_all(deliveries.iter().map(|(delivery, reading)| record(&ledger, delivery, reading, None))).await;
    let before: Vec<_> = join_all(subjects.iter().map(|subject| recorded(&ledger, subject))).await;
    assert_eq!(before.iter().flatten().map(|subject| subject.events.len()).sum::<usize>(), 240);
    let again = ledger.record(&deliveries[1].0, &deliveries[1].1).await.unwrap();
    assert_eq!(again.new + again.known, 240);
    for (before, subject) in before.iter().zip(&subjects) {
        let after = recorded(&ledger, subject).await;
        let but_counts = |expected: &Option<Expected>| {
            let Some(expected) = expected else { panic!("nothing is known of {}", subject.partition()) };
            (expected.status, expected.occurred_at, expected.trust, expected.conflict, expected.requests)
        };
        assert_eq!(but_counts(before), but_counts(&after));
    }
}
