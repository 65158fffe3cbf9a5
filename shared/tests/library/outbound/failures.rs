//! Timeouts, failing connections and files, and their errors.

use super::server::{Names, PATIENT, SHORT, Server, client, fetch, fetch_code, patient, reply};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use countersign::outbound::{Client, Download, OutboundError, Timeouts};
use std::io;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

#[tokio::test]
async fn a_silent_server_times_out() {
    let timeouts = Timeouts { first_byte: Duration::from_millis(500), ..PATIENT };
    let server = Server::that_hangs_after("").await;
    assert_eq!(
        fetch_code(&client(timeouts, Names::default()), &server.url("files.example", "/")).await,
        "timeout_first_byte"
    );
    // A head that arrives byte by byte is not a response yet.
    let server = Server::that_repeats("HTTP/1.1 200 OK\r\nx: ", "y", Duration::from_millis(20)).await;
    assert_eq!(
        fetch_code(&client(timeouts, Names::default()), &server.url("files.example", "/")).await,
        "timeout_first_byte"
    );
}

#[tokio::test]
async fn a_stalled_body_times_out() {
    let timeouts = Timeouts { stall: SHORT, ..PATIENT };
    let server = Server::that_hangs_after("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n%PDF-1.7").await;
    assert_eq!(
        fetch_code(&client(timeouts, Names::default()), &server.url("files.example", "/")).await,
        "timeout_stall"
    );
}

#[tokio::test]
async fn a_very_slow_body_times_out() {
    let timeouts = Timeouts { total: SHORT * 2, ..PATIENT };
    let start = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    let server = Server::that_repeats(start, "x", Duration::from_millis(10)).await;
    assert_eq!(
        fetch_code(&client(timeouts, Names::default()), &server.url("files.example", "/")).await,
        "timeout_total"
    );
    let request = http::Request::get(server.url("files.example", "/")).body(bytes::Bytes::new()).unwrap();
    let error = client(timeouts, Names::default()).call(request, 1_000_000).await.unwrap_err();
    assert_eq!(error.code(), "timeout_total");
}

/// A server that sends this greeting, or nothing, and never speaks TLS. Returns its port.
async fn server_without_tls(greeting: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(greeting).await;
            open.push(stream);
        }
    });
    port
}

#[tokio::test]
async fn a_stalled_handshake_is_a_connect_timeout() {
    let url = format!("https://files.example:{}/", server_without_tls(b"").await);
    let timeouts = Timeouts { connect: SHORT, ..PATIENT };
    assert_eq!(fetch_code(&client(timeouts, Names::default()), &url).await, "timeout_connect");
    // Whichever timeout expires first, the error names what the client was doing.
    let timeouts = Timeouts { first_byte: SHORT, ..PATIENT };
    assert_eq!(fetch_code(&client(timeouts, Names::default()), &url).await, "timeout_connect");
}

#[tokio::test]
async fn a_server_without_tls_is_reported_as_tls_failed() {
    let url = format!("https://files.example:{}/", server_without_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    let error = fetch(&patient(), &url).await.unwrap_err();
    assert_eq!(error.code(), "tls_failed");
    assert!(matches!(error, OutboundError::Tls { reason, .. } if !reason.is_empty()));
}

#[derive(Debug)]
struct SilentResolver;

impl ResolveDns for SilentResolver {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(std::future::pending())
    }
}

#[tokio::test]
async fn a_silent_resolver_times_out() {
    let timeouts = Timeouts { connect: SHORT, ..PATIENT };
    let policy = super::server::policy(super::server::ALLOWED, true);
    let client = Client::with_resolver(policy, timeouts, SilentResolver);
    assert_eq!(fetch_code(&client, "http://files.example/").await, "timeout_connect");
}

#[tokio::test]
async fn a_closed_port_is_reported_as_connect_failed() {
    // Bound and not listening, so that no other program can use the port meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let error = fetch(&patient(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    let (host, kind) = ("127.0.0.1".to_owned(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error, OutboundError::Connect { host, kind });
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_reported_as_disk_failed() {
    let server = Server::that_sends(reply("200 OK", "", "x")).await;
    let kept = tempfile::NamedTempFile::new().unwrap();
    let mut read_only = File::from_std(std::fs::File::open(kept.path()).unwrap());
    let download = Download::new(server.url("files.example", "/"), 10);
    let error = patient().download(&download, &mut read_only).await.unwrap_err();
    assert_eq!(error.code(), "disk_failed");
}

#[tokio::test]
async fn errors_do_not_contain_path_query_or_body() {
    for (bytes, code) in [
        ("", "disconnected"),
        ("secret garbage\r\n\r\n", "protocol_error"),
        ("HTTP/1.1 302 Found\r\nx: secret\r\n\r\n", "redirect_without_location"),
        ("HTTP/1.1 302 Found\r\nlocation: ftp://secret/secret\r\n\r\n", "not_https"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nsecret", "truncated"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\nsecret", "too_large"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsecret\r\n", "protocol_error"),
    ] {
        let server = Server::that_sends(bytes).await;
        let url = server.url("files.example", "/secret?token=secret");
        let error = fetch(&patient(), &url).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    let silent = server_without_tls(b"").await;
    let short = Timeouts { connect: SHORT, ..PATIENT };
    for (url, code) in [
        (format!("https://files.example:{silent}/secret?secret"), "timeout_connect"),
        (format!("http://secret@files.example:{silent}/"), "user_info_not_allowed"),
        ("http://unknown.invalid/secret".to_owned(), "host_not_allowed"),
        ("http://files.example:99999/secret".to_owned(), "malformed_url"),
    ] {
        let error = fetch(&client(short, Names::default()), &url).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
