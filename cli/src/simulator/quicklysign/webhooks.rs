//! QuicklySign's webhooks: one per document pack, and the log of the calls made to them.
//!
//! Confirmed by docs.quicklysign.com: the routes, that `client_id` and `client_secret` are sent with every call, the
//! request and the response of creating one, a log entry's fields. Those pages once spell the path of DELETE in the
//! singular: both forms work here. They contradict themselves on whether an access token is needed as well, so none is
//! required. Inferred: the fields `webhooks` and `webhook_callback_logs` around lists, 404 for an unknown key, and the
//! response to DELETE. Unlike the real service, this one accepts callback URLs with plain HTTP and loopback, because a
//! local stack listens there.
//!
//! The simulator never calls a webhook. A test that plays the callbacks can log them with [`Simulator::log_callback`].

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Client, envelope, error_response, now};
use super::{SERVICE, State};
use crate::simulator::Simulator;
use crate::simulator::call::Call;
use crate::simulator::facts::Facts;
use crate::simulator::state::{self, well_formed};

/// A subscription to a pack's events.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    key: String,
    entity_key: String,
    callback: String,
    created: i64,
}

/// A log entry: a call of a webhook.
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
    /// Sets the page size of the lists of webhooks and callbacks. All pages but the last have `pagination.next`.
    pub fn webhooks_per_page(&self, entries: usize) {
        self.state().own::<State>().webhook_page_size = entries.max(1);
    }

    /// Logs a callback to the URL of each of the pack's webhooks.
    pub fn log_callback(&self, entity_key: &str, event: &str, http_status: u16) {
        let mut state = self.state();
        let hooks = state.own::<State>().webhooks.iter();
        let hooks: Vec<Webhook> = hooks.filter(|hook| hook.entity_key == entity_key).cloned().collect();
        for hook in hooks {
            let outcome = if http_status == 200 { "Successful" } else { "Unsuccessful" };
            let log = format!("{outcome} call to url {} . Received {http_status} response", hook.callback);
            let key = new_key(&mut state, "log", entity_key);
            let (webhook_key, entity_key) = (hook.key, hook.entity_key);
            let event = event.to_owned();
            state.own::<State>().record_callback(Callback { key, webhook_key, entity_key, event, log, created: now() });
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
        return error_response(&call, 400, "bad_request", "client_id, client_secret and webhook are required");
    };
    if !client.accepted(&call.simulator) {
        return unauthorised(&call);
    }
    if !well_formed(&webhook.entity_key) || webhook.callback.is_empty() {
        return error_response(&call, 400, "bad_request", "entity_key or callback is invalid");
    }
    let mut state = call.simulator.state();
    let key = new_key(&mut state, "webhook", &webhook.entity_key);
    let CreateWebhook { entity_key, callback } = webhook;
    let hook = Webhook { key, entity_key, callback, created: now() };
    let answer = envelope(json!({ "webhook": hook.to_json() }), None);
    state.own::<State>().webhooks.push(hook);
    answer
}

/// `GET /v1/webhooks/{key}`.
async fn webhook(call: Call, Path(key): Path<String>) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let mut state = call.simulator.state();
    match state.own::<State>().webhooks.iter().find(|hook| hook.key == key) {
        Some(hook) => envelope(json!({ "webhook": hook.to_json() }), None),
        None => unknown(&call),
    }
}

/// `GET /v1/webhooks`, optionally only those of `entity_key`.
async fn webhooks(call: Call) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let entity = call.query("entity_key");
    let mut state = call.simulator.state();
    let state = state.own::<State>();
    let hooks = state.webhooks.iter().filter(|hook| entity.is_none_or(|entity| hook.entity_key == entity));
    page(&call, "webhooks", hooks.map(Webhook::to_json).collect(), state.webhook_page_size)
}

/// `DELETE /v1/webhook/{key}`.
async fn delete_webhook(call: Call, Path(key): Path<String>) -> Response {
    delete(&call, |hook| hook.key == key)
}

/// `DELETE /v1/webhook?entity_key=…`. Without an entity it deletes nothing.
async fn delete_webhooks(call: Call) -> Response {
    match call.query("entity_key") {
        Some(entity) => delete(&call, |hook| hook.entity_key == entity),
        None => error_response(&call, 400, "bad_request", "entity_key is required"),
    }
}

fn delete(call: &Call, which: impl Fn(&Webhook) -> bool) -> Response {
    if !authorised(call) {
        return unauthorised(call);
    }
    let mut state = call.simulator.state();
    let hooks = &mut state.own::<State>().webhooks;
    let before = hooks.len();
    hooks.retain(|hook| !which(hook));
    if hooks.len() < before { envelope(json!({}), None) } else { unknown(call) }
}

/// `GET /v1/webhook_callback_logs`, optionally only those of `entity_key` or `webhook_key`.
async fn webhook_callback_logs(call: Call) -> Response {
    if !authorised(&call) {
        return unauthorised(&call);
    }
    let (entity, webhook) = (call.query("entity_key"), call.query("webhook_key"));
    let mut state = call.simulator.state();
    let state = state.own::<State>();
    let logs = state.callbacks.iter().filter(|log| {
        entity.is_none_or(|entity| log.entity_key == entity) && webhook.is_none_or(|webhook| log.webhook_key == webhook)
    });
    page(&call, "webhook_callback_logs", logs.map(Callback::to_json).collect(), state.webhook_page_size)
}

/// One page of a list. That these lists are paged is inferred from `pagination`, which is part of the envelope. The
/// next page's URL repeats the query without the client's secret.
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
        // In the documented sample, `webhook_key` is null and `key` has the webhook's key.
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

fn new_key(state: &mut state::State, kind: &str, entity: &str) -> String {
    let number = state.next_key();
    Facts::new(SERVICE, entity).key(&format!("{kind} {number}"))
}

fn authorised(call: &Call) -> bool {
    Client::of(call).is_some_and(|client| client.accepted(&call.simulator))
}

fn unauthorised(call: &Call) -> Response {
    error_response(call, 401, "unauthorised", "client_id or client_secret is wrong")
}

fn unknown(call: &Call) -> Response {
    error_response(call, 404, "not_found", "No webhook has this key")
}

#[cfg(test)]
mod tests;
