//! `serve_pdf_url` can lead anywhere, and anything can come from there: nothing bad is archived, nothing inside is
//! asked, and what was only a bad day is fetched when it is over.

use bytes::Bytes;
use countersign::ledger::{ArchiveState, ArchiveView};
use countersign_cli::simulator::{Download, Script};
use end_to_end::{World, pack};

/// Announces final documents; gives the order once it has left `due`.
async fn worked(world: &World, id: &str) -> ArchiveView {
    world.quicklysign("final_document_generated", id).await;
    let left = ArchiveState::ALL.into_iter().filter(|state| *state != ArchiveState::Due);
    world.archive_is(&pack(id), &left.collect::<Vec<_>>()).await.document.archive.expect("an order")
}

fn one_document(world: &World, id: &str) -> Script {
    let script = world.stack.simulator.pack(id);
    script.documents(1);
    script
}

/// Where to, what becomes of the order, and its reason.
const HOSTILE: [(&str, ArchiveState, &str); 13] = [
    ("https://evil.example/a.pdf", ArchiveState::Blocked, "host_not_allowed: evil.example"),
    (
        "https://quicklysign.com.evil.example/a.pdf",
        ArchiveState::Blocked,
        "host_not_allowed: quicklysign.com.evil.example",
    ),
    ("https://127.0.0.1@evil.example/a.pdf", ArchiveState::Waiting, "user_info_not_allowed"),
    ("http://169.254.169.254/latest/meta-data/", ArchiveState::Waiting, "address_not_public"),
    ("http://2852039166/latest/meta-data/", ArchiveState::Waiting, "address_not_public"),
    ("http://0xa9fea9fe/", ArchiveState::Waiting, "address_not_public"),
    ("http://0251.0376.0251.0376/", ArchiveState::Waiting, "address_not_public"),
    ("http://[::ffff:169.254.169.254]/", ArchiveState::Waiting, "address_not_public"),
    ("http://[64:ff9b::a9fe:a9fe]/", ArchiveState::Waiting, "address_not_public"),
    ("http://[2002:a9fe:a9fe::]/", ArchiveState::Waiting, "address_not_public"),
    ("http://10.0.0.1/a.pdf", ArchiveState::Waiting, "address_not_public"),
    ("file:///etc/passwd", ArchiveState::Waiting, "not_https"),
    ("https:evil.example", ArchiveState::Waiting, "malformed_url"),
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_locations_are_refused_first_and_after_a_redirect() {
    let world = World::start().await;
    for (position, (url, state, reason)) in HOSTILE.into_iter().enumerate() {
        let (direct, redirected) = (format!("direct-{position}"), format!("redirected-{position}"));
        one_document(&world, &direct).serve_pdf_url(url);
        one_document(&world, &redirected).download(Download::Redirect(url.to_owned()));
        for id in [direct, redirected] {
            let order = worked(&world, &id).await;
            assert_eq!((order.state, order.reason.as_deref()), (state, Some(reason)), "{id}: {url}");
        }
    }
    assert!(world.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_pdf_is_not_archived_and_is_fetched_again() {
    let world = World::start().await;
    for (id, download, reason, attempts) in [
        ("html", Download::Html, "not_a_pdf", 1),
        ("empty", Download::Empty, "not_a_pdf", 1),
        ("zip", Download::Bytes(Bytes::from_static(b"PK\x03\x04")), "zip_unreadable", 1),
        ("half", Download::NoTrailer, "truncated_pdf", 1),
        ("cut-off", Download::Truncated, "truncated", 1),
        ("error", Download::Status(500), "download_http_500", 1),
        ("not-there-yet", Download::Status(404), "download_http_404", 0),
        ("busy", Download::Status(429), "download_http_429", 0),
    ] {
        one_document(&world, id).next_download(download);
        let order = worked(&world, id).await;
        assert_eq!((order.state, order.reason.as_deref()), (ArchiveState::Waiting, Some(reason)), "{id}");
        assert_eq!(order.attempts, attempts, "{id}");
        assert!(!world.keys().await.iter().any(|key| key.contains(id)), "{id}: nothing bad is kept");
        assert!(world.ledger().retry(&pack(id)).await.unwrap());
        let archived = world.archive_is(&pack(id), &[ArchiveState::Archived]).await;
        assert_eq!(archived.pdfs.len(), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_is_known_by_its_bytes_whatever_it_is_called() {
    let world = World::start().await;
    for (id, content_type) in [("zip", "application/zip"), ("nothing", "")] {
        one_document(&world, id).download(Download::ContentType(content_type.to_owned()));
        assert_eq!(worked(&world, id).await.state, ArchiveState::Archived, "{id}");
    }
}

fn localhost(world: &World) -> String {
    world.stack.endpoints.simulator.replace("127.0.0.1", "localhost")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_allowed_later_lets_the_order_go_on() {
    let world = World::start().await;
    let url = format!("{}/quicklysign/serve_pdf/pack/{{n}}", localhost(&world));
    world.stack.simulator.pack("pack").serve_pdf_url(&url);
    let order = worked(&world, "pack").await;
    assert_eq!((order.state, order.reason.as_deref()), (ArchiveState::Blocked, Some("host_not_allowed: localhost")));
    let world = world
        .restart(|options| {
            options.environment.insert("DOWNLOAD_HOSTS".to_owned(), "127.0.0.1,localhost".to_owned());
        })
        .await;
    // The new simulator is on another port.
    let url = format!("{}/quicklysign/serve_pdf/pack/{{n}}", localhost(&world));
    world.stack.simulator.pack("pack").serve_pdf_url(&url);
    world.stack.functions.reconcile.handle(reconcile::Task::Sweep).await.unwrap();
    let archived = world.archive_is(&pack("pack"), &[ArchiveState::Archived]).await;
    assert!(archived.pdfs.len() > 1);
}
