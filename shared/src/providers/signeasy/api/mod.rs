//! SignEasy's API, version 3. Its host and its bearer token are documented by the vendor. The endpoints are those that
//! several independent programs use, since the vendor's reference couldn't be read as a whole. So the path before them is a
//! setting, and no result depends on a single field of a response.
//!
//! A job names only the document. Everything else is in the callback that reported its completion: whether it is a
//! request or was signed alone, the id of the signed file, the checksum. That is a claim, though: where the API differs,
//! the API is right. With one exception: if the callback said that its id is the signed file's, an answer that names another
//! file is about another request with the same id, and is ignored.
//!
//! - `rs/envelope/{request}`: a request's progress.
//! - `rs/envelope/signed/pending/{request}`: the id of its signed file.
//! - `rs/envelope/signed/{file}`: the same file, if only its own id is known.
//! - `signed/{file}/download` and `rs/envelope/signed/{file}/certificate`: its PDFs.
//! - `me/signed/{document}/download` and `…/certificate`: those of a document that a user signed alone.
//!
//! The API responds 404, and at times 400, both to ids that don't exist and to files that don't exist yet. If any
//! endpoint knows the id, the file isn't ready. Only if all of them respond 404, the id is unknown; any other status may
//! have another cause, such as an access token of another user.

mod response;
#[cfg(test)]
mod tests;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use self::response::Responses;
use super::history::{Completed, Completion};
use crate::{
    aws::Aws,
    domain::{
        Candidate, FileName, FinalDocument, Inspection, Kind, Known, LedgerError, Provider, Role, Subject, SubjectId,
        SubjectKind, Unavailable,
    },
    outbound::{Client, OutboundError},
    providers::http::{ApiSecret, Failure, HttpApi},
    secrets::{Cached, Secret},
    settings::ServiceSettings,
};

/// Number of bytes that are read to see whether a PDF exists. An error response is smaller.
const MAX_PROBE: usize = 64 * 1024;

/// Maximum number of requests that are looked up for one file.
const MAX_CANDIDATES: usize = 10;

/// The API's credentials: `{"access_token"}`. Access tokens last a month at most.
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

impl ApiSecret for ApiSecrets {
    const PROVIDER: Provider = Provider::Signeasy;
    // Probes get PDFs.
    const ACCEPT: &'static str = "application/json, */*;q=0.5";

    fn authorization(&self) -> SecretString {
        format!("Bearer {}", self.access_token.expose_secret()).into()
    }
}

/// SignEasy's API.
pub struct Api {
    http: HttpApi<ApiSecrets>,
}

/// Why a request returned nothing.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    /// The endpoint returns nothing for the id, but another one may.
    Nothing(StatusCode),
    /// Something is there but wasn't read: it is larger than the limit, or on another host.
    NotRead,
    /// Anything else.
    Unavailable(Unavailable),
}

impl Api {
    /// The API with these settings; `path` is the path between its host and an endpoint. Reads no secret yet.
    #[must_use]
    pub fn new(settings: &ServiceSettings, path: &str, aws: &Aws) -> Self {
        let mut base = settings.api_url.clone();
        base.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
        Self { http: HttpApi::new(base, Cached::new(&settings.api, aws)) }
    }

    /// Queries a document's status, recipients and final PDFs.
    ///
    /// # Errors
    /// Why the API can't report, or that it doesn't know the document.
    pub async fn inspect(
        &self,
        client: &Client,
        subject: &Subject,
        known: &dyn Known,
    ) -> Result<Inspection, Unavailable> {
        if subject.kind != SubjectKind::Document {
            return Err(Unavailable::failed("not_a_document"));
        }
        let completion = Completion::read(known, subject).await.map_err(|problem| unavailable(&problem))?;
        self.inspect_completion(client, subject, &completion, known).await
    }

    async fn inspect_completion(
        &self,
        client: &Client,
        subject: &Subject,
        completion: &Completion,
        known: &dyn Known,
    ) -> Result<Inspection, Unavailable> {
        let query = Query { http: &self.http, client, subject, completion, known };
        let inspection = match &completion.completed {
            Completed::SignedAlone { checksum, version, name } => {
                query.signed_alone(checksum.as_ref(), version, name.as_deref()).await
            }
            Completed::Request { file } => query.request(file.as_ref()).await,
        };
        inspection.map_err(|miss| match miss {
            Miss::Nothing(StatusCode::NOT_FOUND) => Unavailable::Unknown { reason: "api_http_404".to_owned() },
            Miss::Nothing(status) => crate::providers::http::unavailable(status.as_u16(), None),
            Miss::NotRead => Unavailable::failed("api_unexpected_answer"),
            Miss::Unavailable(unavailable) => unavailable,
        })
    }
}

/// One inspection of a document.
struct Query<'a> {
    http: &'a HttpApi<ApiSecrets>,
    client: &'a Client,
    subject: &'a Subject,
    completion: &'a Completion,
    known: &'a dyn Known,
}

impl Query<'_> {
    /// A document that a user signed alone. No endpoint reports its status; only its PDF can be probed.
    async fn signed_alone(
        &self,
        checksum: Option<&String>,
        version: &str,
        name: Option<&str>,
    ) -> Result<Inspection, Miss> {
        let pdf = format!("me/signed/{}/download", self.subject.id);
        let certificate = format!("me/signed/{}/certificate", self.subject.id);
        self.probe(&pdf).await?;
        let documents = vec![
            self.final_document(Role::Document, name, version, &pdf, checksum.cloned()).await?,
            self.final_document(Role::Certificate, name, version, &certificate, None).await?,
        ];
        Ok(Inspection { status: Some(Kind::Completed), documents, ..Inspection::default() })
    }

    async fn request(&self, file: Option<&SubjectId>) -> Result<Inspection, Miss> {
        let mut request = None;
        let mut found = self.look_up(self.completion.request.as_ref().unwrap_or(&self.subject.id)).await?;
        let is_of_another_file = file == Some(&self.subject.id) && found.file_id().is_some_and(|id| Some(&id) != file);
        if is_of_another_file {
            found = Responses::default();
        }
        if found.is_empty()
            && let Some((id, others)) = self.find_request().await?
        {
            (request, found) = (Some(id), others);
        }
        if let Some(file) = file
            && (found.is_empty() || self.may_be_another_request(&found, file))
        {
            let by_file = found.known(self.get(&format!("rs/envelope/signed/{file}")).await)?;
            if by_file.is_some() {
                found = Responses { by_file, ..Responses::default() };
            }
        }
        if found.is_empty() && is_of_another_file {
            return Err(Unavailable::failed("api_names_another_file").into());
        }
        if found.is_empty() {
            return Err(Miss::Nothing(found.nothing));
        }
        let status = found.status();
        let signers = found.signers(self.subject);
        let mut inspection = Inspection { status, signers, request, ..Inspection::default() };
        inspection.unavailable = match (status, found.file_id().as_ref().or(file)) {
            (Some(Kind::Completed) | None, Some(file)) => {
                inspection.documents = self.pdfs(file, found.name()).await?;
                None
            }
            (Some(Kind::Completed) | None, None) => {
                Some(Unavailable::NotReady { reason: "no_signed_file".to_owned(), after: None })
            }
            (Some(Kind::Sent), _) => Some(not_complete("not_complete", false)),
            (Some(other), _) => Some(not_complete(&format!("api_says_{}", other.as_str()), true)),
        };
        Ok(inspection)
    }

    /// Whether responses may be about a request that only has the same id as this file. The callback said that the id is
    /// the file's, so only a response that names the file is known to be about it.
    fn may_be_another_request(&self, found: &Responses, file: &SubjectId) -> bool {
        *file == self.subject.id && self.completion.request.is_none() && found.file_id().is_none()
    }

    async fn pdfs(&self, file: &SubjectId, name: Option<&str>) -> Result<Vec<FinalDocument>, Unavailable> {
        let merged = format!("signed/{file}/download?type=merged&include_certificate=false");
        let certificate = format!("rs/envelope/signed/{file}/certificate");
        Ok(vec![
            self.final_document(Role::Document, name, file.as_str(), &merged, None).await?,
            self.final_document(Role::Certificate, name, file.as_str(), &certificate, None).await?,
        ])
    }

    async fn look_up(&self, request: &SubjectId) -> Result<Responses, Miss> {
        let mut found = Responses::default();
        found.envelope = found.known(self.get(&format!("rs/envelope/{request}")).await)?;
        found.signed = found.known(self.get(&format!("rs/envelope/signed/pending/{request}")).await)?;
        Ok(found)
    }

    /// Finds the request of a signed file among those that share a correlation key with it.
    async fn find_request(&self) -> Result<Option<(SubjectId, Responses)>, Miss> {
        let file = &self.subject.id;
        let mut looked_up = 0;
        for key in &self.completion.keys {
            let candidates = self.known.candidates(key).await.map_err(|problem| unavailable(&problem))?;
            let own = Candidate { id: file.clone(), mark: key.mark.clone() };
            for request in candidates.requests_of(&own).into_iter().filter(|request| *request != file) {
                looked_up += 1;
                if looked_up > MAX_CANDIDATES {
                    return Ok(None);
                }
                let found = self.look_up(request).await?;
                if found.file_id().as_ref() == Some(file) {
                    return Ok(Some((request.clone(), found)));
                }
            }
        }
        Ok(None)
    }

    async fn final_document(
        &self,
        role: Role,
        name: Option<&str>,
        version: &str,
        path: &str,
        sha256: Option<String>,
    ) -> Result<FinalDocument, Unavailable> {
        Ok(FinalDocument {
            document: self.subject.id.to_string(),
            file_name: name.and_then(|name| FileName::new(name, role)),
            role,
            version: version.to_owned(),
            url: self.http.url(path),
            credential: Some(self.http.credential().await?),
            sha256,
            deferral: None,
        })
    }

    /// Checks that something is there, without reading it if it is large.
    async fn probe(&self, path: &str) -> Result<(), Miss> {
        match self.http.get(self.client, path, MAX_PROBE).await.map_err(Miss::from) {
            Ok(_) | Err(Miss::NotRead) => Ok(()),
            Err(miss) => Err(miss),
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Miss> {
        Ok(self.http.get_object(self.client, path).await?)
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status {
                status:
                    status @ (StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE),
                ..
            } => Self::Nothing(status),
            Failure::Status { status, .. } if status.is_redirection() => Self::NotRead,
            Failure::Outbound(OutboundError::TooLarge { .. }) => Self::NotRead,
            failure => Self::Unavailable(failure.into()),
        }
    }
}

impl From<Unavailable> for Miss {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

fn not_complete(reason: &str, ended: bool) -> Unavailable {
    Unavailable::NotComplete { reason: reason.to_owned(), ended }
}

fn unavailable(problem: &LedgerError) -> Unavailable {
    tracing::error!(event = "ledger_unavailable", problem = %problem);
    Unavailable::failed("ledger_unavailable")
}
