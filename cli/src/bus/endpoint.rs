//! The bus's HTTP endpoint, which answers `PutEvents` and no other operation of EventBridge.
//!
//! Protocol: AWS JSON 1.1. Signatures aren't verified, but a request must name the key of this start
//! ([`programs_only`](crate::programs_only)).

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use serde::Serialize;
use tokio::net::TcpListener;

use super::{Log, put_events};
use crate::programs_only::{Key, serve_with_key};

/// Largest body, in bytes. JSON needs up to six bytes for one byte of an entry, whose limit is 256 KiB.
const MAX_BODY: usize = 2 * 1024 * 1024;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Serves programs that know `key` until `shutdown`, then finishes the requests in flight.
pub async fn serve(listener: TcpListener, log: Log, key: Key, shutdown: impl Future<Output = ()> + Send + 'static) {
    let router = Router::new().route("/", post(handle)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(log);
    if let Err(problem) = serve_with_key(listener, router, key, shutdown).await {
        tracing::error!(event = "bus_ended", %problem);
    }
}

async fn handle(State(log): State<Log>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("content-type") != Some(CONTENT_TYPE) || header("x-amz-target") != Some("AWSEvents.PutEvents") {
        return error(StatusCode::BAD_REQUEST, "UnknownOperationException", "the local bus has only PutEvents");
    }
    let (events, response) = match put_events::read(&body, Timestamp::now()) {
        Ok(read) => read,
        Err(rejected) => return error(StatusCode::BAD_REQUEST, rejected.code, &rejected.message),
    };
    match log.append(events).await {
        Ok(()) => answer(StatusCode::OK, &response),
        Err(problem) => {
            tracing::error!(event = "bus_failed", %problem);
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalException", "the events can't be stored")
        }
    }
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    answer(status, &serde_json::json!({"__type": code, "message": message}))
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
