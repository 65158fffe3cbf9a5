//! The body of a callback: `{"data": {…}, "metadata": {…}[, "request_info": {…}]}`, in three versions that differ in a
//! few fields (docs.signeasy.com, "webhooks" and "migrating callbacks").
//!
//! There is no event id and no attempt number. An event is identified by all of its content: the SHA-256 of the body with
//! sorted keys, with the documented spelling of each field (`spelling`), without whitespace and without `metadata.token`,
//! which changes when it is rotated. A redelivery, or a reminder with the same content as the one before, is the same event.
//!
//! Only `metadata.event_type` says what happened: `data.status` of a declined request was seen to be `complete`.

use aws_lc_rs::digest;
use bytes::Bytes;

use super::{
    aliases,
    lossless_json::{Json, text_of},
    payload::Payload,
    proof::{self, ProofSecrets},
    settings::TokenPolicy,
    spelling,
};
use crate::{
    domain::{
        Addressed, Event, Identity, Kind, Link, OwnProof, Proven, Provider, Reading, Rejection, Route, Subject,
        SubjectId, SubjectKind, TimeSource, Unreadable,
    },
    proof::token::Tokens,
    providers::verify::Scheme,
};

/// Longest accepted name, in bytes; no documented one is nearly as long.
const MAX_NAME: usize = 200;

/// How a callback is proven: by the path token and the token in its body.
pub(super) struct Callback {
    /// Whether the token in the body is required.
    pub(super) token: TokenPolicy,
}

impl Scheme for Callback {
    const ROUTE: Route = Route::Signeasy;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        &secrets.url_tokens
    }

    fn prove(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<OwnProof, Rejection> {
        proof::prove(request.body(), request.path_token(), secrets, self.token)
    }

    fn redact(&self, request: &Addressed, secrets: &ProofSecrets) -> Option<Bytes> {
        proof::redact(request.body(), request.path_token()?, secrets)
    }
}

/// The meaning of an event's name. Unknown names, and those of bulk requests, mean that something changed.
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
        // It is subscribed to under one name and arrives under the other.
        "rs.reminded" | "rs.remind" => Kind::Reminded,
        _ => Kind::Updated,
    }
}

/// Reads a delivery: one event, about a request or a document.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let text = text_of(delivery.body()).ok_or_else(|| Unreadable::new("not_utf8", "."))?;
    let payload = Payload::read(text)?;
    let id = SubjectId::parse(payload.id()?).map_err(|_| Unreadable::new("invalid_id", "data.id"))?;
    let name = payload.event_type()?;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "metadata.event_type"));
    }
    let mut json = Json::parse(text).ok_or_else(|| Unreadable::new("not_json", "."))?;
    json.all_mut("metadata").for_each(|metadata| metadata.remove("token"));
    let said = json.canonical();
    // Spelled as documented; most bodies are already.
    let spelled = spelling::normalize(&mut json).then(|| json.canonical());
    let content = spelled.as_ref().unwrap_or(&said);
    let identity = Identity::content(&[&hex::encode(digest::digest(&digest::SHA256, content.as_bytes()))]);
    let (occurred_at, time_source) = match payload.last_modified() {
        Some(time) => (time, TimeSource::Provider),
        None => (delivery.received_at(), TimeSource::Received),
    };
    let event = Event {
        subject: Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id },
        kind: kind(&name),
        value: payload.status().filter(|status| status.len() <= MAX_NAME),
        name,
        occurred_at,
        time_source,
        local_time: None,
        identity,
        position: 0,
        payload: said.into(),
    };
    let link = |id| Link {
        signer: Subject { kind: SubjectKind::Signer, id, ..event.subject.clone() },
        document: event.subject.clone(),
    };
    let levels = payload.levels().into_iter().map(|(id, status)| (link(id), status)).collect();
    let correlations = aliases::correlation(&event).into_iter().collect();
    Ok(Reading { events: vec![event], levels, correlations, ..Reading::default() })
}
