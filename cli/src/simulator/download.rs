//! Sends a file as scripted: correctly, or as a failing service or an attacker would.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, future, stream};

use super::Simulator;
use super::behaviour::Download;
use super::call::{has_credentials, plain};
use super::paper::{File, Paper};

const PDF: &str = "application/pdf";
const PIECE: usize = 64 * 1024;

pub(super) fn routes() -> Router<Simulator> {
    Router::new().route("/files/{name}", get(location))
}

/// `GET /files/{name}`: a short-lived location. It plays the storage host that a real service redirects to. Such hosts
/// don't know the service's credentials, and some reject requests that carry any; this one does, with 400.
async fn location(State(simulator): State<Simulator>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = {
        let state = simulator.state();
        let found = state.locations.iter().find(|(known, ..)| *known == name);
        found.map(|(_, download, paper)| (download.clone(), paper.clone()))
    };
    match found {
        None => plain(404),
        Some(_) if has_credentials(&headers) => plain(400),
        Some((download, paper)) => respond(&simulator, download, paper),
    }
}

/// The response to a request for this file. A redirect to a new location is a path, relative to the request's host.
pub(super) fn respond(simulator: &Simulator, download: Download, paper: Paper) -> Response {
    match download {
        Download::Pdf => send(paper.render(simulator)),
        Download::ContentType(content_type) => {
            let mut response = send(paper.render(simulator));
            if let Ok(value) = header::HeaderValue::from_str(&content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        Download::Bytes(bytes) => ([(header::CONTENT_TYPE, PDF)], bytes).into_response(),
        Download::Coded { coding, bytes } => {
            let mut response = ([(header::CONTENT_TYPE, PDF)], bytes).into_response();
            if let Ok(value) = header::HeaderValue::from_bytes(coding.as_bytes()) {
                response.headers_mut().insert(header::CONTENT_ENCODING, value);
            }
            response
        }
        Download::Empty => ([(header::CONTENT_TYPE, PDF)], Bytes::new()).into_response(),
        Download::Html => {
            let page =
                "<!doctype html><html><head><title>Sign in</title></head><body>Your session has ended.</body></html>";
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
        }
        Download::NoTrailer => {
            let file = paper.render(simulator);
            let half = file.size / 2;
            let pieces = Box::new(first(file.pieces, half));
            send(File { size: half, pieces, content_type: file.content_type })
        }
        Download::Truncated => {
            let file = paper.render(simulator);
            let half = first(file.pieces, file.size / 2).map(Ok);
            // Yields so that the half is sent before the error ends the connection.
            let end = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("the connection ends here"))
            });
            streamed(Some(file.size), stream::iter(half).chain(end))
        }
        Download::Endless => {
            let head = stream::iter(paper.render(simulator).pieces.map(Ok));
            let piece = Bytes::from(vec![b' '; PIECE]);
            let rest = stream::repeat_with(move || Ok(piece.clone()));
            streamed(None, until_closed(simulator, head.chain(rest)))
        }
        Download::Stall => {
            let file = paper.render(simulator);
            let head = stream::iter(first(file.pieces, 1_024).map(Ok));
            streamed(Some(file.size), until_closed(simulator, head.chain(stream::pending())))
        }
        Download::Drip { every } => {
            let file = paper.render(simulator);
            streamed(Some(file.size), until_closed(simulator, drip(file.pieces, every)))
        }
        Download::Moved => {
            let path = simulator.state().new_location(Download::Pdf, paper);
            redirect(&path)
        }
        Download::Redirect(to) => redirect(&to),
        Download::Status(status) => plain(status),
        Download::Dearchiving => (StatusCode::CREATED, "Being de-archived, available in 4 hours").into_response(),
    }
}

/// A redirect (302) to this location, a path or a URL.
pub(super) fn redirect(to: &str) -> Response {
    match header::HeaderValue::from_str(to) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        // The scripted location isn't a valid header value.
        Err(_) => plain(500),
    }
}

fn send(file: File) -> Response {
    let mut response = streamed(Some(file.size), stream::iter(file.pieces.map(Ok)));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(file.content_type));
    response
}

type Piece = Result<Bytes, std::io::Error>;

fn streamed(length: Option<u64>, pieces: impl Stream<Item = Piece> + Send + 'static) -> Response {
    let mut response = ([(header::CONTENT_TYPE, PDF)], Body::from_stream(pieces)).into_response();
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// Cuts the pieces off after this number of bytes.
fn first(pieces: impl Iterator<Item = Bytes> + Send, bytes: u64) -> impl Iterator<Item = Bytes> + Send {
    let mut left = bytes;
    pieces.map_while(move |piece| {
        let size = usize::try_from(left).unwrap_or(piece.len()).min(piece.len());
        left -= size as u64;
        (size > 0).then(|| piece.slice(..size))
    })
}

fn drip(pieces: impl Iterator<Item = Bytes> + Send, every: Duration) -> impl Stream<Item = Piece> + Send {
    let bytes = pieces.flat_map(|piece| (0..piece.len()).map(move |at| piece.slice(at..=at)));
    stream::iter(bytes).then(move |byte| async move {
        if !every.is_zero() {
            tokio::time::sleep(every).await;
        }
        Ok(byte)
    })
}

/// Ends a possibly endless body with an error when the server shuts down.
fn until_closed(
    simulator: &Simulator,
    pieces: impl Stream<Item = Piece> + Send + 'static,
) -> impl Stream<Item = Piece> + Send + 'static {
    let simulator = simulator.clone();
    let closed = Box::pin(async move { simulator.closed().await });
    pieces.take_until(closed).chain(stream::once(future::ready(Err(std::io::Error::other("the server shuts down")))))
}

#[cfg(test)]
mod tests;
