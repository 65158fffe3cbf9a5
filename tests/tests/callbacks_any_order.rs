//! Random sets of callbacks over HTTP, in random order, sent again and again, at the same time: what is stored is what an
//! oracle says, which knows only which callbacks there were and not when they came.

use std::collections::BTreeMap;

use countersign::{event::Kind, ledger::ArchiveState};
use end_to_end::{World, pack, sha256};
use futures::{StreamExt, stream};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

const EVENTS: [&str; 5] =
    ["entity_updated", "document_updated", "signatory_updated", "unheard_of", "final_document_generated"];
const PACKS: usize = 3;
const CASES: u32 = 8;

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
