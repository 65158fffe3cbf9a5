//! What `GET /document/{id}/` answers. Only what is needed is read, and of that each field by itself: a type that
//! drifted in one of them must not keep a final PDF out of the archive.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{resource, status};
use crate::{
    archive::{Inspection, Obstacle},
    event::Kind,
    intake::Link,
    subject::{Subject, SubjectId, SubjectKind},
};

/// The place of the status in a signer's array: `[uri, first, last, email, sms, has_fields, status, order]`.
const STATUS_IN_ARRAY: usize = 6;

/// More than anybody lets sign one document.
const MAX_SIGNERS: usize = 500;

/// A document as the API describes it.
pub(super) struct Document {
    /// Its status code.
    status: Option<String>,
    /// Whether the final PDF is there.
    download_final: bool,
    /// The final PDF's SHA-256, which also tells one version from another.
    pub(super) hash_value: Option<String>,
    /// Its group's slug.
    group: Option<String>,
    /// The signers' ids and status codes.
    signers: BTreeMap<SubjectId, Option<String>>,
}

impl Document {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Obstacle> {
        let answer: Value = serde_json::from_slice(json).map_err(|_| Obstacle::failed("api_not_json"))?;
        if !answer.is_object() {
            return Err(Obstacle::failed("api_unexpected_answer"));
        }
        let text = |name: &str| answer[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            status: code(&answer["status"]),
            download_final: matches!(&answer["download_final"], Value::Bool(true)),
            hash_value: text("hash_value"),
            group: answer["group"].as_str().and_then(resource::group).map(str::to_owned),
            signers: signers(&answer),
        })
    }

    /// The SHA-256 that the final PDF must have. Something else in its place is a marker, and can't be compared.
    pub(super) fn sha256(&self) -> Option<String> {
        let is_sha256 = |text: &&String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.hash_value.as_ref().filter(is_sha256).cloned()
    }

    /// Everything but the documents.
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
            obstacle: self.obstacle(status),
            ..Inspection::default()
        }
    }

    fn obstacle(&self, status: Option<Kind>) -> Option<Obstacle> {
        let not_complete = |reason: &str, ended| Obstacle::NotComplete { reason: reason.to_owned(), ended };
        match status {
            _ if self.download_final => None,
            // It is signed, and the PDF is being made.
            Some(Kind::Completed) => Some(Obstacle::NotReady { reason: "no_final_document".to_owned(), after: None }),
            Some(Kind::Removed) => Some(not_complete("document_removed", true)),
            Some(Kind::Declined) => Some(not_complete("document_declined", true)),
            _ => Some(not_complete("not_complete", false)),
        }
    }
}

/// A status code: the specification has numbers, the callbacks have texts.
fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The signers by their id: those of the nested arrays, and those of the objects, which may say more.
fn signers(answer: &Value) -> BTreeMap<SubjectId, Option<String>> {
    let mut signers = BTreeMap::new();
    let by_uri = |value: &Value| {
        let signer = resource::subject(value.as_str()?)?;
        (signer.kind == SubjectKind::Signer).then_some(signer.id)
    };
    for signer in answer["signers"].as_array().into_iter().flatten().take(MAX_SIGNERS) {
        if let Some(id) = by_uri(&signer[0]) {
            signers.insert(id, code(&signer[STATUS_IN_ARRAY]));
        }
    }
    for signer in answer["signer_objects"].as_array().into_iter().flatten().take(MAX_SIGNERS) {
        let by_uuid = || SubjectId::parse(signer["uuid"].as_str()?).ok();
        if let Some(id) = by_uri(&signer["resource_uri"]).or_else(by_uuid) {
            let known = signers.entry(id).or_default();
            *known = code(&signer["status"]).or(known.take());
        }
    }
    signers
}
