//! Packs of any size, the access token, and regenerated PDFs.

use std::collections::BTreeSet;

use countersign::ledger::{ArchiveState, Timeline};
use countersign_cli::simulator::{Answer, Download, Simulator};
use end_to_end::{LocalStack, Stored, pack, sha256};
use serde_json::json;

const PACKS: &str = "/quicklysign/v1/document_packs/";
const TOKENS: &str = "/quicklysign/v1/access_tokens";
const PDFS: &str = "/quicklysign/serve_pdf/";

/// Posts a callback that reports the final documents. Waits until the job was enqueued this many times and is done.
async fn archived(stack: &LocalStack, id: &str, requests: usize) -> Timeline {
    stack.post_quicklysign("final_document_generated", id).await;
    stack.wait_for_archive_requests(&pack(id), requests).await
}

fn calls(simulator: &Simulator, path: &str) -> usize {
    simulator.requests_to(path).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_1_and_of_50_documents_are_archived_completely() {
    let stack = LocalStack::start().await;
    for (id, documents, page_size, pages) in [("one", 1, 20, 1), ("fifty", 50, 20, 3), ("all-at-once", 50, 50, 1)] {
        stack.simulator.clear_requests();
        stack.simulator.pack(id).documents(documents).page_size(page_size);
        let timeline = archived(&stack, id, 1).await;
        assert_eq!(timeline.pdfs.len(), documents, "{id}");
        let ids: BTreeSet<_> = timeline.pdfs.iter().map(|pdf| &pdf.document).collect();
        assert_eq!(ids.len(), documents, "{id}: each with its own id");
        assert!(timeline.pdfs.iter().all(|pdf| pdf.current));
        assert_eq!(calls(&stack.simulator, &format!("{PACKS}{id}")), pages, "{id}");
        assert_eq!(calls(&stack.simulator, &format!("{PDFS}{id}/")), documents, "{id}");
        let last = timeline.pdfs.last().unwrap();
        assert_eq!(sha256(&stack.object(&last.key).await), last.sha256);
    }
    assert_eq!(stack.keys().await.len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_document_does_not_block_the_others_and_is_downloaded_later() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("pack").documents(5).page_size(2).next_download(Download::Html);
    stack.post_quicklysign("final_document_generated", "pack").await;
    let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Waiting]).await;
    assert_eq!(timeline.pdfs.len(), 4);
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("not_a_pdf"), 1));
    stack.simulator.clear_requests();
    assert!(stack.ledger().retry(&pack("pack")).await.unwrap());
    let done = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
    assert_eq!((done.pdfs.len(), calls(&stack.simulator, PDFS)), (5, 1), "only the missing one");
}

#[tokio::test(flavor = "multi_thread")]
async fn next_page_links_to_other_urls_are_not_followed() {
    let stack = LocalStack::start().await;
    let page = |next: &str| {
        let data = json!({"documents": [{"key": "d", "status": "complete", "serve_pdf_url": "http://x.example/"}]});
        json!({"status": {"status_code": 200}, "data": data, "pagination": {"next": next}}).to_string()
    };
    let simulator = &stack.simulator;
    let own = format!("{}{PACKS}pack", stack.endpoints.simulator);
    for (next, reason) in [
        ("https://evil.example/v1/document_packs/pack?cursor=2", "page_elsewhere"),
        ("http://169.254.169.254/latest/meta-data/", "page_elsewhere"),
        ("http://127.0.0.1:1/quicklysign/v1/document_packs/pack", "page_elsewhere"),
        ("//evil.example/", "page_elsewhere"),
        ("file:///etc/passwd", "page_elsewhere"),
        (&own, "too_many_pages"),
    ] {
        simulator.pack("pack").answer(Answer::Json(page(next)));
        stack.post_quicklysign("final_document_generated", "pack").await;
        let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Waiting]).await;
        let archive = timeline.document.archive.unwrap();
        assert_eq!((archive.reason.as_deref(), timeline.pdfs.len()), (Some(reason), 0), "{next}");
    }
    simulator.pack("pack").recover();
    stack.post_quicklysign("final_document_generated", "pack").await;
    stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_is_cached_and_renewed_when_it_is_rejected() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    for id in ["one", "two", "three"] {
        archived(&stack, id, 1).await;
    }
    assert_eq!(calls(simulator, TOKENS), 1, "one token for all");
    simulator.expire_tokens();
    archived(&stack, "four", 1).await;
    assert_eq!(calls(simulator, TOKENS), 2);
    // A token that is valid for one call only is renewed between two pages.
    simulator.expire_tokens();
    simulator.tokens_last(1);
    simulator.clear_requests();
    simulator.pack("paged").documents(6).page_size(2);
    assert_eq!(archived(&stack, "paged", 1).await.pdfs.len(), 6);
    assert_eq!(calls(simulator, TOKENS), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_credentials_are_tried_once_per_run() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    simulator.fail_next(1, TOKENS, 401);
    stack.post_quicklysign("final_document_generated", "pack").await;
    let timeline = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Blocked]).await;
    let archive = timeline.document.archive.unwrap();
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("api_http_401"), 0));
    assert_eq!((calls(simulator, TOKENS), calls(simulator, PACKS)), (1, 0));
    // A token that is always rejected is renewed once only.
    simulator.tokens_last(0);
    simulator.clear_requests();
    archived_or_not(&stack, "other").await;
    assert_eq!((calls(simulator, TOKENS), calls(simulator, PACKS)), (2, 2));
}

async fn archived_or_not(stack: &LocalStack, id: &str) {
    stack.post_quicklysign("final_document_generated", id).await;
    stack.wait_for_archive(&pack(id), &[ArchiveState::Archived, ArchiveState::Waiting, ArchiveState::Blocked]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_token_is_only_sent_to_the_host_of_the_api() {
    let stack = LocalStack::start_with_environment(&[("DOWNLOAD_HOSTS", "127.0.0.1,localhost")]).await;
    let simulator = &stack.simulator;
    simulator.pack("pack").protected(true).documents(3);
    assert_eq!(archived(&stack, "pack", 1).await.pdfs.len(), 3);
    assert!(simulator.requests_to(PDFS).iter().all(|request| request.credentials));

    let port = stack.endpoints.simulator.rsplit(':').next().unwrap().to_owned();
    let elsewhere = format!("http://localhost:{port}{PDFS}elsewhere/0");
    simulator.pack("moved").documents(1).download(Download::Redirect(elsewhere.clone()));
    simulator.pack("served-elsewhere").documents(1).serve_pdf_url(&elsewhere);
    archived(&stack, "moved", 1).await;
    archived(&stack, "served-elsewhere", 1).await;
    let there = simulator.requests_to(&format!("{PDFS}elsewhere/"));
    assert_eq!(there.iter().map(|request| request.credentials).collect::<Vec<_>>(), [false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regenerated_pdf_is_archived_beside_the_old_one() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    let script = simulator.pack("pack");
    script.documents(3);
    let first = archived(&stack, "pack", 1).await;
    script.regenerate_document(1);
    simulator.clear_requests();
    let second = archived(&stack, "pack", 2).await;
    assert_eq!(calls(simulator, PDFS), 1, "the other documents haven't changed");
    assert_eq!(second.pdfs.len(), 4);
    let current: Vec<_> = second.pdfs.iter().filter(|pdf| pdf.current).collect();
    let old: Vec<_> = second.pdfs.iter().filter(|pdf| !pdf.current).collect();
    let [old] = old[..] else { panic!("{old:#?}") };
    assert_eq!(current.len(), 3);
    let new = current.iter().find(|pdf| pdf.document == old.document).unwrap();
    assert_ne!((&new.sha256, &new.version), (&old.sha256, &old.version));
    assert!(new.archived_at >= old.archived_at);
    assert!(first.pdfs.iter().any(|pdf| pdf.sha256 == old.sha256), "the old one is unchanged");
    for pdf in &second.pdfs {
        assert_eq!(sha256(&stack.object(&pdf.key).await), pdf.sha256);
    }
    assert_ne!(new.source_event, old.source_event, "each names the event that requested it");

    script.regenerate();
    let third = archived(&stack, "pack", 3).await;
    assert_eq!((third.pdfs.len(), third.pdfs.iter().filter(|pdf| pdf.current).count()), (7, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn redeliveries_download_nothing_again() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    let script = simulator.pack("pack");
    script.documents(2);
    archived(&stack, "pack", 1).await;
    script.regenerate();
    let before = archived(&stack, "pack", 2).await;
    simulator.clear_requests();
    // Each rendering differs, but nothing is downloaded.
    for requests in 3..6 {
        assert_eq!(archived(&stack, "pack", requests).await.pdfs, before.pdfs);
    }
    assert_eq!((calls(simulator, PACKS), calls(simulator, PDFS)), (3, 0));
    assert_eq!(stack.keys().await.len(), 4);
}
