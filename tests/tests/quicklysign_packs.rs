//! Packs of any size, the access token, and PDFs that are made anew.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use countersign::ledger::{ArchiveState, Timeline};
use countersign_cli::simulator::{Answer, Download, Simulator};
use end_to_end::{World, pack, sha256};
use serde_json::json;

const PACKS: &str = "/quicklysign/v1/document_packs/";
const TOKENS: &str = "/quicklysign/v1/access_tokens";
const PDFS: &str = "/quicklysign/serve_pdf/";

/// Announces final documents, and waits until the order is done that many times.
async fn archived(world: &World, id: &str, requests: usize) -> Timeline {
    world.quicklysign("final_document_generated", id).await;
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let timeline = world.timeline(&pack(id)).await;
        let archive = timeline.document.archive.as_ref();
        if archive.is_some_and(|archive| archive.state == ArchiveState::Archived && archive.requests == requests) {
            return timeline;
        }
        assert!(Instant::now() < give_up, "{archive:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn asked(simulator: &Simulator, path: &str) -> usize {
    simulator.requests_to(path).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_one_and_of_fifty_documents_are_archived_whole() {
    let world = World::start().await;
    for (id, documents, page_size, pages) in [("one", 1, 20, 1), ("fifty", 50, 20, 3), ("all-at-once", 50, 50, 1)] {
        world.stack.simulator.clear_requests();
        world.stack.simulator.pack(id).documents(documents).page_size(page_size);
        let timeline = archived(&world, id, 1).await;
        assert_eq!(timeline.pdfs.len(), documents, "{id}");
        let ids: BTreeSet<_> = timeline.pdfs.iter().map(|pdf| &pdf.document).collect();
        assert_eq!(ids.len(), documents, "{id}: each under a key of its own");
        assert!(timeline.pdfs.iter().all(|pdf| pdf.current));
        assert_eq!(asked(&world.stack.simulator, &format!("{PACKS}{id}")), pages, "{id}");
        assert_eq!(asked(&world.stack.simulator, &format!("{PDFS}{id}/")), documents, "{id}");
        let last = timeline.pdfs.last().unwrap();
        assert_eq!(sha256(&world.object(&last.key).await), last.sha256);
    }
    assert_eq!(world.keys().await.len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_can_not_be_had_keeps_no_other_out_and_is_fetched_later() {
    let world = World::start().await;
    world.stack.simulator.pack("pack").documents(5).page_size(2).next_download(Download::Html);
    world.quicklysign("final_document_generated", "pack").await;
    let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Waiting]).await;
    assert_eq!(timeline.pdfs.len(), 4);
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("not_a_pdf"), 1));
    world.stack.simulator.clear_requests();
    assert!(world.ledger().retry(&pack("pack")).await.unwrap());
    let done = world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
    assert_eq!((done.pdfs.len(), asked(&world.stack.simulator, PDFS)), (5, 1), "only the one that was missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_page_elsewhere_is_not_followed() {
    let world = World::start().await;
    let page = |next: &str| {
        let data = json!({"documents": [{"key": "d", "status": "complete", "serve_pdf_url": "http://x.example/"}]});
        json!({"status": {"status_code": 200}, "data": data, "pagination": {"next": next}}).to_string()
    };
    let simulator = &world.stack.simulator;
    let own = format!("{}{PACKS}pack", world.stack.endpoints.simulator);
    for (next, reason) in [
        ("https://evil.example/v1/document_packs/pack?cursor=2", "page_elsewhere"),
        ("http://169.254.169.254/latest/meta-data/", "page_elsewhere"),
        ("http://127.0.0.1:1/quicklysign/v1/document_packs/pack", "page_elsewhere"),
        ("//evil.example/", "page_elsewhere"),
        ("file:///etc/passwd", "page_elsewhere"),
        (&own, "too_many_pages"),
    ] {
        simulator.pack("pack").answer(Answer::Json(page(next)));
        world.quicklysign("final_document_generated", "pack").await;
        let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.reason.as_deref(), timeline.pdfs.len()), (Some(reason), 0), "{next}");
    }
    simulator.pack("pack").recover();
    world.quicklysign("final_document_generated", "pack").await;
    world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_is_kept_and_renewed_when_it_is_refused() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    for id in ["one", "two", "three"] {
        archived(&world, id, 1).await;
    }
    assert_eq!(asked(simulator, TOKENS), 1, "one token for all");
    simulator.expire_tokens();
    archived(&world, "four", 1).await;
    assert_eq!(asked(simulator, TOKENS), 2);
    // A token that holds for one call only is renewed between two pages.
    simulator.expire_tokens();
    simulator.tokens_last(1);
    simulator.clear_requests();
    simulator.pack("paged").documents(6).page_size(2);
    assert_eq!(archived(&world, "paged", 1).await.pdfs.len(), 6);
    assert_eq!(asked(simulator, TOKENS), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_refused_are_asked_for_once_a_run() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    simulator.fail_next(1, TOKENS, 401);
    world.quicklysign("final_document_generated", "pack").await;
    let timeline = world.archive_is(&pack("pack"), &[ArchiveState::Waiting]).await;
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("api_http_401"), 1));
    assert_eq!((asked(simulator, TOKENS), asked(simulator, PACKS)), (1, 0));
    // A token that is refused from the start is renewed once, not for ever.
    simulator.tokens_last(0);
    simulator.clear_requests();
    archived_or_waiting(&world, "other").await;
    assert_eq!((asked(simulator, TOKENS), asked(simulator, PACKS)), (2, 2));
}

async fn archived_or_waiting(world: &World, id: &str) {
    world.quicklysign("final_document_generated", id).await;
    world.archive_is(&pack(id), &[ArchiveState::Archived, ArchiveState::Waiting]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_goes_to_the_api_s_own_host_and_no_further() {
    let world = World::with(|options| {
        options.environment.insert("DOWNLOAD_HOSTS".to_owned(), "127.0.0.1,localhost".to_owned());
    })
    .await;
    let simulator = &world.stack.simulator;
    simulator.pack("pack").protected(true).documents(3);
    assert_eq!(archived(&world, "pack", 1).await.pdfs.len(), 3);
    assert!(simulator.requests_to(PDFS).iter().all(|request| request.credentials));

    let port = world.stack.endpoints.simulator.rsplit(':').next().unwrap().to_owned();
    let elsewhere = format!("http://localhost:{port}{PDFS}elsewhere/0");
    simulator.pack("moved").documents(1).download(Download::Redirect(elsewhere.clone()));
    simulator.pack("served-elsewhere").documents(1).serve_pdf_url(&elsewhere);
    archived(&world, "moved", 1).await;
    archived(&world, "served-elsewhere", 1).await;
    let there = simulator.requests_to(&format!("{PDFS}elsewhere/"));
    assert_eq!(there.iter().map(|request| request.credentials).collect::<Vec<_>>(), [false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_that_was_made_anew_is_archived_beside_the_old_one() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    let script = simulator.pack("pack");
    script.documents(3);
    let first = archived(&world, "pack", 1).await;
    script.regenerate_document(1);
    simulator.clear_requests();
    let second = archived(&world, "pack", 2).await;
    assert_eq!(asked(simulator, PDFS), 1, "the others are the same");
    assert_eq!(second.pdfs.len(), 4);
    let current: Vec<_> = second.pdfs.iter().filter(|pdf| pdf.current).collect();
    let old: Vec<_> = second.pdfs.iter().filter(|pdf| !pdf.current).collect();
    let [old] = old[..] else { panic!("{old:#?}") };
    assert_eq!(current.len(), 3);
    let new = current.iter().find(|pdf| pdf.document == old.document).unwrap();
    assert_ne!((&new.sha256, &new.version), (&old.sha256, &old.version));
    assert!(new.archived_at >= old.archived_at);
    assert!(first.pdfs.iter().any(|pdf| pdf.sha256 == old.sha256), "the old one is as it was");
    for pdf in &second.pdfs {
        assert_eq!(sha256(&world.object(&pdf.key).await), pdf.sha256);
    }
    assert_ne!(new.source_event, old.source_event, "each names the event that asked for it");

    script.regenerate();
    let third = archived(&world, "pack", 3).await;
    assert_eq!((third.pdfs.len(), third.pdfs.iter().filter(|pdf| pdf.current).count()), (7, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn redeliveries_download_nothing_again() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    let script = simulator.pack("pack");
    script.documents(2);
    archived(&world, "pack", 1).await;
    script.regenerate();
    let before = archived(&world, "pack", 2).await;
    simulator.clear_requests();
    // The PDFs differ with each rendering, and nobody looks.
    for requests in 3..6 {
        assert_eq!(archived(&world, "pack", requests).await.pdfs, before.pdfs);
    }
    assert_eq!((asked(simulator, PACKS), asked(simulator, PDFS)), (3, 0));
    assert_eq!(world.keys().await.len(), 4);
}
