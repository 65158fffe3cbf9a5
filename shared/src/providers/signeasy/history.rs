//! What callbacks reported about a completed document, which its inspection needs.

use std::fmt;

use super::{
    aliases::Correlated,
    payload::{self, Payload},
};
use crate::domain::{CorrelationKey, DeliveryId, History, Kind, Known, LedgerError, Side, Subject, SubjectId};

/// The event of a document that a user signed alone.
const SIGNED_ALONE: &str = "document.signed";

/// What was completed.
#[derive(PartialEq, Eq)]
pub(super) enum Completed {
    /// A request that became a signed file.
    Request {
        /// The file's id, if a callback reported it.
        file: Option<SubjectId>,
    },
    /// A document that a user signed alone.
    SignedAlone {
        /// The SHA-256 that it must have, in hex.
        checksum: Option<String>,
        /// The marker of its version.
        version: String,
        /// What the user called it.
        name: Option<String>,
    },
}

impl fmt::Debug for Completed {
    /// Without the document's name, which a person gave.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { file } => f.debug_struct("Request").field("file", file).finish(),
            Self::SignedAlone { checksum, version, name: _ } => f
                .debug_struct("SignedAlone")
                .field("checksum", checksum)
                .field("version", version)
                .finish_non_exhaustive(),
        }
    }
}

/// What callbacks reported about a document's completion. It is a claim: where the API differs, the API is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) completed: Completed,
    /// The request that the document was joined to, if the document's id is that of a signed file.
    pub(super) request: Option<SubjectId>,
    /// Values that the document shares with its request, if the id may be that of a signed file whose request isn't known.
    pub(super) keys: Vec<CorrelationKey>,
}

impl Completion {
    /// Reads it from the stored events and the delivery of the completion.
    ///
    /// # Errors
    /// If the storage can't be queried.
    pub(super) async fn read(known: &dyn Known, subject: &Subject) -> Result<Self, LedgerError> {
        let Some(history) = known.history(subject).await? else { return Ok(Self::unknown()) };
        let body = match completing_delivery(&history, subject) {
            // The event's own payload may have been too large to be stored with it.
            Some(delivery) => known.body(delivery).await?,
            None => None,
        };
        let body = body.as_deref().map(String::from_utf8_lossy);
        Ok(Self::of(&history, body.as_deref().unwrap_or_default()))
    }

    const fn unknown() -> Self {
        Self { completed: Completed::Request { file: None }, request: None, keys: Vec::new() }
    }

    fn of(history: &History, body: &str) -> Self {
        let known = Self { request: history.request.clone(), ..Self::unknown() };
        let Ok(payload) = Payload::read(body) else { return known };
        let completed = if payload.event_type().is_ok_and(|name| name == SIGNED_ALONE) {
            let checksum = payload.checksum();
            let modified = payload.last_modified().map(|time| time.as_second().to_string());
            let version = checksum.clone().or(modified).unwrap_or_default();
            Completed::SignedAlone { checksum, version, name: payload::document_name(body) }
        } else {
            Completed::Request { file: payload.signed_file() }
        };
        let may_be_a_file = history.request.is_none() && history.is_only_completed();
        let correlated = Correlated::of(body).filter(|found| found.side == Side::File && may_be_a_file);
        Self { completed, keys: correlated.map(|found| found.keys).unwrap_or_default(), ..known }
    }
}

/// The delivery of the latest callback that reported the completion. `document.signed` carries no token, so it counts only
/// if no callback with a token reported a completion.
fn completing_delivery<'a>(history: &'a History, subject: &Subject) -> Option<&'a DeliveryId> {
    let latest = |signed_alone: bool| {
        let events =
            history.events.iter().rev().filter(|event| event.subject == subject.id && event.kind == Kind::Completed);
        events.filter(|event| (event.name == SIGNED_ALONE) == signed_alone).find_map(|event| event.delivery.as_ref())
    };
    latest(false).or_else(|| latest(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{PastEvent, Provider, SubjectKind};

    fn id(text: &str) -> SubjectId {
        SubjectId::parse(text).unwrap()
    }

    fn event(name: &str, kind: Kind, delivery: u128) -> PastEvent {
        let delivery = uuid::Uuid::from_u128(delivery).to_string().parse().ok();
        PastEvent { subject: id("7"), kind, name: name.to_owned(), delivery }
    }

    fn completed(signed_file: &str) -> String {
        let data = json!({"id": 7, "signed_file_id": signed_file, "recipients": [{"recipient_id": 1}]});
        json!({"data": data, "metadata": {"event_type": "rs.completed"}}).to_string()
    }

    #[test]
    fn debug_output_of_a_completion_has_no_document_name() {
        let name = Some("Private.pdf".to_owned());
        let alone = Completed::SignedAlone { checksum: None, version: "7".to_owned(), name };
        assert_eq!(format!("{alone:?}"), r#"SignedAlone { checksum: None, version: "7", .. }"#);
    }

    #[test]
    fn the_latest_completion_with_a_token_counts_before_one_without() {
        let subject = Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id: id("7") };
        let [first, latest] = [1, 2].map(|delivery| event("rs.completed", Kind::Completed, delivery));
        let alone = event(SIGNED_ALONE, Kind::Completed, 3);
        let by_api = PastEvent { delivery: None, ..event("rs.completed", Kind::Completed, 0) };
        let of_file = PastEvent { subject: id("8"), ..event("rs.completed", Kind::Completed, 4) };
        let voided = event("rs.voided", Kind::Voided, 5);
        let others = [alone.clone(), by_api, of_file, voided];
        let events = [&[first, latest.clone()][..], &others].concat();
        let history = History { events, request: None };
        assert_eq!(completing_delivery(&history, &subject), latest.delivery.as_ref());
        let history = History { events: others.to_vec(), request: None };
        assert_eq!(completing_delivery(&history, &subject), alone.delivery.as_ref());
        assert_eq!(completing_delivery(&History::default(), &subject), None);
    }

    #[test]
    fn only_a_signed_file_without_a_request_has_correlation_keys() {
        let only_completed = History { events: vec![event("rs.completed", Kind::Completed, 1)], request: None };
        let completion = Completion::of(&only_completed, &completed("7"));
        assert_eq!(completion.completed, Completed::Request { file: Some(id("7")) });
        assert_eq!((completion.request, completion.keys.len()), (None, 1));
        let joined = History { request: Some(id("5")), ..only_completed.clone() };
        let with_other_events = History { events: vec![event("rs.viewed", Kind::Viewed, 1)], request: None };
        for (history, signed_file) in [(&joined, "7"), (&with_other_events, "7"), (&only_completed, "8")] {
            let completion = Completion::of(history, &completed(signed_file));
            assert_eq!((completion.request, completion.keys), (history.request.clone(), Vec::new()));
        }
    }

    #[test]
    fn a_document_signed_alone_has_its_checksum_or_time_as_version() {
        let body = |data| json!({"data": data, "metadata": {"event_type": SIGNED_ALONE}}).to_string();
        let checksum = "ea".repeat(32);
        let of = |data| Completion::of(&History::default(), &body(data)).completed;
        let name = Some("Contract.pdf".to_owned());
        let expected = Completed::SignedAlone { checksum: Some(checksum.clone()), version: checksum.clone(), name };
        assert_eq!(of(json!({"id": 7, "checksum": checksum, "name": "Contract.pdf"})), expected);
        let expected = Completed::SignedAlone { checksum: None, version: "1504619243".to_owned(), name: None };
        assert_eq!(of(json!({"id": 7, "last_modified_time": 1_504_619_243})), expected);
    }

    #[test]
    fn an_unreadable_body_is_a_request_without_a_file() {
        assert_eq!(Completion::of(&History::default(), ""), Completion::unknown());
    }
}
