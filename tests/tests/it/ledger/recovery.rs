//! Recovery after a crash: unfinished work is finished by the sweep and by a restarted stack.

use std::time::Duration;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use countersign::{
    deadline::Deadline,
    domain::{DeliveryId, Kind, Outcome, Proven, Reading, Route, Subject},
    ledger::{ArchiveState, JobOutcome},
    sweep::{Sweep, Swept},
};
use countersign_cli::stack::TABLE;
use end_to_end::{
    DirectFunctions, Embedded, LocalStack, Stored, from_now,
    harness::{deliveries, throw_away_secrets},
    pack, quicklysign,
};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use reconcile::{Done, Task};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn callback(event: &str, id: &str) -> Proven {
    deliveries::delivery(Route::Quicklysign, quicklysign::body(event, id))
}

/// A callback that was received an hour ago.
fn old_callback(event: &str, id: &str) -> Proven {
    deliveries::delivery_at(an_hour_ago(), Route::Quicklysign, quicklysign::body(event, id))
}

fn an_hour_ago() -> Timestamp {
    countersign::time::now().checked_sub(HOUR).unwrap()
}

async fn outcome(functions: &DirectFunctions, id: &DeliveryId) -> Outcome {
    functions.ledger().delivery(id).await.unwrap().unwrap().record.outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_hand_starts_no_second_worker() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = callback("final_document_generated", "retried");
    ledger.accept(&delivery).await.unwrap();
    ledger.record(&delivery, &deliveries::services().read(&delivery).unwrap()).await.unwrap();
    let subject = pack("retried");
    let first = ledger.lease(&subject, HOUR).await.unwrap().expect("a due job");
    assert!(ledger.retry(&subject).await.unwrap());
    assert!(ledger.lease(&subject, HOUR).await.unwrap().is_none(), "the first worker is at it");
    ledger.complete(&first, &JobOutcome::Archived).await.unwrap();
    assert!(ledger.lease(&subject, HOUR).await.unwrap().is_some(), "it was requested again");
}

/// More than the sweep reads at once.
const MANY: usize = 501;

#[tokio::test(flavor = "multi_thread")]
async fn many_deliveries_that_cannot_be_read_do_not_hide_a_later_one() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let unreadable: Vec<Proven> =
        (0..MANY).map(|number| old_callback("document_updated", &format!("unreadable-{number}"))).collect();
    stream::iter(&unreadable)
        .for_each_concurrent(16, async |delivery| {
            ledger.accept(delivery).await.unwrap();
            let other = AttributeValue::B(Blob::new("{}"));
            functions.set_attribute(&format!("DELIVERY#{}", delivery.id()), "DELIVERY", "body", other).await;
        })
        .await;
    ledger.accept(&callback("document_updated", "later")).await.unwrap();
    let swept = functions.sweep(from_now(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (1, MANY));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_that_are_blocked_on_a_host_do_not_hide_a_later_one() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let request = |id: String| {
        let delivery = callback("final_document_generated", &id);
        let reading = deliveries::services().read(&delivery).unwrap();
        (pack(&id), delivery, reading)
    };
    let block = async |(subject, delivery, reading): &(Subject, Proven, Reading), host: &str| {
        ledger.request_jobs(delivery, reading).await.unwrap();
        let lease = ledger.lease(subject, HOUR).await.unwrap().expect("a due job");
        ledger.complete(&lease, &JobOutcome::Blocked { host: host.to_owned() }).await.unwrap();
    };
    let blocked: Vec<_> = (0..MANY).map(|number| request(format!("blocked-{number}"))).collect();
    stream::iter(&blocked).for_each_concurrent(16, |job| block(job, "never.example")).await;
    block(&request("later".to_owned()), "127.0.0.1").await;
    assert_eq!(functions.sweep(from_now(HOUR)).await.made_due, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_delivery_is_recorded_by_the_sweep() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let small = callback("final_document_generated", "small");
    // Too large for the item: its body is in the bucket.
    let body = quicklysign::body("final_document_generated", "large") + &" ".repeat(20_000);
    let large = deliveries::delivery(Route::Quicklysign, body);
    for delivery in [&small, &large] {
        ledger.accept(delivery).await.unwrap();
        ledger.accept(delivery).await.unwrap();
        assert_eq!(outcome(&functions, delivery.id()).await, Outcome::Accepted);
    }
    assert_eq!(functions.keys().await.len(), 1);
    assert!(ledger.timeline(&pack("small")).await.unwrap().is_none());
    // The function may still be running.
    assert_eq!(functions.sweep(countersign::time::now()).await.recorded, 0);

    let swept = functions.sweep(from_now(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (2, 0));
    for (id, delivery) in [("small", &small), ("large", &large)] {
        assert_eq!(outcome(&functions, delivery.id()).await, Outcome::Recorded);
        let timeline = functions.timeline(&pack(id)).await;
        let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
        assert_eq!(event.delivery.as_deref(), Some(delivery.id().as_str()));
        assert_eq!((event.received_at, event.occurred_at), (delivery.received_at(), delivery.received_at()));
        assert_eq!(timeline.document.status, Some(Kind::Completed));
        assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Due);
    }
    assert_eq!(functions.sweep(from_now(HOUR)).await.recorded, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_interrupted_after_recording_its_events_is_still_their_first_delivery() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = callback("final_document_generated", "between");
    ledger.accept(&delivery).await.unwrap();
    let reading = deliveries::services().read(&delivery).unwrap();
    ledger.record(&delivery, &reading).await.unwrap();
    functions.archive(&pack("between")).await;
    let before = functions.timeline(&pack("between")).await;

    assert_eq!(functions.sweep(from_now(HOUR)).await.recorded, 1);
    let record = ledger.delivery(delivery.id()).await.unwrap().unwrap().record;
    assert_eq!((record.outcome, record.reason.as_str(), record.events), (Outcome::Recorded, "ok", 1));
    // The job isn't enqueued again.
    let after = functions.timeline(&pack("between")).await;
    assert_eq!((after.document, after.events.len()), (before.document, 1));
}

/// Deletes the body of a delivery from the bucket, as an operator might.
async fn lose_body(functions: &DirectFunctions, delivery: &Proven) {
    let keys = functions.keys().await;
    let key = keys.iter().find(|key| key.ends_with(delivery.id().as_str())).unwrap();
    functions.delete_object(key).await;
}

/// Overwrites the body of a delivery.
async fn change_body(functions: &DirectFunctions, delivery: &Proven) {
    let keys = functions.keys().await;
    let key = keys.iter().find(|key| key.ends_with(delivery.id().as_str())).unwrap();
    functions.put_object(key, quicklysign::body("final_document_generated", "forged")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinishable_delivery_does_not_stop_the_sweep_from_finishing_others() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let large = |id: &str| {
        let body = quicklysign::body("document_updated", id) + &" ".repeat(20_000);
        deliveries::delivery_at(an_hour_ago(), Route::Quicklysign, body)
    };
    let (lost, changed, spoiled) = (large("lost"), large("changed"), old_callback("document_updated", "spoiled"));
    let unreadable = deliveries::delivery_at(an_hour_ago(), Route::Quicklysign, "not json");
    let good = callback("document_updated", "good");
    for delivery in [&lost, &changed, &spoiled, &unreadable, &good] {
        ledger.accept(delivery).await.unwrap();
    }
    lose_body(&functions, &lost).await;
    change_body(&functions, &changed).await;
    functions.remove_attribute(&format!("DELIVERY#{}", spoiled.id()), "DELIVERY", "route").await;

    let swept = functions.sweep(from_now(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (2, 3));
    assert_eq!(outcome(&functions, good.id()).await, Outcome::Recorded);
    assert_eq!(outcome(&functions, unreadable.id()).await, Outcome::SetAside);
    assert!(ledger.timeline(&pack("forged")).await.unwrap().is_none(), "a changed body isn't recorded");
    // They stay unfinished, and the alarm stays on.
    let swept = functions.sweep(from_now(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_job_does_not_stop_the_sweep_from_waking_others() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    for id in ["a", "spoiled", "z"] {
        let delivery = callback("final_document_generated", id);
        ledger.accept(&delivery).await.unwrap();
        countersign::intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
    }
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let invalid = functions.aws.dynamodb.put_item().table_name(TABLE).item("pk", S("not-a-subject".to_owned()));
    let invalid = invalid.item("sk", S("ARCHIVE".to_owned())).item("state", S("due".to_owned()));
    let invalid = invalid.item("gsi1pk", S("ARCHIVE#due#0".to_owned())).item("gsi1sk", S("2026".to_owned()));
    invalid.send().await.unwrap();
    functions.remove_attribute(&pack("spoiled").partition(), "ARCHIVE", "state").await;
    assert_eq!(functions.sweep(from_now(HOUR)).await.made_due, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_job_that_never_reached_the_queue_is_woken_by_the_sweep() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = callback("final_document_generated", "lost");
    ledger.accept(&delivery).await.unwrap();
    countersign::intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
    let revision = async || functions.job(&pack("lost"), ArchiveState::Due).await;
    let before = revision().await;
    // The queue may still deliver it; after a while it doesn't.
    assert_eq!(functions.sweep(from_now(SignedDuration::from_mins(1))).await.made_due, 0);
    assert_eq!(revision().await, before);
    assert_eq!(functions.sweep(from_now(HOUR)).await.made_due, 1);
    assert_ne!(revision().await, before, "it was written, so that the stream delivers it");
}

/// A stack that was killed while jobs were due, one of them leased by a worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_stack_does_jobs_that_were_due_or_leased() {
    // Embedded services without pipe and queue: jobs that are due stay so.
    let embedded = Embedded::start(throw_away_secrets()).await;
    let ledger = embedded.ledger();
    let subjects: Vec<Subject> = ["due", "leased", "only-accepted"].map(pack).into();
    for subject in &subjects {
        let delivery = old_callback("final_document_generated", subject.id.as_str());
        ledger.accept(&delivery).await.unwrap();
        if subject.id.as_str() != "only-accepted" {
            countersign::intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
        }
    }
    assert!(ledger.lease(&subjects[1], HOUR).await.unwrap().is_some());
    let stack = LocalStack::start_in(embedded.into_folder()).await;
    stack.wait_for_archive(&subjects[0], &[ArchiveState::Archived]).await;
    stack.wait_for_archive(&subjects[1], &[ArchiveState::Archived]).await;
    let swept = stack.functions.reconcile.handle(Task::Sweep, reconcile::TIME_LIMIT).await.unwrap();
    assert!(matches!(swept, Done::Swept(Swept { recorded: 1, .. })), "{swept:?}");
    stack.wait_for_archive(&subjects[2], &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_without_time_wakes_jobs_and_leaves_deliveries_to_the_next_one() {
    let embedded = Embedded::start(throw_away_secrets()).await;
    let ledger = embedded.ledger();
    let delivery = old_callback("final_document_generated", "unfinished");
    ledger.accept(&delivery).await.unwrap();
    let job = old_callback("final_document_generated", "job");
    ledger.accept(&job).await.unwrap();
    countersign::intake::record(&ledger, &deliveries::services(), &job).await.unwrap();
    let settings = embedded.settings(&embedded.simulator_url, &[]).unwrap();
    let sweep = Sweep::new(&settings, &embedded.aws);
    let an_hour_later = from_now(HOUR);
    let swept = sweep.run_until(Deadline::after(Duration::ZERO), an_hour_later).await.unwrap();
    assert_eq!((swept.made_due, swept.recorded, swept.out_of_time), (1, 0, true));
    let swept = sweep.run(an_hour_later).await.unwrap();
    assert_eq!((swept.recorded, swept.out_of_time), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_data_survives_a_restart() {
    let stack = LocalStack::start().await;
    let answer = stack.post_quicklysign("final_document_generated", "kept").await;
    stack.post_quicklysign("document_updated", "other").await;
    let before = stack.wait_for_archive(&pack("kept"), &[ArchiveState::Archived]).await;
    let (items, keys) = (stack.items().await.len(), stack.keys().await);
    let stack = stack.restart(|_| {}).await;
    let after = stack.timeline(&pack("kept")).await;
    assert_eq!((after.document, after.pdfs), (before.document, before.pdfs));
    assert_eq!((stack.items().await.len(), stack.keys().await), (items, keys));
    assert_eq!(after.events[0].delivery.as_deref(), Some(answer.delivery()));
    // New callbacks are archived as before.
    stack.post_quicklysign("final_document_generated", "other").await;
    stack.wait_for_archive(&pack("other"), &[ArchiveState::Archived]).await;
}
