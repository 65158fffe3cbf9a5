//! QuicklySign's API, V1: access tokens, document packs and their PDFs. Webhooks are in [`super::webhooks`].
//!
//! Confirmed by docs.quicklysign.com: the envelope, its error codes and `always_use_http_status_code_200`; the access
//! token's request, response and header; that a pack's documents have a `serve_pdf_url`; that `pagination.next` is a
//! URL; the status words `setup`, `awaiting_signatures`, `complete`, `conversion_error`; a document's `key`,
//! `document_name`, `status`, `signatories`, `date_created` and `date_updated` (milliseconds). Inferred: the position
//! of the documents in `data`, the host that serves the PDFs and that it needs no token, 404 for an unknown key, 429,
//! the query that requests a page, and the words for any status beyond those four.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ACCESS_TOKEN, SERVICE, State};
use crate::simulator::Simulator;
use crate::simulator::behaviour::{Answer, Part, Status, Subject};
use crate::simulator::call::{Call, RETRY_AFTER, plain};
use crate::simulator::download::respond;
use crate::simulator::facts::{Facts, Party};
use crate::simulator::paper::Paper;
use crate::simulator::pdf::{Kind, Sheet};
use crate::simulator::state::well_formed;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/quicklysign/v1/access_tokens", post(access_token))
        .route("/quicklysign/v1/document_packs/{key}", get(document_pack))
        .route("/quicklysign/serve_pdf/{key}/{position}", get(serve_pdf))
}

/// `POST /v1/access_tokens`. Confirmed: request, response, and that tokens expire. Their lifetime is unknown, so they
/// are valid until [`Simulator::expire_tokens`], or as long as [`Simulator::tokens_last`] allows.
async fn access_token(call: Call, body: Bytes) -> Response {
    match serde_json::from_slice::<TokenRequest>(&body) {
        Err(_) => error_response(&call, 400, "bad_request", "client_id, client_secret and api_key are required"),
        Ok(given) => {
            let own = |field| call.simulator.credentials().field(SERVICE, field);
            if given.client.accepted(&call.simulator) && given.api_key == own("api_key") {
                let token = call.simulator.state().own::<State>().new_access_token();
                envelope(json!({ "access_token": token }), None)
            } else {
                error_response(&call, 401, "unauthorised", "client_id, client_secret or api_key is wrong")
            }
        }
    }
}

/// `GET /v1/document_packs/{key}`. Confirmed, except where in `data` the documents are.
async fn document_pack(call: Call, Path(key): Path<String>) -> Response {
    if !has_token(&call) {
        return error_response(&call, 401, "invalid_access_token", "The access token is missing, wrong or expired");
    }
    let subject = call.simulator.subject(SERVICE, &key);
    if let Some(answer) = &subject.answer {
        return scripted_response(&call, answer);
    }
    let facts = Facts::new(SERVICE, &key);
    let count = subject.documents(&facts);
    let start = call.query("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0).min(count);
    let end = subject.page_size.map_or(count, |size| count.min(start + size));
    let documents = (start..end).map(|position| document(&call, &key, &subject, &facts, position)).collect();
    let next = (end < count).then(|| format!("{}/quicklysign/v1/document_packs/{key}?cursor={end}", call.base));
    envelope(nested(&key, &subject, &facts, documents), next)
}

fn nested(key: &str, subject: &Subject, facts: &Facts, documents: Value) -> Value {
    let Some(fields) = &subject.nesting else {
        return json!({ "document_pack": {
            "key": key,
            "document_name": subject.name(facts),
            "status": status_word(subject.status),
            "date_created": facts.completed().as_millisecond() - 86_400_000,
            "date_updated": subject.last_updated(facts).as_millisecond(),
            "documents": documents,
        } });
    };
    let wrap = |inner: Value, field: &String| Value::Object(Map::from_iter([(field.clone(), inner)]));
    fields.iter().rev().fold(documents, wrap)
}

fn document(call: &Call, pack: &str, subject: &Subject, facts: &Facts, position: usize) -> Value {
    let updated = subject.updated(facts, position);
    let name = document_name(subject, facts, position);
    let url = match &subject.file_url {
        Some(url) => url.replace("{n}", &position.to_string()),
        None => format!("{}/quicklysign/serve_pdf/{pack}/{position}", call.base),
    };
    let finished = subject.finished();
    let signatory = |party: Party| {
        let signed = if finished { "complete" } else { "awaiting_signatures" };
        json!({ "first_name": party.first, "last_name": party.last, "email": party.email, "status": signed })
    };
    json!({
        "key": facts.key(&position.to_string()),
        "document_name": name,
        "filename": format!("{name}.pdf"),
        "status": status_word(subject.status),
        "date_created": facts.completed().as_millisecond() - 86_400_000,
        "date_updated": updated.as_millisecond(),
        "signatories": facts.parties().into_iter().map(signatory).collect::<Vec<_>>(),
        "serve_pdf_url": subject.ready.then_some(url),
    })
}

/// The target of `serve_pdf_url`. Its path, and that it needs no token, are inferred. The real host, redirects and
/// expiry are unknown; scripts can simulate the possibilities. Each rendering has other bytes, because no field of the
/// API contains a hash.
async fn serve_pdf(call: Call, Path((key, position)): Path<(String, usize)>) -> Response {
    let subject = call.simulator.peek(SERVICE, &key);
    let facts = Facts::new(SERVICE, &key);
    if !well_formed(&key) || position >= subject.documents(&facts) || !subject.ready {
        return plain(404);
    }
    if subject.protected && !has_token(&call) {
        return plain(401);
    }
    let download = call.simulator.download(SERVICE, &key, Part::Document(position));
    let sheet = Sheet {
        kind: if subject.finished() { Kind::Contract } else { Kind::Draft },
        service: SERVICE,
        id: facts.key(&position.to_string()),
        title: document_name(&subject, &facts, position),
        parties: facts.parties(),
        completed: subject.updated(&facts, position),
        version: subject.version_of(position),
    };
    respond(&call.simulator, download, Paper { size: subject.size, ..Paper::new(vec![sheet]) })
}

fn document_name(subject: &Subject, facts: &Facts, position: usize) -> String {
    match (&subject.name, position) {
        (Some(name), 0) => name.clone(),
        _ => facts.document_name(position).to_owned(),
    }
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Setup => "setup",
        Status::Awaiting | Status::Filled => "awaiting_signatures",
        Status::Complete => "complete",
        Status::Failed => "conversion_error",
        // QuicklySign documents no words for these. The product must accept words that it doesn't know.
        Status::Declined => "declined",
        Status::Voided => "cancelled",
        Status::Expired => "expired",
    }
}

fn has_token(call: &Call) -> bool {
    call.header(ACCESS_TOKEN).is_some_and(|token| call.simulator.state().own::<State>().accepts_token(token))
}

/// The credentials for requesting an access token.
#[derive(Deserialize)]
struct TokenRequest {
    #[serde(flatten)]
    client: Client,
    /// The API key of the user on whose behalf the client acts.
    api_key: String,
}

/// The client's id and secret, which are sent with every webhook call.
#[derive(Deserialize)]
pub(super) struct Client {
    client_id: String,
    client_secret: String,
}

impl Client {
    /// From the call's query.
    pub fn of(call: &Call) -> Option<Self> {
        let (id, secret) = (call.query("client_id")?, call.query("client_secret")?);
        Some(Self { client_id: id.to_owned(), client_secret: secret.to_owned() })
    }

    /// Whether they are the account's credentials.
    pub fn accepted(&self, simulator: &Simulator) -> bool {
        let own = |field| simulator.credentials().field(SERVICE, field);
        self.client_id == own("client_id") && self.client_secret == own("client_secret")
    }
}

fn scripted_response(call: &Call, answer: &Answer) -> Response {
    match answer {
        Answer::Unknown => error_response(call, 404, "not_found", "No entity has this key"),
        Answer::Unauthorised => error_response(call, 401, "unauthorised", "This entity belongs to another account"),
        Answer::RateLimited { retry_after } => {
            let mut response = error_response(call, 429, "too_many_requests", "Too many requests");
            response.headers_mut().insert("retry-after", (*retry_after).into());
            response
        }
        Answer::Status(status) => {
            let mut response = error_response(call, *status, code(*status), "Scripted");
            if matches!(status, 429 | 503) {
                response.headers_mut().insert("retry-after", RETRY_AFTER.into());
            }
            response
        }
        Answer::Envelope(status) => Json(errors(*status, code(*status), "Scripted")).into_response(),
        Answer::Json(text) => ([("content-type", "application/json")], text.clone()).into_response(),
    }
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        401 => "invalid_access_token",
        404 => "not_found",
        _ => "server_error",
    }
}

/// `{"status": {"status_code": 200}, "data": …, "pagination": {"next": …}}`.
pub(super) fn envelope(data: Value, next: Option<String>) -> Response {
    let mut answer = json!({ "status": { "status_code": 200 }, "data": data });
    if let Some(next) = next {
        answer["pagination"] = json!({ "next": next });
    }
    Json(answer).into_response()
}

/// An error in the envelope, with the same HTTP status unless the query requests 200.
pub(super) fn error_response(call: &Call, status: u16, code: &str, message: &str) -> Response {
    let always = call.query("always_use_http_status_code_200").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let http = if always { Ok(StatusCode::OK) } else { StatusCode::from_u16(status) };
    let http = http.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (http, Json(errors(status, code, message))).into_response()
}

fn errors(status: u16, code: &str, message: &str) -> Value {
    json!({ "status": { "status_code": status, "errors": [{ "code": code, "message": message }] } })
}

/// The current time in milliseconds since 1970, QuicklySign's format for times.
pub(super) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
