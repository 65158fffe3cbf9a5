//! Today's JSON webhook: `{"version", "id", "object", "event", "created", "data"}`.
//!
//! The fields are those that the vendor's connector for Microsoft declares. The event names are those of the
//! subscription's filter. Whether `event` repeats the object (`document.finalPdfCreated`) isn't documented, so both
//! forms are accepted. Unknown events of known objects are recorded. Fields that aren't needed may have any type.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{is_foreign, resource};
use crate::{
    domain::{Event, Identity, Kind, Link, Proven, Reading, Subject, SubjectId, SubjectKind, TimeSource, Unreadable},
    json,
};

/// Longest accepted id or name, in bytes. Documented ones are shorter.
const MAX_TEXT: usize = 200;

/// Maximum number of recipients that are read from one document. Further ones are linked by their own events.
const MAX_RECIPIENTS: usize = 200;

#[derive(Deserialize)]
struct Body {
    id: Value,
    #[serde(default)]
    object: Value,
    event: String,
    #[serde(default)]
    created: Value,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// The document's id, or the recipient's.
    uuid: String,
    #[serde(default)]
    group: Value,
    #[serde(default)]
    group_resource_uri: Value,
    /// For a recipient: the document.
    #[serde(default)]
    document: Value,
    #[serde(default)]
    document_resource_uri: Value,
    /// For a document: its signers.
    #[serde(default)]
    recipients: Value,
}

/// Reads a delivery.
pub(super) fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    let text = std::str::from_utf8(delivery.body()).map_err(|_| Unreadable::new("not_utf8", "."))?;
    let body: Body = json::parse(text)?;
    let id = match body.id {
        Value::String(id) if !id.is_empty() && id.len() <= MAX_TEXT => id,
        Value::Number(id) => id.to_string(),
        _ => return Err(Unreadable::new("invalid_id", "id")),
    };
    if body.event.is_empty() || body.event.len() > MAX_TEXT {
        return Err(Unreadable::new("invalid_name", "event"));
    }
    let (object, event) = match body.event.split_once('.') {
        Some((object, event)) => (object, event),
        None => (body.object.as_str().unwrap_or_default(), body.event.as_str()),
    };
    let kind = match object {
        "document" => SubjectKind::Document,
        "recipient" => SubjectKind::Signer,
        _ => return Err(Unreadable::new("unknown_object", "object")),
    };
    let uuid = SubjectId::parse(&*body.data.uuid).map_err(|_| Unreadable::new("invalid_id", "data.uuid"))?;
    let subject = resource::of(kind, uuid.clone());
    let created = body.created.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let event = Event {
        kind: meaning(kind, event),
        name: body.event.clone(),
        value: None,
        occurred_at: created.unwrap_or(delivery.received_at()),
        time_source: created.map_or(TimeSource::Received, |_| TimeSource::Provider),
        local_time: None,
        identity: Identity::content(&["webhook", &id, object, event, uuid.as_str()]),
        position: 0,
        payload: text.into(),
        subject: subject.clone(),
    };
    let foreign = is_foreign(delivery, group(&body.data));
    Ok(Reading { events: vec![event], links: links(&subject, &body.data), foreign, ..Reading::default() })
}

/// The meaning of an event.
fn meaning(object: SubjectKind, event: &str) -> Kind {
    match (object, event) {
        // A document is sent when it is created: one of the vendor's pages says "creation", another one `sent`.
        (SubjectKind::Document, "created") => Kind::Sent,
        (SubjectKind::Document, "finalPdfCreated") => Kind::Completed,
        (_, "rejected") => Kind::Declined,
        (SubjectKind::Signer, "completed") => Kind::Signed,
        (SubjectKind::Signer, "emailOpened" | "visiting") => Kind::Viewed,
        // `recipient.bounced`, and undocumented events.
        _ => Kind::Updated,
    }
}

/// The group's slug. `group` may also be a display name, which isn't a slug and is ignored.
fn group(data: &Data) -> Option<&str> {
    let is_slug = |text: &&str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
    };
    match (data.group_resource_uri.as_str(), data.group.as_str()) {
        (Some(uri), _) => resource::group(uri),
        (None, Some(text)) => resource::group(text).or(Some(text).filter(is_slug)),
        (None, None) => None,
    }
}

fn links(subject: &Subject, data: &Data) -> Vec<Link> {
    if subject.kind == SubjectKind::Signer {
        let by_uri = data.document_resource_uri.as_str().and_then(resource::subject);
        let by_id = || Some(resource::of(SubjectKind::Document, id(&data.document)?));
        let document = by_uri.filter(|document| document.kind == SubjectKind::Document).or_else(by_id);
        return document.map(|document| Link { signer: subject.clone(), document }).into_iter().collect();
    }
    let recipients = data.recipients.as_array().into_iter().flatten().take(MAX_RECIPIENTS);
    let signers = recipients.filter_map(|recipient| id(recipient.get("uuid")?));
    let link = |signer| Link { signer: resource::of(SubjectKind::Signer, signer), document: subject.clone() };
    signers.map(link).collect()
}

fn id(value: &Value) -> Option<SubjectId> {
    SubjectId::parse(value.as_str()?).ok()
}
