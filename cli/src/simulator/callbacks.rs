//! The services' documented callbacks, as the services post them.

use bytes::Bytes;
use clap::Args;
use countersign::{
    domain::{InvalidId, Provider, Route, SubjectId},
    intake::ANSWER,
    outbound::{Client, OutboundError, Timeouts, UrlPolicy},
};
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::Value;

use super::service;

pub use super::signeasy::Payload;

/// Longest answer that is read, in bytes. Countersign's own are much shorter.
const MAX_ANSWER: usize = 64 * 1024;

/// Variants of callbacks, each of which only some services have.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Key of the QuicklySign webhook that the callback names [default: an unknown one]
    #[arg(long, value_name = "KEY", value_parser = |key: &str| SubjectId::parse(key))]
    pub webhook_key: Option<SubjectId>,

    /// Version of SignEasy's payload
    #[arg(long, value_enum, default_value = "v3")]
    pub payload: Payload,
}

/// A callback that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The route that it is for.
    pub route: Route,
    /// The query of the subscribed URL, without the question mark.
    pub query: Option<String>,
    /// Its headers, lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Bytes,
}

/// Why a callback can't be made or sent.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// The service has no such event, or its callback can't be made.
    #[error("{}'s callbacks are {known}", provider.display_name())]
    UnknownEvent {
        /// The service.
        provider: Provider,
        /// The events there are, for people.
        known: String,
    },
    /// The service's secret has no key for it.
    #[error("this callback must be signed, and these secrets have no key for that")]
    NoSigningKey,
    /// The callback can't be signed.
    #[error(transparent)]
    Signing(#[from] openssl::error::ErrorStack),
    /// The URL can't be posted to.
    #[error("the callback URL is not a URL that can be posted to")]
    BadUrl,
    /// No request can be made of the URL and the headers.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// It was not answered.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl CallbackError {
    /// The service has only events with these names.
    pub(super) fn unknown_event<'a>(provider: Provider, known: impl Iterator<Item = &'a str>) -> Self {
        Self::UnknownEvent { provider, known: known.collect::<Vec<_>>().join(", ") }
    }

    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownEvent { .. } => "unknown_event",
            Self::NoSigningKey => "no_signing_key",
            Self::BadUrl => "bad_url",
            Self::Signing(_) | Self::Request(_) => "failed",
            Self::Outbound(error) => error.code(),
        }
    }
}

/// A new id, of the form that this service's ids have.
///
/// # Errors
/// Never: all forms are ids.
pub fn new_id(provider: Provider) -> Result<SubjectId, InvalidId> {
    service(provider).new_id()
}

/// Makes a service's callback for `event` of the subject `id`. `secret` is what the local stack keeps for the service:
/// see [`SimulatedService`](super::SimulatedService).
///
/// # Errors
/// When the service has no such event, or `secret` lacks the key that must sign it.
pub fn callback(
    provider: Provider,
    event: &str,
    id: &SubjectId,
    options: &Options,
    secret: &Value,
) -> Result<Post, CallbackError> {
    service(provider).callback(event, id, options, secret)
}

impl Post {
    /// A callback with a JSON body.
    pub(super) fn json(route: Route, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { route, query: None, headers, body: body.to_string().into() }
    }

    /// The same to a URL with `?event=`, which names the subscription: `signed`, `sent` or `rejected`.
    #[must_use]
    pub fn with_event(self, event: &str) -> Self {
        Self { query: Some(format!("event={event}")), ..self }
    }

    /// Sends it to `url`; gives the status and the answer's JSON, or its text where it isn't JSON. The JSON may be in a
    /// header: see [`ANSWER`].
    ///
    /// # Errors
    /// When `url` can't be posted to, or there is no answer.
    pub async fn send(self, url: &str) -> Result<(StatusCode, Value), CallbackError> {
        let (policy, _) = UrlPolicy::only_host_of(url, true).map_err(|_| CallbackError::BadUrl)?;
        let client = Client::new(policy, Timeouts::default());
        let uri = match &self.query {
            Some(query) if url.contains('?') => format!("{url}&{query}"),
            Some(query) => format!("{url}?{query}"),
            None => url.to_owned(),
        };
        let request = Request::builder().method(Method::POST).uri(uri);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let response = client.call(request.body(self.body)?, MAX_ANSWER).await?;
        let body = response.headers().get(ANSWER).map_or(&response.body()[..], HeaderValue::as_bytes);
        let answer =
            serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
        Ok((response.status(), answer))
    }
}
