//! Hosts that final documents may come from.

use countersign::ledger::ArchiveState;
use countersign_cli::simulator::{Download, Simulator};
use end_to_end::{World, pack};
use jiff::Timestamp;
use reconcile::{Done, Task};

/// Serves the pack's documents from `localhost`, which is not the host that the API is on.
fn serve_from_localhost(world: &World, id: &str) -> Simulator {
    let simulator = world.stack.simulator.clone();
    let base = world.stack.endpoints.simulator.replace("127.0.0.1", "localhost");
    simulator.pack(id).documents(2).serve_pdf_url(&format!("{base}/quicklysign/serve_pdf/{id}/{{n}}"));
    simulator
}

async fn made_due(world: &World) -> usize {
    match world.stack.functions.reconcile.handle(Task::Sweep).await.unwrap() {
        Done::Swept(swept) => swept.made_due,
        asked @ Done::Asked(_) => panic!("{asked:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed_blocks_the_order_until_it_is() {
    let world = World::start().await;
    let simulator = serve_from_localhost(&world, "blocked");
    world.quicklysign("final_document_generated", "blocked").await;
    let timeline = world.archive_is(&pack("blocked"), &[ArchiveState::Blocked]).await;
    let order = timeline.document.archive.unwrap();
    assert_eq!((order.reason.as_deref(), order.attempts), (Some("host_not_allowed: localhost"), 0));
    assert!(simulator.requests_to("/quicklysign/serve_pdf/").is_empty(), "nobody was asked for it");
    assert!(world.keys().await.is_empty() && timeline.pdfs.is_empty());
    // As long as it isn't allowed, no sweep changes that.
    assert_eq!(made_due(&world).await, 0);

    let world = world
        .restart(|options| {
            options.environment.insert("DOWNLOAD_HOSTS".to_owned(), "files.example.com, LOCALHOST".to_owned());
        })
        .await;
    serve_from_localhost(&world, "blocked");
    assert_eq!(made_due(&world).await, 1);
    let timeline = world.archive_is(&pack("blocked"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.pdfs, world.keys().await.len()), (2, 2));
    assert!(timeline.document.updated_at.is_some_and(|at| at <= Timestamp::now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_host_that_is_not_allowed_blocks_as_well() {
    let world = World::start().await;
    let elsewhere = Download::Redirect("https://storage.example.net/file.pdf?signature=secret".to_owned());
    world.stack.simulator.pack("redirected").documents(1).download(elsewhere);
    world.quicklysign("final_document_generated", "redirected").await;
    let timeline = world.archive_is(&pack("redirected"), &[ArchiveState::Blocked]).await;
    // The host alone: the rest of such a URL is a secret.
    let reason = timeline.document.archive.unwrap().reason;
    assert_eq!(reason.as_deref(), Some("host_not_allowed: storage.example.net"));
    let stored = format!("{:?}", world.items().await);
    assert!(!stored.contains("signature=secret") && !stored.contains("file.pdf"));
}
