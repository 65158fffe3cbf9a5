//! Common steps of every request: it is recorded, fails if a failure is scripted, and gets the base URL of its links.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::{SERVICES, Simulator};

/// `Retry-After` of scripted 429 and 503 responses that don't set their own. In seconds.
pub(super) const RETRY_AFTER: u32 = 7;

/// A recorded request: enough to count downloads and to detect credentials sent to the wrong place, without the
/// credentials themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query's fields in their order. The values of fields with credentials are removed.
    pub query: Vec<(String, String)>,
    /// The names of the headers, in lower case.
    pub headers: Vec<String>,
    /// Whether the request had a header with credentials.
    pub credentials: bool,
}

impl Request {
    /// The value of this query field.
    #[must_use]
    pub fn query(&self, field: &str) -> Option<&str> {
        find(&self.query, field)
    }
}

/// Records the request, and responds to it right here if a failure is scripted for it.
pub(super) async fn gate(State(simulator): State<Simulator>, request: axum::extract::Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut query = fields(request.uri().query());
    for (name, value) in &mut query {
        if SERVICES.iter().any(|service| service.secret_query_fields().contains(&name.as_str())) {
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

/// The response for paths that no service documents.
pub(super) async fn no_such_route() -> Response {
    plain(404)
}

/// A plain text response with this status; 429 and 503 with a `Retry-After`.
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

/// Whether the request has a header with credentials of one of the services.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    SERVICES.iter().any(|service| headers.contains_key(service.credential_header()))
}

/// The parts of a request that handlers need, except the body.
pub(super) struct Call {
    pub simulator: Simulator,
    pub headers: HeaderMap,
    /// Base URL of links in the response, such as `http://127.0.0.1:3000`.
    pub base: String,
    query: Vec<(String, String)>,
}

impl Call {
    /// The value of this query field.
    pub fn query(&self, field: &str) -> Option<&str> {
        find(&self.query, field)
    }

    /// The value of this header, if it is visible ASCII.
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
