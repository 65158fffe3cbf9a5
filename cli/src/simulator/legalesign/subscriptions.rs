//! Legalesign's subscriptions to callbacks.
//!
//! Confirmed by Legalesign's specification and API pages: the routes; `{url, notify, eventFilter?, group?}` with
//! `notify` one of five words; 201; the numbers of `notify_when`; that `/unsubscribe/` responds with 200 even if
//! nothing matched. Confirmed by its connector's specification: the `Location` of a new subscription, where DELETE ends
//! it. Inferred: the other fields of the list, that it is paged like other lists, and the response to DELETE.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{State, api::authorised};
use crate::simulator::{
    Simulator,
    call::{Call, plain},
};

/// A subscription: a URL and the events that are posted to it.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    id: u64,
    notify_when: u8,
    request: SubscriptionRequest,
}

#[derive(Debug, Clone, Deserialize)]
struct SubscriptionRequest {
    url: String,
    #[serde(default)]
    notify: String,
    #[serde(default, rename = "eventFilter")]
    event_filter: Option<String>,
    #[serde(default)]
    group: Option<String>,
}

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/legalesign/api/v1/notifications/", get(notifications))
        .route("/legalesign/api/v1/subscribe/", post(subscribe))
        .route("/legalesign/api/v1/unsubscribe/", post(unsubscribe))
        .route("/legalesign/api/v1/unsubscribe/{id}/", delete(unsubscribe_one))
}

/// `GET /notifications/`.
async fn notifications(call: Call) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    let mut state = call.simulator.state();
    let objects: Vec<Value> = state.own::<State>().subscriptions.iter().map(Subscription::to_json).collect();
    let meta = json!({ "limit": 20, "offset": 0, "total_count": objects.len(), "next": null, "previous": null });
    Json(json!({ "meta": meta, "objects": objects })).into_response()
}

/// `POST /subscribe/`.
async fn subscribe(call: Call, body: Bytes) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    let Ok(request) = serde_json::from_slice::<SubscriptionRequest>(&body) else {
        return (StatusCode::BAD_REQUEST, "url and notify are required").into_response();
    };
    let notify_when = match request.notify.as_str() {
        "all" => 1,
        "signed" => 2,
        "sent" => 3,
        "rejected" => 4,
        "realtime" => 10,
        _ => {
            return (StatusCode::BAD_REQUEST, "notify must be all, signed, sent, rejected or realtime").into_response();
        }
    };
    let mut state = call.simulator.state();
    let id = state.next_key();
    state.own::<State>().subscriptions.push(Subscription { id, notify_when, request });
    let location = format!("{}/legalesign/api/v1/unsubscribe/{id}/", call.base);
    (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
}

/// `POST /unsubscribe/`.
async fn unsubscribe(call: Call, body: Bytes) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    let Ok(target) = serde_json::from_slice::<SubscriptionRequest>(&body) else {
        return (StatusCode::BAD_REQUEST, "url is required").into_response();
    };
    let matches = |request: &SubscriptionRequest| {
        request.url == target.url
            && target.event_filter.as_ref().is_none_or(|filter| request.event_filter.as_ref() == Some(filter))
            && target.group.as_ref().is_none_or(|group| request.group.as_ref() == Some(group))
    };
    call.simulator.state().own::<State>().subscriptions.retain(|subscription| !matches(&subscription.request));
    StatusCode::OK.into_response()
}

/// `DELETE /unsubscribe/{id}/`.
async fn unsubscribe_one(call: Call, Path(id): Path<u64>) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    let mut state = call.simulator.state();
    let subscriptions = &mut state.own::<State>().subscriptions;
    let before = subscriptions.len();
    subscriptions.retain(|subscription| subscription.id != id);
    if subscriptions.len() < before { StatusCode::OK.into_response() } else { plain(404) }
}

impl Subscription {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "url": self.request.url,
            "notify_when": self.notify_when,
            "event_filter": self.request.event_filter,
            "group": self.request.group,
        })
    }
}

#[cfg(test)]
mod tests;
