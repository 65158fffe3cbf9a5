//! A document in the API's responses. Only needed fields are read, each by itself, so that a changed type of one field
//! doesn't keep a final PDF out of the archive.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{resource, status};
use crate::domain::{Inspection, Kind, Link, Subject, SubjectId, SubjectKind, Unavailable};

/// The index of the status in a signer's array: `[uri, first, last, email, sms, has_fields, status, order]`.
const STATUS_IN_ARRAY: usize = 6;

/// Maximum number of signers that are read. No document has as many.
const MAX_SIGNERS: usize = 500;

/// A document as the API describes it.
pub(super) struct Document {
    /// What the sender called it.
    pub(super) name: Option<String>,
    /// Its status code.
    status: Option<String>,
    /// Whether the final PDF is ready.
    download_final: bool,
    /// The final PDF's SHA-256, which also marks its version.
    pub(super) hash_value: Option<String>,
    /// Its group's slug.
    group: Option<String>,
    /// The signers' ids and status codes.
    signers: BTreeMap<SubjectId, Option<String>>,
}

impl Document {
    /// Reads a document's object.
    pub(super) fn read(object: &Value) -> Self {
        let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            name: text("name"),
            status: code(&object["status"]),
            download_final: matches!(&object["download_final"], Value::Bool(true)),
            hash_value: text("hash_value"),
            group: object["group"].as_str().and_then(resource::group).map(str::to_owned),
            signers: signers(object),
        }
    }

    /// The SHA-256 that the final PDF must have. Any other `hash_value` only marks a version.
    pub(super) fn sha256(&self) -> Option<String> {
        let is_sha256 = |text: &&String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.hash_value.as_ref().filter(is_sha256).cloned()
    }

    /// What the API reports, without the final documents.
    pub(super) fn inspection(&self, subject: &Subject) -> Inspection {
        let known =
            |kind: SubjectKind, code: &String| Some(status::kind(kind, code)).filter(|kind| kind.rank().is_some());
        let signer = |(id, code): (&SubjectId, &Option<String>)| {
            let signer = resource::of(SubjectKind::Signer, id.clone());
            let code = code.as_ref().and_then(|code| known(SubjectKind::Signer, code));
            (Link { signer, document: subject.clone() }, code)
        };
        let status = self.status.as_ref().and_then(|code| known(SubjectKind::Document, code));
        Inspection {
            status,
            group: self.group.clone(),
            signers: self.signers.iter().map(signer).collect(),
            unavailable: self.unavailable(status),
            ..Inspection::default()
        }
    }

    fn unavailable(&self, status: Option<Kind>) -> Option<Unavailable> {
        let not_complete = |reason: &str, ended| Unavailable::NotComplete { reason: reason.to_owned(), ended };
        match status {
            _ if self.download_final => None,
            // Signed; the PDF is being made.
            Some(Kind::Completed) => {
                Some(Unavailable::NotReady { reason: "no_final_document".to_owned(), after: None })
            }
            Some(Kind::Removed) => Some(not_complete("document_removed", true)),
            Some(Kind::Declined) => Some(not_complete("document_declined", true)),
            _ => Some(not_complete("not_complete", false)),
        }
    }
}

/// A status code: a number in the specification, a text in callbacks.
fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The signers' status codes by id, from the nested arrays and from the objects. An object's status takes precedence.
fn signers(object: &Value) -> BTreeMap<SubjectId, Option<String>> {
    let mut signers = BTreeMap::new();
    let by_uri = |value: &Value| {
        let signer = resource::subject(value.as_str()?)?;
        (signer.kind == SubjectKind::Signer).then_some(signer.id)
    };
    for signer in object["signers"].as_array().into_iter().flatten().take(MAX_SIGNERS) {
        if let Some(id) = by_uri(&signer[0]) {
            signers.insert(id, code(&signer[STATUS_IN_ARRAY]));
        }
    }
    for signer in object["signer_objects"].as_array().into_iter().flatten().take(MAX_SIGNERS) {
        let by_uuid = || SubjectId::parse(signer["uuid"].as_str()?).ok();
        if let Some(id) = by_uri(&signer["resource_uri"]).or_else(by_uuid) {
            let known = signers.entry(id).or_default();
            *known = code(&signer["status"]).or(known.take());
        }
    }
    signers
}
