//! SignEasy's API, version 3. Its host and its bearer token are the vendor's word; the endpoints are those that several
//! independent programs use, since the vendor's reference couldn't be read as a whole. So the path before them is a
//! setting, and no answer is believed for one field alone.
//!
//! The order says only which document is meant. What else must be known, stands in the callback that said that it is
//! complete, and is read from the ledger: whether it is a request or was signed alone, the id of the signed file, the
//! checksum. It is a claim, though: where the API says otherwise, the API is right.
//!
//! - `rs/envelope/{request}`: how far a request has come.
//! - `rs/envelope/signed/pending/{request}`: the id of its signed file.
//! - `rs/envelope/signed/{file}`: the same file, where only its own id is known.
//! - `signed/{file}/download` and `rs/envelope/signed/{file}/certificate`: its PDFs.
//! - `me/signed/{document}/download` and `…/certificate`: those of a document that somebody signed alone.
//!
//! That something isn't there is answered 404, and 400 at times, and so is that it isn't there yet. The difference is
//! whether anything at all knows the id: then it isn't ready. If nothing does, it is asked about once more, later,
//! because a callback may be faster than the service's own tables; then it is foreign.

mod answer;
#[cfg(test)]
mod tests;
mod told;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use self::{
    answer::Found,
    told::{Told, What},
};
use super::join;
use crate::{
    archive::{Inspection, Obstacle, Wanted},
    aws::Aws,
    event::Kind,
    ledger::{Ledger, LedgerError, Role},
    outbound::{Client, Credential, HostPatterns, OutboundError},
    provider::Provider,
    secrets::{Cached, Secret},
    settings::Settings,
    subject::{Subject, SubjectId, SubjectKind},
};

/// A request with two hundred recipients takes some 100 KB.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// An error's answer is smaller than this; a PDF needn't be read to see that it is there.
const MAX_PROBE: usize = 64 * 1024;

/// Why an order waits about which the API knows nothing yet.
const NOT_KNOWN_YET: &str = "not_known_yet";

/// So much later it is asked about once more.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(10);

/// So many requests are asked about for one file.
const MAX_CANDIDATES: usize = 10;

/// What the API wants to see: `{"access_token"}`.
#[derive(Deserialize)]
pub struct ApiSecrets {
    access_token: SecretString,
}

impl Secret for ApiSecrets {
    type Json = Self;

    fn from_json(json: Self) -> Result<Self, String> {
        if json.access_token.expose_secret().is_empty() {
            return Err("access_token is empty".to_owned());
        }
        Ok(json)
    }
}

/// SignEasy's API.
pub struct Api {
    client: Client,
    base: Url,
    path: String,
    secrets: Cached<ApiSecrets>,
    ledger: Ledger,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    /// The API doesn't know what it was asked for.
    Unknown(StatusCode),
    /// It is there, but wasn't read: it is larger than wanted, or on another host.
    NotRead,
    /// Something else.
    Obstacle(Obstacle),
}

impl Api {
    /// The API at its configured place.
    #[must_use]
    pub fn new(client: &Client, settings: &Settings, aws: &Aws) -> Self {
        let own = settings.provider(Provider::Signeasy);
        Self {
            client: client.with_hosts(HostPatterns::only_host_of(&own.api_url)),
            base: own.api_url.clone(),
            path: settings.signeasy_api_path.clone(),
            secrets: Cached::new(own.api.clone(), Some(aws.secrets.clone())),
            ledger: Ledger::new(aws, &settings.table, &settings.bucket),
        }
    }

    /// Asks for a document's status, recipients and final PDFs.
    ///
    /// # Errors
    /// Why the API can't say, or that the document isn't ours.
    pub async fn inspect(&self, subject: &Subject) -> Result<Inspection, Obstacle> {
        if subject.kind != SubjectKind::Document {
            return Err(Obstacle::failed("not_a_document"));
        }
        let told = Told::read(&self.ledger, subject).await.map_err(|problem| unavailable(&problem))?;
        self.inspect_told(subject, &told).await
    }

    async fn inspect_told(&self, subject: &Subject, told: &Told) -> Result<Inspection, Obstacle> {
        let inspection = match &told.what {
            What::SignedAlone { checksum, version } => self.signed_alone(subject, checksum.as_ref(), version).await,
            What::Request { file } => self.request(subject, told, file.as_ref()).await,
        };
        inspection.map_err(|miss| match miss {
            Miss::Obstacle(obstacle) => obstacle,
            Miss::NotRead => Obstacle::failed("api_unexpected_answer"),
            Miss::Unknown(_) if told.waits_because != Some(NOT_KNOWN_YET.to_owned()) => {
                Obstacle::NotReady { reason: NOT_KNOWN_YET.to_owned(), after: Some(SECOND_LOOK) }
            }
            Miss::Unknown(status) => Obstacle::Foreign { reason: format!("api_http_{}", status.as_u16()) },
        })
    }

    /// What somebody signed alone. There is no endpoint that tells its status; that it can be had is all there is.
    async fn signed_alone(
        &self,
        subject: &Subject,
        checksum: Option<&String>,
        version: &str,
    ) -> Result<Inspection, Miss> {
        let path = format!("me/signed/{}/download", subject.id);
        self.probe(&path).await?;
        let documents = vec![
            self.wanted(subject, Role::Document, version, &path, checksum.cloned()).await?,
            self.wanted(subject, Role::Certificate, version, &format!("me/signed/{}/certificate", subject.id), None)
                .await?,
        ];
        Ok(Inspection { status: Some(Kind::Completed), documents, ..Inspection::default() })
    }

    async fn request(&self, subject: &Subject, told: &Told, file: Option<&SubjectId>) -> Result<Inspection, Miss> {
        let mut found = self.look_up(told.request.as_ref().unwrap_or(&subject.id)).await?;
        if found.is_nothing()
            && let Some(others) = self.look_for_request(subject, told).await?
        {
            found = others;
        }
        if found.is_nothing()
            && let Some(file) = file
        {
            found.by_file = found.note(self.get(&format!("rs/envelope/signed/{file}")).await)?;
        }
        if found.is_nothing() {
            return Err(Miss::Unknown(found.unknown));
        }
        let status = found.status();
        let mut inspection = Inspection { status, signers: found.signers(subject), ..Inspection::default() };
        inspection.obstacle = match (status, found.file_id().as_ref().or(file)) {
            (Some(Kind::Completed) | None, Some(file)) => {
                inspection.documents = self.pdfs(subject, file).await?;
                None
            }
            (Some(Kind::Completed) | None, None) => {
                Some(Obstacle::NotReady { reason: "no_signed_file".to_owned(), after: None })
            }
            (Some(Kind::Sent), _) => Some(not_complete("not_complete", false)),
            (Some(other), _) => Some(not_complete(&format!("api_says_{}", other.as_str()), true)),
        };
        Ok(inspection)
    }

    async fn pdfs(&self, subject: &Subject, file: &SubjectId) -> Result<Vec<Wanted>, Miss> {
        let merged = format!("signed/{file}/download?type=merged&include_certificate=false");
        let certificate = format!("rs/envelope/signed/{file}/certificate");
        Ok(vec![
            self.wanted(subject, Role::Document, file.as_str(), &merged, None).await?,
            self.wanted(subject, Role::Certificate, file.as_str(), &certificate, None).await?,
        ])
    }

    async fn look_up(&self, request: &SubjectId) -> Result<Found, Miss> {
        let mut found = Found::default();
        found.envelope = found.note(self.get(&format!("rs/envelope/{request}")).await)?;
        found.signed = found.note(self.get(&format!("rs/envelope/signed/pending/{request}")).await)?;
        Ok(found)
    }

    /// Finds the request of a signed file among those that have something in common with it, and joins the two.
    async fn look_for_request(&self, file: &Subject, told: &Told) -> Result<Option<Found>, Miss> {
        let mut asked = 0;
        for clue in &told.clues {
            let bearers = self.ledger.bearers(clue).await.map_err(|problem| unavailable(&problem))?;
            for request in bearers.requests().into_iter().filter(|request| **request != file.id) {
                asked += 1;
                if asked > MAX_CANDIDATES {
                    return Ok(None);
                }
                let found = self.look_up(request).await?;
                if found.file_id().as_ref() == Some(&file.id) {
                    join::join(&self.ledger, request, &file.id).await.map_err(|problem| unavailable(&problem))?;
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn wanted(
        &self,
        subject: &Subject,
        role: Role,
        version: &str,
        path: &str,
        sha256: Option<String>,
    ) -> Result<Wanted, Obstacle> {
        let credential = Credential::new(&self.base, header::AUTHORIZATION, &self.authorization().await?)
            .map_err(|_| Obstacle::failed("credential_not_sendable"))?;
        Ok(Wanted {
            document: subject.id.to_string(),
            role,
            version: version.to_owned(),
            url: self.uri(path),
            credential: Some(credential),
            sha256,
        })
    }

    async fn authorization(&self) -> Result<SecretString, Obstacle> {
        let secrets = self.secrets.get().await.map_err(|problem| {
            tracing::error!(event = "not_configured", provider = "signeasy", problem = %problem);
            Obstacle::failed("not_configured")
        })?;
        Ok(format!("Bearer {}", secrets.access_token.expose_secret()).into())
    }

    /// Asks whether something is there, without reading it if it is large.
    async fn probe(&self, path: &str) -> Result<(), Miss> {
        match self.call(path, MAX_PROBE).await {
            Ok(_) | Err(Miss::NotRead) => Ok(()),
            Err(miss) => Err(miss),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Miss> {
        let body = self.call(path, MAX_ANSWER).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(|_| Obstacle::failed("api_not_json"))?;
        if answer.is_object() { Ok(answer) } else { Err(Obstacle::failed("api_unexpected_answer").into()) }
    }

    async fn call(&self, path: &str, limit: usize) -> Result<Bytes, Miss> {
        let answer = self.call_once(path, limit).await;
        if answer == Err(Miss::Obstacle(Obstacle::failed("api_http_401"))) && self.secrets.reread().await.is_some() {
            // Access tokens last a month at most: this one was replaced.
            return self.call_once(path, limit).await;
        }
        answer
    }

    async fn call_once(&self, path: &str, limit: usize) -> Result<Bytes, Miss> {
        let request = Request::builder()
            .uri(self.uri(path))
            .header(header::AUTHORIZATION, self.authorization().await?.expose_secret())
            .header(header::ACCEPT, "application/json, */*;q=0.5")
            .body(Bytes::new())
            .map_err(|_| Obstacle::failed("credential_not_sendable"))?;
        let response = match self.client.call(request, limit).await {
            Ok(response) => response,
            Err(OutboundError::TooLarge { .. }) => return Err(Miss::NotRead),
            Err(error) => return Err(Obstacle::failed(error.code()).into()),
        };
        let status = response.status();
        let reason = format!("api_http_{}", status.as_u16());
        match status {
            StatusCode::OK => Ok(response.into_body()),
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(Miss::Unknown(status))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                let after = seconds.and_then(|text| text.parse::<u32>().ok());
                let after = after.map(|seconds| SignedDuration::from_secs(seconds.into()));
                Err(Obstacle::NotReady { reason, after }.into())
            }
            status if status.is_redirection() => Err(Miss::NotRead),
            _ => Err(Obstacle::Failed { reason }.into()),
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.base.as_str().trim_end_matches('/'), self.path)
    }
}

fn not_complete(reason: &str, ended: bool) -> Obstacle {
    Obstacle::NotComplete { reason: reason.to_owned(), ended }
}

fn unavailable(problem: &LedgerError) -> Obstacle {
    tracing::error!(event = "ledger_unavailable", problem = %problem);
    Obstacle::failed("ledger_unavailable")
}
