//! The simulated QuicklySign: access tokens and document packs (`api`), webhooks on packs and the log of their calls
//! (`webhooks`), and callbacks.

mod api;
mod webhooks;

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, ops::RangeInclusive};

use anyhow::Result;
use axum::Router;
use countersign::domain::{Provider, Route, SubjectId};
use http::header::HeaderName;
use serde_json::{Value, json};

use super::{
    Script, Simulator,
    callbacks::{CallbackError, Options, Post},
    demo::{Case, cases},
    service::{Event, SimulatedService},
    state::push_bounded,
    throw_away::random,
};

const SERVICE: Provider = Provider::Quicklysign;

/// The header with the access token.
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("access_token");

/// The key of the webhook that a callback names, unless it is given.
const UNKNOWN_WEBHOOK: &str = "countersign-trigger";

/// Limits of the lists, so that memory doesn't grow in a stack that runs for weeks. The oldest entries are dropped.
const MAX_TOKENS: usize = 1_000;
const MAX_CALLBACKS: usize = 1_000;

/// The simulated QuicklySign.
pub struct Quicklysign;

/// What only QuicklySign remembers.
#[derive(Clone)]
struct State {
    /// Access tokens and their remaining calls.
    access_tokens: VecDeque<(String, u32)>,
    token_calls: u32,
    webhooks: Vec<webhooks::Webhook>,
    callbacks: VecDeque<webhooks::Callback>,
    webhook_page_size: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            access_tokens: VecDeque::new(),
            token_calls: u32::MAX,
            webhooks: Vec::new(),
            callbacks: VecDeque::new(),
            webhook_page_size: usize::MAX / 2,
        }
    }
}

impl State {
    fn record_callback(&mut self, callback: webhooks::Callback) {
        push_bounded(&mut self.callbacks, callback, MAX_CALLBACKS);
    }

    fn new_access_token(&mut self) -> String {
        let token = format!("simulated-{}", uuid::Uuid::now_v7().simple());
        let calls = self.token_calls;
        push_bounded(&mut self.access_tokens, (token.clone(), calls), MAX_TOKENS);
        token
    }

    /// Whether the token is valid. Uses up one of its calls.
    fn accepts_token(&mut self, token: &str) -> bool {
        let known = self.access_tokens.iter_mut().find(|(known, _)| known == token);
        match known {
            Some((_, 0)) | None => false,
            Some((_, left)) => {
                *left = left.saturating_sub(1);
                true
            }
        }
    }
}

impl Simulator {
    /// Scripts the QuicklySign document pack with this key.
    pub fn pack(&self, key: &str) -> Script {
        self.script(SERVICE, key)
    }

    /// Expires all QuicklySign access tokens and all short-lived download locations.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.own::<State>().access_tokens.clear();
        state.locations.clear();
    }

    /// Limits each QuicklySign access token issued from now on to this number of calls.
    pub fn tokens_last(&self, calls: u32) {
        self.state().own::<State>().token_calls = calls;
    }
}

/// The documented events.
const EVENTS: [Event; 6] = [
    Event { name: "final_document_generated", meaning: "all parties have signed, and the final PDFs are ready" },
    Event { name: "document_status_changed", meaning: "the status changed" },
    Event { name: "document_updated", meaning: "a document changed" },
    Event { name: "signatory_updated", meaning: "a signatory changed" },
    Event { name: "entity_updated", meaning: "an entity changed" },
    Event { name: "audit_trail_updated", meaning: "the audit trail changed" },
];

/// The callback as in the samples of docs.quicklysign.com, with the name that version 1 gives the key. Any event name
/// will do.
#[must_use]
pub fn callback(event: &str, id: &SubjectId, webhook_key: &str) -> Post {
    let body = json!({
        "webhook_key": webhook_key,
        "entity_type": "Document",
        "entity_key": id,
        "callback_event": event,
    });
    Post::json(Route::Quicklysign, &body)
}

impl SimulatedService for Quicklysign {
    fn provider(&self) -> Provider {
        SERVICE
    }

    fn api_path(&self) -> &'static str {
        "/quicklysign"
    }

    fn routes(&self) -> Router<Simulator> {
        api::routes().merge(webhooks::routes())
    }

    fn credential_fields(&self) -> &'static [&'static str] {
        &["client_id", "client_secret", "api_key"]
    }

    fn credential_header(&self) -> HeaderName {
        ACCESS_TOKEN
    }

    fn secret_query_fields(&self) -> &'static [&'static str] {
        &["client_id", "client_secret"]
    }

    /// The documents of a pack.
    fn documents(&self) -> RangeInclusive<usize> {
        2..=3
    }

    fn settings(&self, gateway: &str) -> Vec<(&'static str, String)> {
        vec![("QUICKLYSIGN_CALLBACK_URL", format!("{gateway}{}", Route::Quicklysign.path()))]
    }

    fn throw_away_secret(&self) -> Result<Value> {
        Ok(json!({
            "proof": {"url_tokens": [random()?]},
            "api": {"client_id": "local", "client_secret": random()?, "api_key": random()?},
        }))
    }

    fn events(&self) -> Vec<Event> {
        EVENTS.to_vec()
    }

    fn callback(&self, event: &str, id: &SubjectId, options: &Options, _: &Value) -> Result<Post, CallbackError> {
        let webhook_key = options.webhook_key.as_ref().map_or(UNKNOWN_WEBHOOK, SubjectId::as_str);
        Ok(callback(event, id, webhook_key))
    }

    fn demo(&self) -> Vec<Case> {
        let cases = cases!(
            Quicklysign in "quicklysign-callback":
            "document_updated", "signatory_updated", "audit_trail_updated", "final_document_generated",
        );
        cases.to_vec()
    }
}
