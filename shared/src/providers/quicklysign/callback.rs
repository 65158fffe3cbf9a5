//! What QuicklySign posts: `{"entity_type", "entity_key", "callback_event", "subscription_key" | "webhook_key"}`
//! (docs.quicklysign.com, "webhooks" and v0 "subscriptions").

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    delivery::{Addressed, OwnProof, Proven, Route},
    event::{Event, Identity, Kind, TimeSource},
    intake::{Callback, Reading, Refusal, Subscribed, UnknownSubscription, Unreadable},
    provider::Provider,
    secrets::Secret,
    settings::{Problems, Settings},
    subject::{Subject, SubjectId, SubjectKind},
    token::Tokens,
};

/// The event that says that a pack's final PDFs are there.
const FINAL_DOCUMENT_GENERATED: &str = "final_document_generated";

/// The event that says that a pack's status changed, and not to what: the API knows.
const DOCUMENT_STATUS_CHANGED: &str = "document_status_changed";

/// Longer than any documented name; what is longer is not one.
pub(crate) const MAX_NAME: usize = 200;

/// QuicklySign's callback.
pub struct QuicklysignCallback {
    unknown_subscription: UnknownSubscription,
    known_by_settings: BTreeSet<SubjectId>,
}

impl QuicklysignCallback {
    /// The callback with these settings; wrong ones are the receiver's to answer.
    #[must_use]
    pub fn new(settings: &Result<Settings, Problems>) -> Self {
        let options = settings.as_ref().map(|settings| settings.quicklysign.clone()).unwrap_or_default();
        Self { unknown_subscription: options.subscriptions.into(), known_by_settings: options.webhook_keys }
    }
}

/// What proves it: the path tokens.
pub struct ProofSecrets {
    url_tokens: Tokens,
}

/// The proof secret: `{"url_tokens": […]}`.
#[derive(Deserialize)]
pub struct ProofJson {
    url_tokens: Vec<SecretString>,
}

impl Secret for ProofSecrets {
    type Json = ProofJson;

    fn from_json(json: ProofJson) -> Result<Self, String> {
        let url_tokens = Tokens::new(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        Ok(Self { url_tokens })
    }
}

impl Callback for QuicklysignCallback {
    const ROUTE: Route = Route::Quicklysign;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        &secrets.url_tokens
    }

    /// No signature or secret header is documented, in v0 or v1: the path token is all there is.
    fn prove(&self, _: &Addressed, _: &ProofSecrets) -> Result<OwnProof, Refusal> {
        Ok(OwnProof::PathTokenOnly)
    }

    fn unknown_subscription(&self, request: &Addressed) -> UnknownSubscription {
        let vouched_for = subscription(request.body()).key.is_some_and(|key| self.known_by_settings.contains(&key));
        if vouched_for { UnknownSubscription::Unasked } else { self.unknown_subscription }
    }
}

/// The webhook that a body names: by `webhook_key`, or by version 0's `subscription_key`, which is what the samples of
/// version 1 have too.
fn subscription(body: &[u8]) -> Subscribed {
    // Whatever is wrong with it, it is no reason not to read the event.
    let Keys { webhook_key, subscription_key } = serde_json::from_slice(body).unwrap_or_default();
    let of = |field, key: Option<Value>| {
        let key = SubjectId::parse(key?.as_str()?).ok();
        Some(Subscribed { field, key })
    };
    let none = Subscribed { field: "webhook_key", key: None };
    let named = of("webhook_key", webhook_key).filter(|named| named.key.is_some());
    named.or_else(|| of("subscription_key", subscription_key)).unwrap_or(none)
}

/// What may name the webhook. Everything else in a body may be as deep and strange as it likes.
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

/// What an event's name means.
pub(crate) fn kind(name: &str) -> Kind {
    if name == FINAL_DOCUMENT_GENERATED { Kind::Completed } else { Kind::Updated }
}

/// Reads a delivery: one event, about a pack. A pack's `entity_type` is `"Document"` too, so it isn't looked at.
pub(in crate::providers) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let text = std::str::from_utf8(delivery.body()).map_err(|_| Unreadable::new("not_utf8", "."))?;
    let body: Body = crate::json::parse(text)?;
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
        identity: Identity::Delivery(delivery.id().clone()),
        position: 0,
        payload: text.into(),
    };
    Ok(Reading { events: vec![event], ask, subscription, ..Reading::default() })
}
