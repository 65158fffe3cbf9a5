//! Changed statuses: the API is queried, a complete pack is archived, and an incomplete one leaves no archive job.

use countersign::{
    domain::{Kind, TimeSource, Trust},
    ledger::{ArchiveState, Timeline},
};
use countersign_cli::simulator::{Answer, Status};
use end_to_end::{LocalStack, Stored, pack};

const PACKS: &str = "/quicklysign/v1/document_packs/";

/// Posts a callback that reports a changed status. Waits until the API was called and the job isn't due any more.
async fn status_changed(stack: &LocalStack, id: &str) -> Timeline {
    let calls = stack.simulator.requests_to(PACKS).len();
    assert_eq!(stack.post_quicklysign("document_status_changed", id).await.verdict(), (200, "recorded", "ok"));
    stack
        .wait_for_timeline(&pack(id), |timeline| {
            let due = timeline.document.archive.as_ref().is_some_and(|archive| archive.state == ArchiveState::Due);
            !due && stack.simulator.requests_to(PACKS).len() > calls
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_the_api_reports_complete_is_archived_without_a_completion_callback() {
    let stack = LocalStack::start().await;
    let answer = stack.post_quicklysign("document_status_changed", "pack").await;
    let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
    let document = &timeline.document;
    assert_eq!((document.status, document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert!(document.confirmed_at.is_some() && !document.conflict);
    assert!(timeline.pdfs.len() > 1);

    // The API reports when the pack changed, which is before the callback arrived.
    let [reported, callback] = &timeline.events[..] else { panic!("{:#?}", timeline.events) };
    assert_eq!((callback.source.as_str(), callback.kind, callback.deliveries), ("callback", Kind::Updated, 1));
    assert_eq!(callback.delivery.as_deref(), Some(answer.delivery()));
    assert_eq!((reported.source.as_str(), reported.kind, reported.deliveries), ("reconcile", Kind::Completed, 0));
    assert_eq!((reported.delivery.as_deref(), reported.time_source), (None, TimeSource::Provider));
    assert!(timeline.pdfs.iter().all(|pdf| pdf.source_event.as_deref() == Some(callback.id.as_str())));

    // A later callback counts, and the reported status isn't recorded again.
    stack.post_quicklysign("final_document_generated", "pack").await;
    let later = stack
        .wait_for_timeline(&pack("pack"), |timeline| {
            let archive = timeline.document.archive.as_ref();
            archive.is_some_and(|archive| archive.state == ArchiveState::Archived && archive.requests == 2)
        })
        .await;
    assert_eq!((later.events.len(), later.pdfs.len()), (3, timeline.pdfs.len()));
    assert!(
        later.document.occurred_at > timeline.document.occurred_at,
        "the time of the callback rather than of the query"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_pack_leaves_no_archive_job() {
    let stack = LocalStack::start().await;
    for (id, status, kind) in [
        ("draft", Status::Setup, Some(Kind::Draft)),
        ("sent", Status::Awaiting, Some(Kind::Sent)),
        ("refused", Status::Declined, None),
        ("broken", Status::Failed, None),
    ] {
        stack.simulator.pack(id).status(status);
        let timeline = status_changed(&stack, id).await;
        assert_eq!(timeline.document.archive, None, "{id}: no archive job");
        assert_eq!(timeline.document.status, kind, "{id}");
        assert_eq!(timeline.document.confirmed_at.is_some(), kind.is_some(), "{id}");
        let found = timeline.events.iter().filter(|event| event.source == "reconcile").count();
        assert_eq!(found, usize::from(kind.is_some()), "{id}");
    }
    for state in ArchiveState::ALL {
        assert!(stack.ledger().jobs(state, None, 100).await.unwrap().is_empty(), "{state:?}");
    }
    assert!(stack.keys().await.is_empty(), "drafts aren't archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packs_status_is_recorded_from_draft_to_completion() {
    let stack = LocalStack::start().await;
    let script = stack.simulator.pack("pack");
    let mut seen = Vec::new();
    for status in [Status::Setup, Status::Awaiting, Status::Awaiting, Status::Complete] {
        script.status(status);
        let timeline = status_changed(&stack, "pack").await;
        seen.push(timeline.document.status);
        assert!(timeline.document.confirmed_at.is_some());
    }
    assert_eq!(seen, [Some(Kind::Draft), Some(Kind::Sent), Some(Kind::Sent), Some(Kind::Completed)]);
    let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
    let found: Vec<_> = timeline.events.iter().filter(|event| event.source == "reconcile").collect();
    assert_eq!(found.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Draft, Kind::Sent, Kind::Completed]);
    assert!(!timeline.document.conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_status_reported_by_the_api_does_not_revert_the_status() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("pack").status(Status::Awaiting);
    stack.post_quicklysign("final_document_generated", "pack").await;
    let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Waiting]).await;
    assert_eq!((timeline.document.status, timeline.document.confirmed_at), (Some(Kind::Completed), None));
    assert_eq!(timeline.events.len(), 1, "the callback's status outranks it");
    let archive = timeline.document.archive.unwrap();
    assert_eq!(
        (archive.reason.as_deref(), archive.attempts),
        (Some("not_complete"), 0),
        "the callback says that it is complete"
    );
    // Another changed status queries again, and the job goes on waiting: its final document was announced.
    let again = status_changed(&stack, "pack").await;
    assert_eq!(again.document.archive.unwrap().state, ArchiveState::Waiting);
    stack.simulator.pack("pack").status(Status::Complete);
    let done = status_changed(&stack, "pack").await;
    assert_eq!(done.document.archive.unwrap().state, ArchiveState::Archived);
    assert!(done.document.confirmed_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_pack_stays_archived_when_its_status_changes() {
    let stack = LocalStack::start().await;
    let archived = status_changed(&stack, "pack").await;
    let state = |timeline: &Timeline| timeline.document.archive.as_ref().map(|archive| archive.state);
    assert_eq!(state(&archived), Some(ArchiveState::Archived));
    stack.simulator.pack("pack").status(Status::Awaiting);
    let reopened = status_changed(&stack, "pack").await;
    assert_eq!((state(&reopened), &reopened.pdfs), (Some(ArchiveState::Archived), &archived.pdfs));
    assert_eq!(reopened.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_pack_without_pdfs_is_waited_for() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("pack").ready(false);
    let timeline = status_changed(&stack, "pack").await;
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.state, archive.reason.as_deref()), (ArchiveState::Waiting, Some("no_final_document")));
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    stack.simulator.pack("pack").ready(true);
    stack.post_quicklysign("final_document_generated", "pack").await;
    stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_api_is_queried_again() {
    let stack = LocalStack::start().await;
    for (answer, state, reason) in [
        (Answer::Status(500), ArchiveState::Waiting, "api_http_500"),
        (Answer::Envelope(500), ArchiveState::Waiting, "api_http_500"),
        (Answer::RateLimited { retry_after: 60 }, ArchiveState::Waiting, "api_http_429"),
        (Answer::Json("<html>".to_owned()), ArchiveState::Waiting, "api_not_json"),
        (Answer::Unauthorised, ArchiveState::Blocked, "api_http_401"),
        (Answer::Unknown, ArchiveState::Foreign, "api_http_404"),
        (Answer::Status(403), ArchiveState::Blocked, "api_http_403"),
    ] {
        let script = stack.simulator.pack("pack");
        script.answer(answer.clone());
        let timeline = status_changed(&stack, "pack").await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.state, archive.reason.as_deref()), (state, Some(reason)), "{answer:?}");
        assert_eq!(timeline.document.status, None, "{answer:?}");
    }
    stack.simulator.pack("pack").recover();
    let timeline = status_changed(&stack, "pack").await;
    assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_api_response_is_a_failure() {
    let stack = LocalStack::start().await;
    for path in ["/quicklysign/v1/access_tokens", PACKS] {
        stack.simulator.fail_next(1, path, 204);
        stack.post_quicklysign("final_document_generated", "pack").await;
        let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("api_not_json"), 1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_without_a_complete_status_are_not_archived() {
    let stack = LocalStack::start().await;
    let url = format!("{}/quicklysign/serve_pdf/pack/0", stack.endpoints.simulator);
    let without_status = format!(r#"{{"status":{{"status_code":200}},"data":{{"key":"d","serve_pdf_url":"{url}"}}}}"#);
    stack.simulator.pack("pack").answer(Answer::Json(without_status));
    let queried = status_changed(&stack, "pack").await;
    assert_eq!((queried.document.archive, queried.pdfs.len()), (None, 0));
    // A callback announces them as final.
    stack.post_quicklysign("final_document_generated", "pack").await;
    let archived = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
    assert_eq!((archived.pdfs.len(), archived.document.confirmed_at), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_do_not_query_the_api() {
    let stack = LocalStack::start().await;
    for event in ["entity_updated", "document_updated", "signatory_updated", "audit_trail_updated", "something_new"] {
        stack.post_quicklysign(event, "pack").await;
    }
    let timeline = stack.timeline(&pack("pack")).await;
    assert_eq!((timeline.events.len(), timeline.document.archive), (5, None));
    assert!(stack.simulator.requests_to(PACKS).is_empty());
}
