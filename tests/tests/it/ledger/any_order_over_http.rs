//! Random callbacks over HTTP, in random order, repeated and concurrent: what is stored is the result of an oracle that
//! knows the callbacks and not their order.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    domain::{Kind, Provider, Route, Subject, SubjectId, SubjectKind},
    ledger::ArchiveState,
    publish::DetailType,
};
use countersign_cli::simulator::{
    callbacks::{self, Payload},
    legalesign::posts,
};
use end_to_end::{LocalStack, Stored, harness::published::type_of_status, pack, sha256, subject};
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

/// Legalesign's codes of a document's status, with their meaning.
const CODES: [(u32, Kind); 4] = [(10, Kind::Sent), (30, Kind::Completed), (40, Kind::Removed), (50, Kind::Declined)];

/// SignEasy's events, with their meaning.
const REQUESTS: [(&str, Kind); 6] = [
    ("rs.initiated", Kind::Draft),
    ("rs.link_sent", Kind::Sent),
    ("rs.viewed", Kind::Viewed),
    ("rs.reminded", Kind::Reminded),
    ("rs.declined", Kind::Declined),
    ("rs.completed", Kind::Completed),
];

/// Dropbox Sign's events after which the API isn't queried, with their meaning.
const SIGNATURE_REQUESTS: [(&str, Kind); 7] = [
    ("signature_request_sent", Kind::Sent),
    ("signature_request_viewed", Kind::Viewed),
    ("signature_request_signed", Kind::Signed),
    ("signature_request_remind", Kind::Reminded),
    ("signature_request_reassigned", Kind::Updated),
    ("signature_request_declined", Kind::Declined),
    ("signature_request_canceled", Kind::Voided),
];

/// Callbacks as (pack, event), in the order of sending, and the number of concurrent ones.
fn deliveries() -> impl Strategy<Value = (Vec<(usize, usize)>, usize)> {
    let callbacks = prop::collection::vec((0..PACKS, 0..EVENTS.len(), 1..4_usize), 1..12);
    let repeated = callbacks.prop_map(|callbacks| {
        let copies = callbacks.into_iter().flat_map(|(pack, event, times)| vec![(pack, event); times]);
        copies.collect::<Vec<_>>()
    });
    (repeated.prop_shuffle(), 1..6_usize)
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_callbacks_in_any_order_repeated_and_concurrent_give_the_same_result() {
    let stack = LocalStack::start().await;
    let mut runner = TestRunner::new(Config::default());
    for case in 0..CASES {
        let (deliveries, concurrent) = deliveries().new_tree(&mut runner).expect("deliveries").current();
        let context = format!("{concurrent} concurrent: {deliveries:?}");
        let id = |number: usize| format!("any-order-{case}-{number}");
        let answers: Vec<_> = stream::iter(deliveries.iter().copied())
            .map(|(number, event)| {
                let stack = &stack;
                async move { (number, event, stack.post_quicklysign(EVENTS[event], &id(number)).await) }
            })
            .buffer_unordered(concurrent)
            .collect()
            .await;

        // The oracle: each delivery is a new event; a completion completes the pack and enqueues its archive job.
        let mut expected: BTreeMap<usize, Vec<(String, &str)>> = BTreeMap::new();
        for (number, event, answer) in answers {
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{context}");
            expected.entry(number).or_default().push((answer.delivery().to_owned(), EVENTS[event]));
        }
        for number in 0..PACKS {
            let subject = pack(&id(number));
            let Some(mut expected) = expected.remove(&number) else {
                assert!(stack.ledger().timeline(&subject).await.expect("the ledger").is_none(), "{context}");
                continue;
            };
            let requests = expected.iter().filter(|(_, name)| *name == "final_document_generated").count();
            let timeline = match requests {
                0 => stack.timeline(&subject).await,
                _ => stack.wait_for_archive(&subject, &[ArchiveState::Archived]).await,
            };
            let status = (requests > 0).then_some(Kind::Completed);
            let document = &timeline.document;
            assert_eq!((document.status, document.conflict), (status, false), "{context}");
            assert_eq!(document.archive.as_ref().map_or(0, |archive| archive.requests), requests, "{context}");
            let mut events: Vec<(String, &str)> = timeline
                .events
                .iter()
                .map(|event| {
                    (event.delivery.as_ref().map(ToString::to_string).unwrap_or_default(), event.name.as_str())
                })
                .collect();
            events.sort();
            expected.sort();
            assert_eq!(events, expected, "{context}");
            assert!(timeline.events.iter().all(|event| event.deliveries == 1), "{context}");
            assert_eq!(timeline.pdfs.is_empty(), requests == 0, "{context}");
            let published = [DetailType::DocumentCompleted, DetailType::DocumentArchived];
            stack.wait_for_events(&subject, &published.into_iter().filter(|_| requests > 0).collect()).await;
            for (position, pdf) in timeline.pdfs.iter().enumerate() {
                let earlier = timeline.pdfs[..position].iter().any(|other| other.document == pdf.document);
                assert!(!earlier && pdf.current, "{context}: {:?}", timeline.pdfs);
                assert_eq!(sha256(&stack.object(&pdf.key).await), pdf.sha256, "{context}");
            }
        }
    }
}

/// The expected events of each document, each with the number of its deliveries.
type Oracle = BTreeMap<usize, Vec<(Kind, usize)>>;

async fn assert_recorded(stack: &LocalStack, subject: &Subject, expected: Option<Vec<(Kind, usize)>>, context: &str) {
    let Some(mut expected) = expected else {
        assert!(stack.ledger().timeline(subject).await.expect("the ledger").is_none(), "{context}");
        return;
    };
    let timeline = stack.timeline(subject).await;
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
    let mut published: BTreeSet<DetailType> = kinds().filter_map(|kind| type_of_status(subject.kind, kind)).collect();
    published.extend((ends.len() > 1).then_some(DetailType::DocumentConflict));
    stack.wait_for_events(subject, &published).await;
}

/// A change of a document: the document's number, the index of the code, and the minute.
type Change = (usize, usize, i64);

/// Changes, batches of some of them, and the number of concurrent batches.
fn batches() -> impl Strategy<Value = (Vec<Change>, Vec<Vec<prop::sample::Index>>, usize)> {
    let entries = prop::collection::btree_set((0..2_usize, 0..CODES.len(), 0..3_i64), 1..8);
    let batches = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..8), 1..6);
    (entries.prop_map(|entries| entries.into_iter().collect()), batches, 1..4_usize)
}

#[tokio::test(flavor = "multi_thread")]
async fn legalesign_changes_are_recorded_once_however_they_are_batched() {
    let stack = LocalStack::start().await;
    let key = stack.secrets.signing_key().expect("a key");
    let first = Timestamp::now() - SignedDuration::from_hours(1);
    let mut runner = TestRunner::new(Config::default());
    for case in 0..CASES {
        let (entries, batches, concurrent) = batches().new_tree(&mut runner).expect("batches").current();
        let context = format!("{concurrent} concurrent: {batches:?} of {entries:?}");
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
            posts::batch(&key, &serde_json::Value::Array(batch.iter().map(entry).collect()).to_string()).unwrap()
        });
        let posted = bodies.map(|post| {
            let stack = &stack;
            async move { stack.post(Route::LegalesignBatch, "application/x-www-form-urlencoded", post.body).await }
        });
        let answers: Vec<_> = stream::iter(posted).buffer_unordered(concurrent).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{context}: {answers:?}");
        for number in 0..2 {
            let document = subject(Provider::Legalesign, SubjectKind::Document, &id(number));
            assert_recorded(&stack, &document, expected.remove(&number), &context).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signeasy_callbacks_in_any_order_repeated_and_concurrent_give_the_same_result() {
    assert_any_order(Provider::Signeasy, &REQUESTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbox_sign_callbacks_in_any_order_repeated_and_concurrent_give_the_same_result() {
    assert_any_order(Provider::DropboxSign, &SIGNATURE_REQUESTS).await;
}

/// Callbacks that are identified by their content, about requests.
async fn assert_any_order(provider: Provider, events: &[(&str, Kind)]) {
    let stack = LocalStack::start().await;
    let mut runner = TestRunner::new(Config::default());
    let callbacks = prop::collection::vec((0..2_usize, 0..events.len(), 1..4_usize), 1..8);
    let deliveries = callbacks.prop_map(|callbacks| {
        let copies = callbacks.into_iter().flat_map(|(request, event, times)| vec![(request, event); times]);
        copies.collect::<Vec<_>>()
    });
    let deliveries = (deliveries.prop_shuffle(), 1..5_usize);
    for case in 0..CASES {
        let (deliveries, concurrent) = deliveries.new_tree(&mut runner).expect("deliveries").current();
        let context = format!("{concurrent} concurrent: {deliveries:?}");
        let id =
            |number: usize| SubjectId::parse(format!("{}", 9_000_000 + 10 * case as usize + number)).expect("an id");
        // A redelivery has the same bytes.
        let posts: BTreeMap<(usize, usize), _> = deliveries
            .iter()
            .map(|&(number, event)| {
                let options = callbacks::Options { payload: Payload::V2, ..Default::default() };
                let secret = stack.secrets.secret(provider);
                let made = callbacks::callback(provider, events[event].0, &id(number), &options, secret);
                ((number, event), made.expect("a callback"))
            })
            .collect();
        let mut expected = Oracle::new();
        for &(number, event) in posts.keys() {
            let times = deliveries.iter().filter(|sent| **sent == (number, event)).count();
            expected.entry(number).or_default().push((events[event].1, times));
        }
        let posted = deliveries.iter().map(|sent| {
            let (stack, post) = (&stack, posts[sent].clone());
            async move { stack.post(post.route, &post.headers[0].1, post.body).await }
        });
        let answers: Vec<_> = stream::iter(posted).buffer_unordered(concurrent).collect().await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{context}: {answers:?}");
        for number in 0..2 {
            let request = subject(provider, SubjectKind::Document, id(number).as_str());
            assert_recorded(&stack, &request, expected.remove(&number), &context).await;
        }
    }
}
