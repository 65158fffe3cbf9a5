//! Downloads, and bodies that are wrongly announced, cut off, endless, or not HTTP.

use super::server::{Server, empty_file, fetch, fetch_code, patient, reply};
use aws_lc_rs::digest::{SHA256, digest};
use countersign::outbound::{Coding, Download, Downloaded, Fetched, NoDocument, OutboundError};
use http::StatusCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

async fn code_of(bytes: impl Into<Vec<u8>>) -> &'static str {
    let server = Server::that_sends(bytes).await;
    fetch_code(&patient(), &server.url("files.example", "/")).await
}

async fn document_of(bytes: impl Into<Vec<u8>>) -> Downloaded {
    let server = Server::that_sends(bytes).await;
    match fetch(&patient(), &server.url("files.example", "/")).await {
        Ok(Fetched::Document(document)) => document,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_document_is_written_hashed_and_described() {
    let body: Vec<u8> = (0..900_000_u32).flat_map(|n| [(n % 251) as u8]).collect();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-length: {}\r\n\r\n", body.len());
    let server = Server::that_sends([head.as_bytes(), &body].concat()).await;
    // Bytes of an earlier, longer attempt must be removed.
    let mut file = empty_file();
    file.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
    let download = Download::new(server.url("files.example", "/"), 900_000);
    let Fetched::Document(document) = patient().download(&download, &mut file).await.unwrap() else {
        panic!("no document");
    };
    let mut written = Vec::new();
    file.read_to_end(&mut written).await.unwrap();
    assert!(written == body);
    assert_eq!(document.size, 900_000);
    assert_eq!(document.sha256.0, digest(&SHA256, &body).as_ref());
    assert_eq!(document.codings, []);
    assert_eq!(document.content_type.as_deref(), Some("application/zip"));
    assert_eq!(document.host, "files.example");
    assert!(document.length_known);
}

#[tokio::test]
async fn chunks_are_joined() {
    let document = document_of(reply("200 OK", "", "abc")).await;
    assert_eq!((document.size, document.content_type), (3, None));
    assert_eq!(
        document.sha256.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
    );
    assert_eq!(document_of(reply("200 OK", "", "")).await.size, 0);

    let body: Vec<u8> = (0..3_000_u32).map(|n| (n % 251) as u8).collect();
    let chunks: Vec<u8> = body
        .chunks(7)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let document = document_of([CHUNKED.as_bytes(), &chunks, b"0\r\n\r\n"].concat()).await;
    assert_eq!((document.size, document.sha256.0.as_slice()), (3_000, digest(&SHA256, &body).as_ref()));
}

#[tokio::test]
async fn a_transfer_that_does_not_mark_its_end_is_flagged() {
    assert!(document_of(reply("200 OK", "", "whole")).await.length_known);
    assert!(document_of(format!("{CHUNKED}5\r\nwhole\r\n0\r\n\r\n")).await.length_known);
    let document = document_of("HTTP/1.1 200 OK\r\n\r\nwho knows").await;
    assert_eq!((document.size, document.length_known), (9, false));
}

#[tokio::test]
async fn bytes_after_the_content_length_are_not_read() {
    let document = document_of("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole and more").await;
    assert_eq!((document.size, document.sha256.0.as_slice()), (5, digest(&SHA256, b"whole").as_ref()));
}

#[tokio::test]
async fn content_of_any_type_is_passed_on() {
    let html = reply("200 OK", "content-type: text/html; charset=utf-8\r\n", "<!doctype html>Please sign in");
    assert_eq!(document_of(html).await.content_type.as_deref(), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn headers_outside_ascii_are_accepted() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: \xfcber\r\ncontent-disposition: attachment; filename=\"M\xfcller.pdf\"\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(document_of(answer).await.content_type, None);
}

#[tokio::test]
async fn other_statuses_are_returned() {
    for (status, headers, retry_after) in [
        ("201 Created", "retry-after: 14400\r\n", Some(14_400)),
        ("204 No Content", "", None),
        ("206 Partial Content", "", None),
        ("401 Unauthorized", "", None),
        ("404 Not Found", "retry-after: soon\r\n", None),
        ("429 Too Many Requests", "retry-after: 7\r\n", Some(7)),
        ("500 Internal Server Error", "retry-after: -1\r\n", None),
        ("503 Service Unavailable", "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", None),
    ] {
        // The body is announced and never sent, and isn't waited for.
        let body = if status.starts_with("204") { "" } else { "content-length: 9\r\n" };
        let server = Server::that_hangs_after(format!("HTTP/1.1 {status}\r\n{headers}{body}\r\n")).await;
        let mut file = empty_file();
        file.write_all(b"kept").await.unwrap();
        file.flush().await.unwrap();
        let download = Download::new(server.url("files.example", "/"), 10);
        let fetched = patient().download(&download, &mut file).await.unwrap();
        assert_eq!(
            fetched,
            Fetched::NoDocument(NoDocument {
                status: StatusCode::from_bytes(&status.as_bytes()[..3]).unwrap(),
                retry_after: retry_after.map(Duration::from_secs),
                host: "files.example".to_owned(),
            })
        );
        assert_eq!(file.metadata().await.unwrap().len(), 4, "only a document is written to the file");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_truncated() {
    assert_eq!(code_of("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n%PDF-1.7").await, "truncated");
    assert_eq!(code_of("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n").await, "truncated");
    assert_eq!(code_of(format!("{CHUNKED}8\r\n%PDF-1.7\r\n")).await, "truncated");
    assert_eq!(code_of(format!("{CHUNKED}80\r\n%PDF-1.7")).await, "truncated");
    assert_eq!(code_of(CHUNKED).await, "truncated");
}

#[tokio::test]
async fn broken_framing_is_a_protocol_error() {
    assert_eq!(code_of(format!("{CHUNKED}8\r\n%PDF-1.7\r\nxyz\r\n")).await, "protocol_error");
    assert_eq!(code_of(format!("{CHUNKED}ffffffffffffffffff\r\n")).await, "protocol_error");
    assert_eq!(code_of("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx").await, "protocol_error");
    assert_eq!(code_of("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx").await, "protocol_error");
}

#[tokio::test]
async fn a_response_that_is_not_http_is_a_protocol_error() {
    assert_eq!(code_of("SSH-2.0-OpenSSH_9.2\r\n").await, "protocol_error");
    assert_eq!(code_of("%PDF-1.7 without a head\r\n\r\n").await, "protocol_error");
    assert_eq!(code_of("HTTP/1.1 200 OK\r\nbad header\r\n\r\n").await, "protocol_error");
    let server = Server::that_repeats("HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(1_000), Duration::ZERO).await;
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/")).await, "protocol_error");
}

#[tokio::test]
async fn a_connection_closed_without_a_response_is_reported_as_disconnected() {
    assert_eq!(code_of("").await, "disconnected");
    assert_eq!(code_of("HTTP/1.1 200 OK\r\ncontent-le").await, "disconnected");
}

#[tokio::test]
async fn documents_over_the_limit_are_rejected() {
    let limited = async |bytes: String, limit| {
        let server = Server::that_sends(bytes).await;
        let download = Download::new(server.url("files.example", "/"), limit);
        match patient().download(&download, &mut empty_file()).await {
            Ok(_) => "document",
            Err(error) => error.code(),
        }
    };
    assert_eq!(limited(reply("200 OK", "", "0123456789"), 10).await, "document");
    assert_eq!(limited(reply("200 OK", "", "0123456789"), 9).await, "too_large");
    assert_eq!(limited(format!("{CHUNKED}a\r\n0123456789\r\n0\r\n\r\n"), 10).await, "document");
    assert_eq!(limited(format!("{CHUNKED}a\r\n0123456789\r\n0\r\n\r\n"), 9).await, "too_large");
    assert_eq!(limited("HTTP/1.1 200 OK\r\n\r\n0123456789".to_owned(), 9).await, "too_large");
}

#[tokio::test]
async fn a_body_with_a_too_large_content_length_is_not_read() {
    let server = Server::that_hangs_after("HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n").await;
    let error = fetch(&patient(), &server.url("files.example", "/")).await.unwrap_err();
    assert_eq!(error, OutboundError::TooLarge { host: "files.example".to_owned(), limit: 1_000_000 });
    assert!(!error.is_transient());
}

#[tokio::test]
async fn endless_bodies_are_cut_off_at_the_limit() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for (start, piece) in [(CHUNKED, chunk), ("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(0x10000))] {
        let server = Server::that_repeats(start, piece, Duration::ZERO).await;
        assert_eq!(fetch_code(&patient(), &server.url("files.example", "/")).await, "too_large");
    }
}

#[tokio::test]
async fn codings_of_a_document_are_passed_on_and_those_of_an_api_are_rejected() {
    for (headers, codings) in [
        ("content-encoding: gzip\r\n", vec![Coding::Gzip]),
        ("content-encoding: identity\r\ncontent-encoding: br\r\n", vec![Coding::Other("br".to_owned())]),
        ("content-encoding: Identity\r\n", vec![]),
    ] {
        let expected = if codings.is_empty() { Ok(200) } else { Err("content_encoded") };
        assert_eq!(document_of(reply("200 OK", headers, "x")).await.codings, codings);
        let server = Server::that_sends(reply("200 OK", headers, "x")).await;
        let request = http::Request::get(server.url("files.example", "/")).body(bytes::Bytes::new()).unwrap();
        let response = patient().call(request, 100).await;
        assert_eq!(response.map(|response| response.status().as_u16()).map_err(|error| error.code()), expected);
    }
}
