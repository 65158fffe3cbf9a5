//! What a crash leaves is finished: by the sweep, and by a stack that is started again.

use countersign::{
    delivery::{DeliveryId, Proven, Route},
    event::Kind,
    ledger::{ArchiveState, Outcome},
    subject::Subject,
    sweep::Swept,
};
use countersign_cli::stack::{BUCKET, TABLE};
use end_to_end::{
    World,
    bench::{self, Bench, quicklysign_body},
    pack,
};
use jiff::{SignedDuration, Timestamp};
use reconcile::{Done, Task};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn callback(event: &str, id: &str) -> Proven {
    bench::delivery(Route::Quicklysign, quicklysign_body(event, id))
}

/// A callback of an hour ago.
fn old_callback(event: &str, id: &str) -> Proven {
    bench::delivery_at(an_hour_ago(), Route::Quicklysign, quicklysign_body(event, id))
}

fn an_hour_ago() -> Timestamp {
    countersign::time::now().checked_sub(HOUR).unwrap()
}

async fn outcome(bench: &Bench, id: &DeliveryId) -> Outcome {
    bench.ledger().delivery(id).await.unwrap().unwrap().record.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_only_accepted_is_finished_by_the_sweep() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    let small = callback("final_document_generated", "small");
    // Too large for the item: its body is in the bucket.
    let body = quicklysign_body("final_document_generated", "large") + &" ".repeat(20_000);
    let large = bench::delivery(Route::Quicklysign, body);
    for delivery in [&small, &large] {
        ledger.accept(delivery).await.unwrap();
        ledger.accept(delivery).await.unwrap();
        assert_eq!(outcome(&bench, delivery.id()).await, Outcome::Accepted);
    }
    assert_eq!(bench.keys().await.len(), 1);
    assert!(ledger.timeline(&pack("small")).await.unwrap().is_none());
    // The function may still be at it.
    assert_eq!(bench.sweep(countersign::time::now()).await.recorded, 0);

    let swept = bench.sweep(bench::later(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (2, 0));
    for (id, delivery) in [("small", &small), ("large", &large)] {
        assert_eq!(outcome(&bench, delivery.id()).await, Outcome::Recorded);
        let timeline = bench.timeline(&pack(id)).await;
        let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
        assert_eq!(event.delivery.as_deref(), Some(delivery.id().as_str()));
        assert_eq!((event.received_at, event.occurred_at), (delivery.received_at(), delivery.received_at()));
        assert_eq!(timeline.document.status, Some(Kind::Completed));
        assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Due);
    }
    assert_eq!(bench.sweep(bench::later(HOUR)).await.recorded, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_died_between_its_events_and_its_end_is_the_one_that_brought_them() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    let delivery = callback("final_document_generated", "between");
    ledger.accept(&delivery).await.unwrap();
    let reading = countersign::providers::read(&delivery).unwrap();
    ledger.record(&delivery, &reading).await.unwrap();
    bench.work(&pack("between")).await;
    let before = bench.timeline(&pack("between")).await;

    assert_eq!(bench.sweep(bench::later(HOUR)).await.recorded, 1);
    let record = ledger.delivery(delivery.id()).await.unwrap().unwrap().record;
    assert_eq!((record.outcome, record.reason.as_str(), record.events), (Outcome::Recorded, "ok", 1));
    // It is no second request for its documents.
    let after = bench.timeline(&pack("between")).await;
    assert_eq!((after.document, after.events.len()), (before.document, 1));
}

/// Takes the body of a delivery out of the bucket, as a person might.
async fn lose_body(bench: &Bench, delivery: &Proven) {
    let keys = bench.keys().await;
    let key = keys.iter().find(|key| key.ends_with(delivery.id().as_str())).unwrap();
    bench.aws.s3.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
}

/// Writes something else over the body of a delivery.
async fn change_body(bench: &Bench, delivery: &Proven) {
    let keys = bench.keys().await;
    let key = keys.iter().find(|key| key.ends_with(delivery.id().as_str())).unwrap();
    let body = quicklysign_body("final_document_generated", "forged").into_bytes().into();
    bench.aws.s3.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
}

/// Takes an attribute out of an item.
async fn spoil(bench: &Bench, partition: &str, sort: &str, attribute: &str) {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let update = bench.aws.dynamodb.update_item().table_name(TABLE);
    let update = update.key("pk", S(partition.to_owned())).key("sk", S(sort.to_owned()));
    update.update_expression("REMOVE #a").expression_attribute_names("#a", attribute).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_finished_does_not_keep_the_others_from_it() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    let large = |id: &str| {
        let body = quicklysign_body("document_updated", id) + &" ".repeat(20_000);
        bench::delivery_at(an_hour_ago(), Route::Quicklysign, body)
    };
    let (lost, changed, spoiled) = (large("lost"), large("changed"), old_callback("document_updated", "spoiled"));
    let unreadable = bench::delivery_at(an_hour_ago(), Route::Quicklysign, "not json");
    let good = callback("document_updated", "good");
    for delivery in [&lost, &changed, &spoiled, &unreadable, &good] {
        ledger.accept(delivery).await.unwrap();
    }
    lose_body(&bench, &lost).await;
    change_body(&bench, &changed).await;
    spoil(&bench, &format!("DELIVERY#{}", spoiled.id()), "DELIVERY", "route").await;

    let swept = bench.sweep(bench::later(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (2, 3));
    assert_eq!(outcome(&bench, good.id()).await, Outcome::Recorded);
    assert_eq!(outcome(&bench, unreadable.id()).await, Outcome::SetAside);
    assert!(ledger.timeline(&pack("forged")).await.unwrap().is_none(), "what was changed isn't believed");
    // They stay where somebody finds them, and the alarm goes on.
    let swept = bench.sweep(bench::later(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_order_that_cannot_be_read_does_not_keep_the_others_asleep() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    for id in ["a", "spoiled", "z"] {
        let delivery = callback("final_document_generated", id);
        ledger.accept(&delivery).await.unwrap();
        countersign::intake::record(&ledger, &delivery).await.unwrap();
    }
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let stranger = bench.aws.dynamodb.put_item().table_name(TABLE).item("pk", S("nobody's".to_owned()));
    let stranger = stranger.item("sk", S("ARCHIVE".to_owned())).item("state", S("due".to_owned()));
    let stranger = stranger.item("gsi1pk", S("ARCHIVE#due#0".to_owned())).item("gsi1sk", S("2026".to_owned()));
    stranger.send().await.unwrap();
    spoil(&bench, &pack("spoiled").partition(), "ARCHIVE", "state").await;
    assert_eq!(bench.sweep(bench::later(HOUR)).await.made_due, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_due_and_never_handed_over_is_woken_by_the_sweep() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    let delivery = callback("final_document_generated", "forgotten");
    ledger.accept(&delivery).await.unwrap();
    countersign::intake::record(&ledger, &delivery).await.unwrap();
    let revision = async || bench.order(&pack("forgotten"), ArchiveState::Due).await;
    let before = revision().await;
    // The queue may still be at it; after a while it isn't.
    assert_eq!(bench.sweep(bench::later(SignedDuration::from_mins(1))).await.made_due, 0);
    assert_eq!(revision().await, before);
    assert_eq!(bench.sweep(bench::later(HOUR)).await.made_due, 1);
    assert_ne!(revision().await, before, "it was written, and so the stream hands it over");
}

/// A stack that was killed while orders were due: one that nobody had taken yet, one that a worker had claimed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_started_again_takes_up_what_was_due() {
    let folder = tempfile::TempDir::new().unwrap();
    let subjects: Vec<Subject> = ["due", "claimed", "only-accepted"].map(pack).into();
    {
        // Storage without pipe and queue: what is due stays so.
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let mut parts = tokio::task::JoinSet::new();
        let storage = countersign_cli::stack::Storage::open(folder.path(), &mut parts, &stopping).await.unwrap();
        let ledger = countersign::ledger::Ledger::new(&storage.aws, TABLE, BUCKET);
        for subject in &subjects {
            let delivery = old_callback("final_document_generated", subject.id.as_str());
            ledger.accept(&delivery).await.unwrap();
            if subject.id.as_str() != "only-accepted" {
                countersign::intake::record(&ledger, &delivery).await.unwrap();
            }
        }
        assert!(ledger.claim(&subjects[1], HOUR).await.unwrap().is_some());
    }
    let world = World::on(folder).await;
    world.archive_is(&subjects[0], &[ArchiveState::Archived]).await;
    world.archive_is(&subjects[1], &[ArchiveState::Archived]).await;
    let swept = world.stack.functions.reconcile.handle(Task::Sweep).await.unwrap();
    assert!(matches!(swept, Done::Swept(Swept { recorded: 1, .. })), "{swept:?}");
    world.archive_is(&subjects[2], &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_still_there_after_a_restart() {
    let world = World::start().await;
    let answer = world.quicklysign("final_document_generated", "kept").await;
    world.quicklysign("document_updated", "other").await;
    let before = world.archive_is(&pack("kept"), &[ArchiveState::Archived]).await;
    let (items, keys) = (world.items().await.len(), world.keys().await);
    let world = world.restart(|_| {}).await;
    let after = world.timeline(&pack("kept")).await;
    assert_eq!((after.document, after.pdfs), (before.document, before.pdfs));
    assert_eq!((world.items().await.len(), world.keys().await), (items, keys));
    assert_eq!(after.events[0].delivery.as_deref(), Some(answer.delivery()));
    // And what comes now is archived as before.
    world.quicklysign("final_document_generated", "other").await;
    world.archive_is(&pack("other"), &[ArchiveState::Archived]).await;
}
