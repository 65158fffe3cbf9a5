//! `countersign trigger`: sends a documented callback, as the service would.

mod legalesign;
mod signeasy;

use std::path::Path;

use bytes::Bytes;
use clap::Args;
use countersign::{
    delivery::Route,
    outbound::{Client, Timeouts, UrlPolicy},
    provider::Provider,
    subject::SubjectId,
};
use http::{Method, Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    output::{Failure, Output},
    provider, storage,
};
use crate::stack::Secrets;

pub use signeasy::Payload;

/// An answer is small; anything larger isn't one of Countersign's.
const MAX_ANSWER: usize = 64 * 1024;

/// The command.
#[derive(Debug, Args)]
pub struct Trigger {
    /// The service
    #[arg(value_parser = provider)]
    provider: Provider,

    /// The event, in the service's words; quicklysign: entity_updated, document_status_changed,
    /// final_document_generated, … (any name is sent); legalesign: batch, signed, sent, rejected, realtime;
    /// signeasy: rs.initiated, rs.completed, document.signed, …
    event: String,

    /// The subject's id; a new one unless given
    #[arg(long, value_parser = id)]
    id: Option<SubjectId>,

    /// The webhook under which QuicklySign calls; one that nobody knows unless given
    #[arg(long, value_name = "KEY", value_parser = id)]
    webhook_key: Option<SubjectId>,

    /// The version of SignEasy's payload
    #[arg(long, value_enum, default_value = "v3")]
    payload: signeasy::Payload,

    /// The whole callback URL, with its path token; that of the local stack unless given
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

fn id(text: &str) -> Result<SubjectId, String> {
    SubjectId::parse(text).map_err(|error| error.to_string())
}

/// A callback that is ready to be sent.
pub struct Callback {
    /// Where it belongs.
    pub route: Route,
    /// What stands behind the question mark of the subscribed URL.
    pub query: Option<String>,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Bytes,
}

/// What was sent, and what was answered.
#[derive(Debug, Serialize)]
struct Triggered {
    provider: Provider,
    event: String,
    id: SubjectId,
    http_status: u16,
    #[serde(flatten)]
    answer: Value,
}

impl Trigger {
    /// Sends the callback, and says what was answered.
    ///
    /// # Errors
    /// When no stack runs on `data`, or the callback can't be made or sent.
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let id = match self.id {
            Some(id) => id,
            None => new_id(self.provider)?,
        };
        let running = match storage::running(data).await {
            Ok(endpoints) => Ok((Secrets::read(&endpoints.secrets)?, endpoints)),
            Err(failure) => Err(failure),
        };
        let secrets = running.as_ref().ok().map(|(secrets, _)| secrets);
        let mut callback = callback(self.provider, &self.event, self.payload, &id, secrets)?;
        if let (Provider::Quicklysign, Some(key)) = (self.provider, &self.webhook_key) {
            callback = quicklysign(&self.event, &id, key.as_str());
        }
        let url = match self.to {
            Some(url) => url,
            None => {
                let (secrets, endpoints) = running?;
                let token = secrets.url_token(self.provider)?;
                format!("{}{}", endpoints.http, callback.route.path().replace("{token}", &token))
            }
        };
        let (status, answer) = send(&url, callback).await?;
        let outcome = answer["outcome"].as_str().unwrap_or("no outcome").to_owned();
        let text = format!("{} {} {id}: {} {outcome}\n", self.provider, self.event, status.as_u16());
        let (provider, event) = (self.provider, self.event);
        let answer = if answer.is_object() { answer } else { json!({"answer": answer}) };
        let triggered = Triggered { provider, event, id, http_status: status.as_u16(), answer };
        Ok(Output::new(&triggered, text)?.failed_unless(status.is_success()))
    }
}

/// An id as this service gives them.
pub fn new_id(provider: Provider) -> Result<SubjectId, Failure> {
    let number = if provider == Provider::Signeasy { signeasy::new_id() } else { None };
    match number {
        Some(number) => Ok(number),
        None => Ok(SubjectId::parse(uuid::Uuid::now_v7().simple().to_string())?),
    }
}

/// Makes a callback of this service about this subject, proven by what `secrets` has.
pub fn callback(
    provider: Provider,
    event: &str,
    payload: signeasy::Payload,
    id: &SubjectId,
    secrets: Option<&Secrets>,
) -> Result<Callback, Failure> {
    match provider {
        Provider::Quicklysign => Ok(quicklysign(event, id, "countersign-trigger")),
        Provider::Legalesign => legalesign::callback(event, id, secrets.and_then(|secrets| secrets.signing_key().ok())),
        Provider::Signeasy => {
            let token = secrets.and_then(|secrets| secrets.of(provider).0["tokens"][0].as_str());
            signeasy::callback(event, id, payload, token)
        }
    }
}

/// As docs.quicklysign.com's samples have it, with the name that version 1 gives the key.
fn quicklysign(event: &str, id: &SubjectId, webhook_key: &str) -> Callback {
    let body = json!({
        "webhook_key": webhook_key,
        "entity_type": "Document",
        "entity_key": id,
        "callback_event": event,
    });
    let headers = vec![("content-type", "application/json".to_owned())];
    Callback { route: Route::Quicklysign, query: None, headers, body: body.to_string().into() }
}

/// Posts a callback to `url`; gives the status and the answer's JSON, or its text where it isn't JSON.
pub async fn send(url: &str, callback: Callback) -> Result<(StatusCode, Value), Failure> {
    let not_a_url = |_| Failure::new("bad_url", "the callback URL is not a URL that can be posted to");
    let (policy, _) = UrlPolicy::only_host_of(url, true).map_err(not_a_url)?;
    let client = Client::new(policy, Timeouts::default());
    let uri = match &callback.query {
        Some(query) if url.contains('?') => format!("{url}&{query}"),
        Some(query) => format!("{url}?{query}"),
        None => url.to_owned(),
    };
    let request = Request::builder().method(Method::POST).uri(uri);
    let request = callback.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let request = request.body(callback.body)?;
    let response =
        client.call(request, MAX_ANSWER).await.map_err(|error| Failure::new(error.code(), error.to_string()))?;
    let body = response.body();
    let answer =
        serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    Ok((response.status(), answer))
}
