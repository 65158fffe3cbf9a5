//! QuicklySign's webhook API: the URLs that are called when a document pack changes, and the log of these calls
//! (docs.quicklysign.com, "webhooks" and "webhook logs").
//!
//! Every request carries the client's id and secret: POST in its body, all others in the query. The vendor's pages
//! contradict each other on whether an access token is required too, so none is sent. The names of lists in `data` are not
//! documented either, so all of `data` is searched for objects with a webhook's fields.

use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    api::{Account, ApiError, Connection, Page, Pages},
    callback_url::CallbackUrl,
    redact,
    settings::{self, DeletePaths},
};
use crate::{
    aws::Aws,
    domain::{Provider, SubjectId},
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
    settings::Settings,
};

/// Maximum length of a log entry's text, in characters.
const MAX_LOG: usize = 1_000;

/// QuicklySign's webhook API.
pub struct Webhooks {
    connection: Connection,
    delete_paths: DeletePaths,
}

/// A webhook: a URL that is called when a pack changes.
#[derive(Clone, Debug, Serialize)]
pub struct Webhook {
    /// The webhook's key, which callbacks carry.
    pub key: SubjectId,
    /// The document pack's key.
    pub entity_key: String,
    /// The URL, which is shown redacted.
    pub callback: CallbackUrl,
    /// When it was created.
    pub date_created: Option<Timestamp>,
    /// When it was last changed.
    pub date_updated: Option<Timestamp>,
}

/// A call that was made to a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallbackLog {
    /// The entry's key.
    pub key: Option<String>,
    /// The document pack's key.
    pub entity_key: Option<String>,
    /// The webhook's key.
    pub webhook_key: Option<String>,
    /// The name of the callback's event.
    pub callback_event: String,
    /// The HTTP status of the answer, if the text has one.
    pub http_status: Option<u16>,
    /// The result of the call in the service's words, with its URLs redacted.
    pub log: String,
    /// When the entry was created.
    pub date_created: Option<Timestamp>,
}

/// Selects log entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// All entries of the account.
    All,
    /// The entries about a document pack.
    OfEntity(SubjectId),
    /// The entries of a webhook.
    OfWebhook(SubjectId),
}

impl Webhooks {
    /// The API with these settings, over a client of its own. Reads no secret yet.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let quicklysign = settings.service(Provider::Quicklysign);
        let client = Client::new(UrlPolicy::new(HostPatterns::default(), settings.allow_insecure), Timeouts::default());
        let connection = Account::new(quicklysign, aws).connect(&client);
        Self { connection, delete_paths: settings::parse(quicklysign).0.delete_paths }
    }

    /// Creates a webhook on a pack: `POST /v1/webhooks`. Each call creates another one;
    /// [`Subscriber`](super::subscribe::Subscriber) checks for an existing one first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn create(&self, entity: &SubjectId, callback: &CallbackUrl) -> Result<Webhook, ApiError> {
        let secrets = self.connection.secrets.get().await?;
        let body = json!({
            "client_id": secrets.client_id(),
            "client_secret": secrets.client_secret(),
            "webhook": {"entity_key": entity, "callback": callback.exposed()},
        });
        let url = self.connection.endpoint("webhooks");
        let page = self.connection.send(Method::POST, &url, None, Some(&body)).await?;
        first(&page.data).ok_or(ApiError::Missing("webhook"))
    }

    /// One webhook: `GET /v1/webhooks/<key>`.
    ///
    /// # Errors
    /// [`ApiError`], also for an unknown key.
    pub async fn get(&self, key: &SubjectId) -> Result<Webhook, ApiError> {
        let url = self.connection.endpoint(&format!("webhooks/{key}"));
        let page = send(&self.connection, Method::GET, url).await?;
        first(&page.data).ok_or(ApiError::Missing("webhook"))
    }

    /// The account's webhooks, or those of one pack: `GET /v1/webhooks`, all pages.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn list(&self, entity: Option<&SubjectId>) -> Result<Vec<Webhook>, ApiError> {
        let mut url = self.connection.endpoint("webhooks");
        if let Some(entity) = entity {
            url.query_pairs_mut().append_pair("entity_key", entity.as_str());
        }
        let mut webhooks = Vec::new();
        all_pages(&self.connection, url, |data| collect(data, &webhook, &mut webhooks)).await?;
        Ok(webhooks)
    }

    /// Deletes a webhook: `DELETE /v1/webhook/<key>`.
    ///
    /// # Errors
    /// [`ApiError`], also for an unknown key.
    pub async fn delete(&self, key: &SubjectId) -> Result<(), ApiError> {
        let url = self.connection.endpoint(&format!("{}/{key}", self.delete_paths.segment()));
        send(&self.connection, Method::DELETE, url).await.map(drop)
    }

    /// Deletes all webhooks on a pack: `DELETE /v1/webhook?entity_key=<key>`.
    ///
    /// # Errors
    /// [`ApiError`], also for an unknown key.
    pub async fn delete_of_entity(&self, entity: &SubjectId) -> Result<(), ApiError> {
        let mut url = self.connection.endpoint(self.delete_paths.segment());
        url.query_pairs_mut().append_pair("entity_key", entity.as_str());
        send(&self.connection, Method::DELETE, url).await.map(drop)
    }

    /// The calls that were made to webhooks: `GET /v1/webhook_callback_logs`, all pages. URLs in the texts are redacted:
    /// they are callback URLs with path tokens.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn callback_logs(&self, which: &Logs) -> Result<Vec<CallbackLog>, ApiError> {
        callback_logs(&self.connection, which).await
    }
}

/// See [`Webhooks::callback_logs`].
pub(super) async fn callback_logs(connection: &Connection, which: &Logs) -> Result<Vec<CallbackLog>, ApiError> {
    let mut url = connection.endpoint("webhook_callback_logs");
    match which {
        Logs::All => {}
        Logs::OfEntity(key) => drop(url.query_pairs_mut().append_pair("entity_key", key.as_str())),
        Logs::OfWebhook(key) => drop(url.query_pairs_mut().append_pair("webhook_key", key.as_str())),
    }
    let mut logs = Vec::new();
    all_pages(connection, url, |data| collect(data, &callback_log, &mut logs)).await?;
    Ok(logs)
}

async fn all_pages(connection: &Connection, first: Url, mut take: impl FnMut(&Value)) -> Result<(), ApiError> {
    let mut pages = Pages::new(connection, first);
    while let Some(url) = pages.current() {
        let page = send(connection, Method::GET, url.clone()).await?;
        take(&page.data);
        pages.turn(page.next.as_deref())?;
    }
    Ok(())
}

/// Sends a request with the client's id and secret in its query.
async fn send(connection: &Connection, method: Method, url: Url) -> Result<Page, ApiError> {
    let secrets = connection.secrets.get().await?;
    let url = connection.with_client(url, &secrets);
    connection.send(method, &url, None, None).await
}

fn first(data: &Value) -> Option<Webhook> {
    let mut found = Vec::new();
    collect(data, &webhook, &mut found);
    found.into_iter().next()
}

/// Collects what `read` recognizes anywhere in `data`, in the order of the text.
fn collect<T>(data: &Value, read: &impl Fn(&Map<String, Value>) -> Option<T>, found: &mut Vec<T>) {
    match data {
        Value::Object(object) => match read(object) {
            Some(one) => found.push(one),
            None => object.values().for_each(|value| collect(value, read, found)),
        },
        Value::Array(values) => values.iter().for_each(|value| collect(value, read, found)),
        _ => {}
    }
}

/// The documented response has null for `webhook_key` and the webhook's key in `key`; version 0 has `subscription_key`.
fn webhook(object: &Map<String, Value>) -> Option<Webhook> {
    let names = ["key", "webhook_key", "subscription_key"];
    let key = names.into_iter().find_map(|name| SubjectId::parse(text(object, name)?).ok())?;
    Some(Webhook {
        key,
        entity_key: text(object, "entity_key")?,
        callback: CallbackUrl::of_api(&text(object, "callback")?),
        date_created: time(object, "date_created"),
        date_updated: time(object, "date_updated"),
    })
}

fn callback_log(object: &Map<String, Value>) -> Option<CallbackLog> {
    let log = redact::text(&text(object, "log")?);
    let after = |word: &str| log.split_once(word)?.1.split_whitespace().next()?.parse().ok();
    Some(CallbackLog {
        key: text(object, "key"),
        entity_key: text(object, "entity_key"),
        webhook_key: text(object, "webhook_key").or_else(|| text(object, "subscription_key")),
        callback_event: text(object, "callback_event")?,
        http_status: after("Received ").filter(|status| (100..600).contains(status)),
        log: log.chars().filter(|char| !char.is_control()).take(MAX_LOG).collect(),
        date_created: time(object, "date_created"),
    })
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

/// Times are milliseconds since 1970.
fn time(object: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(object.get(name)?.as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_response_is_a_webhook() {
        let data = json!({"webhook": {
            "entity_key": "ahNkZXZ-cXVpY2tseXNpZ24tZGV2chULEghEb2N1bWVudBiAgICAgMDvCww",
            "date_updated": 1401645889795_i64,
            "webhook_key": null,
            "callback": "http://api.127.0.0.1.xip.io:8080/v1/test_callback",
            "key": "ahNkZXZ-cXVpY2tseXNpZ24tZGV2chkLEgxTdWJzY3JpcHRpb24YgICAgIDwiwoM",
            "date_created": 1401645889795_i64,
        }});
        let webhook = first(&data).unwrap();
        assert_eq!(webhook.key.as_str(), "ahNkZXZ-cXVpY2tseXNpZ24tZGV2chkLEgxTdWJzY3JpcHRpb24YgICAgIDwiwoM");
        let shown = serde_json::to_value(&webhook).unwrap();
        assert_eq!(shown["callback"], "http://api.127.0.0.1.xip.io:8080/***");
        assert_eq!(shown["date_created"], "2014-06-01T18:04:49.795Z");
    }

    #[test]
    fn webhooks_are_found_at_any_place() {
        let one = |name: &str, key: &str| json!({name: key, "entity_key": "e", "callback": "https://x.example/"});
        let data = json!({"webhooks": [one("key", "a"), {"webhook": one("webhook_key", "b")}], "more": one("subscription_key", "c")});
        let mut found = Vec::new();
        collect(&data, &webhook, &mut found);
        let keys: Vec<_> = found.iter().map(|webhook| webhook.key.as_str()).collect();
        assert_eq!(keys.len(), 3);
        assert!(["a", "b", "c"].iter().all(|key| keys.contains(key)));
        for none in [json!(null), json!({"webhook": {"key": "a"}}), one("key", "not a key"), json!([])] {
            assert!(first(&none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_log_entry_is_shown_without_its_token() {
        let entry = |log: &str| {
            let data = json!({"webhook_callback_logs": [{
                "key": "l", "entity_key": "e", "callback_event": "entity_updated", "log": log,
                "subscriber_key": null, "subscription_key": "w", "date_created": 1_700_000_000_000_i64,
            }]});
            let mut found = Vec::new();
            collect(&data, &callback_log, &mut found);
            found.remove(0)
        };
        let log =
            entry("Successful call to url https://x.example/callbacks/quicklysign/t0ken . Received 200 response\u{7}");
        assert_eq!(
            log.log,
            "Successful call to url https://x.example/callbacks/quicklysign/*** . Received 200 response"
        );
        assert_eq!((log.http_status, log.webhook_key.as_deref()), (Some(200), Some("w")));
        assert!(!format!("{log:?}").contains("t0ken"));
        for odd in ["", "Received", "Received no response", "Received 99999 response"] {
            assert_eq!(entry(odd).http_status, None, "{odd}");
        }
        assert_eq!(entry(&"a".repeat(5_000)).log.len(), MAX_LOG);
    }
}
