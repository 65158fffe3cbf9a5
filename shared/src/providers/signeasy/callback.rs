//! What SignEasy posts: `{"data": {…}, "metadata": {…}[, "request_info": {…}]}`, in three versions that differ in few
//! fields (docs.signeasy.com, "webhooks" and "migrating callbacks").
//!
//! There is neither an id of the event nor a number of the attempt. What identifies an event is all that it says: the
//! SHA-256 of the body with its keys sorted, without whitespace and without `metadata.token`, which changes when it is
//! rotated. A redelivery, or a reminder that says the same as the one before, is the same event once more.
//!
//! What happened is told by `metadata.event_type` alone: `data.status` of a declined request was seen to be `complete`.

use aws_lc_rs::digest;
use bytes::Bytes;

use super::{
    payload::Payload,
    proof::{self, ProofSecrets},
    tree::{Tree, text_of},
};
use crate::{
    delivery::{Addressed, OwnProof, Proven, Route},
    event::{Event, Identity, Kind, TimeSource},
    intake::{Callback, Refusal, Unreadable},
    provider::Provider,
    settings::{Problems, Settings, TokenPolicy},
    subject::{Subject, SubjectId, SubjectKind},
    token::Tokens,
};

/// Longer than any documented name; what is longer is not one.
const MAX_NAME: usize = 200;

/// SignEasy's callback.
pub struct SigneasyCallback {
    policy: TokenPolicy,
}

impl SigneasyCallback {
    /// A callback under the policy that the settings name.
    #[must_use]
    pub fn new(settings: &Result<Settings, Problems>) -> Self {
        Self { policy: settings.as_ref().map_or(TokenPolicy::Required, |settings| settings.signeasy_token) }
    }
}

impl Callback for SigneasyCallback {
    const ROUTE: Route = Route::Signeasy;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        &secrets.url_tokens
    }

    fn prove(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<OwnProof, Refusal> {
        proof::prove(request.body(), request.path_token(), secrets, self.policy)
    }

    fn without_secrets(&self, request: &Addressed, secrets: &ProofSecrets) -> Option<Bytes> {
        proof::without_secrets(request.body(), request.path_token()?, secrets)
    }
}

/// What an event's name means. Unknown ones, and those of bulk requests, say that something changed.
fn kind(name: &str) -> Kind {
    match name {
        "rs.initiated" => Kind::Draft,
        "rs.link_sent" => Kind::Sent,
        "rs.viewed" => Kind::Viewed,
        "rs.signed" => Kind::Signed,
        "rs.expired" => Kind::Expired,
        "rs.declined" => Kind::Declined,
        "rs.voided" => Kind::Voided,
        "rs.completed" | "document.signed" => Kind::Completed,
        // Subscribed to as the one, it arrives as the other.
        "rs.reminded" | "rs.remind" => Kind::Reminded,
        _ => Kind::Updated,
    }
}

/// Reads a delivery: one event, about a request or a document.
pub(in crate::providers) fn read(delivery: &Proven) -> Result<Vec<Event>, Unreadable> {
    let text = text_of(delivery.body()).ok_or_else(|| Unreadable::new("not_utf8", "."))?;
    let payload = Payload::read(text)?;
    let id = SubjectId::parse(payload.id()?).map_err(|_| Unreadable::new("invalid_id", "data.id"))?;
    let name = payload.event_type()?;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "metadata.event_type"));
    }
    let mut tree = Tree::parse(text).ok_or_else(|| Unreadable::new("not_json", "."))?;
    tree.all_mut("metadata").for_each(|metadata| metadata.remove("token"));
    let said = tree.canonical();
    let identity = Identity::content(&[&hex::encode(digest::digest(&digest::SHA256, said.as_bytes()))]);
    let (occurred_at, time_source) = match payload.last_modified() {
        Some(time) => (time, TimeSource::Provider),
        None => (delivery.received_at(), TimeSource::Received),
    };
    Ok(vec![Event {
        subject: Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id },
        kind: kind(&name),
        value: payload.status().filter(|status| status.len() <= MAX_NAME),
        name,
        occurred_at,
        time_source,
        identity,
        position: 0,
        payload: said.into(),
    }])
}
