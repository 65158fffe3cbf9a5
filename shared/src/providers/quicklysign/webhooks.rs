//! QuicklySign's webhook API: what is called when a document pack changes, and the log of such calls
//! (docs.quicklysign.com, "webhooks" and "webhook logs").
//!
//! The client's id and secret go with every call: in the body of POST, in the query of all others. Whether an access
//! token is wanted besides is contradictory in the vendor's pages, so none is sent. How lists are named in `data` is not
//! documented either: what looks like a webhook is one, wherever it stands.

use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    api::{ApiError, ApiSecrets, Connection, Page, Pages},
    callback_url::CallbackUrl,
    masked,
    options::DeletePaths,
};
use crate::{
    aws::Aws,
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
    provider::Provider,
    secrets::Cached,
    settings::Settings,
    subject::SubjectId,
};

/// So many characters of a log entry's text are kept.
const MAX_LOG: usize = 1_000;

/// QuicklySign's webhook API.
pub struct Webhooks {
    connection: Connection,
    delete_paths: DeletePaths,
}

/// A webhook: a URL, and the pack whose changes it is told of.
#[derive(Clone, Debug, Serialize)]
pub struct Webhook {
    /// The webhook's key: what callbacks name.
    pub key: SubjectId,
    /// The document pack's key.
    pub entity_key: String,
    /// What is called; shown masked.
    pub callback: CallbackUrl,
    /// When it was made.
    pub date_created: Option<Timestamp>,
    /// When it was changed.
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
    /// What was told.
    pub callback_event: String,
    /// The HTTP status that was answered, where the text says so.
    pub http_status: Option<u16>,
    /// What became of the call, in the service's words, with its URLs masked.
    pub log: String,
    /// When the entry was made.
    pub date_created: Option<Timestamp>,
}

/// Which log entries are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// All of the account's.
    All,
    /// Those about a document pack.
    OfEntity(SubjectId),
    /// Those of a webhook.
    OfWebhook(SubjectId),
}

impl Webhooks {
    /// The API at `base`, with or without its version segment.
    #[must_use]
    pub fn new(client: &Client, base: &Url, secrets: Cached<ApiSecrets>, delete_paths: DeletePaths) -> Self {
        Self::over(Connection::new(client, base, secrets), delete_paths)
    }

    pub(super) const fn over(connection: Connection, delete_paths: DeletePaths) -> Self {
        Self { connection, delete_paths }
    }

    /// The API that these settings name.
    #[must_use]
    pub fn of(settings: &Settings, aws: &Aws) -> Self {
        let quicklysign = settings.provider(Provider::Quicklysign);
        let client = Client::new(UrlPolicy::new(HostPatterns::default(), settings.allow_insecure), Timeouts::default());
        let secrets = Cached::new(quicklysign.api.clone(), Some(aws.secrets.clone()));
        Self::new(&client, &quicklysign.api_url, secrets, settings.quicklysign.delete_paths)
    }

    /// Makes a webhook on a pack: `POST /v1/webhooks`. Each call makes another one;
    /// [`Subscriber`](super::subscribe::Subscriber) looks first.
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
    /// [`ApiError`]; an unknown key is answered by the API.
    pub async fn get(&self, key: &SubjectId) -> Result<Webhook, ApiError> {
        let page = self.send(Method::GET, self.connection.endpoint(&format!("webhooks/{key}"))).await?;
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
        self.all_pages(url, |data| collect(data, &webhook, &mut webhooks)).await?;
        Ok(webhooks)
    }

    /// Ends a webhook: `DELETE /v1/webhook/<key>`.
    ///
    /// # Errors
    /// [`ApiError`]; an unknown key is answered by the API.
    pub async fn delete(&self, key: &SubjectId) -> Result<(), ApiError> {
        let segment = self.delete_paths.segment();
        self.send(Method::DELETE, self.connection.endpoint(&format!("{segment}/{key}"))).await.map(drop)
    }

    /// Ends all webhooks on a pack: `DELETE /v1/webhook?entity_key=<key>`.
    ///
    /// # Errors
    /// [`ApiError`]; an unknown key is answered by the API.
    pub async fn delete_of_entity(&self, entity: &SubjectId) -> Result<(), ApiError> {
        let mut url = self.connection.endpoint(self.delete_paths.segment());
        url.query_pairs_mut().append_pair("entity_key", entity.as_str());
        self.send(Method::DELETE, url).await.map(drop)
    }

    /// The calls that were made to webhooks: `GET /v1/webhook_callback_logs`, all pages. The texts' URLs, which are
    /// callback URLs with their path tokens, are masked before anybody sees them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn callback_logs(&self, which: &Logs) -> Result<Vec<CallbackLog>, ApiError> {
        let mut url = self.connection.endpoint("webhook_callback_logs");
        match which {
            Logs::All => {}
            Logs::OfEntity(key) => drop(url.query_pairs_mut().append_pair("entity_key", key.as_str())),
            Logs::OfWebhook(key) => drop(url.query_pairs_mut().append_pair("webhook_key", key.as_str())),
        }
        let mut logs = Vec::new();
        self.all_pages(url, |data| collect(data, &callback_log, &mut logs)).await?;
        Ok(logs)
    }

    async fn all_pages(&self, first: Url, mut take: impl FnMut(&Value)) -> Result<(), ApiError> {
        let mut pages = Pages::new(&self.connection, first);
        while let Some(url) = pages.current() {
            let page = self.send(Method::GET, url.clone()).await?;
            take(&page.data);
            pages.turn(page.next.as_deref())?;
        }
        Ok(())
    }

    async fn send(&self, method: Method, url: Url) -> Result<Page, ApiError> {
        let secrets = self.connection.secrets.get().await?;
        let url = self.connection.with_client(url, &secrets);
        self.connection.send(method, &url, None, None).await
    }
}

fn first(data: &Value) -> Option<Webhook> {
    let mut found = Vec::new();
    collect(data, &webhook, &mut found);
    found.into_iter().next()
}

/// Collects what `read` finds in `data`, wherever it stands, in the order of the text.
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

/// The documented answer says null for `webhook_key` and names the webhook by `key`; version 0 has `subscription_key`.
fn webhook(object: &Map<String, Value>) -> Option<Webhook> {
    let names = ["key", "webhook_key", "subscription_key"];
    let key = names.into_iter().find_map(|name| SubjectId::parse(text(object, name)?).ok())?;
    Some(Webhook {
        key,
        entity_key: text(object, "entity_key")?,
        callback: CallbackUrl::as_told(&text(object, "callback")?),
        date_created: time(object, "date_created"),
        date_updated: time(object, "date_updated"),
    })
}

fn callback_log(object: &Map<String, Value>) -> Option<CallbackLog> {
    let log = masked::text(&text(object, "log")?);
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
    fn the_documented_answer_is_a_webhook() {
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
    fn webhooks_are_found_wherever_they_stand() {
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
    fn a_log_entry_loses_its_token_before_anybody_sees_it() {
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
