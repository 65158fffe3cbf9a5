//! Asking the services: what no callback told is found, once, and in bounds.

use countersign::{
    event::{Kind, TimeSource},
    ledger::{ArchiveState, Cursor},
    provider::Provider,
    reconcile::{Reconcile, Reconciled},
    subject::{Subject, SubjectKind},
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
