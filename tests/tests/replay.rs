//! Replay and forgetting: what was there stays, what could not be read is recorded, what must go is gone.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use countersign::{
    delivery::{DeliveryId, Route},
    forget::forget,
    ledger::{ArchiveState, LedgerError, Outcome},
    provider::Provider,
    replay::{Replay, Selection},
    subject::SubjectId,
    time,
};
use end_to_end::{World, pack};
use jiff::SignedDuration;

type Attributes = HashMap<String, AttributeValue>;

fn replay(world: &World) -> Replay {
    Replay::new(&world.stack.settings, &world.stack.aws)
}

fn id(text: &str) -> DeliveryId {
    text.parse().unwrap()
}

fn text<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

async fn table(world: &World) -> Vec<Attributes> {
    let mut items: Vec<_> = world.items().await.into_iter().map(countersign::ledger::Item::into_attributes).collect();
    items.sort_by_key(|item| (text(item, "pk").to_owned(), text(item, "sk").to_owned()));
    items
}

async fn set(world: &World, pk: &str, sk: &str, name: &str, value: AttributeValue) {
    let update = world.stack.aws.dynamodb.update_item().table_name(&world.stack.endpoints.table);
    let update = update.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
    let update = update.update_expression("SET #n = :v").expression_attribute_names("#n", name);
    update.expression_attribute_values(":v", value).send().await.unwrap();
}

async fn delete(world: &World, item: &Attributes) {
    let delete = world.stack.aws.dynamodb.delete_item().table_name(&world.stack.endpoints.table);
    delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_changes_nothing_of_what_was_recorded() {
    let world = World::start().await;
    for event in ["document_updated", "final_document_generated", "final_document_generated"] {
        world.quicklysign(event, "same").await;
    }
    world.post(Route::Quicklysign, "application/json", "not JSON").await;
    let timeline = world.archive_is(&pack("same"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.events.len(), 3);
    // A second order may still be at work when the first is done.
    loop {
        let before = table(&world).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if before == table(&world).await {
            break;
        }
    }
    let before = table(&world).await;
    let replay = replay(&world);
    let all = replay.stored(Selection::default()).await.unwrap();
    assert_eq!(all.len(), 4);
    for delivery in &all {
        let done = replay.delivery(delivery).await.unwrap().unwrap();
        assert_eq!((done.before, done.problem), (done.outcome, None));
    }
    assert_eq!(table(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_and_can_be_read_now_is_recorded_under_its_own_id() {
    let world = World::start().await;
    let answer = world.quicklysign("document_updated", "aside").await;
    // As a version that couldn't read it would have left it.
    let delivery = format!("DELIVERY#{}", answer.delivery());
    set(&world, &delivery, "DELIVERY", "outcome", AttributeValue::S("set_aside".to_owned())).await;
    for item in table(&world).await.iter().filter(|item| text(item, "pk") == pack("aside").partition()) {
        delete(&world, item).await;
    }
    let done = replay(&world).delivery(&id(answer.delivery())).await.unwrap().unwrap();
    assert_eq!((done.before, done.outcome, done.events), ("set_aside", "recorded", 1));
    let timeline = world.timeline(&pack("aside")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(answer.delivery()));
    let record = world.ledger().delivery_record(&id(answer.delivery())).await.unwrap().unwrap();
    assert_eq!((record.outcome, record.reason.as_str()), (Outcome::Recorded, "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_any_more_or_was_changed_keeps_its_record() {
    let world = World::start().await;
    let unreadable = world.post(Route::Quicklysign, "application/json", "not JSON").await;
    let changed = world.quicklysign("document_updated", "changed").await;
    let [unreadable, changed] = [unreadable.delivery(), changed.delivery()];
    let key = |delivery: &str| format!("DELIVERY#{delivery}");
    set(&world, &key(unreadable), "DELIVERY", "outcome", AttributeValue::S("recorded".to_owned())).await;
    let other = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("{}"));
    set(&world, &key(changed), "DELIVERY", "body", other).await;
    let before = table(&world).await;
    let replay = replay(&world);
    let done = replay.delivery(&id(unreadable)).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem.as_deref()), ("recorded", Some("unreadable_now: not_json at .")));
    let done = replay.delivery(&id(changed)).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem.as_deref()), ("recorded", Some("body_changed")));
    assert_eq!(table(&world).await, before);
    let nobody_s = id("019a0000-0000-7000-8000-000000000000");
    assert_eq!(replay.delivery(&nobody_s).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_selected_by_time_and_service() {
    let world = World::start().await;
    world.quicklysign("document_updated", "early").await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let middle = time::now();
    let late = world.quicklysign("document_updated", "late").await;
    let replay = replay(&world);
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
async fn a_forgotten_subject_leaves_a_tombstone_and_nothing_of_its_content() {
    let world = World::start().await;
    let large = format!(
        r#"{{"webhook_key":"k","entity_type":"Document","entity_key":"gone","callback_event":"e","note":"{}"}}"#,
        "someone@example.com ".repeat(1000)
    );
    let large = world.post(Route::Quicklysign, "application/json", large).await;
    world.quicklysign("final_document_generated", "gone").await;
    world.quicklysign("final_document_generated", "stays").await;
    let before = world.archive_is(&pack("gone"), &[ArchiveState::Archived]).await;
    world.archive_is(&pack("stays"), &[ArchiveState::Archived]).await;
    assert!(!before.pdfs.is_empty());

    let ledger = world.ledger();
    let subject_id = SubjectId::parse("gone").unwrap();
    let done = forget(&ledger, Provider::Quicklysign, &subject_id, time::now()).await.unwrap().unwrap();
    assert_eq!((done.subjects.as_slice(), done.events, done.deliveries.len()), (&[pack("gone")][..], 2, 2));
    assert!(done.shared_deliveries.is_empty() && done.kept_objects.is_empty());
    assert_eq!(done.objects.len(), before.pdfs.len() + 1, "the PDFs, and the body in the bucket: {:?}", done.objects);

    let after = world.timeline(&pack("gone")).await;
    assert!(after.document.forgotten_at.is_some() && after.pdfs.is_empty());
    assert_eq!((after.document.status, after.events.len()), (before.document.status, 2));
    assert!(after.events.iter().all(|event| event.payload.is_null()));
    assert!(world.keys().await.iter().all(|key| key.contains("/stays/")), "{:?}", world.keys().await);
    let stored = format!("{:?}", table(&world).await);
    assert!(!stored.contains("someone@example.com"));

    // What remains of a body is that it was there, and which it was.
    let record = ledger.delivery_record(&id(large.delivery())).await.unwrap().unwrap();
    assert!(record.size > 8192 && record.sha256.len() == 64);
    assert_eq!(ledger.delivery(&id(large.delivery())).await.err(), Some(LedgerError::Forgotten));
    let replayed = replay(&world).delivery(&id(large.delivery())).await.unwrap().unwrap();
    assert_eq!(replayed.problem.as_deref(), Some("forgotten"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_forgotten_subject_is_fetched_again() {
    let world = World::start().await;
    let ledger = world.ledger();
    let subject_id = SubjectId::parse("late").unwrap();
    assert!(forget(&ledger, Provider::Quicklysign, &subject_id, time::now()).await.unwrap().is_none());
    // Forgotten before there was an order.
    world.quicklysign("document_updated", "late").await;
    forget(&ledger, Provider::Quicklysign, &subject_id, time::now()).await.unwrap().unwrap();
    world.quicklysign("final_document_generated", "late").await;
    loop {
        let timeline = world.archive_is(&pack("late"), &[ArchiveState::Foreign]).await;
        let archive = timeline.document.archive.unwrap();
        if archive.requests == 1 {
            assert_eq!(archive.reason.as_deref(), Some("forgotten"));
            break;
        }
    }
    assert!(world.stack.simulator.requests_to("/quicklysign/").is_empty());
    assert!(world.keys().await.is_empty());
}
