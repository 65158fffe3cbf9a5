//! The same over HTTP/2, which storage services speak. It needs TLS and a trusted certificate: see `environment`.

use super::certificate::Certificate;
use super::environment::{run_again_trusting, target_port, tls_server};
use super::server::{Names, PATIENT, SHORT, client, empty_file, fetch_code};
use bytes::Bytes;
use countersign::outbound::{Download, Fetched, Timeouts};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{Request, Response};
use std::future::{pending, poll_fn};
use std::time::Duration;

const SIZE: usize = 3_000_000;

/// Sends data as the flow-control window allows.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Option<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = poll_fn(|context| stream.poll_capacity(context)).await?.ok()?;
        stream.send_data(data.split_to(capacity.min(data.len())), false).ok()?;
    }
    Some(())
}

async fn answer(path: &str, mut respond: SendResponse<Bytes>) -> Option<()> {
    let response = Response::builder();
    let response = match path {
        "/silent" => pending().await,
        "/moved" => response.status(302).header("location", "/document"),
        "/document" | "/reset" | "/short" => response.header("content-length", SIZE),
        _ => response,
    };
    let ends = path == "/moved";
    let mut stream = respond.send_response(response.body(()).unwrap(), ends).ok()?;
    match path {
        "/document" => {
            send(&mut stream, vec![b'x'; SIZE].into()).await?;
            stream.send_data(Bytes::new(), true).ok()?;
        }
        "/reset" => {
            // More than a window: once this is sent, the client is reading the body.
            send(&mut stream, vec![b'x'; SIZE - 1].into()).await?;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        "/short" => stream.send_data(Bytes::from_static(b"%PDF-1.7"), true).ok()?,
        "/stall" => {
            send(&mut stream, Bytes::from_static(b"%PDF-1.7")).await?;
            pending().await
        }
        "/endless" => loop {
            send(&mut stream, vec![b'x'; 100_000].into()).await?;
        },
        _ => {}
    }
    Some(())
}

#[tokio::test]
async fn http2_documents_and_failures_are_distinguished() {
    if let Some(port) = target_port() {
        let url = |path: &str| format!("https://files.example:{port}{path}");
        let patient = client(PATIENT, Names::default());
        for path in ["/document", "/moved"] {
            let download = Download::new(url(path), SIZE as u64);
            let fetched = patient.download(&download, &mut empty_file()).await.unwrap();
            assert!(
                matches!(fetched, Fetched::Document(document) if document.size == SIZE as u64 && document.length_known)
            );
        }
        assert_eq!(fetch_code(&patient, &url("/document")).await, "too_large");
        assert_eq!(fetch_code(&patient, &url("/endless")).await, "too_large");
        let request = Request::get(url("/reset")).body(Bytes::new()).unwrap();
        assert_eq!(patient.call(request, SIZE).await.unwrap_err().code(), "truncated");
        let request = Request::get(url("/short")).body(Bytes::new()).unwrap();
        assert_eq!(patient.call(request, SIZE).await.unwrap_err().code(), "truncated");
        let stall = Timeouts { stall: SHORT, ..PATIENT };
        assert_eq!(fetch_code(&client(stall, Names::default()), &url("/stall")).await, "timeout_stall");
        let first_byte = Timeouts { first_byte: Duration::from_millis(500), ..PATIENT };
        let client = client(first_byte, Names::default());
        assert_eq!(fetch_code(&client, &url("/silent")).await, "timeout_first_byte");
        return;
    }
    let certificate = Certificate::for_name("files.example");
    let port = tls_server(&certificate, "h2", |stream| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else {
            return;
        };
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(async move { answer(request.uri().path(), respond).await });
        }
    })
    .await;
    run_again_trusting(&certificate, "outbound::http2::http2_documents_and_failures_are_distinguished", port).await;
}
