//! Replay: recorded deliveries don't change, and unreadable ones are recorded once they can be read. Erasure (GDPR):
//! the content is deleted.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use countersign::{
    domain::{DeliveryId, LedgerError, Outcome, Provider, Route, SubjectId},
    forget::forget,
    ledger::{ArchiveState, Ledger},
    providers::Services,
    replay::{Replay, Selection},
    time,
    verify::verify,
};
use end_to_end::{
    FaultyFunctions, LocalStack, Stored,
    harness::{deliveries, fault_proxy::Fault},
    pack, quicklysign,
};
use jiff::SignedDuration;

type Attributes = HashMap<String, AttributeValue>;

fn replay(stack: &LocalStack) -> Replay {
    Replay::new(&stack.settings, &stack.aws)
}

fn id(text: &str) -> DeliveryId {
    text.parse().unwrap()
}

fn text<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

async fn table(stack: &LocalStack) -> Vec<Attributes> {
    let mut items: Vec<_> = stack.items().await.into_iter().map(countersign::ledger::Item::into_attributes).collect();
    items.sort_by_key(|item| (text(item, "pk").to_owned(), text(item, "sk").to_owned()));
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_does_not_change_recorded_deliveries() {
    let stack = LocalStack::start().await;
    for event in ["document_updated", "final_document_generated", "final_document_generated"] {
        stack.post_quicklysign(event, "same").await;
    }
    stack.post(Route::Quicklysign, "application/json", "not JSON").await;
    let timeline = stack.wait_for_archive(&pack("same"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.events.len(), 3);
    // A second archive job may still run when the first is done.
    loop {
        let before = table(&stack).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if before == table(&stack).await {
            break;
        }
    }
    let before = table(&stack).await;
    let replay = replay(&stack);
    let all = replay.stored(Selection::default()).await.unwrap();
    assert_eq!(all.len(), 4);
    for delivery in &all {
        let done = replay.delivery(delivery).await.unwrap().unwrap();
        assert_eq!((done.before, done.problem), (done.outcome, None));
    }
    assert_eq!(table(&stack).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_aside_delivery_that_is_readable_now_is_recorded_under_its_own_id() {
    let stack = LocalStack::start().await;
    let answer = stack.post_quicklysign("document_updated", "aside").await;
    // As a version that couldn't read it would have stored it.
    let delivery = format!("DELIVERY#{}", answer.delivery());
    stack.set_attribute(&delivery, "DELIVERY", "outcome", AttributeValue::S("set_aside".to_owned())).await;
    for item in table(&stack).await.iter().filter(|item| text(item, "pk") == pack("aside").partition()) {
        stack.delete_item(text(item, "pk"), text(item, "sk")).await;
    }
    let done = replay(&stack).delivery(&id(answer.delivery())).await.unwrap().unwrap();
    assert_eq!((done.before, done.outcome, done.events), ("set_aside", "recorded", 1));
    let timeline = stack.timeline(&pack("aside")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(answer.delivery()));
    let record = stack.ledger().delivery_record(&id(answer.delivery())).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.reason.as_str()), (Outcome::Recorded, "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_became_unreadable_or_were_changed_keep_their_record() {
    let stack = LocalStack::start().await;
    let unreadable = stack.post(Route::Quicklysign, "application/json", "not JSON").await;
    let changed = stack.post_quicklysign("document_updated", "changed").await;
    let [unreadable, changed] = [unreadable.delivery(), changed.delivery()];
    let key = |delivery: &str| format!("DELIVERY#{delivery}");
    stack.set_attribute(&key(unreadable), "DELIVERY", "outcome", AttributeValue::S("recorded".to_owned())).await;
    let other = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("{}"));
    stack.set_attribute(&key(changed), "DELIVERY", "body", other).await;
    let before = table(&stack).await;
    let replay = replay(&stack);
    let done = replay.delivery(&id(unreadable)).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem.as_deref()), ("recorded", Some("unreadable_now: not_json at .")));
    let done = replay.delivery(&id(changed)).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem.as_deref()), ("recorded", Some("body_changed")));
    assert_eq!(table(&stack).await, before);
    let unknown = id("019a0000-0000-7000-8000-000000000000");
    assert_eq!(replay.delivery(&unknown).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_selected_by_time_and_service() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("document_updated", "early").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let middle = time::now();
    let late = stack.post_quicklysign("document_updated", "late").await;
    let replay = replay(&stack);
    let stored = |since, provider| {
        let replay = &replay;
        async move { replay.stored(Selection { since, provider }).await.unwrap().len() }
    };
    assert_eq!(replay.stored(Selection { since: Some(middle), provider: None }).await.unwrap(), [id(late.delivery())]);
    assert_eq!(stored(None, Some(Provider::Quicklysign)).await, 2);
    assert_eq!(stored(None, Some(Provider::Signeasy)).await, 0);
    let days_ago = middle.checked_sub(SignedDuration::from_hours(72)).unwrap();
    assert_eq!(stored(Some(days_ago), None).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_subject_leaves_a_tombstone_without_content() {
    let stack = LocalStack::start().await;
    let large = format!(
        r#"{{"webhook_key":"k","entity_type":"Document","entity_key":"gone","callback_event":"e","note":"{}"}}"#,
        "someone@example.com ".repeat(1000)
    );
    let large = stack.post(Route::Quicklysign, "application/json", large).await;
    stack.post_quicklysign("final_document_generated", "gone").await;
    stack.post_quicklysign("final_document_generated", "stays").await;
    let before = stack.wait_for_archive(&pack("gone"), &[ArchiveState::Archived]).await;
    stack.wait_for_archive(&pack("stays"), &[ArchiveState::Archived]).await;
    assert!(!before.pdfs.is_empty());

    let ledger = stack.ledger();
    let subject_id = SubjectId::parse("gone").unwrap();
    let done = forget(&ledger, &deliveries::services(), Provider::Quicklysign, &subject_id, time::now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((done.subjects.as_slice(), done.events, done.deliveries.len()), (&[pack("gone")][..], 2, 2));
    assert!(done.shared_deliveries.is_empty() && done.kept_objects.is_empty());
    assert_eq!(done.objects.len(), before.pdfs.len() + 1, "the PDFs and the body in the bucket: {:?}", done.objects);

    let after = stack.timeline_with_payloads(&pack("gone")).await;
    assert!(after.document.forgotten_at.is_some() && after.pdfs.is_empty());
    assert_eq!((after.document.status, after.events.len()), (before.document.status, 2));
    assert!(after.events.iter().all(|event| event.payload.is_null()));
    assert!(stack.keys().await.iter().all(|key| key.contains("/stays/")), "{:?}", stack.keys().await);
    let stored = format!("{:?}", table(&stack).await);
    assert!(!stored.contains("someone@example.com"));

    // Size and hash of the body remain.
    let record = ledger.delivery_record(&id(large.delivery())).await.unwrap().unwrap();
    assert!(record.size > 8192 && record.sha256.len() == 64);
    assert_eq!(ledger.delivery(&id(large.delivery())).await.err(), Some(LedgerError::Forgotten));
    let replayed = replay(&stack).delivery(&id(large.delivery())).await.unwrap().unwrap();
    assert_eq!(replayed.problem.as_deref(), Some("forgotten"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_an_erased_subject_are_not_archived_again() {
    let stack = LocalStack::start().await;
    let ledger = stack.ledger();
    let subject_id = SubjectId::parse("late").unwrap();
    assert!(
        forget(&ledger, &deliveries::services(), Provider::Quicklysign, &subject_id, time::now())
            .await
            .unwrap()
            .is_none()
    );
    // Erased before there was an archive job.
    stack.post_quicklysign("document_updated", "late").await;
    forget(&ledger, &deliveries::services(), Provider::Quicklysign, &subject_id, time::now()).await.unwrap().unwrap();
    stack.post_quicklysign("final_document_generated", "late").await;
    loop {
        let timeline = stack.wait_for_archive(&pack("late"), &[ArchiveState::Foreign]).await;
        let archive = timeline.document.archive.unwrap();
        if archive.requests == 1 {
            assert_eq!(archive.reason.as_deref(), Some("forgotten"));
            break;
        }
    }
    assert!(stack.simulator.requests_to("/quicklysign/").is_empty());
    assert!(stack.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_may_not_be_read_is_the_problem_of_its_own_delivery() {
    let functions = FaultyFunctions::start(1).await;
    let mut deliveries = Vec::new();
    for id in ["denied", "readable"] {
        // Too large for the delivery's item.
        let body = quicklysign::body("document_updated", id) + &" ".repeat(10_000);
        let answer =
            functions.post(Route::Quicklysign, None, &[("content-type", "application/json")], body).await.unwrap();
        deliveries.push(answer.delivery().parse().unwrap());
    }
    functions.faults.plan_for("GET /", 2, Fault::Denied);
    let replay = Replay::new(&functions.settings, &functions.proxied_aws);
    let replayed = replay.delivery(&deliveries[0]).await.unwrap().unwrap();
    assert_eq!(replayed.problem.as_deref(), Some("body_denied"));
    let services = Services::verifying(&functions.settings, &functions.proxied_aws);
    let ledger = Ledger::new(&functions.proxied_aws, functions.settings.storage());
    let problem = verify(&ledger, &services, &deliveries[0]).await.unwrap_err();
    assert_eq!(problem.code(), "body_denied");
    functions.faults.clear();
    assert_eq!(replay.delivery(&deliveries[1]).await.unwrap().unwrap().problem, None);
}
