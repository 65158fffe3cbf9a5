//! The body of a callback: `{"entity_type", "entity_key", "callback_event", "subscription_key" | "webhook_key"}`
//! (docs.quicklysign.com, "webhooks" and v0 "subscriptions").

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::settings::QuicklysignSettings;
use crate::{
    domain::{
        Addressed, Event, Identity, Kind, OwnProof, Policy, Proven, Provider, Reading, Rejection, Route, Subject,
        SubjectId, SubjectKind, Subscription, SubscriptionPolicy, TimeSource, Unreadable,
    },
    json::{self, without_byte_order_marks},
    proof::token::Tokens,
    providers::verify::Scheme,
    secrets::Secret,
};

/// The event that reports that a pack's final PDFs are ready.
const FINAL_DOCUMENT_GENERATED: &str = "final_document_generated";

/// The event that reports a change of a pack's status without the new status, for which the API is queried.
const DOCUMENT_STATUS_CHANGED: &str = "document_status_changed";

/// Longest accepted name, in bytes; no documented one is nearly as long.
pub(super) const MAX_NAME: usize = 200;

/// How a callback is proven: by the path token alone.
pub(super) struct Callback(QuicklysignSettings);

impl Callback {
    /// With these settings.
    pub(super) const fn new(settings: QuicklysignSettings) -> Self {
        Self(settings)
    }
}

/// The secret that proves a callback: the path tokens.
pub(super) struct ProofSecrets {
    url_tokens: Tokens,
}

/// The proof secret: `{"url_tokens": […]}`.
#[derive(Deserialize)]
pub(super) struct ProofJson {
    url_tokens: Vec<SecretString>,
}

impl Secret for ProofSecrets {
    type Json = ProofJson;

    fn from_json(json: ProofJson) -> Result<Self, String> {
        let url_tokens = Tokens::in_urls(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        Ok(Self { url_tokens })
    }
}

impl Scheme for Callback {
    const ROUTE: Route = Route::Quicklysign;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        &secrets.url_tokens
    }

    /// No signature or secret header is documented, in v0 or v1: the path token is the only proof.
    fn prove(&self, _: &Addressed, _: &ProofSecrets) -> Result<OwnProof, Rejection> {
        Ok(OwnProof::PathTokenOnly)
    }

    fn policy(&self, request: &Addressed, _: &ProofSecrets) -> Policy {
        let is_vouched_for = subscription(request.body()).key.is_some_and(|key| self.0.webhook_keys.contains(&key));
        let subscription = if is_vouched_for { SubscriptionPolicy::Ignore } else { self.0.subscriptions };
        Policy { subscription, ..Policy::default() }
    }
}

/// The webhook that a body names: by `webhook_key`, or by version 0's `subscription_key`, which the samples of version 1
/// use as well.
fn subscription(body: &[u8]) -> Subscription {
    // The event is read even if the key is unusable.
    let Keys { webhook_key, subscription_key } =
        serde_json::from_slice(without_byte_order_marks(body)).unwrap_or_default();
    let of = |field, key: Option<Value>| {
        let key = SubjectId::parse(key?.as_str()?).ok();
        Some(Subscription { field, key })
    };
    let none = Subscription { field: "webhook_key", key: None };
    let named = of("webhook_key", webhook_key).filter(|named| named.key.is_some());
    named.or_else(|| of("subscription_key", subscription_key)).unwrap_or(none)
}

/// The fields that may name the webhook. Nothing else of the body is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    webhook_key: Option<Value>,
    subscription_key: Option<Value>,
}

#[derive(Deserialize)]
struct Body {
    entity_key: String,
    callback_event: String,
}

/// The meaning of an event's name.
pub(super) fn kind(name: &str) -> Kind {
    if name == FINAL_DOCUMENT_GENERATED { Kind::Completed } else { Kind::Updated }
}

/// Reads a delivery: one event, about a pack. `entity_type` is ignored, because it is `"Document"` for packs too.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let text = std::str::from_utf8(delivery.body()).map_err(|_| Unreadable::new("not_utf8", "."))?;
    let body: Body = json::parse(text)?;
    let subscription = Some(subscription(delivery.body()));
    let id = SubjectId::parse(body.entity_key).map_err(|_| Unreadable::new("invalid_id", "entity_key"))?;
    if body.callback_event.is_empty() || body.callback_event.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "callback_event"));
    }
    let kind = kind(&body.callback_event);
    let ask = body.callback_event == DOCUMENT_STATUS_CHANGED;
    let event = Event {
        subject: Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id },
        name: body.callback_event,
        value: None,
        kind,
        occurred_at: delivery.received_at(),
        time_source: TimeSource::Received,
        local_time: None,
        identity: Identity::Delivery(delivery.id().clone()),
        position: 0,
        payload: text.into(),
    };
    Ok(Reading { events: vec![event], ask, subscription, ..Reading::default() })
}
