//! Dropbox Sign's API, version 3 (the vendor's `openapi.yaml`): `GET /signature_request/{id}` reports a request, and
//! `GET /signature_request/files/{id}` gives its documents, as one PDF or as a zip. 409 means that the files are being
//! prepared, 410 that the request was deleted. Every request has the API key as the user name of HTTP Basic. Rate limits are
//! per hour; `X-Ratelimit-Reset` says when the limit ends.
//!
//! There is no endpoint for the audit trail.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::settings::FileType;
use crate::{
    aws::Aws,
    domain::{
        Deferral, FileName, FinalDocument, Inspection, Kind, Link, Provider, Role, Subject, SubjectId, SubjectKind,
        TimeSource, Unavailable,
    },
    outbound::Client,
    providers::http::{ApiSecret, Failure, HttpApi, retry_after},
    secrets::{Cached, Secret},
    settings::ServiceSettings,
    time,
};

/// 409 for files means that they are being prepared. The service names no pause.
const PREPARING: Deferral =
    Deferral { status: 409, reason: "files_being_prepared", after: SignedDuration::from_mins(1) };

/// The header with the Unix time at which a rate limit ends.
const RESET: &str = "x-ratelimit-reset";

/// Maximum number of signers that are read.
const MAX_SIGNERS: usize = 500;

/// The API's credentials: `{"api_key"}`.
#[derive(Deserialize)]
pub struct ApiSecrets {
    api_key: SecretString,
}

impl Secret for ApiSecrets {
    type Json = Self;

    fn from_json(json: Self) -> Result<Self, String> {
        if json.api_key.expose_secret().is_empty() { Err("api_key is empty".to_owned()) } else { Ok(json) }
    }
}

impl ApiSecret for ApiSecrets {
    const PROVIDER: Provider = Provider::DropboxSign;

    fn authorization(&self) -> SecretString {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:", self.api_key.expose_secret()))).into()
    }

    fn pause(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
        retry_after(headers).or_else(|| {
            let reset: i64 = headers.get(RESET)?.to_str().ok()?.parse().ok()?;
            Some(SignedDuration::from_secs(reset.saturating_sub(now.as_second()).max(0)))
        })
    }
}

/// Dropbox Sign's API.
pub struct Api {
    http: HttpApi<ApiSecrets>,
    file_type: FileType,
}

impl Api {
    /// The API with these settings, whose URL ends with the version segment. Reads no secret yet.
    pub(super) fn new(settings: &ServiceSettings, file_type: FileType, aws: &Aws) -> Self {
        Self { http: HttpApi::new(settings.api_url.clone(), Cached::new(&settings.api, aws)), file_type }
    }

    /// Queries a request's status, signers and final documents.
    ///
    /// # Errors
    /// Why the API can't report, or that it doesn't know the request.
    pub(super) async fn inspect(&self, client: &Client, subject: &Subject) -> Result<Inspection, Unavailable> {
        if subject.kind != SubjectKind::Document {
            return Err(Unavailable::failed("not_a_document"));
        }
        let object = self.http.get_object(client, &format!("signature_request/{}", subject.id)).await;
        let object = object.map_err(unavailable)?;
        let request = &object["signature_request"];
        if !request.is_object() {
            return Err(Unavailable::failed("api_unexpected_answer"));
        }
        let status = status(request);
        let mut inspection = Inspection { status, signers: signers(request, subject), ..Inspection::default() };
        if status == Some(Kind::Completed) {
            inspection.changed_at = last_signed(request).map(|at| (at, TimeSource::Provider));
            inspection.documents = vec![self.final_document(subject, request).await?];
        } else {
            let ended = status == Some(Kind::Declined);
            let reason = if ended { "api_says_declined" } else { "not_complete" };
            inspection.unavailable = Some(Unavailable::NotComplete { reason: reason.to_owned(), ended });
        }
        Ok(inspection)
    }

    /// The request's documents. The API has neither a hash nor a version of them: they change with the last signature.
    async fn final_document(&self, subject: &Subject, request: &Value) -> Result<FinalDocument, Unavailable> {
        let file_type = self.file_type.as_str();
        let signed = last_signed(request).map_or_else(|| "-".to_owned(), |at| at.as_second().to_string());
        Ok(FinalDocument {
            document: subject.id.to_string(),
            file_name: request["title"].as_str().and_then(|title| FileName::new(title, Role::Document)),
            role: Role::Document,
            version: format!("{file_type} {signed}"),
            url: self.http.url(&format!("signature_request/files/{}?file_type={file_type}", subject.id)),
            credential: Some(self.http.credential().await?),
            sha256: None,
            deferral: Some(PREPARING),
        })
    }
}

/// What a failure means for a request.
fn unavailable(failure: Failure) -> Unavailable {
    match failure {
        // A callback may be faster than the API's own tables.
        Failure::Status { status: StatusCode::NOT_FOUND, .. } => {
            Unavailable::Unknown { reason: "api_http_404".to_owned() }
        }
        Failure::Status { status: StatusCode::GONE, .. } => {
            Unavailable::NotComplete { reason: "api_http_410".to_owned(), ended: true }
        }
        failure => failure.into(),
    }
}

/// A request's status. The API has no word for a canceled or expired request.
fn status(request: &Value) -> Option<Kind> {
    let is = |field: &str| request[field].as_bool() == Some(true);
    let is_any = |code: &str| signatures(request).any(|signature| signature["status_code"].as_str() == Some(code));
    if is("is_declined") {
        Some(Kind::Declined)
    } else if is("is_complete") {
        Some(Kind::Completed)
    } else if is_any("signed") {
        Some(Kind::Signed)
    } else if signatures(request).any(|signature| signature["last_viewed_at"].is_number()) {
        Some(Kind::Viewed)
    } else if is_any("awaiting_signature") {
        Some(Kind::Sent)
    } else {
        None
    }
}

fn signatures(request: &Value) -> impl Iterator<Item = &Value> {
    request["signatures"].as_array().into_iter().flatten().take(MAX_SIGNERS)
}

/// When the last signer signed.
fn last_signed(request: &Value) -> Option<Timestamp> {
    let times = signatures(request).filter_map(|signature| signature["signed_at"].as_i64());
    times.max().and_then(|time| Timestamp::from_second(time).ok()).map(time::to_millis)
}

/// The signers, with the status of each.
fn signers(request: &Value, document: &Subject) -> Vec<(Link, Option<Kind>)> {
    let link = |signature: &Value| {
        let id = SubjectId::parse(signature["signature_id"].as_str()?).ok()?;
        let signer = Subject { provider: Provider::DropboxSign, kind: SubjectKind::Signer, id };
        let kind = match signature["status_code"].as_str()? {
            "signed" => Some(Kind::Signed),
            "declined" => Some(Kind::Declined),
            "awaiting_signature" if signature["last_viewed_at"].is_number() => Some(Kind::Viewed),
            "awaiting_signature" => Some(Kind::Sent),
            _ => None,
        };
        Some((Link { signer, document: document.clone() }, kind))
    };
    signatures(request).filter_map(link).collect()
}
