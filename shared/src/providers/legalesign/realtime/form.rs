//! The form about one document: `resource_uri`, `group`, `name`, `uuid` (legalesign.com, "callbacks on the API v1").
//!
//! It doesn't say what happened, and the field of an event code that other pages mention has no documented name. So the
//! subscribed URL names the event: `?event=signed`, `sent` or `rejected`. Without it, the API is queried. The URL is never
//! signed, so an event that it names has the trust of a token, even if the document is signed.

use serde::{Deserialize, Serialize};

use super::{is_foreign, resource};
use crate::{
    domain::{Event, Identity, Kind, Proven, Reading, SubjectKind, TimeSource, Trust, Unreadable},
    form::{FieldError, Form},
    json,
};

/// Longest accepted `uuid`, in bytes: the limit of all ids.
const MAX_UUID: usize = 200;

/// The fields of the form, or of `json_signed`. Other fields, such as tags, are only kept in the delivery.
#[derive(Deserialize, Serialize)]
struct Document {
    resource_uri: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    name: Option<String>,
    uuid: String,
}

/// Reads the form's own fields.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let form = Form::read(delivery.envelope().header("content-type"), delivery.body())
        .map_err(|error| Unreadable::new(error.code(), "."))?;
    let document = Document {
        resource_uri: text(&form, "resource_uri")?.ok_or_else(|| missing("resource_uri"))?,
        group: text(&form, "group")?,
        name: text(&form, "name")?,
        uuid: text(&form, "uuid")?.ok_or_else(|| missing("uuid"))?,
    };
    let payload = serde_json::to_string(&document).map_err(|_| Unreadable::new("not_json", "."))?;
    reading(delivery, document, payload)
}

/// Reads the signed field, which has the same fields as JSON.
pub(super) fn read_signed(delivery: &Proven, json_signed: &[u8]) -> Result<Reading, Unreadable> {
    let text = std::str::from_utf8(json_signed).map_err(|_| Unreadable::new("not_utf8", "json_signed"))?;
    reading(delivery, json::parse(text)?, text.to_owned())
}

fn text(form: &Form, name: &'static str) -> Result<Option<String>, Unreadable> {
    let value = form.optional(name).map_err(|error: FieldError| Unreadable::new(error.code(), name))?;
    let text = |value: &bytes::Bytes| std::str::from_utf8(value).map(str::to_owned);
    value.map(text).transpose().map_err(|_| Unreadable::new("not_utf8", name))
}

fn missing(name: &'static str) -> Unreadable {
    Unreadable::new(FieldError::Missing(name).code(), name)
}

fn reading(delivery: &Proven, document: Document, payload: String) -> Result<Reading, Unreadable> {
    let subject = resource::subject(&document.resource_uri)
        .filter(|subject| subject.kind == SubjectKind::Document)
        .ok_or_else(|| Unreadable::new("unknown_resource", "resource_uri"))?;
    if document.uuid.is_empty() || document.uuid.len() > MAX_UUID {
        return Err(Unreadable::new("invalid_id", "uuid"));
    }
    let subscription = delivery.envelope().event.as_deref().filter(|event| is_name(event));
    let (kind, ask) = match subscription {
        Some("signed") => (Kind::Completed, false),
        Some("sent") => (Kind::Sent, false),
        Some("rejected") => (Kind::Declined, false),
        _ => (Kind::Updated, true),
    };
    // The URL isn't under the signature, so the event that it names is proven by the path token alone.
    let trust = subscription.map(|_| Trust::Token);
    let event = Event {
        subject,
        name: subscription.unwrap_or("realtime").to_owned(),
        value: None,
        kind,
        occurred_at: delivery.received_at(),
        time_source: TimeSource::Received,
        local_time: None,
        identity: Identity::content(&["realtime", &document.uuid, subscription.unwrap_or_default()]),
        position: 0,
        payload: payload.into(),
    };
    let foreign = is_foreign(delivery, document.group.as_deref().and_then(resource::group));
    Ok(Reading { events: vec![event], trust, ask, foreign, ..Reading::default() })
}

/// Whether a query's `event` looks like the name of an event. Any sender can put arbitrary text there.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
