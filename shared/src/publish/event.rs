//! The events that Countersign publishes, as other systems receive them.
//!
//! `docs/events.md` describes them for the people who build on them. Every field of [`Detail`] is always there, `null` if
//! it doesn't apply, so that rules and typed languages can rely on the shape. No field holds personal data, except for
//! file names, which are left out unless the stack is set to publish them.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DeliveryId, Kind, PdfVerdict, Provider, Role, Subject, SubjectKind, Trust};

/// The source of every event, by which rules of the bus select them.
pub const SOURCE: &str = "countersign";

/// The version of [`Detail`]. It changes if a field is removed or gets another meaning, but not for a new field.
pub const VERSION: &str = "1";

/// An event as it is on the bus. The JSON has EventBridge's own names for `detail-type`, `time` and `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PublishedEvent {
    /// What happened.
    pub detail_type: DetailType,
    /// When Countersign recorded it, in whole seconds: the same as [`Detail::recorded_at`].
    pub time: Timestamp,
    /// About what, and how it is known.
    pub detail: Detail,
}

impl PublishedEvent {
    /// An event with only the fields that every type has.
    #[must_use]
    pub fn new(
        detail_type: DetailType,
        provider: Provider,
        subject: EventSubject,
        id: String,
        recorded_at: Timestamp,
    ) -> Self {
        let detail = Detail {
            version: VERSION.to_owned(),
            id,
            provider,
            subject,
            status: None,
            trust: None,
            previous_trust: None,
            confirmed_at: None,
            occurred_at: None,
            recorded_at,
            reason: None,
            pdfs: Vec::new(),
        };
        Self { detail_type, time: recorded_at, detail }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DetailType {
    /// A document or pack was sent to its signers.
    #[serde(rename = "document.sent")]
    DocumentSent,
    /// A signer viewed it.
    #[serde(rename = "document.viewed")]
    DocumentViewed,
    /// A signer signed it; others may still have to.
    #[serde(rename = "document.signed")]
    DocumentSigned,
    /// Every signer signed it.
    #[serde(rename = "document.completed")]
    DocumentCompleted,
    /// A signer declined it.
    #[serde(rename = "document.declined")]
    DocumentDeclined,
    /// The sender withdrew it.
    #[serde(rename = "document.voided")]
    DocumentVoided,
    /// It expired.
    #[serde(rename = "document.expired")]
    DocumentExpired,
    /// It was deleted before it was signed.
    #[serde(rename = "document.removed")]
    DocumentRemoved,
    /// Two statuses were reported that can't both be its last.
    #[serde(rename = "document.conflict")]
    DocumentConflict,
    /// All its final PDFs are in the bucket; again if there are further ones.
    #[serde(rename = "document.archived")]
    DocumentArchived,
    /// Its PDFs couldn't be fetched, and no further attempt is made.
    #[serde(rename = "document.archive_failed")]
    DocumentArchiveFailed,
    /// Its PDFs are on a host that an operator has to allow first.
    #[serde(rename = "document.archive_blocked")]
    DocumentArchiveBlocked,
    /// Its personal data was erased on request: whoever has copies erases them, too.
    #[serde(rename = "document.forgotten")]
    DocumentForgotten,
    /// A signer viewed a document.
    #[serde(rename = "signer.viewed")]
    SignerViewed,
    /// A signer signed.
    #[serde(rename = "signer.signed")]
    SignerSigned,
    /// A signer declined.
    #[serde(rename = "signer.declined")]
    SignerDeclined,
    /// A signer's personal data was erased on request.
    #[serde(rename = "signer.forgotten")]
    SignerForgotten,
    /// A callback was proven but can't be read. An operator has to look at it.
    #[serde(rename = "delivery.set_aside")]
    DeliverySetAside,
}

impl DetailType {
    /// Every type.
    pub const ALL: [Self; 18] = [
        Self::DocumentSent,
        Self::DocumentViewed,
        Self::DocumentSigned,
        Self::DocumentCompleted,
        Self::DocumentDeclined,
        Self::DocumentVoided,
        Self::DocumentExpired,
        Self::DocumentRemoved,
        Self::DocumentConflict,
        Self::DocumentArchived,
        Self::DocumentArchiveFailed,
        Self::DocumentArchiveBlocked,
        Self::DocumentForgotten,
        Self::SignerViewed,
        Self::SignerSigned,
        Self::SignerDeclined,
        Self::SignerForgotten,
        Self::DeliverySetAside,
    ];

    /// The name on the bus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentSent => "document.sent",
            Self::DocumentViewed => "document.viewed",
            Self::DocumentSigned => "document.signed",
            Self::DocumentCompleted => "document.completed",
            Self::DocumentDeclined => "document.declined",
            Self::DocumentVoided => "document.voided",
            Self::DocumentExpired => "document.expired",
            Self::DocumentRemoved => "document.removed",
            Self::DocumentConflict => "document.conflict",
            Self::DocumentArchived => "document.archived",
            Self::DocumentArchiveFailed => "document.archive_failed",
            Self::DocumentArchiveBlocked => "document.archive_blocked",
            Self::DocumentForgotten => "document.forgotten",
            Self::SignerViewed => "signer.viewed",
            Self::SignerSigned => "signer.signed",
            Self::SignerDeclined => "signer.declined",
            Self::SignerForgotten => "signer.forgotten",
            Self::DeliverySetAside => "delivery.set_aside",
        }
    }
}

impl fmt::Display for DetailType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name is none of [`DetailType::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a type of event, such as document.completed, document.archived or signer.signed")]
pub struct UnknownDetailType;

impl FromStr for DetailType {
    type Err = UnknownDetailType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|each| each.as_str() == name).ok_or(UnknownDetailType)
    }
}

/// About what an event is, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// [`VERSION`].
    pub version: String,
    /// The same for the same fact, however often it is published: 64 hex digits. Consumers deduplicate by it.
    pub id: String,
    /// The service.
    pub provider: Provider,
    /// The document, pack, signer or delivery.
    pub subject: EventSubject,
    /// The subject's status when the event was recorded. Events may be published in another order than they happened in,
    /// so it may be further along than the event's type.
    pub status: Option<Kind>,
    /// How the reported status was proven, for the types that name a status.
    pub trust: Option<Trust>,
    /// The trust with which the same event was published before; `None` the first time. An event that was proven by a
    /// token is published again, with the same id, when the service reports the same with a signature.
    pub previous_trust: Option<Trust>,
    /// When the service's API last confirmed `status`.
    pub confirmed_at: Option<Timestamp>,
    /// When the status was reached, for the types that name a status: the service's time, or the time of arrival if the
    /// service gives none. A time without a zone is read in that of a setting, or as UTC, so it may be later than
    /// `recorded_at`.
    pub occurred_at: Option<Timestamp>,
    /// When Countersign recorded it, in whole seconds.
    pub recorded_at: Timestamp,
    /// Why, as a stable code.
    pub reason: Option<String>,
    /// The archived PDFs: the current one of each document and role. Only in `document.archived`.
    pub pdfs: Vec<PublishedPdf>,
}

/// The subject of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventSubject {
    /// Its kind.
    pub kind: EventSubjectKind,
    /// The service's id for it, or the delivery's id.
    pub id: String,
}

/// The kinds of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSubjectKind {
    /// A document, or a request to sign one.
    Document,
    /// A person who signs, approves or witnesses a document.
    Signer,
    /// Several documents that are signed together.
    DocumentPack,
    /// A callback request.
    Delivery,
}

impl From<&Subject> for EventSubject {
    fn from(subject: &Subject) -> Self {
        Self { kind: subject.kind.into(), id: subject.id.to_string() }
    }
}

impl From<&DeliveryId> for EventSubject {
    fn from(id: &DeliveryId) -> Self {
        Self { kind: EventSubjectKind::Delivery, id: id.to_string() }
    }
}

impl From<SubjectKind> for EventSubjectKind {
    fn from(kind: SubjectKind) -> Self {
        match kind {
            SubjectKind::Document => Self::Document,
            SubjectKind::Signer => Self::Signer,
            SubjectKind::DocumentPack => Self::DocumentPack,
        }
    }
}

/// An archived PDF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPdf {
    /// The service's id of the document, which in a pack is one of several.
    pub document: String,
    /// What it is.
    pub role: Role,
    /// The bucket.
    pub bucket: String,
    /// Its key in the bucket.
    pub key: String,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The verdict on the signatures within the file; `None` if they weren't verified.
    pub signatures: Option<PdfVerdict>,
    /// A readable name for the file, if the stack is set to publish them (`EVENT_FILE_NAMES`). It may be personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document() -> EventSubject {
        EventSubject { kind: EventSubjectKind::DocumentPack, id: "P-1".to_owned() }
    }

    /// An event without anything optional.
    fn event(detail_type: DetailType, subject: EventSubject) -> PublishedEvent {
        let at = "2026-11-22T02:27:06Z".parse().unwrap();
        PublishedEvent::new(detail_type, Provider::Quicklysign, subject, "00".repeat(32), at)
    }

    fn written(event: &PublishedEvent) -> Value {
        let json = serde_json::to_value(event).unwrap();
        assert_eq!(serde_json::from_value::<PublishedEvent>(json.clone()).unwrap(), *event, "{json}");
        json
    }

    #[test]
    fn a_status_names_its_proof_and_its_times() {
        let mut event = event(DetailType::DocumentCompleted, document());
        event.detail.status = Some(Kind::Completed);
        event.detail.trust = Some(Trust::Signature);
        event.detail.previous_trust = Some(Trust::Token);
        event.detail.confirmed_at = Some("2026-11-22T02:27:07.5Z".parse().unwrap());
        event.detail.occurred_at = Some("2026-11-22T02:27:05.123Z".parse().unwrap());
        let expected = json!({
            "detail-type": "document.completed",
            "time": "2026-11-22T02:27:06Z",
            "detail": {
                "version": "1",
                "id": "0000000000000000000000000000000000000000000000000000000000000000",
                "provider": "quicklysign",
                "subject": {"kind": "document_pack", "id": "P-1"},
                "status": "completed",
                "trust": "signature",
                "previous_trust": "token",
                "confirmed_at": "2026-11-22T02:27:07.5Z",
                "occurred_at": "2026-11-22T02:27:05.123Z",
                "recorded_at": "2026-11-22T02:27:06Z",
                "reason": null,
                "pdfs": [],
            },
        });
        assert_eq!(written(&event), expected);
    }

    #[test]
    fn an_archived_document_names_its_pdfs() {
        let mut event = event(DetailType::DocumentArchived, document());
        event.detail.pdfs.push(PublishedPdf {
            document: "D-1".to_owned(),
            role: Role::AuditLog,
            bucket: "archive".to_owned(),
            key: "quicklysign/P-1/D-1/ab.pdf".to_owned(),
            sha256: "ab".to_owned(),
            size: 1234,
            signatures: Some(PdfVerdict::Intact),
            file_name: None,
        });
        let expected = json!([{
            "document": "D-1",
            "role": "audit_log",
            "bucket": "archive",
            "key": "quicklysign/P-1/D-1/ab.pdf",
            "sha256": "ab",
            "size": 1234,
            "signatures": "intact",
        }]);
        assert_eq!(written(&event)["detail"]["pdfs"], expected);
    }

    #[test]
    fn a_delivery_that_was_set_aside_says_why() {
        let subject =
            EventSubject { kind: EventSubjectKind::Delivery, id: "019abcde-0000-7000-8000-000000000000".to_owned() };
        let mut event = event(DetailType::DeliverySetAside, subject);
        event.detail.reason = Some("unreadable".to_owned());
        let detail = &written(&event)["detail"];
        assert_eq!(detail["subject"], json!({"kind": "delivery", "id": "019abcde-0000-7000-8000-000000000000"}));
        assert_eq!((&detail["reason"], &detail["status"]), (&json!("unreadable"), &Value::Null));
    }

    #[test]
    fn every_event_has_every_field() {
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let shape = fields(&written(&event(DetailType::DocumentSent, document()))["detail"]);
        assert_eq!(shape.len(), 12, "{shape:?}");
        for detail_type in DetailType::ALL {
            assert_eq!(fields(&written(&event(detail_type, document()))["detail"]), shape, "{detail_type}");
        }
    }

    #[test]
    fn the_names_of_types_read_back() {
        for detail_type in DetailType::ALL {
            assert_eq!(detail_type.as_str().parse(), Ok(detail_type));
            assert_eq!(serde_json::to_value(detail_type).unwrap(), json!(detail_type.as_str()));
        }
        assert_eq!("document.unknown".parse::<DetailType>(), Err(UnknownDetailType));
    }
}
