use std::time::Duration;

use bytes::Bytes;

use crate::simulator::client::{Reply, Server, receive};
use crate::simulator::pdf::tests::check;
use crate::simulator::{Download, Part};

const FIRST: &str = "/quicklysign/serve_pdf/a-Pack_1/0";
const SECOND: &str = "/quicklysign/serve_pdf/a-Pack_1/1";

async fn download(server: &Server) -> Reply {
    server.get(FIRST).await
}

#[tokio::test]
async fn downloads_fail_as_scripted() {
    let server = Server::start().await;
    let script = server.simulator.pack("a-Pack_1");
    script.download(Download::Html);
    let reply = download(&server).await;
    assert!(reply.whole && reply.header("content-type").starts_with("text/html"));
    script.download(Download::Empty);
    let reply = download(&server).await;
    assert_eq!((reply.body.len(), reply.header("content-type")), (0, "application/pdf"));
    script.download(Download::ContentType("application/zip".into()));
    let reply = download(&server).await;
    assert_eq!(reply.header("content-type"), "application/zip");
    check(&reply.body);
    script.download(Download::Bytes(Bytes::from_static(b"%PDF-nothing")));
    assert_eq!(download(&server).await.body, b"%PDF-nothing");
    script.download(Download::NoTrailer);
    let reply = download(&server).await;
    assert!(reply.whole && reply.body.starts_with(b"%PDF") && !reply.body.ends_with(b"%%EOF"));
    script.download(Download::Truncated);
    let reply = download(&server).await;
    assert!(!reply.whole && reply.body.starts_with(b"%PDF"));
    script.download(Download::Status(503));
    let reply = download(&server).await;
    assert_eq!((reply.code(), reply.header("retry-after")), (503, "7"));
    script.download(Download::Dearchiving);
    assert_eq!(download(&server).await.code(), 201);
    script.download(Download::Redirect("http://169.254.169.254/latest".into()));
    let reply = download(&server).await;
    assert_eq!((reply.code(), reply.header("location")), (302, "http://169.254.169.254/latest"));
    script.download(Download::Drip { every: Duration::ZERO });
    let reply = download(&server).await;
    assert!(reply.whole);
    check(&reply.body);
}

#[tokio::test]
async fn a_script_can_apply_to_one_file_or_to_one_download() {
    let server = Server::start().await;
    let script = server.simulator.pack("a-Pack_1");
    script.download_of(Part::Document(1), Download::Empty).next_download(Download::Html);
    assert!(download(&server).await.header("content-type").starts_with("text/html"));
    check(&download(&server).await.body);
    assert!(server.get(SECOND).await.body.is_empty());
    check(&server.get("/quicklysign/serve_pdf/other/1").await.body);
}

#[tokio::test]
async fn a_moved_download_rejects_credentials() {
    let server = Server::start().await;
    server.simulator.pack("a-Pack_1").download(Download::Moved);
    let reply = download(&server).await;
    let location = reply.header("location");
    assert_eq!(reply.code(), 302);
    for credential in ["access_token: x", "Authorization: ApiKey x:y"] {
        assert_eq!(server.send("GET", location, &[credential], "").await.code(), 400);
    }
    check(&server.get(location).await.body);
    server.simulator.expire_tokens();
    assert_eq!(server.get(location).await.code(), 404);
}

#[tokio::test]
async fn endless_bodies_end_when_the_server_shuts_down() {
    let server = Server::start().await;
    let script = server.simulator.pack("a-Pack_1");
    script.next_download(Download::Endless).next_download(Download::Stall);
    let stream = server.open("GET", FIRST, &[], "").await;
    let reply = receive(stream, 4 * 1024 * 1024).await;
    assert!(reply.header("content-length").is_empty() && reply.body.len() > 3 * 1024 * 1024);
    let stalled = server.open("GET", FIRST, &[], "").await;
    stalled.readable().await.unwrap();
    server.stop().await;
    let reply = receive(stalled, usize::MAX).await;
    assert!(!reply.whole && reply.body.starts_with(b"%PDF"));
}

#[tokio::test]
async fn large_pdfs_have_the_scripted_size() {
    let server = Server::start().await;
    server.simulator.pack("a-Pack_1").size(5_000_000);
    let reply = download(&server).await;
    assert_eq!((reply.body.len(), reply.whole), (5_000_000, true));
    check(&reply.body);
}
