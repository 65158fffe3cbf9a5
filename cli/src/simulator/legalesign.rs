//! Legalesign's API, V1: documents, their state, their PDFs, and why somebody refused. Subscriptions are in
//! [`super::subscriptions`].
//!
//! Confirmed by Legalesign's OpenAPI specification and API pages: `Authorization: ApiKey username:secret`; that paths end
//! in `/`; the status codes of documents and signers; `download_final` and `hash_value`; the answers of `/pdf/` (200,
//! 201 while being de-archived, 302 to a short-lived location that must not get the credentials); `/status/`'s fields; the
//! nested arrays of `signers`; paging by `limit` (default 20), `offset` and `meta`; `group` being required. Inferred:
//! the fields of `signer_objects` (they are the realtime webhook's), `Retry-After`, 404 for unknown ids, the body of errors, the form of
//! `meta.next`, the order of lists, and that an expired document counts as removed.
//!
//! A list has the documents that were scripted ([`Simulator::document`]) and none of the others, which are without end.

use axum::Json;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};

use super::Simulator;
use super::behaviour::{Answer, Download, Part, Promise, Service, Status, Subject};
use super::call::{Call, plain};
use super::download::{redirect, respond};
use super::facts::{Facts, Party};
use super::paper::Paper;
use super::pdf::{Kind, Sheet};
use super::state::well_formed;

const SERVICE: Service = Service::Legalesign;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/legalesign/api/v1/document/", get(documents))
        .route("/legalesign/api/v1/document/{id}/", get(document))
        .route("/legalesign/api/v1/document/{id}/auditlog/", get(audit_log))
        .route("/legalesign/api/v1/status/{id}/", get(status))
        .route("/legalesign/api/v1/pdf/{id}/", get(pdf))
        .route("/legalesign/api/v1/signer/{id}/rejection/", get(rejection))
}

impl Simulator {
    /// The slug of the group that Legalesign's documents belong to unless scripted otherwise (`simulator` at first).
    pub fn set_group(&self, slug: &str) {
        self.state().group = slug.to_owned();
    }

    /// Why this signer refused. A signer nobody spoke of has a reason too.
    pub fn reject(&self, signer_id: &str, reason: &str) {
        self.state().rejections.insert(signer_id.to_owned(), reason.to_owned());
    }
}

/// A document with everything that its answers need.
struct Document {
    id: String,
    group: String,
    facts: Facts,
    subject: Subject,
}

impl Document {
    fn new(simulator: &Simulator, id: &str, subject: Subject) -> Self {
        let group = subject.group.clone().unwrap_or_else(|| simulator.state().group.clone());
        Self { id: id.to_owned(), group, facts: Facts::new(SERVICE, id), subject }
    }

    /// The document, or the answer that has to be given instead of one about it.
    fn find(call: &Call, id: &str) -> Result<Self, Response> {
        if !authorised(call) {
            return Err(plain(401));
        }
        let subject = call.simulator.subject(SERVICE, id);
        match &subject.answer {
            Some(answer) => Err(instead(answer)),
            None => Ok(Self::new(&call.simulator, id, subject)),
        }
    }

    fn modified(&self) -> Timestamp {
        self.subject.last_updated(&self.facts)
    }

    fn created(&self) -> Timestamp {
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

    /// The final PDF, which is made once per version; before that a draft.
    fn paper(&self) -> Paper {
        let kind = if self.subject.finished() { Kind::Contract } else { Kind::Draft };
        Paper { size: self.subject.size, stable: true, ..Paper::new(vec![self.sheet(kind)]) }
    }

    fn hash_value(&self) -> Option<String> {
        let paper = match self.subject.promise {
            Promise::Right => self.paper(),
            Promise::Wrong => Paper { stable: true, ..Paper::new(vec![self.sheet(Kind::Draft)]) },
            Promise::Missing => return None,
        };
        self.subject.finished().then(|| paper.sha256())
    }

    /// What `/status/` says; [`Self::to_json`] says more.
    fn to_status(&self) -> Value {
        json!({
            "resource_uri": format!("/api/v1/status/{}/", self.id),
            "status": code(self.subject.status),
            "archived": self.subject.download == Download::Dearchiving,
            "download_final": self.subject.finished(),
            "tag": "", "tag1": "", "tag2": "",
        })
    }

    fn to_json(&self) -> Value {
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

    /// A signer as the nested array and as the object.
    fn signer(&self, order: usize, party: &Party) -> (Value, Value) {
        let id = self.facts.key(&format!("signer {order}"));
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
async fn document(call: Call, Path(id): Path<String>) -> Response {
    match Document::find(&call, &id) {
        Ok(document) => Json(document.to_json()).into_response(),
        Err(response) => response,
    }
}

/// `GET /status/{id}/`, the quicker one. Confirmed.
async fn status(call: Call, Path(id): Path<String>) -> Response {
    match Document::find(&call, &id) {
        Ok(document) => Json(document.to_status()).into_response(),
        Err(response) => response,
    }
}

/// `GET /pdf/{id}/`. Confirmed: draft or final PDF, whichever there is, by 302, 200 or 201. That the short-lived
/// location refuses an `Authorization` header is inferred from "do not use Legalesign authentication".
async fn pdf(call: Call, Path(id): Path<String>) -> Response {
    let document = match Document::find(&call, &id) {
        Ok(document) => document,
        Err(response) => return response,
    };
    let simulator = &call.simulator;
    let download = simulator.download(SERVICE, &id, Part::Document(0));
    let here = matches!(download, Download::Redirect(_) | Download::Status(_) | Download::Dearchiving);
    if here || document.subject.inline {
        return respond(simulator, download, document.paper());
    }
    let path = simulator.state().new_location(download, document.paper());
    redirect(&format!("{}{path}", call.base))
}

/// `GET /document/{id}/auditlog/`. Confirmed: a PDF. Every download renders it anew.
async fn audit_log(call: Call, Path(id): Path<String>) -> Response {
    match Document::find(&call, &id) {
        Ok(document) => {
            let download = call.simulator.download(SERVICE, &id, Part::Record);
            respond(&call.simulator, download, Paper::new(vec![document.sheet(Kind::AuditLog)]))
        }
        Err(response) => response,
    }
}

/// `GET /signer/{id}/rejection/`. Confirmed: `{status, reason}`.
async fn rejection(call: Call, Path(id): Path<String>) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    if !well_formed(&id) {
        return plain(404);
    }
    let reason = call.simulator.state().rejections.get(&id).cloned();
    let reason = reason.unwrap_or_else(|| "Clause 2 is not what we agreed on.".to_owned());
    Json(json!({ "status": 60, "reason": reason })).into_response()
}

/// `GET /document/?group=…`. Confirmed: `group` (a slug, or the group's URI), `modified_gt`, `created_gt`, `status`,
/// `limit`, `offset`, and `cache=1` in older versions, which changes nothing here.
async fn documents(call: Call) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    match Filter::of(&call) {
        Ok(filter) => Json(list(&call, &filter)).into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

struct Filter {
    group: String,
    modified_gt: Option<Timestamp>,
    created_gt: Option<Timestamp>,
    status: Option<u64>,
    limit: usize,
    offset: usize,
}

impl Filter {
    fn of(call: &Call) -> Result<Self, &'static str> {
        let group = call.query("group").ok_or("group is required")?;
        let time = |field| call.query(field).map(moment).transpose();
        let number = |field| call.query(field).map(str::parse::<usize>).transpose();
        Ok(Self {
            group: group.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
            modified_gt: time("modified_gt").map_err(|()| "modified_gt is no time")?,
            created_gt: time("created_gt").map_err(|()| "created_gt is no time")?,
            status: call.query("status").map(str::parse).transpose().map_err(|_| "status is no number")?,
            limit: number("limit").map_err(|_| "limit is no number")?.unwrap_or(20).clamp(1, 1_000),
            offset: number("offset").map_err(|_| "offset is no number")?.unwrap_or(0),
        })
    }

    fn takes(&self, document: &Document) -> bool {
        document.group == self.group
            && document.subject.answer != Some(Answer::Unknown)
            && self.modified_gt.is_none_or(|time| document.modified() > time)
            && self.created_gt.is_none_or(|time| document.created() > time)
            && self.status.is_none_or(|status| code(document.subject.status) == status)
    }
}

fn list(call: &Call, filter: &Filter) -> Value {
    let scripted: Vec<(String, Subject)> = {
        let state = call.simulator.state();
        let own = state.subjects.iter().filter(|((service, _), _)| *service == SERVICE);
        own.map(|((_, id), subject)| (id.clone(), subject.clone())).collect()
    };
    let known = scripted.into_iter().map(|(id, subject)| Document::new(&call.simulator, &id, subject));
    let mut documents: Vec<Document> = known.filter(|document| filter.takes(document)).collect();
    // Ids come out of the map in their order; the sort keeps it among documents of the same second.
    documents.sort_by_key(Document::modified);
    let (total, Filter { limit, offset, .. }) = (documents.len(), filter);
    let page = documents.iter().skip(*offset).take(*limit);
    let link = |offset: usize| format!("/api/v1/document/?group={}&limit={limit}&offset={offset}", filter.group);
    json!({
        "meta": {
            "limit": limit,
            "offset": offset,
            "total_count": total,
            "next": (offset + limit < total).then(|| link(offset + limit)),
            "previous": (*offset > 0).then(|| link(offset.saturating_sub(*limit))),
        },
        "objects": page.map(Document::to_json).collect::<Vec<_>>(),
    })
}

/// A document's status code. 10 is everything that is under way.
fn code(status: Status) -> u64 {
    match status {
        Status::Setup | Status::Awaiting | Status::Failed => 10,
        Status::Filled => 20,
        Status::Complete => 30,
        Status::Voided | Status::Expired => 40,
        Status::Declined => 50,
    }
}

/// A signer's status code. While a document is awaited the first has signed and the second has looked.
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

/// Legalesign's times have no zone; they are taken for UTC here.
fn local(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn moment(text: &str) -> Result<Timestamp, ()> {
    let zoned = text.parse::<Timestamp>().ok();
    let local = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    zoned.or_else(|| local().map(|zoned| zoned.timestamp())).ok_or(())
}

pub(super) fn authorised(call: &Call) -> bool {
    let own = &call.simulator.credentials().legalesign;
    let expected = format!("ApiKey {}:{}", own.username, own.secret);
    call.header(header::AUTHORIZATION) == Some(expected.as_str())
}

fn instead(answer: &Answer) -> Response {
    match answer {
        Answer::Unknown => plain(404),
        Answer::Unauthorised => plain(401),
        Answer::RateLimited { retry_after } => {
            let mut response = plain(429);
            response.headers_mut().insert(header::RETRY_AFTER, (*retry_after).into());
            response
        }
        Answer::Status(status) | Answer::Envelope(status) => plain(*status),
        Answer::Json(text) => ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response(),
    }
}

#[cfg(test)]
mod tests;
