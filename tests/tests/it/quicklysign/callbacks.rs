//! From QuicklySign's callbacks to the archived PDFs.

use countersign::{
    domain::{Kind, Provider, Route, TimeSource, Trust},
    ledger::ArchiveState,
};
use countersign_cli::simulator::Status;
use end_to_end::{LocalStack, Stored, pack, sha256};

#[tokio::test(flavor = "multi_thread")]
async fn all_documents_of_a_finished_pack_are_archived() {
    let stack = LocalStack::start().await;
    let answer = stack.post_quicklysign("final_document_generated", "pack1").await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(answer.body["events"], 1);

    let timeline = stack.wait_for_archive(&pack("pack1"), &[ArchiveState::Archived]).await;
    let document = &timeline.document;
    assert_eq!((document.status, document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert!(document.confirmed_at.is_some(), "the API reports it as complete");
    assert!(timeline.pdfs.len() > 1, "a pack has several documents");
    for pdf in &timeline.pdfs {
        let bytes = stack.object(&pdf.key).await;
        assert_eq!(sha256(&bytes), pdf.sha256);
        assert_eq!(bytes.len() as u64, pdf.size);
        assert!(bytes.starts_with(b"%PDF-") && pdf.current);
        assert_eq!(pdf.key, format!("quicklysign/pack1/{}/{}.pdf", pdf.document, pdf.sha256));
        assert_eq!(pdf.source_event.as_deref(), Some(timeline.events[0].id.as_str()));
    }
    let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
    assert_eq!(event.delivery.as_deref(), Some(answer.delivery()));
    assert_eq!((event.kind, event.time_source, event.deliveries), (Kind::Completed, TimeSource::Received, 1));
    let events = stack.timeline_with_payloads(&pack("pack1")).await.events;
    assert_eq!(events[0].payload["callback_event"], "final_document_generated");
}

#[tokio::test(flavor = "multi_thread")]
async fn documented_and_unknown_events_are_recorded_with_either_name_of_the_webhook_key() {
    let stack = LocalStack::start().await;
    let events =
        ["entity_updated", "document_status_changed", "document_updated", "signatory_updated", "unknown_event"];
    for event in events {
        for key in ["subscription_key", "webhook_key"] {
            let body =
                format!(r#"{{"{key}":"k","entity_type":"Document","entity_key":"p","callback_event":"{event}"}}"#);
            // Content-Type is only a hint: the service doesn't document it for version 0.
            let content_type = if key == "webhook_key" { "application/json" } else { "text/plain" };
            let answer = stack.post(Route::Quicklysign, content_type, body).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{event} {key}");
        }
    }
    let timeline = stack.timeline(&pack("p")).await;
    // A changed status is queried, and the reported status is an event too.
    let callbacks: Vec<_> = timeline.events.iter().filter(|event| event.source == "callback").collect();
    assert_eq!(callbacks.len(), 2 * events.len());
    assert!(callbacks.iter().all(|event| event.kind == Kind::Updated));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_is_a_new_event_and_downloads_nothing_again() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("final_document_generated", "again").await;
    let first = stack.wait_for_archive(&pack("again"), &[ArchiveState::Archived]).await;
    stack.simulator.clear_requests();
    stack.post_quicklysign("final_document_generated", "again").await;
    // The job is done again when the API was called again and nothing is due any more.
    loop {
        let calls = stack.simulator.requests_to("/quicklysign/v1/document_packs/").len();
        let timeline = stack.wait_for_archive(&pack("again"), &[ArchiveState::Archived]).await;
        if calls > 0 && timeline.document.archive.as_ref().is_some_and(|archive| archive.requests == 2) {
            assert_eq!(timeline.events.len(), 2);
            assert_eq!(timeline.pdfs, first.pdfs);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(stack.simulator.requests_to("/quicklysign/serve_pdf/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_by_provider_and_status_page_by_page() {
    let stack = LocalStack::start().await;
    for id in ["a", "b", "c", "d", "e"] {
        stack.post_quicklysign("document_updated", id).await;
    }
    stack.simulator.pack("done").status(Status::Awaiting);
    stack.post_quicklysign("final_document_generated", "done").await;
    let ledger = stack.ledger();
    let completed = ledger.documents(None, Some(Kind::Completed), None, 100).await.unwrap();
    assert_eq!(completed.documents.len(), 1);
    assert!(ledger.documents(Some(Provider::Signeasy), None, None, 100).await.unwrap().documents.is_empty());
    let mut seen = Vec::new();
    let mut next = None;
    loop {
        let page = ledger.documents(None, None, next.as_deref(), 2).await.unwrap();
        assert!(page.documents.len() <= 2);
        seen.extend(page.documents.into_iter().map(|document| document.id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c", "d", "done", "e"]);
}
