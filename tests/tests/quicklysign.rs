//! From a QuicklySign callback to the archived PDFs.

use countersign::{
    delivery::Route,
    event::{Kind, TimeSource, Trust},
    ledger::ArchiveState,
    provider::Provider,
};
use countersign_cli::simulator::Status;
use end_to_end::{World, pack, sha256};

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_pack_is_archived_whole() {
    let world = World::start().await;
    let answer = world.quicklysign("final_document_generated", "pack1").await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(answer.body["events"], 1);

    let timeline = world.archive_is(&pack("pack1"), &[ArchiveState::Archived]).await;
    let document = &timeline.document;
    assert_eq!((document.status, document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert!(document.confirmed_at.is_some(), "the API said that it is complete");
    assert!(timeline.pdfs.len() > 1, "a pack has several documents");
    for pdf in &timeline.pdfs {
        let bytes = world.object(&pdf.key).await;
        assert_eq!(sha256(&bytes), pdf.sha256);
        assert_eq!(bytes.len() as u64, pdf.size);
        assert!(bytes.starts_with(b"%PDF-") && pdf.current);
        assert_eq!(pdf.key, format!("quicklysign/pack1/{}/{}.pdf", pdf.document, pdf.sha256));
        assert_eq!(pdf.source_event.as_deref(), Some(timeline.events[0].id.as_str()));
    }
    let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
    assert_eq!(event.delivery.as_deref(), Some(answer.delivery()));
    assert_eq!((event.kind, event.time_source, event.deliveries), (Kind::Completed, TimeSource::Received, 1));
    assert_eq!(event.payload["callback_event"], "final_document_generated");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_constant_and_any_other_is_recorded_under_either_name_of_the_key() {
    let world = World::start().await;
    let events =
        ["entity_updated", "document_status_changed", "document_updated", "signatory_updated", "never_heard_of"];
    for event in events {
        for key in ["subscription_key", "webhook_key"] {
            let body =
                format!(r#"{{"{key}":"k","entity_type":"Document","entity_key":"p","callback_event":"{event}"}}"#);
            // Content-Type is a hint: the service's own isn't documented for version 0.
            let content_type = if key == "webhook_key" { "application/json" } else { "text/plain" };
            let answer = world.post(Route::Quicklysign, content_type, body).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{event} {key}");
        }
    }
    let timeline = world.timeline(&pack("p")).await;
    // A changed status is asked for, and what the API says is an event too.
    let told: Vec<_> = timeline.events.iter().filter(|event| event.source == "callback").collect();
    assert_eq!(told.len(), 2 * events.len());
    assert!(told.iter().all(|event| event.kind == Kind::Updated));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_is_an_event_of_its_own_and_downloads_nothing_again() {
    let world = World::start().await;
    world.quicklysign("final_document_generated", "again").await;
    let first = world.archive_is(&pack("again"), &[ArchiveState::Archived]).await;
    world.stack.simulator.clear_requests();
    world.quicklysign("final_document_generated", "again").await;
    // The second order is done when the API was asked again, and nothing is due any more.
    loop {
        let asked = world.stack.simulator.requests_to("/quicklysign/v1/document_packs/").len();
        let timeline = world.archive_is(&pack("again"), &[ArchiveState::Archived]).await;
        if asked > 0 && timeline.document.archive.as_ref().is_some_and(|archive| archive.requests == 2) {
            assert_eq!(timeline.events.len(), 2);
            assert_eq!(timeline.pdfs, first.pdfs);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(world.stack.simulator.requests_to("/quicklysign/serve_pdf/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_by_provider_and_status_page_by_page() {
    let world = World::start().await;
    for id in ["a", "b", "c", "d", "e"] {
        world.quicklysign("document_updated", id).await;
    }
    world.stack.simulator.pack("done").status(Status::Awaiting);
    world.quicklysign("final_document_generated", "done").await;
    let ledger = world.ledger();
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
