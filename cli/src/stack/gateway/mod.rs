//! The gateway: receives HTTP requests, and calls the functions with the events that API Gateway would build.

pub mod event;
mod routes;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use http_event::BrokenEvent;
use tokio::net::TcpListener;

pub use routes::Matched;

use super::Functions;

/// Largest body that API Gateway accepts, in bytes (its quota "payload size").
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Largest event that Lambda accepts in a synchronous call, in bytes (its quota "invocation payload").
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// Serves until `shutdown`, then finishes the requests in flight. Requests that `console` has no route for are the
/// gateway's.
pub async fn serve(
    listener: TcpListener,
    functions: Arc<Functions>,
    console: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new().fallback(handle).with_state(functions).merge(console);
    if let Err(problem) = axum::serve(listener, router).with_graceful_shutdown(shutdown).await {
        tracing::error!(event = "gateway_ended", %problem);
    }
}

async fn handle(State(functions): State<Arc<Functions>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(matched) = Matched::of(&head.method, head.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = event::of(&matched, &head, &body).to_string();
    if event.len() > MAX_EVENT {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    // When a function panics, the gateway answers 500, as on AWS, and the connection stays open.
    let called = tokio::spawn(async move {
        let (request, _) = http_event::request(&event)?;
        Ok::<_, BrokenEvent>(functions.call(matched.route, request).await)
    });
    match called.await {
        Ok(Ok(response)) => response.map(|body| Body::from(Bytes::from(body))),
        Ok(Err(_)) | Err(_) => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

fn message(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({"message": message}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
