//! Deliveries recorded in any order, with their events split, repeated, interrupted or recorded concurrently: documents,
//! statuses, archive jobs and published events are those of an oracle that doesn't know the order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use countersign::{
    domain::{Event, Identity, Kind, Proven, Provider, Reading, Route, Subject, SubjectKind, TimeSource, Trust},
    ledger::{ArchiveState, DocumentView, Item, Ledger, PARTITION_KEY, SORT_KEY},
    publish::{DetailType, PublishedEvent},
};
use end_to_end::{
    DirectFunctions, Stored,
    harness::{
        deliveries,
        published::{type_of_status, types_of},
    },
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

/// Each case makes some hundred calls to the embedded DynamoDB.
const CASES: u32 = 16;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Something that happened: the number of the subject, the kind of event, and the time.
#[derive(Clone, Copy, Debug)]
struct Fact {
    subject: usize,
    kind: Kind,
    second: i64,
    /// Whether the service writes that time without a zone, by a clock that is an hour ahead of UTC.
    local: bool,
}

impl Fact {
    /// The second that counts: the one that the service wrote.
    fn written(self) -> i64 {
        self.second + if self.local { 3_600 } else { 0 }
    }
}

/// A delivery: whether it is signed, and the facts that it reports, some perhaps several times.
#[derive(Clone, Debug)]
struct Report {
    signed: bool,
    facts: Vec<Index>,
}

/// Deliveries that are recorded concurrently, each perhaps interrupted after a number of microseconds.
type Moment = Vec<(Index, Option<u64>)>;

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (0..4_usize, 0..Kind::ALL.len(), 0..4_i64, any::<bool>());
    vec(fact.prop_map(|(subject, kind, second, local)| Fact { subject, kind: Kind::ALL[kind], second, local }), 1..24)
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let report = (any::<bool>(), vec(any::<Index>(), 1..16));
    vec(report.prop_map(|(signed, facts)| Report { signed, facts }), 1..5)
}

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    let cut = option::weighted(0.3, 0..20_000_u64);
    vec(vec((any::<Index>(), cut), 1..4), 0..5)
}

/// The subjects of a case. No other case has them.
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
        time_source: if fact.local { TimeSource::ProviderLocal } else { TimeSource::Provider },
        local_time: fact.local.then(|| at(fact.written())),
        position: u32::try_from(position).unwrap(),
        payload: format!(r#"{{"fact": {number}}}"#).into(),
    }
}

/// The state of a subject, as the oracle expects it or as it is recorded.
#[derive(Debug, PartialEq)]
struct Expected {
    status: Option<Kind>,
    occurred_at: Option<Timestamp>,
    trust: Option<Trust>,
    conflict: bool,
    requests: Option<usize>,
    /// The number of deliveries of each event, by its name and trust.
    events: BTreeMap<(String, Trust), usize>,
    /// The types of the published events; those that name a status with their trust.
    published: BTreeMap<DetailType, Option<Trust>>,
}

/// The oracle: the state of a subject after these deliveries, in any order.
fn expected(subject: usize, kind: SubjectKind, facts: &[Fact], reports: &[Report]) -> Option<Expected> {
    let has_documents = kind.has_documents();
    let mut events: BTreeMap<(usize, Trust), BTreeSet<usize>> = BTreeMap::new();
    for (number, report) in reports.iter().enumerate() {
        let trust = if report.signed { Trust::Signature } else { Trust::Token };
        for fact in report.facts.iter().map(|index| index.index(facts.len())) {
            if facts[fact].subject == subject {
                events.entry((fact, trust)).or_default().insert(number);
            }
        }
    }
    let all = || events.keys().map(|(fact, trust)| (facts[*fact], *trust));
    let last = all().max_by_key(|(fact, trust)| (fact.kind.rank().map_or(-1, i32::from), fact.written(), *trust))?;
    let is_status = last.0.kind.rank().is_some();
    let terminal: BTreeSet<Kind> = all().map(|(fact, _)| fact.kind).filter(|kind| kind.is_terminal()).collect();
    let completed = all().filter(|(fact, _)| fact.kind == Kind::Completed).count();
    let mut published: BTreeMap<DetailType, Option<Trust>> = BTreeMap::new();
    for (fact, trust) in all() {
        if let Some(detail_type) = type_of_status(kind, fact.kind) {
            let greatest = published.entry(detail_type).or_default();
            *greatest = (*greatest).max(Some(trust));
        }
    }
    if has_documents && terminal.len() > 1 {
        published.insert(DetailType::DocumentConflict, None);
    }
    Some(Expected {
        status: is_status.then_some(last.0.kind),
        occurred_at: is_status.then(|| at(last.0.second)),
        trust: Some(last.1),
        conflict: terminal.len() > 1,
        requests: (has_documents && completed > 0).then_some(completed),
        events: events.iter().map(|((fact, trust), by)| ((format!("fact {fact}"), *trust), by.len())).collect(),
        published,
    })
}

/// The state of a subject in the ledger and on the bus.
async fn recorded(ledger: &Ledger, published: &[PublishedEvent], subject: &Subject) -> Option<Expected> {
    let timeline = ledger.timeline(subject).await.unwrap()?;
    let DocumentView { status, occurred_at, trust, conflict, events, archive, .. } = timeline.document;
    assert_eq!(events, timeline.events.len());
    if let Some(archive) = &archive {
        assert_eq!((archive.state, archive.attempts), (ArchiveState::Due, 0));
    }
    let requests = archive.map(|archive| archive.requests);
    let events = timeline.events.into_iter();
    let events = events.map(|event| ((event.name, event.trust), event.deliveries)).collect();
    let published = types_of(published, subject);
    Some(Expected { status, occurred_at, trust, conflict, requests, events, published })
}

/// Records a delivery, or is interrupted while doing so.
async fn record(ledger: &Ledger, delivery: &Proven, reading: &Reading, cut: Option<u64>) {
    match cut {
        None => drop(ledger.record(delivery, reading).await.unwrap()),
        Some(after) => drop(tokio::time::timeout(Duration::from_micros(after), ledger.record(delivery, reading)).await),
    }
}

#[test]
fn the_result_does_not_depend_on_order_splitting_repetition_interruption_or_concurrency() {
    let functions = RUNTIME.block_on(DirectFunctions::start());
    let ledger = functions.ledger();
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let case = std::cell::Cell::new(0_u64);
    let listed = std::cell::RefCell::new(BTreeMap::new());
    let run = TestRunner::new(config).run(&(facts(), reports(), moments(), any::<bool>()), |input| {
        let (facts, reports, moments, at_once) = input;
        case.set(case.get() + 1);
        let subjects = subjects(case.get());
        let deliveries: Vec<(Proven, Reading)> = reports
            .iter()
            .map(|report| {
                let reported_event = |(position, index): (usize, &Index)| {
                    let number = index.index(facts.len());
                    event(&subjects, number, facts[number], position)
                };
                let events: Vec<Event> = report.facts.iter().enumerate().map(reported_event).collect();
                // The events are recorded as given; the body doesn't matter.
                let delivery = if report.signed {
                    deliveries::signed_delivery()
                } else {
                    deliveries::delivery(Route::LegalesignRealtime, "body")
                };
                (delivery, Reading::from(events))
            })
            .collect();
        RUNTIME.block_on(async {
            let record =
                async |index: usize, cut| record(&ledger, &deliveries[index].0, &deliveries[index].1, cut).await;
            for moment in &moments {
                join_all(moment.iter().map(|(index, cut)| record(index.index(deliveries.len()), *cut))).await;
            }
            // In the end each is recorded completely, as after a redelivery or by the sweep.
            if at_once {
                join_all((0..deliveries.len()).map(|index| record(index, None))).await;
            } else {
                for index in (0..deliveries.len()).rev() {
                    record(index, None).await;
                }
            }
            let published = functions.publish().await;
            for (number, subject) in subjects.iter().enumerate() {
                let expected = expected(number, subject.kind, &facts, &reports);
                let recorded = recorded(&ledger, &published, subject).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_sent_twice_split_and_concurrently_is_recorded_once() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let subjects = subjects(0);
    let fact = |number: usize| {
        let (kind, second) = (Kind::ALL[number % 11], number as i64);
        Fact { subject: number % 4, kind, second, local: false }
    };
    let reading = |numbers: std::ops::Range<usize>| {
        let events = numbers.enumerate().map(|(position, number)| event(&subjects, number, fact(number), position));
        Reading::from(events.collect::<Vec<_>>())
    };
    let deliveries: Vec<(Proven, Reading)> =
        [0..240, 0..240, 100..180, 0..3].map(|numbers| (deliveries::signed_delivery(), reading(numbers))).into();
    join_all(deliveries.iter().map(|(delivery, reading)| record(&ledger, delivery, reading, None))).await;
    let published = functions.publish().await;
    let before: Vec<_> = join_all(subjects.iter().map(|subject| recorded(&ledger, &published, subject))).await;
    assert_eq!(before.iter().flatten().map(|subject| subject.events.len()).sum::<usize>(), 240);
    // Every event remembers every delivery that reported it, whichever of the concurrent ones inserted it.
    let remembered = before.iter().flatten().flat_map(|subject| subject.events.values()).sum::<usize>();
    assert_eq!(remembered, 240 + 240 + 80 + 3);
    let again = ledger.record(&deliveries[1].0, &deliveries[1].1).await.unwrap();
    assert_eq!(again.new + again.known, 240);
    let published_again = functions.publish().await;
    assert_eq!(published_again, published);
    for (before, subject) in before.iter().zip(&subjects) {
        let after = recorded(&ledger, &published_again, subject).await;
        let without_counts = |expected: &Option<Expected>| {
            let Some(expected) = expected else { panic!("{} is unknown", subject.partition()) };
            let published = expected.published.clone();
            (expected.status, expected.occurred_at, expected.trust, expected.conflict, expected.requests, published)
        };
        assert_eq!(without_counts(before), without_counts(&after));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_without_a_zone_gives_the_same_status_and_time_in_any_order() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let fact = |kind, second, local| Fact { subject: 0, kind, second, local };
    // Written as half an hour later than the time with a zone, though it is half an hour earlier.
    let sent = [fact(Kind::Sent, 1_800, false), fact(Kind::Sent, 0, true)];
    let viewed = fact(Kind::Viewed, -7_200, false);
    for (case, order) in [[0, 1], [1, 0]].into_iter().enumerate() {
        let subjects = subjects(1_000 + case as u64);
        let record_fact = async |number: usize, fact: Fact| {
            let reading = Reading::from(vec![event(&subjects, number, fact, 0)]);
            record(&ledger, &deliveries::signed_delivery(), &reading, None).await;
            // Timelines and lists would correct a wrong one from the events.
            let items: Vec<_> = functions.items().await.into_iter().map(Item::into_attributes).collect();
            let text = |item: &HashMap<String, AttributeValue>, name: &str| item[name].as_s().unwrap().clone();
            let is_state = |item: &&HashMap<_, _>| {
                text(item, PARTITION_KEY) == subjects[0].partition() && text(item, SORT_KEY) == "STATE"
            };
            let state = items.iter().find(is_state).expect("a status");
            (text(state, "status"), text(state, "occurred_at").parse().unwrap())
        };
        record_fact(order[0], sent[order[0]]).await;
        let after_both = record_fact(order[1], sent[order[1]]).await;
        assert_eq!(after_both, ("sent".to_owned(), at(0)), "{order:?}");
        assert_eq!(record_fact(2, viewed).await, ("viewed".to_owned(), at(-7_200)), "{order:?}");
    }
}
