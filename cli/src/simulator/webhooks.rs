//! QuicklySign's webhooks: one per document pack, and the log of the calls made to them.
//!
//! Confirmed by docs.quicklysign.com: the routes, that `client_id` and `client_secret` go with every call, the request and
//! the answer of creating one, a log entry's fields. Its own pages spell the path of DELETE once in the singular: both
//! are answered. Whether an access token is needed besides is contradictory there, so none is asked for. Inferred: the
//! fields `webhooks` and `webhook_callback_logs` around lists, that an unknown key is a 404, and what DELETE answers.
//! Unlike the real service this one takes callbacks on plain HTTP and loopback: that is where a local stack is.
//!
//! The simulator calls nobody: whoever plays its callbacks can enter them with [`Simulator::log_callback`].

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Simulator;
use super::call::Call;
use super::facts::Facts;
use super::quicklysign::{Client, envelope, now, refusal};
use super::state::{State, well_formed};

/// A subscription to what happens to a pack.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    key: String,
    entity_key: String,
    callback: String,
    created: i64,
}

/// A call made to a webhook.
#[derive(Debug, Clone)]
pub(super) struct Callback {
    key: String,
    webhook_key: String,
    entity_key: String,
    event: String,
    log: String,
    created: i64,
}

pub(super) fn routes() -> Router<Simulator> {
    let one = get(webhook).delete(delete_webhook);
    Router::new()
        .route("/quicklysign/v1/webhooks", post(create_webhook).get(webhooks).delete(delete_webhooks))
        .route("/quicklysign/v1/webhooks/{key}", one.clone())
        .route("/quicklysign/v1/webhook", axum::routing::delete(delete_webhooks))
        .route("/quicklysign/v1/webhook/{key}", one)
        .route("/quicklysign/v1/webhook_callback_logs", get(webhook_callback_logs))
}

impl Simulator {
    /// Lists of webhooks and of callbacks come in pages of this many, each but the last with `pagination.next`.
    pub fn webhooks_per_page(&self, entries: usize) {
        self.state().webhook_page_size = entries.max(1);
    }

    /// Enters a callback into the logs of every webhook on this pack: the URL called was the webhook's own.
    pub fn log_callback(&self, entity_key: &str, event: &str, http_status: u16) {
        let mut state = self.state();
        let hooks: Vec<Webhook> = state.webhooks.iter().filter(|hook| hook.entity_key == entity_key).cloned().collect();
        for hook in hooks {
            let outcome = if http_status == 200 { "Successful" } else { "Unsuccessful" };
            let log = format!("{outcome} call to url {} . Received {http_status} response", hook.callback);
            let key = new_key(&mut state, "log", entity_key);
            let (webhook_key, entity_key) = (hook.key, hook.entity_key);
            let event = event.to_owned();
            state.record_callback(Callback { key, webhook_key, entity_key, event, log, created: now() });
        }
    }
}

#[derive(Deserialize)]
struct Create {
    #[serde(flatten)]
    client: Client,
    webhook: CreateWebhook,
}

#[derive(Deserialize)]
struct CreateWebhook {
    entity_key: String,
    callback: String,
}

/// `POST /v1/webhooks`.
async fn create_webhook(call: Call, body: Bytes) -> Response {
    let Ok(Create { client, webhook }) = serde_json::from_slice(&body) else {
        return refusal(&call, 400, "bad_request", "client_id, client_secret and webhook are required");
    };
    if !client.accepted(&call.simulator) {
        return unauthorised(&call);
    }
    if !well_formed(&webhook.entity_key) || webhook.callback.is_empty() {
        return refusal(&call, 400, "bad_request", "entity_key or callback is not usable");
    }
    let mut state = call.simulator.state();
    let key = new_key(&mut state, "webhook", &webhook.entity_key);
    let CreateWebhook { entity_key, callback } = webhook;
    let hook = Webhook { key, entity_key, callback, created: now() };
    let answer = envelope(json!({ "webhook": hook.to_json() }), None);
    state.webhooks.push(hook);
    answer
}

/// `GET /v1/webhooks/{key}`.
async fn webhook(call: Call, Path(key): Path<String>) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let state = call.simulator.state();
    match state.webhooks.iter().find(|hook| hook.key == key) {
        Some(hook) => envelope(json!({ "webhook": hook.to_json() }), None),
        None => unknown(&call),
    }
}

/// `GET /v1/webhooks`, of one entity if `entity_key` names it.
async fn webhooks(call: Call) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let entity = call.query("entity_key");
    let state = call.simulator.state();
    let hooks = state.webhooks.iter().filter(|hook| entity.is_none_or(|entity| hook.entity_key == entity));
    page(&call, "webhooks", hooks.map(Webhook::to_json).collect(), state.webhook_page_size)
}

/// `DELETE /v1/webhook/{key}`.
async fn delete_webhook(call: Call, Path(key): Path<String>) -> Response {
    delete(&call, |hook| hook.key == key)
}

/// `DELETE /v1/webhook?entity_key=`. Without an entity nothing is deleted.
async fn delete_webhooks(call: Call) -> Response {
    match call.query("entity_key") {
        Some(entity) => delete(&call, |hook| hook.entity_key == entity),
        None => refusal(&call, 400, "bad_request", "entity_key is required"),
    }
}

fn delete(call: &Call, which: impl Fn(&Webhook) -> bool) -> Response {
    if !authorised(call) {
        return unauthorised(call);
    }
    let mut state = call.simulator.state();
    let before = state.webhooks.len();
    state.webhooks.retain(|hook| !which(hook));
    if state.webhooks.len() < before { envelope(json!({}), None) } else { unknown(call) }
}

/// `GET /v1/webhook_callback_logs`, of one entity or webhook if the query names it.
async fn webhook_callback_logs(call: Call) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let (entity, webhook) = (call.query("entity_key"), call.query("webhook_key"));
    let state = call.simulator.state();
    let logs = state.callbacks.iter().filter(|log| {
        entity.is_none_or(|entity| log.entity_key == entity) && webhook.is_none_or(|webhook| log.webhook_key == webhook)
    });
    page(&call, "webhook_callback_logs", logs.map(Callback::to_json).collect(), state.webhook_page_size)
}

/// One page of a list. That these lists are paged is inferred from `pagination` being part of the envelope; the next
/// page's URL repeats the query but for the client's secret.
fn page(call: &Call, field: &str, entries: Vec<Value>, size: usize) -> Response {
    let start = call.query("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0).min(entries.len());
    let end = entries.len().min(start + size);
    let next = (end < entries.len()).then(|| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for name in ["entity_key", "webhook_key", "client_id"] {
            if let Some(value) = call.query(name) {
                query.append_pair(name, value);
            }
        }
        let query = query.append_pair("cursor", &end.to_string()).finish();
        format!("{}/quicklysign/v1/{field}?{query}", call.base)
    });
    envelope(json!({ field: &entries[start..end] }), next)
}

impl Webhook {
    fn to_json(&self) -> Value {
        // The documented sample says null for `webhook_key` and names the webhook by `key`.
        json!({
            "key": self.key,
            "webhook_key": null,
            "entity_key": self.entity_key,
            "callback": self.callback,
            "date_created": self.created,
            "date_updated": self.created,
        })
    }
}

impl Callback {
    fn to_json(&self) -> Value {
        json!({
            "key": self.key,
            "entity_key": self.entity_key,
            "callback_event": self.event,
            "log": self.log,
            "subscriber_key": null,
            "subscription_key": self.webhook_key,
            "date_created": self.created,
            "date_updated": self.created,
        })
    }
}

fn new_key(state: &mut State, kind: &str, entity: &str) -> String {
    state.keys += 1;
    Facts::new(super::Service::Quicklysign, entity).key(&format!("{kind} {}", state.keys))
}

fn authorised(call: &Call) -> bool {
    Client::of(call).is_some_and(|client| client.accepted(&call.simulator))
}

fn unauthorised(call: &Call) -> Response {
    refusal(call, 401, "unauthorised", "client_id or client_secret is wrong")
}

fn unknown(call: &Call) -> Response {
    refusal(call, 404, "not_found", "There is no such webhook")
}

#[cfg(test)]
mod tests;
