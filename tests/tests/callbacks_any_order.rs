//! Random sets of callbacks over HTTP, in random order, sent again and again, at the same time: what is stored is what an
//! oracle says, which knows only which callbacks there were and not when they came.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    delivery::Route,
    event::Kind,
    ledger::ArchiveState,
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};
use countersign_cli::{
    commands::trigger::{self, Payload},
    simulator::legalesign::posts,
};
use end_to_end::{World, pack, sha256, subject};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

const EVENTS: [&str; 5] =
    ["entity_updated", "document_updated", "signatory_updated", "unheard_of", "final_document_generated"];
const PACKS: usize = 3;
const CASES: u32 = 8;

/// Legalesign's codes of a document's status, and what they mean.
const CODES: [(u32, Kind); 4] = [(10, Kind::Sent), (30, Kind::Completed), (40, Kind::Removed), (50, Kind::Declined)];

/// SignEasy's events, and what they mean.
const REQUESTS: [(&str, Kind); 6] = [
    ("rs.initiated", Kind::Draft),
    ("rs.link_sent", Kind::Sent),
    ("rs.viewed", Kind::Viewed),
    ("rs.reminded", Kind::Reminded),
    ("rs.declined", Kind::Declined),
    ("rs.completed", Kind::Completed),
];

/// Callbacks as (pack, event), in the order of sending; so many are under way at the same time.
fn deliveries() -> impl Strategy<Value = (Vec<(usize, usize)>, usize)> {
    let callbacks = prop::collection::vec((0..PACKS, 0..EVENTS.len(), 1..4_usize), 1..12);
    let repeated = callbacks.prop_map(|callbacks| {
        let copies = callbacks.into_iter().flat_map(|(pack, event, times)| vec![(pack, event); times]);
        copies.collect::<Vec<_>>()
    });
    (repeated.prop_shuffle(), 1..6_usize)
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_order_nor_repetition_nor_haste_changes_what_is_stored() {
    let world = World::start().await;
    let mut runner = TestRunner::new(Config::default());
    for case in 0..CASES {
        let (deliveries, at_once) = deliveries().new_tree(&mut runner).expect("deliveries").current();
        let context = format!("{at_once} at once: {deliveries:?}");
        let id = |number: usize| format!("any-order-{case}-{number}");
        let answers: Vec<_> = stream::iter(deliveries.iter().copied())
            .map(|(number, event)| {
                let world = &world;
                async move { (number, event, world.quicklysign(EVENTS[event], &id(number)).await) }
            })
            .buffer_unordered(at_once)
            .collect()
            .await;

        // The oracle: each delivery is an event of its own; one that says so completes the pack and orders its PDFs.
        let mut expected: BTreeMap<usize, Vec<(String, &str)>> = BTreeMap::new();
        for (number, event, answer) in answers {
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{context}");
            expected.entry(number).or_default().push((answer.delivery().to_owned(), EVENTS[event]));
        }
        for number in 0..PACKS {
            let subject = pack(&id(number));
            let Some(mut expected) = expected.remove(&number) else {
                assert!(world.ledger().timeline(&subject).await.expect("the ledger").is_none(), "{context}");
                continue;
            };
            let requests = expected.iter().filter(|(_, name)| *name == "final_document_generated").count();
            let timeline = match requests {
                0 => world.timeline(&subject).await,
                _ => world.archive_is(&subject, &[ArchiveState::Archived]).await,
            };
            let status = (requests > 0).then_some(Kind::Completed);
            let document = &timeline.document;
            assert_eq!((document.status, document.conflict), (status, false), "{context}");
            assert_eq!(document.archive.as_ref().map_or(0, |archive| archive.requests), requests, "{context}");
            let mut events: Vec<(String, &str)> = timeline
                .events
                .iter()
                .map(|event| (event.delivery.clone().unwrap_or_default(), event.name.as_str()))
                .collect();
            events.sort();
            expected.sort();
            assert_eq!(events, expected, "{context}");
            assert!(timeline.events.iter().all(|event| event.deliveries == 1), "{context}");
            assert_eq!(timeline.pdfs.is_empty(), requests == 0, "{context}");
            for (position, pdf) in timeline.pdfs.iter().enumerate() {
                let earlier = timeline.pdfs[..position].iter().any(|other| other.document == pdf.document);
                assert!(!earlier && pdf.current, "{context}: {:?}", timeline.pdfs);
                assert_eq!(sha256(&world.object(&pdf.key).await), pdf.sha256, "{context}");
            }
        }
    }
}

/// What must be known of a document: its events, each with the number of deliveries that it came in.
type Oracle = BTreeMap<usize, Vec<(Kind, usize)>>;

async fn assert_known(world: &World, subject: &Subject, expected: Option<Vec<(Kind, usize)>>, context: &str) {
    let Some(mut expected) = expected else {
        assert!(world.ledger().timeline(subject).await.expect("the ledger").is_none(), "{context}");
        return;
    };
    let timeline = world.timeline(subject).await;
    let mut events: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.deliveries)).collect();
    let by_name = |(kind, deliveries): &(Kind, usize)| (kind.as_str(), *deliveries);
    events.sort_by_key(by_name);
    expected.sort_by_key(by_name);
    assert_eq!(events, expected, "{context}");
    let kinds = || expected.iter().map(|(kind, _)| *kind);
    let status = kinds().filter(|kind| kind.rank().is_some()).max_by_key(|kind| kind.rank());
    let ends: BTreeSet<_> = kinds().filter(|kind| kind.is_terminal()).map(Kind::as_str).collect();
    assert_eq!((timeline.document.status, timeline.document.conflict), (status, ends.len() > 1), "{context}");
    let completed = ends.contains(Kind::Completed.as_str());
    assert_eq!(timeline.document.archive.is_some(), completed, "{context}");
}

/// A change of a document: which one, the position of its code, and the minute.
type Change = (usize, usize, i64);

/// Changes, the batches in which they come, each a choice of them, and how many batches come at once.
fn batches() -> impl Strategy<Value = (Vec<Change>, Vec<Vec<prop::sample::Index>>, usize)> {
    let entries = prop::collection::btree_set((0..2_usize, 0..CODES.len(), 0..3_i64), 1..8);
    let batches = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..8), 1..6);
    (entries.prop_map(|entries| entries.into_iter().collect()), batches, 1..4_usize)
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_document_s_changes_are_batched_each_is_known_once() {
    let world = World::start().await;
    let key = world.stack.secrets.signing_key().expect("a key");
    let first = Timestamp::now() - SignedDuration::from_hours(1);
    let mut runner = TestRunner::new(Config::default());
    for case in 0..CASES {
        let (entries, batches, at_once) = batches().new_tree(&mut runner).expect("batches").current();
        let context = format!("{at_once} at once: {batches:?} of {entries:?}");
        let id = |number: usize| format!("any-batch-{case}-{number}");
        let mut expected = Oracle::new();
        let batches: Vec<Vec<usize>> =
            batches.iter().map(|batch| batch.iter().map(|index| index.index(entries.len())).collect()).collect();
        for (position, (number, code, _)) in entries.iter().enumerate() {
            let deliveries = batches.iter().filter(|batch| batch.contains(&position)).count();
            if deliveries > 0 {
                expected.entry(*number).or_default().push((CODES[*code].1, deliveries));
            }
        }
        let bodies = batches.iter().map(|batch| {
            let entry = |position: &usize| {
                let (number, code, minute) = entries[*position];
                posts::status("document", &id(number), CODES[code].0, first + SignedDuration::from_mins(minute))
            };
            posts::batch(&key, &serde_json::Value::Array(batch.iter().map(entry).collect()).to_string())
        });
        let posted = bodies.map(|post| {
            let world = &world;
            async move { world.post(Route::LegalesignBatch, "application/x-www-form-urlencoded", post.body).await }
        });
        let answers: Vec<_> = stream::iter(posted).buffer_unordered(at_once).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{context}: {answers:?}");
        for number in 0..2 {
            let document = subject(Provider::Legalesign, SubjectKind::Document, &id(number));
            assert_known(&world, &document, expected.remove(&number), &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signeasy_s_callbacks_count_up_in_any_order() {
    let world = World::start().await;
    let mut runner = TestRunner::new(Config::default());
    let callbacks = prop::collection::vec((0..2_usize, 0..REQUESTS.len(), 1..4_usize), 1..8);
    let deliveries = callbacks.prop_map(|callbacks| {
        let copies = callbacks.into_iter().flat_map(|(request, event, times)| vec![(request, event); times]);
        copies.collect::<Vec<_>>()
    });
    let deliveries = (deliveries.prop_shuffle(), 1..5_usize);
    for case in 0..CASES {
        let (deliveries, at_once) = deliveries.new_tree(&mut runner).expect("deliveries").current();
        let context = format!("{at_once} at once: {deliveries:?}");
        let id =
            |number: usize| SubjectId::parse(format!("{}", 9_000_000 + 10 * case as usize + number)).expect("an id");
        // Sent again means: the same bytes.
        let bodies: BTreeMap<(usize, usize), _> = deliveries
            .iter()
            .map(|&(number, event)| {
                let secrets = Some(&world.stack.secrets);
                let made = trigger::callback(Provider::Signeasy, REQUESTS[event].0, Payload::V2, &id(number), secrets);
                ((number, event), made.expect("a callback").body)
            })
            .collect();
        let mut expected = Oracle::new();
        for &(number, event) in bodies.keys() {
            let times = deliveries.iter().filter(|sent| **sent == (number, event)).count();
            expected.entry(number).or_default().push((REQUESTS[event].1, times));
        }
        let posted = deliveries.iter().map(|sent| {
            let (world, body) = (&world, bodies[sent].clone());
            async move { world.post(Route::Signeasy, "application/json", body).await }
        });
        let answers: Vec<_> = stream::iter(posted).buffer_unordered(at_once).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{context}: {answers:?}");
        for number in 0..2 {
            let request = subject(Provider::Signeasy, SubjectKind::Document, id(number).as_str());
            assert_known(&world, &request, expected.remove(&number), &context).await;
        }
    }
}
