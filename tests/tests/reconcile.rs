//! Asking the services: what no callback told is found, once, and in bounds.

use countersign::{
    event::{Kind, TimeSource},
    ledger::{ArchiveState, Cursor, Timeline},
    provider::Provider,
    providers::quicklysign::{CallbackUrl, webhooks::Webhooks},
    reconcile::{Reconcile, Reconciled},
    subject::{Subject, SubjectId, SubjectKind},
    time,
};
use countersign_cli::{
    simulator::{Answer, Status},
    stack::Options,
};
use end_to_end::{World, pack, subject};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const LIST: &str = "/legalesign/api/v1/document/";

fn with_groups(groups: &[&str]) -> impl FnOnce(&mut Options) {
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    move |options| {
        let mut proof = options.secrets.of(Provider::Legalesign).0.clone();
        proof["groups"] = json!(groups);
        options.secrets.set_proof(Provider::Legalesign, proof);
    }
}

async fn ask(world: &World, now: Timestamp) -> Reconciled {
    Reconcile::new(&world.stack.settings, &world.stack.aws).run(now).await.unwrap()
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

/// Lets the first, full pass over the group be over.
async fn first_pass_is_over(world: &World, group: &str) {
    let cursor = Cursor { since: Some(ago(24)), ..Cursor::default() };
    world.ledger().set_cursor(&format!("legalesign#{group}"), &cursor).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legalesign_callback_that_never_came_is_found_and_its_documents_archived() {
    let world = World::with(with_groups(&["ours"])).await;
    first_pass_is_over(&world, "ours").await;
    world.stack.simulator.document("lost").group("ours").modified(ago(1));
    world.stack.simulator.document("others").group("theirs").modified(ago(1));

    let asked = ask(&world, time::now()).await.legalesign;
    assert_eq!((asked.asked, asked.stopped.as_deref()), (1, None));
    assert!(asked.never_came > 1 && asked.never_came == asked.recorded, "the document and its signers: {asked:?}");

    let timeline = world.archive_is(&document("lost"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    assert!(timeline.document.confirmed_at.is_some() && !timeline.pdfs.is_empty());
    let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
    assert_eq!((event.source.as_str(), event.kind, event.delivery.as_deref()), ("reconcile", Kind::Completed, None));
    assert_eq!((event.time_source, event.deliveries), (TimeSource::ProviderLocal, 0));
    assert_eq!(timeline.signers.len() + 1, asked.recorded);
    assert!(timeline.signers.iter().all(|signer| signer.status == Some(Kind::Signed)));
    assert!(world.ledger().timeline(&document("others")).await.unwrap().is_none());

    // The next pass looks back, and finds nothing missing.
    let again = ask(&world, time::now()).await.legalesign;
    assert_eq!((again.asked, again.recorded), (1, 0));
    assert_eq!(world.timeline(&document("lost")).await.events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_only_be_late_is_waited_for() {
    let world = World::with(with_groups(&["ours"])).await;
    first_pass_is_over(&world, "ours").await;
    world.stack.simulator.document("young").group("ours").modified(time::now());
    let asked = ask(&world, time::now()).await.legalesign;
    assert!(asked.maybe_late > 0 && asked.recorded == 0, "{asked:?}");
    assert!(world.ledger().timeline(&document("young")).await.unwrap().is_none());
    let later = ask(&world, in_minutes(16)).await.legalesign;
    assert!(later.never_came > 0 && later.maybe_late == 0, "{later:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pass_is_a_full_one_goes_on_where_it_stopped_and_misses_nothing() {
    let world = World::with(with_groups(&["ours"])).await;
    for n in 0..101 {
        world.stack.simulator.document(&format!("d{n:03}")).group("ours").status(Status::Awaiting).modified(ago(1));
    }
    let ledger = world.ledger();
    let reconcile = Reconcile::new(&world.stack.settings, &world.stack.aws);
    world.stack.simulator.clear_requests();
    let asked = reconcile.run(time::now()).await.unwrap().legalesign;
    assert_eq!((asked.asked, asked.never_came, asked.stopped), (101, 0, None));
    let queries: Vec<_> = world.stack.simulator.requests_to(LIST).into_iter().map(|request| request.query).collect();
    assert_eq!(queries.len(), 2);
    for (query, offset) in queries.iter().zip([0, 100]) {
        let query = format!("{query:?}");
        assert!(query.contains("cache") && query.contains(&offset.to_string()), "{query}");
    }
    let cursor = ledger.cursor("legalesign#ours").await.unwrap();
    assert!(cursor.since.is_some() && cursor.offset == 0);
    assert_eq!(ledger.documents(Some(Provider::Legalesign), None, None, 1000).await.unwrap().documents.len(), 101);

    // From then on only what was modified since.
    world.stack.simulator.clear_requests();
    reconcile.run(time::now()).await.unwrap();
    let query = format!("{:?}", world.stack.simulator.requests_to(LIST)[0].query);
    assert!(query.contains("modified_gt") && !query.contains("cache"), "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let world = World::with(with_groups(&["ours"])).await;
    first_pass_is_over(&world, "ours").await;
    world.stack.simulator.document("lost").group("ours").modified(ago(1));
    world.stack.simulator.fail_next(1, LIST, 429);
    let asked = ask(&world, time::now()).await.legalesign;
    assert_eq!((asked.asked, asked.stopped.as_deref()), (0, Some("api_http_429")));
    world.stack.simulator.clear_requests();
    let waiting = ask(&world, time::now()).await.legalesign;
    assert_eq!(waiting.stopped.as_deref(), Some("asked_to_wait"));
    assert!(world.stack.simulator.requests_to(LIST).is_empty());
    assert!(ask(&world, in_minutes(24 * 60)).await.legalesign.never_came > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_goes_on_at_the_same_place() {
    let world = World::with(with_groups(&["ours"])).await;
    first_pass_is_over(&world, "ours").await;
    let name = "legalesign#ours";
    let before = world.ledger().cursor(name).await.unwrap();
    world.stack.simulator.fail_next(3, LIST, 500);
    let asked = ask(&world, time::now()).await.legalesign;
    assert_eq!(asked.stopped.as_deref(), Some("api_http_500"));
    let after = world.ledger().cursor(name).await.unwrap();
    assert_eq!((after.since, after.offset), (before.since, 0), "nothing was passed over");
    assert_eq!(ask(&world, time::now()).await.legalesign.stopped, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_groups_or_secrets_nobody_is_asked() {
    let world = World::start().await;
    assert_eq!(ask(&world, time::now()).await.legalesign.stopped.as_deref(), Some("no_groups"));
    assert!(world.stack.simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_pack_is_asked_for_and_its_lost_end_found() {
    let world = World::start().await;
    world.quicklysign("document_updated", "open").await;
    world.quicklysign("document_updated", "unsigned").await;
    world.quicklysign("final_document_generated", "done").await;
    world.archive_is(&pack("done"), &[ArchiveState::Archived]).await;
    world.stack.simulator.pack("open").modified(ago(1));
    world.stack.simulator.pack("unsigned").status(Status::Awaiting);
    world.stack.simulator.clear_requests();

    let asked = ask(&world, time::now()).await.quicklysign;
    assert_eq!((asked.asked, asked.recorded, asked.never_came), (2, 1, 1), "{asked:?}");
    assert!(world.stack.simulator.requests_to("/quicklysign/v1/document_packs/done").is_empty());
    let timeline = world.archive_is(&pack("open"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    assert!(timeline.events.iter().any(|event| event.source == "reconcile" && event.delivery.is_none()));
    assert_eq!(ask(&world, time::now()).await.quicklysign.recorded, 0);

    // The callback comes after all: it stands beside, and changes nothing.
    world.quicklysign("final_document_generated", "open").await;
    let timeline = world.timeline(&pack("open")).await;
    assert_eq!((timeline.events.len(), timeline.document.conflict), (3, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_the_api_refuses_keeps_no_other_from_being_asked_for() {
    let world = World::start().await;
    for id in ["one", "two", "three"] {
        world.quicklysign("document_updated", id).await;
        world.stack.simulator.pack(id).modified(ago(1));
    }
    world.stack.simulator.pack("two").answer(Answer::Unknown);
    let asked = ask(&world, time::now()).await.quicklysign;
    assert_eq!((asked.asked, asked.recorded, asked.stopped), (3, 2, None));
    world.stack.simulator.pack("two").answer(Answer::RateLimited { retry_after: 60 });
    let asked = ask(&world, time::now()).await.quicklysign;
    assert_eq!(asked.stopped.as_deref(), Some("api_http_429"));
}

/// Makes a webhook on a pack, which is ours or somebody else's.
async fn webhook(world: &World, pack: &str, ours: bool) {
    let callback = CallbackUrl::parse("https://receiver.example.com/callbacks/quicklysign/some-path-token").unwrap();
    let entity = SubjectId::parse(pack).unwrap();
    let webhook = Webhooks::of(&world.stack.settings, &world.stack.aws).create(&entity, &callback).await.unwrap();
    if ours {
        let ledger = world.ledger();
        ledger.remember_webhook(Provider::Quicklysign, &webhook.key, &entity, time::now()).await.unwrap();
    }
}

fn names(timeline: &Timeline, source: &str) -> Vec<String> {
    let mut names: Vec<_> =
        timeline.events.iter().filter(|event| event.source == source).map(|event| event.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_which_nothing_was_ever_heard_is_listed_and_asked_for() {
    let world = World::start().await;
    webhook(&world, "silent", true).await;
    let listed = world.ledger().documents(Some(Provider::Quicklysign), None, None, 10).await.unwrap().documents;
    assert_eq!(
        listed.iter().map(|document| (document.id.as_str(), document.status)).collect::<Vec<_>>(),
        [("silent", None)]
    );
    world.stack.simulator.pack("silent").modified(ago(1));
    assert_eq!(ask(&world, time::now()).await.quicklysign.never_came, 1);
    world.archive_is(&pack("silent"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_that_quicklysign_s_log_tells_of_and_nobody_heard_are_found_by_their_count() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    simulator.pack("logged").status(Status::Awaiting);
    webhook(&world, "logged", true).await;
    for (event, status, times) in [
        ("signatory_updated", 200, 3),
        ("entity_updated", 500, 4),
        ("document_updated", 200, 1),
        ("document_updated", 500, 1),
    ] {
        (0..times).for_each(|_| simulator.log_callback("logged", event, status));
    }
    world.quicklysign("signatory_updated", "logged").await;
    world.quicklysign("document_updated", "logged").await;

    // All of them may still be on their way.
    let asked = ask(&world, time::now()).await.quicklysign;
    assert_eq!((asked.recorded, asked.maybe_late), (0, 3), "{asked:?}");
    let asked = ask(&world, in_minutes(20)).await.quicklysign;
    assert_eq!((asked.recorded, asked.never_came, asked.maybe_late), (3, 3, 0), "{asked:?}");
    let timeline = world.timeline(&pack("logged")).await;
    assert_eq!(names(&timeline, "reconcile"), ["entity_updated", "signatory_updated", "signatory_updated"]);
    assert!(
        timeline.events.iter().all(|event| event.source == "callback" || event.time_source == TimeSource::Provider)
    );
    assert!(!format!("{:?}", world.items().await).contains("some-path-token"));
    assert_eq!(ask(&world, in_minutes(20)).await.quicklysign.recorded, 0, "once");

    // What ends a pack orders its documents, whoever tells of it.
    simulator.log_callback("logged", "final_document_generated", 200);
    simulator.pack("logged").status(Status::Complete);
    assert_eq!(ask(&world, in_minutes(20)).await.quicklysign.never_came, 1, "its status is no second one");
    world.archive_is(&pack("logged"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_somebody_else_s_webhook_are_not_ours_to_miss() {
    let world = World::start().await;
    world.stack.simulator.pack("shared").status(Status::Awaiting);
    webhook(&world, "shared", false).await;
    world.quicklysign("document_updated", "shared").await;
    world.stack.simulator.log_callback("shared", "entity_updated", 200);
    let asked = ask(&world, in_minutes(20)).await.quicklysign;
    assert_eq!((asked.asked, asked.recorded, asked.maybe_late), (1, 0, 0), "{asked:?}");
}
