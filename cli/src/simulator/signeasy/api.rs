//! SignEasy's API, V3: signature requests (envelopes), their signed files, and self-signed documents.
//!
//! Confirmed by docs.signeasy.com or recorded exchanges: `/v3` in the base URL; bearer tokens; the 401's body; the
//! statuses of requests and recipients; the fields of both, which are those of the webhook; that a request and its
//! signed file can have different ids; that a PDF can have the content type `application/zip` (scripted with
//! [`Download::ContentType`](crate::simulator::Download::ContentType)). Third party, several independent programs: the routes and the query of downloads;
//! `GET /rs/envelope/{id}` with its `status` and `recipients`; 404 for a file that isn't ready. Inferred: that the
//! split download is a zip, the body of errors other than 401, `expired`, and 429.
//!
//! An id stands for both kinds: under `/me/` it is a self-signed document, elsewhere a request. A request's signed file
//! has the request's own id, as in the newest samples, unless scripted otherwise ([`Script::signed_as`](crate::simulator::Script::signed_as)).

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::SERVICE;
use crate::simulator::Simulator;
use crate::simulator::behaviour::{Answer, Part, Status, Subject};
use crate::simulator::call::{Call, RETRY_AFTER};
use crate::simulator::download::respond;
use crate::simulator::facts::{Facts, Party};
use crate::simulator::paper::Paper;
use crate::simulator::pdf::{Kind, Seal, Sheet};

/// How its signed files are signed is not documented.
const SEAL: Seal = Seal::Approval;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/signeasy/v3/rs/envelope/{id}", get(envelope))
        .route("/signeasy/v3/rs/envelope/signed/{id}", get(signed))
        .route("/signeasy/v3/rs/envelope/signed/pending/{id}", get(pending))
        .route("/signeasy/v3/rs/envelope/signed/{id}/certificate", get(certificate))
        .route("/signeasy/v3/rs/envelope/signed/{id}/{source}/download", get(download_source))
        .route("/signeasy/v3/signed/{id}/download", get(download))
        .route("/signeasy/v3/me/signed/{id}/download", get(download_own))
        .route("/signeasy/v3/me/signed/{id}/certificate", get(certificate))
        .route("/signeasy/v3/me/signed/{id}/certificate/", get(certificate))
}

impl Simulator {
    /// The SHA-256 of the self-signed document with this id, in lower-case hex: the `checksum` of its `document.signed`
    /// callback.
    #[must_use]
    pub fn signed_checksum(&self, id: &str) -> String {
        let file = Signed::new(id, self.peek(SERVICE, id), self.state().own_id(SERVICE, id));
        file.own_paper().sha256()
    }
}

/// A request and its signed file.
struct Signed {
    /// The id in the URL.
    id: String,
    /// The request's own id. Equal to `id` unless scripted.
    request: String,
    facts: Facts,
    subject: Subject,
}

impl Signed {
    fn new(id: &str, subject: Subject, request: String) -> Self {
        Self { id: id.to_owned(), facts: Facts::new(SERVICE, &request), request, subject }
    }

    /// The request; or the error, if the credentials are wrong or the script says so.
    fn find(call: &Call, id: &str) -> Result<Self, Rejection> {
        let expected = format!("Bearer {}", call.simulator.credentials().field(SERVICE, "access_token"));
        if call.header(header::AUTHORIZATION) != Some(expected.as_str()) {
            return Err(Rejection(Answer::Unauthorised));
        }
        let subject = call.simulator.subject(SERVICE, id);
        match subject.answer {
            Some(answer) => Err(Rejection(answer)),
            None => Ok(Self::new(id, subject, call.simulator.state().own_id(SERVICE, id))),
        }
    }

    /// The same by the id of its signed file, which must exist.
    fn find_signed(call: &Call, id: &str) -> Result<Self, Rejection> {
        let file = Self::find(call, id)?;
        if file.subject.finished() && file.signed_id() == id { Ok(file) } else { Err(Rejection(Answer::Unknown)) }
    }

    /// The same by the request's own id.
    fn find_request(call: &Call, id: &str) -> Result<Self, Rejection> {
        let file = Self::find(call, id)?;
        if file.request == id { Ok(file) } else { Err(Rejection(Answer::Unknown)) }
    }

    fn signed_id(&self) -> &str {
        self.subject.signed_as.as_deref().unwrap_or(&self.request)
    }

    fn sources(&self) -> usize {
        self.subject.documents(&self.facts)
    }

    fn source_id(&self, position: usize) -> u64 {
        self.facts.number(&format!("source {position}"))
    }

    fn source_name(&self, position: usize) -> String {
        match (&self.subject.name, position) {
            (Some(name), 0) => name.clone(),
            _ => self.facts.document_name(position).to_owned(),
        }
    }

    fn sheet(&self, kind: Kind, position: usize) -> Sheet {
        Sheet {
            kind,
            service: SERVICE,
            id: self.id.clone(),
            title: self.source_name(position),
            parties: self.facts.parties(),
            completed: self.subject.updated(&self.facts, position),
            version: self.subject.version_of(position),
        }
    }

    /// The self-signed document. Rendered once per version, because its callback has a checksum.
    fn own_paper(&self) -> Paper {
        let mut sheet = self.sheet(Kind::Contract, 0);
        sheet.parties.truncate(1);
        Paper { size: self.subject.size, seal: SEAL, stable: true, ..Paper::new(vec![sheet]) }
    }

    fn to_json(&self, id: &str) -> Value {
        let modified = self.subject.last_updated(&self.facts).as_second();
        let source = |position| json!({ "id": self.source_id(position), "name": self.source_name(position), "type": "original" });
        let parties = self.facts.parties().into_iter().enumerate();
        json!({
            "id": number(id),
            "name": self.subject.name(&self.facts),
            "status": status_word(self.subject.status),
            "is_ordered": 1,
            "sources": (0..self.sources()).map(source).collect::<Vec<_>>(),
            "recipients": parties.map(|(order, party)| self.recipient(order, &party, modified)).collect::<Vec<_>>(),
            "created_time": modified - 86_400,
            "last_modified_time": modified,
        })
    }

    fn recipient(&self, order: usize, party: &Party, modified: i64) -> Value {
        json!({
            "recipient_id": self.facts.number(&format!("recipient {order}")),
            "email": party.email,
            "first_name": party.first,
            "last_name": party.last,
            "order_id": order + 1,
            "status": recipient_word(self.subject.status, order),
            "created_time": modified - 86_400,
            "last_modified_time": modified,
        })
    }
}

/// `GET /v3/rs/envelope/{id}`: how far a request has come. Third party; the fields beyond `status` and `recipients` are
/// those of the callbacks, inferred.
async fn envelope(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let request = Signed::find_request(&call, &id)?;
    Ok(Json(request.to_json(&id)).into_response())
}

/// `GET /v3/rs/envelope/signed/{signed_id}`. Third party (V2.1).
async fn signed(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let file = Signed::find_signed(&call, &id)?;
    Ok(Json(file.to_json(&id)).into_response())
}

/// `GET /v3/rs/envelope/signed/pending/{id}`: which signed file a request became. Third party: `id`.
async fn pending(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let request = Signed::find_request(&call, &id)?;
    if !request.subject.finished() {
        return Err(Rejection(Answer::Unknown));
    }
    Ok(Json(request.to_json(request.signed_id())).into_response())
}

/// `GET /v3/signed/{signed_id}/download?type=merged|split&include_certificate=true|false`. Third party; that the default is
/// `merged` without a certificate is inferred. Every download renders it anew.
async fn download(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let file = Signed::find_signed(&call, &id)?;
    let split = match call.query("type") {
        None | Some("merged") => false,
        Some("split") => true,
        Some(_) => return Err(Rejection(Answer::Status(400))),
    };
    let mut sheets: Vec<Sheet> = (0..file.sources()).map(|position| file.sheet(Kind::Contract, position)).collect();
    if call.query("include_certificate") == Some("true") {
        sheets.push(file.sheet(Kind::Certificate, 0));
    }
    let download = call.simulator.download(SERVICE, &id, Part::Document(0));
    let paper = Paper { size: file.subject.size, seal: SEAL, split, ..Paper::new(sheets) };
    Ok(respond(&call.simulator, download, paper))
}

/// `GET /v3/rs/envelope/signed/{signed_id}/{source_id}/download`: one document of a request. Third party.
async fn download_source(call: Call, Path((id, source)): Path<(String, String)>) -> Result<Response, Rejection> {
    let file = Signed::find_signed(&call, &id)?;
    let mut positions = 0..file.sources();
    let position = positions.find(|position| file.source_id(*position).to_string() == source);
    let position = position.ok_or(Rejection(Answer::Unknown))?;
    let download = call.simulator.download(SERVICE, &id, Part::Document(position));
    let paper = Paper { size: file.subject.size, seal: SEAL, ..Paper::new(vec![file.sheet(Kind::Contract, position)]) };
    Ok(respond(&call.simulator, download, paper))
}

/// `GET /v3/me/signed/{id}/download`: a document that a user signed alone. Third party. That its SHA-256 is the callback's
/// `checksum` is inferred.
async fn download_own(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let file = Signed::find_signed(&call, &id)?;
    let download = call.simulator.download(SERVICE, &id, Part::Document(0));
    Ok(respond(&call.simulator, download, file.own_paper()))
}

/// `GET /v3/rs/envelope/signed/{signed_id}/certificate` and `/v3/me/signed/{id}/certificate`. Third party. Every
/// download renders it anew.
async fn certificate(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let file = Signed::find_signed(&call, &id)?;
    let download = call.simulator.download(SERVICE, &id, Part::Record);
    let paper = Paper::new(vec![file.sheet(Kind::Certificate, 0)]);
    Ok(respond(&call.simulator, download, paper))
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Setup | Status::Awaiting | Status::Filled | Status::Failed => "incomplete",
        Status::Complete => "complete",
        Status::Declined => "recipient_declined",
        Status::Voided => "canceled",
        // The documentation has no word for this status.
        Status::Expired => "expired",
    }
}

/// A recipient's status. While a request is awaiting signatures, the first recipient has signed and the second has
/// viewed it.
fn recipient_word(status: Status, order: usize) -> &'static str {
    match (status, order) {
        (Status::Complete, _) | (Status::Awaiting | Status::Filled | Status::Declined, 0) => "finalized",
        (Status::Awaiting | Status::Filled, _) => "viewed",
        (Status::Declined, _) => "declined",
        (Status::Setup | Status::Failed | Status::Voided | Status::Expired, _) => "not_viewed",
    }
}

/// An id as JSON. SignEasy's ids are numbers; other ids become strings.
fn number(id: &str) -> Value {
    match id.parse::<u64>() {
        Ok(number) if number.to_string() == id => number.into(),
        _ => id.into(),
    }
}

/// A response in place of the documented one.
struct Rejection(Answer);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self.0 {
            Answer::Unknown => error(404, None),
            Answer::Unauthorised => error(401, None),
            Answer::RateLimited { retry_after } => error(429, Some(retry_after)),
            Answer::Status(status @ (429 | 503)) => error(status, Some(RETRY_AFTER)),
            Answer::Status(status) | Answer::Envelope(status) => error(status, None),
            Answer::Json(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        }
    }
}

/// An error with SignEasy's two fields. Those of 401 are as recorded.
fn error(status: u16, retry_after: Option<u32>) -> Response {
    let http = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match status {
        400 => "invalid_request",
        401 => "unauthorized_resource",
        404 => "resource_not_found",
        429 => "too_many_requests",
        _ => "server_error",
    };
    let message = http.canonical_reason().unwrap_or("Scripted");
    let mut response = (http, Json(json!({ "message": message, "error_code": code }))).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
