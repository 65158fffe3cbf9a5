//! What every request passes: it is written down, may have to fail, and gets its links from the right base URL.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::Simulator;

/// Seconds in the `Retry-After` of scripted 429 and 503 answers that name none of their own.
pub(super) const RETRY_AFTER: u32 = 7;

/// A request as the log keeps it: enough to count downloads and to see credentials that went astray, and none of
/// the credentials themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query's fields in their order. `client_id` and `client_secret` have lost their values.
    pub query: Vec<(String, String)>,
    /// The names of the headers, in lower case.
    pub headers: Vec<String>,
    /// Whether there was an `authorization` or an `access_token` header.
    pub credentials: bool,
}

impl Request {
    /// The value of this field of the query.
    #[must_use]
    pub fn query(&self, field: &str) -> Option<&str> {
        find(&self.query, field)
    }
}

/// Writes the request down, and answers it right here if it was scripted to fail.
pub(super) async fn gate(State(simulator): State<Simulator>, request: axum::extract::Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut query = fields(request.uri().query());
    for (name, value) in &mut query {
        if matches!(name.as_str(), "client_id" | "client_secret") {
            value.clear();
        }
    }
    let headers: Vec<String> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
    let entry = Request {
        method: request.method().as_str().to_owned(),
        path: path.clone(),
        query,
        headers,
        credentials: has_credentials(request.headers()),
    };
    let failure = {
        let mut state = simulator.state();
        state.record(entry);
        state.failure(&path)
    };
    match failure {
        Some(status) => plain(status),
        None => next.run(request).await,
    }
}

/// What a path gets that no service documents.
pub(super) async fn no_such_route() -> Response {
    plain(404)
}

/// A bare answer with this status; 429 and 503 say when to come back.
pub(super) fn plain(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = status.canonical_reason().unwrap_or("scripted");
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            (status, [(header::RETRY_AFTER, RETRY_AFTER.to_string())], reason).into_response()
        }
        _ => (status, reason).into_response(),
    }
}

/// Whether the request carries a credential of one of the services.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("access_token")
}

/// What a handler needs of its request, the body aside.
pub(super) struct Call {
    pub simulator: Simulator,
    pub headers: HeaderMap,
    /// Such as `http://127.0.0.1:3000`.
    pub base: String,
    query: Vec<(String, String)>,
}

impl Call {
    /// The value of this field of the query.
    pub fn query(&self, field: &str) -> Option<&str> {
        find(&self.query, field)
    }

    /// The value of this header, if it is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl FromRequestParts<Simulator> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, simulator: &Simulator) -> Result<Self, Infallible> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let set = simulator.state().base_url.clone();
        let base = set.unwrap_or_else(|| format!("http://{}", host.unwrap_or("localhost")));
        Ok(Self {
            simulator: simulator.clone(),
            headers: parts.headers.clone(),
            base,
            query: fields(parts.uri.query()),
        })
    }
}

fn fields(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn find<'a>(query: &'a [(String, String)], field: &str) -> Option<&'a str> {
    query.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
}
