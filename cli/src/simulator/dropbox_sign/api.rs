//! Dropbox Sign's API, version 3: signature requests and their files.
//!
//! Confirmed by the vendor's `openapi.yaml`: both routes, the query of the files and its default, HTTP Basic with the API
//! key as user name, the fields of a request and its signatures, the status codes `awaiting_signature`, `signed` and
//! `declined`, the bodies of errors, 409 while files are prepared, 410 for what was deleted, and the headers of rate limits.
//! Inferred: that a canceled request is deleted, that the merged PDF ends with the audit trail, and what is in the zip.

use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SERVICE;
use crate::simulator::Simulator;
use crate::simulator::behaviour::{Answer, Part, Status, Subject};
use crate::simulator::call::{Call, RETRY_AFTER};
use crate::simulator::download::respond;
use crate::simulator::facts::{Facts, Party};
use crate::simulator::paper::Paper;
use crate::simulator::pdf::{Kind, Seal, Sheet};

/// How its files are signed is not documented.
const SEAL: Seal = Seal::Approval;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/dropbox-sign/v3/signature_request/{id}", get(request))
        .route("/dropbox-sign/v3/signature_request/files/{id}", get(files))
}

/// The id of a signer's signature.
pub(super) fn signature_id(facts: &Facts, order: usize) -> String {
    facts.key(&format!("signature {order}"))
}

/// The request; or the response in its place, if the credentials are wrong or the script says so.
fn find(call: &Call, id: &str) -> Result<Subject, Rejection> {
    let key = call.simulator.credentials().field(SERVICE, "api_key");
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{key}:")));
    if call.header(header::AUTHORIZATION) != Some(expected.as_str()) {
        return Err(Rejection(Answer::Unauthorised));
    }
    let subject = call.simulator.subject(SERVICE, id);
    match subject.answer {
        Some(answer) => Err(Rejection(answer)),
        None if subject.status == Status::Voided => Err(Rejection(Answer::Status(410))),
        None => Ok(subject),
    }
}

/// `GET /v3/signature_request/{id}`.
async fn request(call: Call, Path(id): Path<String>) -> Result<Response, Rejection> {
    let subject = find(&call, &id)?;
    let facts = Facts::new(SERVICE, &id);
    let updated = subject.last_updated(&facts).as_second();
    let signature = |(order, party): (usize, Party)| {
        let (code, viewed) = signature_status(subject.status, order);
        json!({
            "signature_id": signature_id(&facts, order),
            "signer_email_address": party.email,
            "signer_name": party.name(),
            "order": order,
            "status_code": code,
            "signed_at": (code == "signed").then_some(updated),
            "last_viewed_at": viewed.then(|| updated - 60),
        })
    };
    let signatures: Vec<Value> = facts.parties().into_iter().enumerate().map(signature).collect();
    let body = json!({"signature_request": {
        "signature_request_id": id,
        "title": subject.name(&facts),
        "created_at": updated - 86_400,
        "expires_at": null,
        "is_complete": subject.status == Status::Complete,
        "is_declined": subject.status == Status::Declined,
        "has_error": subject.status == Status::Failed,
        "signatures": signatures,
    }});
    Ok(Json(body).into_response())
}

/// The status of a signature, and whether its signer has viewed the request. While a request is awaiting signatures, the
/// first signer has signed and the second has viewed it.
fn signature_status(status: Status, order: usize) -> (&'static str, bool) {
    match (status, order) {
        (Status::Complete, _) | (Status::Awaiting | Status::Filled | Status::Declined, 0) => ("signed", true),
        (Status::Declined, _) => ("declined", true),
        (Status::Awaiting | Status::Filled, _) => ("awaiting_signature", true),
        (Status::Setup | Status::Failed | Status::Voided | Status::Expired, _) => ("awaiting_signature", false),
    }
}

#[derive(Deserialize)]
struct FilesQuery {
    #[serde(default)]
    file_type: FileType,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum FileType {
    #[default]
    Pdf,
    Zip,
}

/// `GET /v3/signature_request/files/{id}?file_type=pdf|zip`. Every download renders it anew.
async fn files(call: Call, Path(id): Path<String>, Query(query): Query<FilesQuery>) -> Result<Response, Rejection> {
    let subject = find(&call, &id)?;
    if !subject.ready {
        return Err(Rejection(Answer::Status(409)));
    }
    let facts = Facts::new(SERVICE, &id);
    let sheet = |kind, position| Sheet {
        kind,
        service: SERVICE,
        id: id.clone(),
        title: match (&subject.name, position) {
            (Some(name), 0) => name.clone(),
            _ => facts.document_name(position).to_owned(),
        },
        parties: facts.parties(),
        completed: subject.updated(&facts, position),
        version: subject.version_of(position),
    };
    let kind = if subject.finished() { Kind::Contract } else { Kind::Draft };
    let mut sheets: Vec<Sheet> = (0..subject.documents(&facts)).map(|position| sheet(kind, position)).collect();
    let split = query.file_type == FileType::Zip;
    if !split {
        sheets.push(sheet(Kind::AuditLog, 0));
    }
    let download = call.simulator.download(SERVICE, &id, Part::Document(0));
    let paper = Paper { size: subject.size, seal: SEAL, split, ..Paper::new(sheets) };
    Ok(respond(&call.simulator, download, paper))
}

/// A response in place of the documented one.
struct Rejection(Answer);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self.0 {
            Answer::Unknown => error(404, None),
            Answer::Unauthorised => error(401, None),
            Answer::RateLimited { retry_after } => error(429, Some(retry_after)),
            Answer::Status(429) => error(429, Some(RETRY_AFTER)),
            Answer::Status(status) | Answer::Envelope(status) => error(status, None),
            Answer::Json(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        }
    }
}

/// An error. A rate limit ends after this number of seconds; `X-Ratelimit-Reset` is the Unix time of its end.
fn error(status: u16, limit_ends: Option<u32>) -> Response {
    let http = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (name, message) = match status {
        400 => ("bad_request", "Bad request."),
        401 => ("unauthorized", "Unauthorized API key."),
        404 => ("not_found", "Not found."),
        409 => ("conflict", "Files are still being processed. Please try again later."),
        410 => ("deleted", "This resource has been deleted."),
        429 => ("exceeded_rate", "Too many requests."),
        _ => ("unknown", "Unknown error."),
    };
    let body = json!({"error": {"error_name": name, "error_msg": message}});
    let mut response = (http, Json(body)).into_response();
    if let Some(seconds) = limit_ends {
        let reset = Timestamp::now().as_second() + i64::from(seconds);
        response.headers_mut().insert("x-ratelimit-reset", reset.into());
    }
    response
}
