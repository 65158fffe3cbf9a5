//! Legalesign's API, V1: documents, their status, their PDFs, and the reasons of signers who declined. Subscriptions
//! are in [`super::subscriptions`].
//!
//! Confirmed by Legalesign's OpenAPI specification and API pages: `Authorization: ApiKey username:secret`; that paths
//! end in `/`; the status codes of documents and signers; `download_final` and `hash_value`; the responses of `/pdf/`
//! (200, 201 while being de-archived, 302 to a short-lived location that must not get the credentials); the fields of
//! `/status/`; the nested arrays of `signers`; paging by `limit` (default 20), `offset` and `meta`; that `group` is
//! required. Inferred: the fields of `signer_objects` (those of the realtime webhook), `Retry-After`, 404 for unknown
//! ids, the body of errors, the format of `meta.next`, the order of lists, and that an expired document counts as
//! removed.
//!
//! [`super::list`] has the list of documents, which reconciliation queries.

use axum::Json;
use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{SERVICE, State};
use crate::simulator::Simulator;
use crate::simulator::behaviour::{Answer, Download, Part, Promise, Status, Subject};
use crate::simulator::call::{Call, plain};
use crate::simulator::download::{redirect, respond};
use crate::simulator::facts::{Facts, Party};
use crate::simulator::paper::Paper;
use crate::simulator::pdf::{Kind, Seal, Sheet};
use crate::simulator::state::well_formed;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/legalesign/api/v1/document/", get(super::list::documents))
        .route("/legalesign/api/v1/document/{id}/", get(document))
        .route("/legalesign/api/v1/document/{id}/auditlog/", get(audit_log))
        .route("/legalesign/api/v1/status/{id}/", get(status))
        .route("/legalesign/api/v1/pdf/{id}/", get(pdf))
        .route("/legalesign/api/v1/signer/{id}/rejection/", get(rejection))
}

/// A document with all data for responses about it.
pub(super) struct Document {
    id: String,
    pub group: String,
    facts: Facts,
    pub subject: Subject,
}

impl Document {
    pub fn new(simulator: &Simulator, id: &str, subject: Subject) -> Self {
        let group = subject.group.clone().unwrap_or_else(|| simulator.state().own::<State>().group.clone());
        Self { id: id.to_owned(), group, facts: Facts::new(SERVICE, id), subject }
    }

    /// The document; or the error, if the credentials are wrong or the script says so.
    fn find(call: &Call, id: &str) -> Result<Self, Rejection> {
        if !authorised(call) {
            return Err(Rejection(Answer::Unauthorised));
        }
        let subject = call.simulator.subject(SERVICE, id);
        match subject.answer {
            Some(answer) => Err(Rejection(answer)),
            None => Ok(Self::new(&call.simulator, id, subject)),
        }
    }

    pub fn modified(&self) -> Timestamp {
        self.subject.last_updated(&self.facts)
    }

    pub fn created(&self) -> Timestamp {
        self.modified().checked_sub(SignedDuration::from_hours(24)).unwrap_or_else(|_| self.modified())
    }

    fn sheet(&self, kind: Kind) -> Sheet {
        Sheet {
            kind,
            service: SERVICE,
            id: self.id.clone(),
            title: self.subject.name(&self.facts),
            parties: self.facts.parties(),
            completed: self.modified(),
            version: self.subject.version_of(0),
        }
    }

    /// The final PDF, which Legalesign certifies, or a draft until the document is finished. Rendered once per version, so that its hash is stable.
    fn paper(&self) -> Paper {
        let (kind, seal) =
            if self.subject.finished() { (Kind::Contract, Seal::Certification) } else { (Kind::Draft, Seal::None) };
        Paper { size: self.subject.size, seal, stable: true, ..Paper::new(vec![self.sheet(kind)]) }
    }

    fn hash_value(&self) -> Option<String> {
        let paper = match self.subject.promise {
            Promise::Right => self.paper(),
            Promise::Wrong => Paper { stable: true, ..Paper::new(vec![self.sheet(Kind::Draft)]) },
            Promise::Missing => return None,
        };
        self.subject.finished().then(|| paper.sha256())
    }

    /// The body of `/status/`: a subset of [`Self::to_json`].
    fn to_status(&self) -> Value {
        json!({
            "resource_uri": format!("/api/v1/status/{}/", self.id),
            "status": code(self.subject.status),
            "archived": self.subject.download == Download::Dearchiving,
            "download_final": self.subject.finished(),
            "tag": "", "tag1": "", "tag2": "",
        })
    }

    pub fn to_json(&self) -> Value {
        let signers = self.facts.parties().into_iter().enumerate().map(|(order, party)| self.signer(order, &party));
        let (arrays, objects): (Vec<Value>, Vec<Value>) = signers.unzip();
        let mut document = self.to_status();
        let more = json!({
            "uuid": self.id,
            "resource_uri": format!("/api/v1/document/{}/", self.id),
            "name": self.subject.name(&self.facts),
            "group": format!("/api/v1/group/{}/", self.group),
            "created": local(self.created()),
            "modified": local(self.modified()),
            "sign_time": self.subject.finished().then(|| local(self.modified())),
            "hash_value": self.hash_value(),
            "signers": arrays,
            "signer_objects": objects,
        });
        if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
            document.extend(more);
        }
        document
    }

    /// A signer in both forms: the array in `signers`, and the object in `signer_objects`.
    fn signer(&self, order: usize, party: &Party) -> (Value, Value) {
        let id = signer_id(&self.facts, order);
        let (uri, status) = (format!("/api/v1/signer/{id}/"), signer_code(self.subject.status, order));
        let Party { first, last, email } = party;
        let array = json!([uri, first, last, email, "", true, status, order]);
        let object = json!({
            "uuid": id,
            "resource_uri": uri,
            "firstname": first,
            "lastname": last,
            "email": email,
            "order": order,
            "status": status,
        });
        (array, object)
    }
}

/// `GET /document/{id}/`. Confirmed.
async fn document(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let document = Document::find(&call, &id)?;
    Ok(Json(document.to_json()).into_response())
}

/// `GET /status/{id}/`, the quicker one. Confirmed.
async fn status(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let document = Document::find(&call, &id)?;
    Ok(Json(document.to_status()).into_response())
}

/// `GET /pdf/{id}/`. Confirmed: the final PDF, or the draft if there is none, by 302, 200 or 201. That the short-lived
/// location rejects an `Authorization` header is inferred from "do not use Legalesign authentication".
async fn pdf(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let document = Document::find(&call, &id)?;
    let simulator = &call.simulator;
    let download = simulator.download(SERVICE, &id, Part::Document(0));
    let direct = matches!(download, Download::Redirect(_) | Download::Status(_) | Download::Dearchiving);
    if direct || document.subject.inline {
        return Ok(respond(simulator, download, document.paper()));
    }
    let path = simulator.state().new_location(download, document.paper());
    Ok(redirect(&format!("{}{path}", call.base)))
}

/// `GET /document/{id}/auditlog/`. Confirmed: a PDF. Every download renders it anew.
async fn audit_log(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let document = Document::find(&call, &id)?;
    let download = call.simulator.download(SERVICE, &id, Part::Record);
    let paper = Paper::new(vec![document.sheet(Kind::AuditLog)]);
    Ok(respond(&call.simulator, download, paper))
}

/// `GET /signer/{id}/rejection/`. Confirmed: `{status, reason}`.
async fn rejection(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    if !authorised(&call) {
        return Err(Rejection(Answer::Unauthorised));
    }
    if !well_formed(&id) {
        return Err(Rejection(Answer::Unknown));
    }
    let reason = call.simulator.state().own::<State>().rejections.get(&id).cloned();
    let reason = reason.unwrap_or_else(|| "Clause 2 is not what we agreed on.".to_owned());
    Ok(Json(json!({ "status": 60, "reason": reason })).into_response())
}

/// The id of the signer at this position, from 0.
pub(super) fn signer_id(facts: &Facts, order: usize) -> String {
    facts.key(&format!("signer {order}"))
}

/// A document's status code. 10 stands for every unfinished state but [`Status::Filled`].
pub(super) fn code(status: Status) -> u64 {
    match status {
        Status::Setup | Status::Awaiting | Status::Failed => 10,
        Status::Filled => 20,
        Status::Complete => 30,
        Status::Voided | Status::Expired => 40,
        Status::Declined => 50,
    }
}

/// A signer's status code. While a document is awaiting signatures, the first signer has signed and the second has
/// viewed it.
fn signer_code(status: Status, order: usize) -> u64 {
    match (status, order) {
        (Status::Setup, _) => 4,
        (Status::Complete, _) | (Status::Awaiting | Status::Filled | Status::Declined, 0) => 40,
        (Status::Awaiting, _) => 20,
        (Status::Filled, _) => 35,
        (Status::Declined, _) => 60,
        (Status::Voided | Status::Expired | Status::Failed, _) => 10,
    }
}

/// A time in Legalesign's format, which has no time zone. The simulator uses UTC.
pub(super) fn local(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

pub(super) fn authorised(call: &Call) -> bool {
    let own = |field| call.simulator.credentials().field(SERVICE, field);
    let expected = format!("ApiKey {}:{}", own("username"), own("secret"));
    call.header(header::AUTHORIZATION) == Some(expected.as_str())
}

/// A response in place of the documented one.
struct Rejection(Answer);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self.0 {
            Answer::Unknown => plain(404),
            Answer::Unauthorised => plain(401),
            Answer::RateLimited { retry_after } => {
                let mut response = plain(429);
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, retry_after.into());
                response
            }
            Answer::Status(status) | Answer::Envelope(status) => plain(status),
            Answer::Json(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        }
    }
}
