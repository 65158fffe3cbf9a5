//! What a callback means.
//!
//! *Identity.* Only `event_time` and `event_type` are authenticated, and two requests can have the same event in the same
//! second. So an event is identified by these two, its request and its signer: by everything that decides what it says,
//! whether or not the hash covers it. The rest of the body is left out. It is a snapshot of the request, which may differ
//! when the same event is sent again, or to the account's and to the app's URL. Whoever knows the path token and a hash could
//! record such an event first, with another snapshot: it would change nothing, because nothing is read from the snapshot.
//!
//! *Completion.* No event is a completion. `signature_request_all_signed` means that all have signed, and
//! `signature_request_downloadable` that there is a new PDF. After both, the API is queried, and a request is complete when
//! the API says so.

use jiff::Timestamp;

use super::{
    payload::{self, Payload},
    proof::{self, ProofSecrets},
};
use crate::{
    domain::{
        Addressed, Event, Identity, Kind, OwnProof, Proven, Provider, Reading, Rejection, Route, Subject, SubjectId,
        SubjectKind, TimeSource, Unreadable,
    },
    json,
    proof::token::Tokens,
    providers::verify::Scheme,
    time,
};

/// Longest accepted name, in bytes; no documented one is nearly as long.
const MAX_NAME: usize = 200;

/// The prefix of all events that are about a signature request.
const OF_REQUESTS: &str = "signature_request_";

/// How a callback is proven: by the path token and `event_hash`.
pub(super) struct Callback;

impl Scheme for Callback {
    const ROUTE: Route = Route::DropboxSign;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        &secrets.url_tokens
    }

    fn prove(&self, request: &Addressed, secrets: &ProofSecrets) -> Result<OwnProof, Rejection> {
        proof::prove(request.envelope(), request.body(), secrets).map(|()| proof::PROVEN)
    }
}

/// The meaning of an event's type. Errors, bounces, reassignments and changes of signers mean that something changed, and so
/// do types that aren't documented.
fn kind(event_type: &str) -> Kind {
    match event_type {
        "signature_request_sent" => Kind::Sent,
        "signature_request_viewed" => Kind::Viewed,
        "signature_request_signed" | ALL_SIGNED => Kind::Signed,
        "signature_request_declined" => Kind::Declined,
        "signature_request_canceled" => Kind::Voided,
        "signature_request_expired" => Kind::Expired,
        "signature_request_remind" => Kind::Reminded,
        _ => Kind::Updated,
    }
}

/// All signers have signed.
const ALL_SIGNED: &str = "signature_request_all_signed";

/// There is a new PDF.
const DOWNLOADABLE: &str = "signature_request_downloadable";

/// Reads a delivery: one event about a signature request; none, if it is a test of the URL, or about an account or a
/// template.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let text = payload::text(delivery.envelope(), delivery.body())?;
    let payload: Payload = json::parse(&text)?;
    let name = payload.event.event_type;
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Unreadable::new("invalid_name", "event.event_type"));
    }
    let Some(request) = payload.signature_request else {
        // An event about a request must name it.
        return if name.starts_with(OF_REQUESTS) {
            Err(Unreadable::new("missing_field", "signature_request"))
        } else {
            Ok(Reading::default())
        };
    };
    let id = SubjectId::parse(request.signature_request_id)
        .map_err(|_| Unreadable::new("invalid_id", "signature_request.signature_request_id"))?;
    let signer = payload.event.event_metadata.unwrap_or_default().related_signature_id;
    let time = payload.event.event_time;
    let identity = Identity::content(&[&id, &name, &time, signer.as_deref().unwrap_or_default()]);
    let (occurred_at, time_source) = match time.parse().ok().and_then(|time| Timestamp::from_second(time).ok()) {
        Some(time) => (time::to_millis(time), TimeSource::Provider),
        None => (delivery.received_at(), TimeSource::Received),
    };
    let event = Event {
        subject: Subject { provider: Provider::DropboxSign, kind: SubjectKind::Document, id },
        kind: kind(&name),
        value: signer.filter(|signer| signer.len() <= MAX_NAME),
        occurred_at,
        time_source,
        local_time: None,
        identity,
        position: 0,
        payload: text,
        name,
    };
    let ask = event.name == ALL_SIGNED || event.name == DOWNLOADABLE;
    Ok(Reading { events: vec![event], ask, ..Reading::default() })
}
