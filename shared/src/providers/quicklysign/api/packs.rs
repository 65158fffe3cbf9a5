//! A document pack in the API's responses.
//!
//! The place of a document in `data` is not documented, only that it has a `serve_pdf_url`, so all of `data` is searched
//! for it. A document's status is one of `setup`, `awaiting_signatures`, `complete` and `conversion_error` ("constants");
//! any other word is not `complete`.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    domain::{FileName, FinalDocument, Inspection, Kind, Role, SubjectId, TimeSource, Unavailable},
    outbound::Credential,
};

const COMPLETE: &str = "complete";
const CONVERSION_ERROR: &str = "conversion_error";

/// A pack, as read from its pages so far.
pub(super) struct Pack<'a> {
    key: &'a SubjectId,
    /// The pack's own status, which counts if its documents have none.
    status: Option<String>,
    documents: Vec<Document>,
    seen: HashSet<SubjectId>,
}

/// A document of the pack.
#[derive(Debug, PartialEq)]
struct Document {
    key: Option<SubjectId>,
    name: Option<String>,
    status: Option<String>,
    url: Option<String>,
    version: String,
}

impl<'a> Pack<'a> {
    pub(super) fn new(key: &'a SubjectId) -> Self {
        Self { key, status: None, documents: Vec::new(), seen: HashSet::new() }
    }

    /// Adds the data of one page.
    pub(super) fn add(&mut self, data: &Value) {
        match data {
            Value::Object(object) => {
                if object.contains_key("serve_pdf_url") {
                    self.add_document(object);
                } else if text(object, "key") == Some(self.key.as_str()) {
                    self.status = text(object, "status").map(str::to_owned).or(self.status.take());
                }
                object.values().for_each(|value| self.add(value));
            }
            Value::Array(values) => values.iter().for_each(|value| self.add(value)),
            _ => {}
        }
    }

    fn add_document(&mut self, object: &Map<String, Value>) {
        let key = text(object, "key").and_then(|key| SubjectId::parse(key).ok());
        // A document may appear in several places.
        if key.as_ref().is_some_and(|key| !self.seen.insert(key.clone())) {
            return;
        }
        let version = match object.get("date_updated") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let url = text(object, "serve_pdf_url").filter(|url| !url.is_empty()).map(str::to_owned);
        let name = text(object, "document_name").or_else(|| text(object, "filename")).map(str::to_owned);
        let status = text(object, "status").map(str::to_owned);
        self.documents.push(Document { key, name, status, url, version });
    }

    /// The pack's status and final documents. `credential` is for documents on the API's own host.
    pub(super) fn inspection(self, credential: Option<&Credential>) -> Inspection {
        let statuses: Vec<&str> = self.documents.iter().filter_map(|document| document.status.as_deref()).collect();
        let statuses = if statuses.is_empty() { Vec::from_iter(self.status.as_deref()) } else { statuses };
        let not_complete = |reason: &str, ended| Unavailable::NotComplete { reason: reason.to_owned(), ended };
        let status = status(&statuses);
        let mut unavailable = None;
        if statuses.contains(&CONVERSION_ERROR) {
            unavailable = Some(not_complete(CONVERSION_ERROR, true));
        } else if statuses.iter().any(|status| *status != COMPLETE) {
            unavailable = Some(not_complete("not_complete", false));
        } else if self.documents.is_empty() || self.documents.iter().any(|document| document.url.is_none()) {
            let reason = "no_final_document".to_owned();
            unavailable = Some(match status {
                Some(_) => Unavailable::NotReady { reason, after: None },
                None => Unavailable::NotComplete { reason, ended: false },
            });
        }
        let incomplete = matches!(unavailable, Some(Unavailable::NotComplete { .. }));
        let changed = self.documents.iter().filter_map(|document| document.version.parse().ok()).max();
        let changed_at = changed.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let changed_at = changed_at.map(|at| (at, TimeSource::Provider));
        // The PDFs of an incomplete pack are drafts.
        let documents = if incomplete { Vec::new() } else { self.final_documents(credential) };
        Inspection { status, documents, changed_at, unavailable, ..Inspection::default() }
    }

    fn final_documents(self, credential: Option<&Credential>) -> Vec<FinalDocument> {
        let pack = self.key;
        let documents = self.documents.into_iter().enumerate().filter_map(|(position, document)| {
            // A document without a key of its own is named by its position in the pack.
            let id = document.key.map_or_else(|| format!("{pack}-{}", position + 1), |key| key.to_string());
            Some(FinalDocument {
                document: id,
                file_name: document.name.and_then(|name| FileName::new(&name, Role::Document)),
                role: Role::Document,
                version: document.version,
                url: document.url?,
                credential: credential.cloned(),
                sha256: None,
                deferral: None,
            })
        });
        documents.collect()
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// A pack's status: complete if all its documents are.
fn status(statuses: &[&str]) -> Option<Kind> {
    let any = |word| statuses.contains(&word);
    if !statuses.is_empty() && statuses.iter().all(|status| *status == COMPLETE) {
        Some(Kind::Completed)
    } else if any("awaiting_signatures") {
        Some(Kind::Sent)
    } else if any("setup") {
        Some(Kind::Draft)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
