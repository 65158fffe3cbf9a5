//! What QuicklySign posts: `{"entity_type", "entity_key", "callback_event", "subscription_key" | "webhook_key"}`
//! (docs.quicklysign.com, "webhooks" and v0 "subscriptions").

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    delivery::{Addressed, OwnProof, Proven, Route},
    event::{Event, Identity, Kind, TimeSource},
    intake::{Callback, Refusal, Unreadable},
    provider::Provider,
    secrets::Secret,
    subject::{Subject, SubjectId, SubjectKind},
    token::Tokens,
};

/// The event that says that a pack's final PDFs are there.
const FINAL_DOCUMENT_GENERATED: &str = "final_document_generated";

/// Longer than any documented name; what is longer is not one.
const MAX_NAME: usize = 200;

/// QuicklySign's callback.
pub struct QuicklysignCallback;

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
}

#[derive(Deserialize)]
struct Body {
    entity_key: String,
    callback_event: String,
}

/// Reads a delivery: one event, about a pack. A pack's `entity_type` is `"Document"` too, so it isn't looked at.
pub(in crate::providers) fn read(delivery: &Proven) -> Result<Vec<Event>, Unreadable> {
    let text = std::str::from_utf8(delivery.body()).map_err(|_| Unreadable::new("not_utf8", "."))?;
    let body: Body = crate::json::parse(text)?;
    let id = SubjectId::parse(body.entity_key).map_err(|_| Unreadable::new("invalid_id", "entity_key"))?;
    if body.callback_event.is_empty() || body.callback_event.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "callback_event"));
    }
    let kind = if body.callback_event == FINAL_DOCUMENT_GENERATED { Kind::Completed } else { Kind::Updated };
    Ok(vec![Event {
        subject: Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id },
        name: body.callback_event,
        value: None,
        kind,
        occurred_at: delivery.received_at(),
        time_source: TimeSource::Received,
        identity: Identity::Delivery(delivery.id().clone()),
        position: 0,
        payload: text.to_owned(),
    }])
}
