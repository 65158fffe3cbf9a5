//! The services' documented callbacks, as the services post them.

mod legalesign;
mod signeasy;

use bytes::Bytes;
use countersign::{
    domain::{InvalidId, Provider, Route, SubjectId},
    outbound::{Client, OutboundError, Timeouts, UrlPolicy},
};
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::signing::SigningKey;

pub use signeasy::Payload;

/// Longest answer that is read, in bytes. Countersign's own are much shorter.
const MAX_ANSWER: usize = 64 * 1024;

/// The secrets that prove the simulated services' callbacks. There is no `Debug`: they must not be logged.
#[derive(Default)]
pub struct Proof {
    /// Signs Legalesign's callbacks. Without it, a batch can't be made, and a form is unsigned.
    pub signing_key: Option<SigningKey>,
    /// The token in the metadata of SignEasy's callbacks; without it, they have none.
    pub signeasy_token: Option<String>,
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
    /// [`Proof::signing_key`] is missing.
    #[error("a batch must be signed, and only a stack with throw-away secrets has a key for that")]
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
/// Never: both forms are ids.
pub fn new_id(provider: Provider) -> Result<SubjectId, InvalidId> {
    match provider {
        Provider::Signeasy => SubjectId::parse(Timestamp::now().as_microsecond().to_string()),
        Provider::Legalesign | Provider::Quicklysign => SubjectId::parse(uuid::Uuid::now_v7().simple().to_string()),
    }
}

/// Makes a service's callback for `event` of the subject `id`. `payload` is the version of SignEasy's.
///
/// # Errors
/// When the service has no such event, or `proof` lacks the key that must sign it.
pub fn callback(
    provider: Provider,
    event: &str,
    payload: Payload,
    id: &SubjectId,
    proof: &Proof,
) -> Result<Post, CallbackError> {
    match provider {
        Provider::Legalesign => legalesign::callback(event, id, proof.signing_key.as_ref()),
        Provider::Quicklysign => Ok(quicklysign(event, id, "countersign-trigger")),
        Provider::Signeasy => signeasy::callback(event, id, payload, proof.signeasy_token.as_deref()),
    }
}

/// QuicklySign's callback, as in the samples of docs.quicklysign.com, with the name that version 1 gives the key. Any event
/// name will do.
#[must_use]
pub fn quicklysign(event: &str, id: &SubjectId, webhook_key: &str) -> Post {
    let body = json!({
        "webhook_key": webhook_key,
        "entity_type": "Document",
        "entity_key": id,
        "callback_event": event,
    });
    let headers = vec![("content-type", "application/json".to_owned())];
    Post { route: Route::Quicklysign, query: None, headers, body: body.to_string().into() }
}

impl Post {
    /// The same to a URL with `?event=`, which names the subscription: `signed`, `sent` or `rejected`.
    #[must_use]
    pub fn upon(self, event: &str) -> Self {
        Self { query: Some(format!("event={event}")), ..self }
    }

    /// Sends it to `url`; gives the status and the answer's JSON, or its text where it isn't JSON.
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
        let body = response.body();
        let answer =
            serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
        Ok((response.status(), answer))
    }
}
