//! Reconciliation: missed callbacks are found by querying the services, once, and within limits.

use std::{sync::Arc, time::Duration};

use countersign::{
    deadline::Deadline,
    domain::{Kind, Provider, Subject, SubjectId, SubjectKind, TimeSource},
    ledger::{ArchiveState, Cursor, Timeline},
    providers::quicklysign::{CallbackUrl, webhooks::Webhooks},
    reconcile::{Reconcile, Reconciled, Trouble},
    time,
};
use countersign_cli::simulator::{Answer, Status};
use end_to_end::{LocalStack, Stored, pack, subject};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

const LIST: &str = "/legalesign/api/v1/document/";

async fn run(stack: &LocalStack, now: Timestamp) -> Reconciled {
    Reconcile::new(&stack.settings, &stack.aws).run(now).await.unwrap()
}

fn document(id: &str) -> Subject {
    subject(Provider::Legalesign, SubjectKind::Document, id)
}

fn ago(hours: i64) -> Timestamp {
    time::now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn in_minutes(minutes: i64) -> Timestamp {
    time::now().checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

/// Sets the cursor as after the first, full pass over the group.
async fn skip_first_pass(stack: &LocalStack, group: &str) {
    let cursor = Cursor { since: Some(ago(24)), ..Cursor::default() };
    stack.ledger().set_cursor(&format!("legalesign#{group}"), &cursor).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_legalesign_callback_is_found_and_its_document_archived() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    skip_first_pass(&stack, "ours").await;
    stack.simulator.document("missed").group("ours").modified(ago(1));
    stack.simulator.document("others").group("theirs").modified(ago(1));

    let found = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert_eq!((found.queried, found.stopped.as_deref()), (1, None));
    assert!(found.missed > 1 && found.missed == found.recorded, "the document and its signers: {found:?}");

    let timeline = stack.wait_for_archive(&document("missed"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    assert!(timeline.document.confirmed_at.is_some() && !timeline.pdfs.is_empty());
    let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
    assert_eq!((event.source.as_str(), event.kind, event.delivery.as_deref()), ("reconcile", Kind::Completed, None));
    assert_eq!((event.time_source, event.deliveries), (TimeSource::ProviderLocal, 0));
    assert_eq!(timeline.signers.len() + 1, found.recorded);
    assert!(timeline.signers.iter().all(|signer| signer.status == Some(Kind::Signed)));
    assert!(stack.ledger().timeline(&document("others")).await.unwrap().is_none());

    // The next pass looks back, and finds nothing more.
    let again = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert_eq!((again.queried, again.recorded), (1, 0));
    assert_eq!(stack.timeline(&document("missed")).await.events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_changes_are_not_reported_as_missed_yet() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    skip_first_pass(&stack, "ours").await;
    stack.simulator.document("young").group("ours").modified(time::now());
    let found = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert!(found.maybe_late > 0 && found.recorded == 0, "{found:?}");
    assert!(stack.ledger().timeline(&document("young")).await.unwrap().is_none());
    let later = run(&stack, in_minutes(16)).await[Provider::Legalesign].clone();
    assert!(later.missed > 0 && later.maybe_late == 0, "{later:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pass_lists_everything_and_later_passes_only_modified_documents() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    for n in 0..101 {
        stack.simulator.document(&format!("d{n:03}")).group("ours").status(Status::Awaiting).modified(ago(1));
    }
    let ledger = stack.ledger();
    let reconcile = Reconcile::new(&stack.settings, &stack.aws);
    stack.simulator.clear_requests();
    let found = reconcile.run(time::now()).await.unwrap()[Provider::Legalesign].clone();
    assert_eq!((found.queried, found.missed, found.stopped), (101, 0, None));
    let queries: Vec<_> = stack.simulator.requests_to(LIST).into_iter().map(|request| request.query).collect();
    assert_eq!(queries.len(), 2);
    for (query, offset) in queries.iter().zip([0, 100]) {
        let query = format!("{query:?}");
        assert!(query.contains("cache") && query.contains(&offset.to_string()), "{query}");
    }
    let cursor = ledger.cursor("legalesign#ours").await.unwrap();
    assert!(cursor.since.is_some() && cursor.offset == 0);
    assert_eq!(ledger.documents(Some(Provider::Legalesign), None, None, 1000).await.unwrap().documents.len(), 101);

    // Later passes query only documents that were modified since.
    stack.simulator.clear_requests();
    reconcile.run(time::now()).await.unwrap();
    let query = format!("{:?}", stack.simulator.requests_to(LIST)[0].query);
    assert!(query.contains("modified_gt") && !query.contains("cache"), "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limited_service_is_not_queried_until_its_pause_is_over() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    skip_first_pass(&stack, "ours").await;
    stack.simulator.document("missed").group("ours").modified(ago(1));
    stack.simulator.fail_next(1, LIST, 429);
    let found = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert_eq!((found.queried, found.stopped.as_deref()), (0, Some("api_http_429")));
    stack.simulator.clear_requests();
    let waiting = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert_eq!(waiting.stopped.as_deref(), Some("rate_limited"));
    assert!(stack.simulator.requests_to(LIST).is_empty());
    assert!(run(&stack, in_minutes(24 * 60)).await[Provider::Legalesign].clone().missed > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_continues_where_it_stopped() {
    let stack = LocalStack::start_with_groups(&["ours"]).await;
    skip_first_pass(&stack, "ours").await;
    let name = "legalesign#ours";
    let before = stack.ledger().cursor(name).await.unwrap();
    stack.simulator.fail_next(3, LIST, 500);
    let found = run(&stack, time::now()).await[Provider::Legalesign].clone();
    assert_eq!(found.stopped.as_deref(), Some("api_http_500"));
    let after = stack.ledger().cursor(name).await.unwrap();
    assert_eq!((after.since, after.offset), (before.since, 0), "nothing was skipped");
    assert_eq!(run(&stack, time::now()).await[Provider::Legalesign].clone().stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_groups_legalesign_is_not_queried() {
    let stack = LocalStack::start().await;
    assert_eq!(run(&stack, time::now()).await[Provider::Legalesign].clone().stopped.as_deref(), Some("no_groups"));
    assert!(stack.simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_pack_is_queried_and_its_missed_completion_found() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("document_updated", "open").await;
    stack.post_quicklysign("document_updated", "unsigned").await;
    stack.post_quicklysign("final_document_generated", "done").await;
    stack.wait_for_archive(&pack("done"), &[ArchiveState::Archived]).await;
    stack.simulator.pack("open").modified(ago(1));
    stack.simulator.pack("unsigned").status(Status::Awaiting);
    stack.simulator.clear_requests();

    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.queried, found.recorded, found.missed), (2, 1, 1), "{found:?}");
    assert!(stack.simulator.requests_to("/quicklysign/v1/document_packs/done").is_empty());
    let timeline = stack.wait_for_archive(&pack("open"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    assert!(timeline.events.iter().any(|event| event.source == "reconcile" && event.delivery.is_none()));
    assert_eq!(run(&stack, time::now()).await[Provider::Quicklysign].clone().recorded, 0);

    // A late callback is recorded beside it, and changes nothing.
    stack.post_quicklysign("final_document_generated", "open").await;
    let timeline = stack.timeline(&pack("open")).await;
    assert_eq!((timeline.events.len(), timeline.document.conflict), (3, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_pack_does_not_stop_other_packs_from_being_queried() {
    let stack = LocalStack::start().await;
    for id in ["one", "two", "three"] {
        stack.post_quicklysign("document_updated", id).await;
        stack.simulator.pack(id).modified(ago(1));
    }
    stack.simulator.pack("two").answer(Answer::Unknown);
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.queried, found.recorded, found.stopped), (3, 2, None));
    stack.simulator.pack("two").answer(Answer::RateLimited { retry_after: 60 });
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!(found.stopped.as_deref(), Some("api_http_429"));
}

/// Creates a webhook on a pack; only ours are stored as known.
async fn webhook(stack: &LocalStack, pack: &str, ours: bool) {
    let callback = CallbackUrl::parse("https://receiver.example.com/callbacks/quicklysign/some-path-token").unwrap();
    let entity = SubjectId::parse(pack).unwrap();
    let webhook = Webhooks::new(&stack.settings, &stack.aws).create(&entity, &callback).await.unwrap();
    if ours {
        let ledger = stack.ledger();
        ledger.remember_webhook(&end_to_end::pack(pack), &webhook.key, time::now()).await.unwrap();
    }
}

fn names(timeline: &Timeline, source: &str) -> Vec<String> {
    let mut names: Vec<_> =
        timeline.events.iter().filter(|event| event.source == source).map(|event| event.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribed_pack_without_callbacks_is_listed_and_queried() {
    let stack = LocalStack::start().await;
    webhook(&stack, "silent", true).await;
    let listed = stack.ledger().documents(Some(Provider::Quicklysign), None, None, 10).await.unwrap().documents;
    assert_eq!(
        listed.iter().map(|document| (document.id.as_str(), document.status)).collect::<Vec<_>>(),
        [("silent", None)]
    );
    stack.simulator.pack("silent").modified(ago(1));
    assert_eq!(run(&stack, time::now()).await[Provider::Quicklysign].clone().missed, 1);
    stack.wait_for_archive(&pack("silent"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_callbacks_are_found_by_counting_quicklysigns_callback_log() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    simulator.pack("logged").status(Status::Awaiting);
    webhook(&stack, "logged", true).await;
    for (event, status, times) in [
        ("signatory_updated", 200, 3),
        ("entity_updated", 500, 4),
        ("document_updated", 200, 1),
        ("document_updated", 500, 1),
    ] {
        (0..times).for_each(|_| simulator.log_callback("logged", event, status));
    }
    stack.post_quicklysign("signatory_updated", "logged").await;
    stack.post_quicklysign("document_updated", "logged").await;

    // All of them may still arrive.
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.recorded, found.maybe_late), (0, 3), "{found:?}");
    let found = run(&stack, in_minutes(20)).await[Provider::Quicklysign].clone();
    assert_eq!((found.recorded, found.missed, found.maybe_late), (3, 3, 0), "{found:?}");
    let timeline = stack.timeline(&pack("logged")).await;
    assert_eq!(names(&timeline, "reconcile"), ["entity_updated", "signatory_updated", "signatory_updated"]);
    assert!(
        timeline.events.iter().all(|event| event.source == "callback" || event.time_source == TimeSource::Provider)
    );
    assert!(!stack.items_text().await.contains("some-path-token"));
    assert_eq!(run(&stack, in_minutes(20)).await[Provider::Quicklysign].clone().recorded, 0, "found once only");

    // A missed completion enqueues the archive job too.
    simulator.log_callback("logged", "final_document_generated", 200);
    simulator.pack("logged").status(Status::Complete);
    assert_eq!(
        run(&stack, in_minutes(20)).await[Provider::Quicklysign].clone().missed,
        1,
        "its status isn't found a second time"
    );
    stack.wait_for_archive(&pack("logged"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_other_webhooks_are_not_missed_callbacks() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("shared").status(Status::Awaiting);
    webhook(&stack, "shared", false).await;
    stack.post_quicklysign("document_updated", "shared").await;
    stack.simulator.log_callback("shared", "entity_updated", 200);
    let found = run(&stack, in_minutes(20)).await[Provider::Quicklysign].clone();
    assert_eq!((found.queried, found.recorded, found.maybe_late), (1, 0, 0), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_hears_of_denied_access_to_a_service_that_is_in_use_and_of_no_other() {
    let stack = LocalStack::start().await;
    let found = run(&stack, time::now()).await;
    assert_eq!(found[Provider::Legalesign].stopped.as_deref(), Some("no_groups"));
    assert!(found.iter().all(|(_, result)| result.trouble.is_none()), "none is in use: {found:?}");

    stack.simulator.pack("open").status(Status::Awaiting).answer(Answer::Status(403));
    stack.post_quicklysign("document_updated", "open").await;
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.stopped.as_deref(), found.trouble), (Some("api_http_403"), Some(Trouble::Denied)), "{found:?}");

    let mut settings = stack.settings.clone();
    settings.providers.remove(&Provider::Quicklysign);
    let found = Reconcile::new(&settings, &stack.aws).run(time::now()).await.unwrap()[Provider::Quicklysign].clone();
    assert_eq!((found.queried, found.stopped.as_deref(), found.trouble), (0, Some("not_in_use"), None));

    stack.simulator.pack("open").answer(Answer::Status(500));
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.stopped.as_deref(), found.trouble), (Some("api_http_500"), Some(Trouble::Failed)), "{found:?}");

    stack.simulator.pack("open").recover().status(Status::Awaiting);
    let found = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((found.stopped, found.trouble), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_from_outside_or_out_of_time_is_continued() {
    let stack = LocalStack::start().await;
    for number in 0..25 {
        let id = format!("open-{number}");
        stack.simulator.pack(&id).status(Status::Awaiting);
        stack.post_quicklysign("document_updated", &id).await;
    }
    let reconcile = Reconcile::new(&stack.settings, &stack.aws);
    let none = reconcile.run_until(Deadline::after(Duration::ZERO), time::now()).await.unwrap();
    let none = &none[Provider::Quicklysign];
    assert_eq!((none.queried, none.stopped.as_deref(), none.trouble), (0, Some("out_of_time"), None));

    // Ended during the query for the 22nd, like a function at its time limit.
    let ended = Arc::new(Notify::new());
    let end = Arc::clone(&ended);
    let watched = Reconcile::new(&stack.settings, &stack.aws).watched(move |_, queried| {
        if queried == 22 {
            end.notify_one();
        }
    });
    tokio::select! {
        () = ended.notified() => {}
        done = watched.run(time::now()) => panic!("{done:?}"),
    }
    let rest = run(&stack, time::now()).await[Provider::Quicklysign].clone();
    assert_eq!((rest.queried, rest.stopped), (5, None), "the first twenty aren't queried again");
    assert_eq!(run(&stack, time::now()).await[Provider::Quicklysign].queried, 25, "the next pass");
}
