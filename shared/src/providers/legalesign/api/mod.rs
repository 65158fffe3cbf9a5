//! Legalesign's API, V1 (the vendor's OpenAPI specification, `legalesign-api-v1.yaml`).
//!
//! `GET /document/{id}/` says whether the final PDF is there (`download_final`) and what its SHA-256 is (`hash_value`);
//! before that, `GET /pdf/{id}/` would answer with a draft. All paths end in a slash, and every request carries
//! `Authorization: ApiKey username:secret`. The final PDF may have to be de-archived first (201, four hours), and is
//! behind a redirect to a short-lived location, which must not get the credentials.

mod answer;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use self::answer::Document;
use crate::{
    archive::{Inspection, Obstacle, Wanted},
    ledger::Role,
    outbound::{Client, Credential, HostPatterns},
    secrets::{Cached, Secret},
    subject::{Subject, SubjectKind},
};

/// A document with two hundred signers takes some 100 KB.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// What the API wants to see: `{"username", "secret"}`.
#[derive(Deserialize)]
pub struct ApiSecrets {
    username: SecretString,
    secret: SecretString,
}

impl Secret for ApiSecrets {
    type Json = Self;

    fn from_json(json: Self) -> Result<Self, String> {
        let given = [("username", &json.username), ("secret", &json.secret)];
        let empty = given.into_iter().find(|(_, value)| value.expose_secret().is_empty()).map(|(name, _)| name);
        empty.map_or(Ok(json), |name| Err(format!("{name} is empty")))
    }
}

impl ApiSecrets {
    fn authorization(&self) -> SecretString {
        format!("ApiKey {}:{}", self.username.expose_secret(), self.secret.expose_secret()).into()
    }
}

/// Legalesign's API.
pub struct Api {
    client: Client,
    base: Url,
    secrets: Cached<ApiSecrets>,
}

impl Api {
    /// The API at `base`, which ends with the version segment.
    #[must_use]
    pub fn new(client: &Client, base: &Url, secrets: Cached<ApiSecrets>) -> Self {
        Self { client: client.with_hosts(HostPatterns::only_host_of(base)), base: base.clone(), secrets }
    }

    /// Asks for a document's status, signers and final PDFs.
    ///
    /// # Errors
    /// Why the API can't say, or that the document isn't ours.
    pub async fn inspect(&self, subject: &Subject) -> Result<Inspection, Obstacle> {
        if subject.kind != SubjectKind::Document {
            return Err(Obstacle::failed("not_a_document"));
        }
        let path = format!("document/{}/", subject.id);
        let mut authorization = self.authorization().await?;
        let mut answer = self.get(&path, &authorization).await;
        if let Err(Answered::Status { status: StatusCode::UNAUTHORIZED, .. }) = answer
            && let Some(secrets) = self.secrets.reread().await
        {
            authorization = secrets.authorization();
            answer = self.get(&path, &authorization).await;
        }
        let document = Document::parse(&answer.map_err(Answered::into_obstacle)?)?;
        self.inspection(subject, &document, &authorization)
    }

    fn inspection(
        &self,
        subject: &Subject,
        document: &Document,
        authorization: &SecretString,
    ) -> Result<Inspection, Obstacle> {
        let mut inspection = document.inspection(subject);
        if inspection.obstacle.is_some() {
            return Ok(inspection);
        }
        let credential = Credential::new(&self.base, header::AUTHORIZATION, authorization)
            .map_err(|_| Obstacle::failed("credential_not_sendable"))?
            .only_first();
        let wanted = |role, path: String, sha256| Wanted {
            document: subject.id.to_string(),
            role,
            // The audit log is rendered anew at each download: it is the PDF's hash that tells a new version.
            version: document.hash_value.clone().unwrap_or_default(),
            url: self.uri(&path),
            credential: Some(credential.clone()),
            sha256,
        };
        inspection.documents = vec![
            wanted(Role::Document, format!("pdf/{}/", subject.id), document.sha256()),
            wanted(Role::AuditLog, format!("document/{}/auditlog/", subject.id), None),
        ];
        Ok(inspection)
    }

    async fn authorization(&self) -> Result<SecretString, Obstacle> {
        let secrets = self.secrets.get().await.map_err(|problem| {
            tracing::error!(event = "not_configured", provider = "legalesign", problem = %problem);
            Obstacle::failed("not_configured")
        })?;
        Ok(secrets.authorization())
    }

    async fn get(&self, path: &str, authorization: &SecretString) -> Result<Bytes, Answered> {
        let request = Request::builder()
            .uri(self.uri(path))
            .header(header::AUTHORIZATION, authorization.expose_secret())
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| Answered::Failed("credential_not_sendable"))?;
        let response = self.client.call(request, MAX_ANSWER).await.map_err(|error| Answered::Failed(error.code()))?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        let retry_after = retry_after.map(|seconds| SignedDuration::from_secs(seconds.into()));
        Err(Answered::Status { status: response.status(), retry_after })
    }

    fn uri(&self, path: &str) -> String {
        format!("{}/{path}", self.base.as_str().trim_end_matches('/'))
    }
}

/// An answer without a document, or none.
enum Answered {
    Failed(&'static str),
    Status { status: StatusCode, retry_after: Option<SignedDuration> },
}

impl Answered {
    fn into_obstacle(self) -> Obstacle {
        let (status, after) = match self {
            Self::Failed(code) => return Obstacle::failed(code),
            Self::Status { status, retry_after } => (status, retry_after),
        };
        let reason = format!("api_http_{}", status.as_u16());
        match status {
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Obstacle::Foreign { reason },
            StatusCode::TOO_MANY_REQUESTS => Obstacle::NotReady { reason, after },
            _ => Obstacle::Failed { reason },
        }
    }
}
