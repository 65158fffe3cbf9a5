//! What a changed status comes to: the API is asked, a complete pack is archived, and one that isn't leaves no trace
//! among the archive orders.

use std::time::{Duration, Instant};

use countersign::{
    event::{Kind, TimeSource, Trust},
    ledger::{ArchiveState, Timeline},
};
use countersign_cli::simulator::{Answer, Status};
use end_to_end::{World, pack};

const PACKS: &str = "/quicklysign/v1/document_packs/";

/// Waits until the pack's timeline is as it should be.
async fn until(world: &World, id: &str, is: impl Fn(&Timeline) -> bool) -> Timeline {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let timeline = world.timeline(&pack(id)).await;
        if is(&timeline) {
            return timeline;
        }
        assert!(Instant::now() < give_up, "{timeline:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tells of a changed status, and waits until the API was asked and the order is no longer due.
async fn status_changed(world: &World, id: &str) -> Timeline {
    let asked = world.stack.simulator.requests_to(PACKS).len();
    assert_eq!(world.quicklysign("document_status_changed", id).await.verdict(), (200, "recorded", "ok"));
    until(world, id, |timeline| {
        let due = timeline.document.archive.as_ref().is_some_and(|archive| archive.state == ArchiveState::Due);
        !due && world.stack.simulator.requests_to(PACKS).len() > asked
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_the_api_calls_complete_is_archived_though_nobody_said_so() {
    let world = World::start().await;
    let answer = world.quicklysign("document_status_changed", "pack").await;
    let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
    let document = &timeline.document;
    assert_eq!((document.status, document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert!(document.confirmed_at.is_some() && !document.conflict);
    assert!(timeline.pdfs.len() > 1);

    let [told, found] = &timeline.events[..] else { panic!("{:#?}", timeline.events) };
    assert_eq!((told.source.as_str(), told.kind, told.deliveries), ("callback", Kind::Updated, 1));
    assert_eq!(told.delivery.as_deref(), Some(answer.delivery()));
    assert_eq!((found.source.as_str(), found.kind, found.deliveries), ("reconcile", Kind::Completed, 0));
    assert_eq!((found.delivery.as_deref(), found.time_source), (None, TimeSource::Received));
    assert!(timeline.pdfs.iter().all(|pdf| pdf.source_event.as_deref() == Some(told.id.as_str())));

    // What is told later counts, and what was found is not found again.
    world.quicklysign("final_document_generated", "pack").await;
    let later = until(&world, "pack", |timeline| {
        let archive = timeline.document.archive.as_ref();
        archive.is_some_and(|archive| archive.state == ArchiveState::Archived && archive.requests == 2)
    })
    .await;
    assert_eq!((later.events.len(), later.pdfs.len()), (3, timeline.pdfs.len()));
    assert!(
        later.document.occurred_at > timeline.document.occurred_at,
        "when the callback came, not when it was asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_pack_settles_quietly() {
    let world = World::start().await;
    for (id, status, kind) in [
        ("draft", Status::Setup, Some(Kind::Draft)),
        ("sent", Status::Awaiting, Some(Kind::Sent)),
        ("refused", Status::Declined, None),
        ("broken", Status::Failed, None),
    ] {
        world.stack.simulator.pack(id).status(status);
        let timeline = status_changed(&world, id).await;
        assert_eq!(timeline.document.archive, None, "{id}: there is no order");
        assert_eq!(timeline.document.status, kind, "{id}");
        assert_eq!(timeline.document.confirmed_at.is_some(), kind.is_some(), "{id}");
        let found = timeline.events.iter().filter(|event| event.source == "reconcile").count();
        assert_eq!(found, usize::from(kind.is_some()), "{id}");
    }
    for state in ArchiveState::ALL {
        assert!(world.ledger().orders(state, None, 100).await.unwrap().is_empty(), "{state:?}");
    }
    assert!(world.keys().await.is_empty(), "no draft is archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_followed_from_draft_to_its_end() {
    let world = World::start().await;
    let script = world.stack.simulator.pack("pack");
    let mut seen = Vec::new();
    for status in [Status::Setup, Status::Awaiting, Status::Awaiting, Status::Complete] {
        script.status(status);
        let timeline = status_changed(&world, "pack").await;
        seen.push(timeline.document.status);
        assert!(timeline.document.confirmed_at.is_some());
    }
    assert_eq!(seen, [Some(Kind::Draft), Some(Kind::Sent), Some(Kind::Sent), Some(Kind::Completed)]);
    let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
    let found: Vec<_> = timeline.events.iter().filter(|event| event.source == "reconcile").collect();
    assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Draft, Kind::Sent, Kind::Completed]);
    assert!(!timeline.document.conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesser_status_of_the_api_takes_nothing_back() {
    let world = World::start().await;
    world.stack.simulator.pack("pack").status(Status::Awaiting);
    world.quicklysign("final_document_generated", "pack").await;
    let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Waiting]).await;
    assert_eq!((timeline.document.status, timeline.document.confirmed_at), (Some(Kind::Completed), None));
    assert_eq!(timeline.events.len(), 1, "what was told outweighs it");
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("not_complete"), 0), "it was said to be complete");
    // Another changed status asks again, and the order goes on waiting: its final document was announced.
    let again = status_changed(&world, "pack").await;
    assert_eq!(again.document.archive.unwrap().state, ArchiveState::Waiting);
    world.stack.simulator.pack("pack").status(Status::Complete);
    let done = status_changed(&world, "pack").await;
    assert_eq!(done.document.archive.unwrap().state, ArchiveState::Archived);
    assert!(done.document.confirmed_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_pack_stays_archived_whatever_its_status_changes_to() {
    let world = World::start().await;
    let archived = status_changed(&world, "pack").await;
    let state = |timeline: &Timeline| timeline.document.archive.as_ref().map(|archive| archive.state);
    assert_eq!(state(&archived), Some(ArchiveState::Archived));
    world.stack.simulator.pack("pack").status(Status::Awaiting);
    let reopened = status_changed(&world, "pack").await;
    assert_eq!((state(&reopened), &reopened.pdfs), (Some(ArchiveState::Archived), &archived.pdfs));
    assert_eq!(reopened.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_pack_without_its_pdfs_is_waited_for() {
    let world = World::start().await;
    world.stack.simulator.pack("pack").ready(false);
    let timeline = status_changed(&world, "pack").await;
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.state, archive.reason.as_deref()), (ArchiveState::Waiting, Some("no_final_document")));
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    world.stack.simulator.pack("pack").ready(true);
    world.quicklysign("final_document_generated", "pack").await;
    world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_can_not_be_asked_is_asked_again() {
    let world = World::start().await;
    for (answer, state, reason) in [
        (Answer::Status(500), ArchiveState::Waiting, "api_http_500"),
        (Answer::Envelope(500), ArchiveState::Waiting, "api_http_500"),
        (Answer::RateLimited { retry_after: 60 }, ArchiveState::Waiting, "api_http_429"),
        (Answer::Json("<html>".to_owned()), ArchiveState::Waiting, "api_not_json"),
        (Answer::Unauthorised, ArchiveState::Waiting, "api_http_401"),
        (Answer::Unknown, ArchiveState::Foreign, "api_http_404"),
        (Answer::Status(403), ArchiveState::Foreign, "api_http_403"),
    ] {
        let script = world.stack.simulator.pack("pack");
        script.answer(answer.clone());
        let timeline = status_changed(&world, "pack").await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.state, archive.reason.as_deref()), (state, Some(reason)), "{answer:?}");
        assert_eq!(timeline.document.status, None, "{answer:?}");
    }
    world.stack.simulator.pack("pack").recover();
    let timeline = status_changed(&world, "pack").await;
    assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_says_nothing_of_a_pack() {
    let world = World::start().await;
    for path in ["/quicklysign/v1/access_tokens", PACKS] {
        world.stack.simulator.fail_next(1, path, 204);
        world.quicklysign("final_document_generated", "pack").await;
        let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("api_not_json"), 1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_of_which_nobody_says_that_they_are_final_are_not_archived() {
    let world = World::start().await;
    let url = format!("{}/quicklysign/serve_pdf/pack/0", world.stack.endpoints.simulator);
    let silent = format!(r#"{{"status":{{"status_code":200}},"data":{{"key":"d","serve_pdf_url":"{url}"}}}}"#);
    world.stack.simulator.pack("pack").answer(Answer::Json(silent));
    let asked = status_changed(&world, "pack").await;
    assert_eq!((asked.document.archive, asked.pdfs.len()), (None, 0));
    // A callback does say so.
    world.quicklysign("final_document_generated", "pack").await;
    let archived = world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
    assert_eq!((archived.pdfs.len(), archived.document.confirmed_at), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_do_not_ask() {
    let world = World::start().await;
    for event in ["entity_updated", "document_updated", "signatory_updated", "audit_trail_updated", "something_new"] {
        world.quicklysign(event, "pack").await;
    }
    let timeline = world.timeline(&pack("pack")).await;
    assert_eq!((timeline.events.len(), timeline.document.archive), (5, None));
    assert!(world.stack.simulator.requests_to(PACKS).is_empty());
}
