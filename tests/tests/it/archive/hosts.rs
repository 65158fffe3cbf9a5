//! Allowed hosts of final documents.

use countersign::ledger::ArchiveState;
use countersign_cli::simulator::{Download, Simulator};
use end_to_end::{LocalStack, Stored, pack};
use jiff::Timestamp;
use reconcile::{Done, Task};

/// Serves the pack's documents from `localhost`, which isn't the API's host.
fn serve_from_localhost(stack: &LocalStack, id: &str) -> Simulator {
    let simulator = stack.simulator.clone();
    let base = stack.endpoints.simulator.replace("127.0.0.1", "localhost");
    simulator.pack(id).documents(2).serve_pdf_url(&format!("{base}/quicklysign/serve_pdf/{id}/{{n}}"));
    simulator
}

async fn made_due(stack: &LocalStack) -> usize {
    match stack.functions.reconcile.handle(Task::Sweep, reconcile::TIME_LIMIT).await.unwrap() {
        Done::Swept(swept) => swept.made_due,
        other @ Done::Queried(_) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_host_that_is_not_allowed_blocks_the_job_until_it_is_allowed() {
    let stack = LocalStack::start().await;
    let simulator = serve_from_localhost(&stack, "blocked");
    stack.post_quicklysign("final_document_generated", "blocked").await;
    let timeline = stack.wait_for_archive(&pack("blocked"), &[ArchiveState::Blocked]).await;
    let job = timeline.document.archive.unwrap();
    assert_eq!((job.reason.as_deref(), job.attempts), (Some("host_not_allowed: localhost"), 0));
    assert!(simulator.requests_to("/quicklysign/serve_pdf/").is_empty(), "nothing was downloaded");
    assert!(stack.keys().await.is_empty() && timeline.pdfs.is_empty());
    // No sweep changes that while the host isn't allowed.
    assert_eq!(made_due(&stack).await, 0);

    let stack = stack
        .restart(|options| {
            options.environment.insert("DOWNLOAD_HOSTS".to_owned(), "files.example.com, LOCALHOST".to_owned());
        })
        .await;
    serve_from_localhost(&stack, "blocked");
    assert_eq!(made_due(&stack).await, 1);
    let timeline = stack.wait_for_archive(&pack("blocked"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.pdfs, stack.keys().await.len()), (2, 2));
    assert!(timeline.document.updated_at.is_some_and(|at| at <= Timestamp::now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_host_that_is_not_allowed_blocks_the_job() {
    let stack = LocalStack::start().await;
    let elsewhere = Download::Redirect("https://storage.example.net/file.pdf?signature=secret".to_owned());
    stack.simulator.pack("redirected").documents(1).download(elsewhere);
    stack.post_quicklysign("final_document_generated", "redirected").await;
    let timeline = stack.wait_for_archive(&pack("redirected"), &[ArchiveState::Blocked]).await;
    // Only the host: the rest of such a URL is a secret.
    let reason = timeline.document.archive.unwrap().reason;
    assert_eq!(reason.as_deref(), Some("host_not_allowed: storage.example.net"));
    let stored = stack.items_text().await;
    assert!(!stored.contains("signature=secret") && !stored.contains("file.pdf"));
}
