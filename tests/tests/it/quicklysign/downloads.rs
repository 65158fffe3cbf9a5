//! `serve_pdf_url` can be any URL, with any content: bad files aren't archived, internal addresses aren't called, and
//! temporary failures are retried.

use bytes::Bytes;
use countersign::ledger::{ArchiveState, ArchiveView};
use countersign_cli::simulator::{Download, Script};
use end_to_end::{LocalStack, Stored, pack};

/// Posts a callback that reports the final documents. Returns the job once it isn't due any more.
async fn run_job(stack: &LocalStack, id: &str) -> ArchiveView {
    stack.post_quicklysign("final_document_generated", id).await;
    let left = ArchiveState::ALL.into_iter().filter(|state| *state != ArchiveState::Due);
    stack.wait_for_archive(&pack(id), &left.collect::<Vec<_>>()).await.document.archive.expect("an archive job")
}

fn one_document(stack: &LocalStack, id: &str) -> Script {
    let script = stack.simulator.pack(id);
    script.documents(1);
    script
}

/// URL, state of the job, and reason.
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
async fn hostile_urls_are_rejected_directly_and_after_a_redirect() {
    let stack = LocalStack::start().await;
    for (position, (url, state, reason)) in HOSTILE.into_iter().enumerate() {
        let (direct, redirected) = (format!("direct-{position}"), format!("redirected-{position}"));
        one_document(&stack, &direct).serve_pdf_url(url);
        one_document(&stack, &redirected).download(Download::Redirect(url.to_owned()));
        for id in [direct, redirected] {
            let job = run_job(&stack, &id).await;
            assert_eq!((job.state, job.reason.as_deref()), (state, Some(reason)), "{id}: {url}");
        }
    }
    assert!(stack.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_pdf_is_not_archived_and_is_downloaded_again() {
    let stack = LocalStack::start().await;
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
        one_document(&stack, id).next_download(download);
        let job = run_job(&stack, id).await;
        assert_eq!((job.state, job.reason.as_deref()), (ArchiveState::Waiting, Some(reason)), "{id}");
        assert_eq!(job.attempts, attempts, "{id}");
        assert!(!stack.keys().await.iter().any(|key| key.contains(id)), "{id}: not archived");
        assert!(stack.ledger().retry(&pack(id)).await.unwrap());
        let archived = stack.wait_for_archive(&pack(id), &[ArchiveState::Archived]).await;
        assert_eq!(archived.pdfs.len(), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_is_recognised_by_its_bytes_whatever_its_content_type() {
    let stack = LocalStack::start().await;
    for (id, content_type) in [("zip", "application/zip"), ("nothing", "")] {
        one_document(&stack, id).download(Download::ContentType(content_type.to_owned()));
        assert_eq!(run_job(&stack, id).await.state, ArchiveState::Archived, "{id}");
    }
}

fn localhost(stack: &LocalStack) -> String {
    stack.endpoints.simulator.replace("127.0.0.1", "localhost")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_job_continues_once_its_host_is_allowed() {
    let stack = LocalStack::start().await;
    let url = format!("{}/quicklysign/serve_pdf/pack/{{n}}", localhost(&stack));
    stack.simulator.pack("pack").serve_pdf_url(&url);
    let job = run_job(&stack, "pack").await;
    assert_eq!((job.state, job.reason.as_deref()), (ArchiveState::Blocked, Some("host_not_allowed: localhost")));
    let stack = stack
        .restart(|options| {
            options.environment.insert("DOWNLOAD_HOSTS".to_owned(), "127.0.0.1,localhost".to_owned());
        })
        .await;
    // The new simulator is on another port.
    let url = format!("{}/quicklysign/serve_pdf/pack/{{n}}", localhost(&stack));
    stack.simulator.pack("pack").serve_pdf_url(&url);
    stack.functions.reconcile.handle(reconcile::Task::Sweep, reconcile::TIME_LIMIT).await.unwrap();
    let archived = stack.wait_for_archive(&pack("pack"), &[ArchiveState::Archived]).await;
    assert!(archived.pdfs.len() > 1);
}
