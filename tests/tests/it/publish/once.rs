//! Whatever is done again publishes nothing new.

use std::collections::BTreeSet;

use countersign::{
    domain::{Kind, Provider, Route, SubjectKind, Trust},
    forget::forget,
    ledger::ArchiveState,
    publish::{DetailType, PublishedEvent},
    replay::{Replay, Selection},
    time,
};
use countersign_cli::simulator::legalesign::posts;
use end_to_end::{
    DirectFunctions, LocalStack, Stored, from_now,
    harness::{deliveries, published::published},
    pack, quicklysign, subject,
};
use jiff::SignedDuration;
use reconcile::Task;

fn types(events: &[PublishedEvent]) -> Vec<DetailType> {
    events.iter().map(|event| event.detail_type).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_document_is_published_with_its_pdfs() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("final_document_generated", "published").await;
    let subject = pack("published");
    let timeline = stack.wait_for_archive(&subject, &[ArchiveState::Archived]).await;
    stack.wait_for_events(&subject, &[DetailType::DocumentCompleted, DetailType::DocumentArchived].into()).await;
    let events = published(&stack.bus).await;
    let [completed, archived] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(types(&events), [DetailType::DocumentCompleted, DetailType::DocumentArchived]);
    assert_eq!((completed.detail.status, completed.detail.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert_eq!(completed.detail.occurred_at, timeline.document.occurred_at);
    assert_eq!((archived.detail.status, archived.detail.trust), (Some(Kind::Completed), None));
    assert!(archived.detail.confirmed_at.is_some(), "the worker asked the service's API");
    let of_pdf = |key: &str, sha256: &str, size: u64| (key.to_owned(), sha256.to_owned(), size);
    let named = archived.detail.pdfs.iter().map(|pdf| of_pdf(&pdf.key, &pdf.sha256, pdf.size));
    let stored = timeline.pdfs.iter().map(|pdf| of_pdf(&pdf.key, &pdf.sha256, pdf.size));
    assert_eq!(named.collect::<BTreeSet<_>>(), stored.collect());
    assert!(archived.detail.pdfs.iter().all(|pdf| pdf.bucket == stack.endpoints.bucket));
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_replay_sweep_and_reconcile_publish_nothing_new() {
    let stack = LocalStack::start().await;
    let key = stack.secrets.signing_key().expect("a key");
    let batch = serde_json::json!([
        posts::status("document", "published", 10, from_now(SignedDuration::from_hours(-2))),
        posts::status("document", "published", 30, from_now(SignedDuration::from_hours(-1))),
    ]);
    let post = posts::batch(&key, &batch.to_string()).unwrap();
    let send =
        async || stack.post(Route::LegalesignBatch, "application/x-www-form-urlencoded", post.body.clone()).await;
    assert_eq!(send().await.verdict(), (200, "recorded", "ok"));
    let document = subject(Provider::Legalesign, SubjectKind::Document, "published");
    stack.wait_for_archive(&document, &[ArchiveState::Archived]).await;
    let expected = [DetailType::DocumentSent, DetailType::DocumentCompleted, DetailType::DocumentArchived].into();
    stack.wait_for_events(&document, &expected).await;
    let before = published(&stack.bus).await;

    assert_eq!(send().await.verdict(), (200, "duplicate", "duplicate"));
    let replay = Replay::new(&stack.settings, &stack.aws);
    for delivery in replay.stored(Selection::default()).await.expect("deliveries") {
        replay.delivery(&delivery).await.expect("replayed");
    }
    stack.functions.reconcile.handle(Task::Sweep, reconcile::TIME_LIMIT).await.expect("swept");
    stack.functions.reconcile.handle(Task::Query, reconcile::TIME_LIMIT).await.expect("queried");
    assert!(stack.ledger().retry(&document).await.expect("the ledger"));
    stack.wait_for_archive(&document, &[ArchiveState::Archived]).await;
    // What is recorded last is published last.
    stack.post_quicklysign("final_document_generated", "later").await;
    stack.wait_for_archive(&pack("later"), &[ArchiveState::Archived]).await;
    stack.wait_for_events(&pack("later"), &[DetailType::DocumentCompleted, DetailType::DocumentArchived].into()).await;
    let about_document = |event: &PublishedEvent| event.detail.provider == Provider::Legalesign;
    let after: Vec<_> = published(&stack.bus).await.into_iter().filter(about_document).collect();
    let before: Vec<_> = before.into_iter().filter(about_document).collect();
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_unreadable_delivery_and_an_erased_document_are_published() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let record = async |body: String| {
        let delivery = deliveries::delivery(Route::Quicklysign, body);
        ledger.accept(&delivery).await.expect("accepted");
        drop(countersign::intake::record(&ledger, &deliveries::services(), &delivery).await);
    };
    record("no JSON".to_owned()).await;
    record(quicklysign::body("final_document_generated", "forgotten")).await;
    let events = functions.publish().await;
    assert_eq!(types(&events), [DetailType::DeliverySetAside, DetailType::DocumentCompleted]);
    assert!(events[0].detail.reason.as_deref().is_some_and(|reason| reason.starts_with("not_json")), "{events:?}");

    let id = pack("forgotten").id;
    forget(&ledger, &deliveries::services(), Provider::Quicklysign, &id, time::now()).await.expect("forgotten");
    let events = functions.publish().await;
    assert_eq!(types(&events[2..]), [DetailType::DocumentForgotten]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_names_at_most_200_pdfs_and_says_that_there_are_more() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("large").documents(201);
    stack.trigger(Provider::Quicklysign, "final_document_generated", "large").await;
    let timeline = stack.wait_for_archive(&pack("large"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.pdfs, 201);
    stack.wait_for_events(&pack("large"), &[DetailType::DocumentCompleted, DetailType::DocumentArchived].into()).await;
    let events = published(&stack.bus).await;
    let archived = events.iter().find(|event| event.detail_type == DetailType::DocumentArchived).expect("an event");
    assert_eq!((archived.detail.pdfs.len(), archived.detail.reason.as_deref()), (200, Some("more_pdfs")));
}
