//! Legalesign's API, V1 (the vendor's OpenAPI specification, `legalesign-api-v1.yaml`).
//!
//! `GET /document/{id}/` reports whether the final PDF is ready (`download_final`) and its SHA-256 (`hash_value`); before
//! that, `GET /pdf/{id}/` would return a draft. All paths end in a slash, and every request carries
//! `Authorization: ApiKey username:secret`. The final PDF may have to be de-archived first (201, four hours), and is
//! behind a redirect to a short-lived location, which must not get the credentials.

mod changes;
mod document;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use self::document::Document;
use crate::{
    aws::Aws,
    domain::{Deferral, FileName, FinalDocument, Inspection, Provider, Role, Subject, SubjectKind, Unavailable},
    outbound::Client,
    providers::http::{ApiSecret, HttpApi},
    secrets::{Cached, Secret},
    settings::ServiceSettings,
};

/// 201 for a PDF means "being de-archived, available in 4 hours".
const DEARCHIVING: Deferral =
    Deferral { status: 201, reason: "being_dearchived", after: SignedDuration::from_hours(4) };

/// The API's credentials: `{"username", "secret"}`.
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

impl ApiSecret for ApiSecrets {
    const PROVIDER: Provider = Provider::Legalesign;

    fn authorization(&self) -> SecretString {
        format!("ApiKey {}:{}", self.username.expose_secret(), self.secret.expose_secret()).into()
    }
}

/// Legalesign's API.
pub struct Api {
    http: HttpApi<ApiSecrets>,
    /// The zone of times that have none.
    zone: TimeZone,
}

impl Api {
    /// The API with these settings, whose URL ends with the version segment, and with times without a zone in `zone`.
    /// Reads no secret yet.
    #[must_use]
    pub fn new(settings: &ServiceSettings, aws: &Aws, zone: TimeZone) -> Self {
        Self { http: HttpApi::new(settings.api_url.clone(), Cached::new(&settings.api, aws)), zone }
    }

    /// Queries a document's status, signers and final PDFs.
    ///
    /// # Errors
    /// Why the API can't report, or that the document isn't ours.
    pub async fn inspect(&self, client: &Client, subject: &Subject) -> Result<Inspection, Unavailable> {
        if subject.kind != SubjectKind::Document {
            return Err(Unavailable::failed("not_a_document"));
        }
        let object = self.http.get_object(client, &format!("document/{}/", subject.id)).await?;
        let document = Document::read(&object);
        let mut inspection = document.inspection(subject);
        if inspection.unavailable.is_none() {
            inspection.documents = self.final_documents(subject, &document).await?;
        }
        Ok(inspection)
    }

    async fn final_documents(&self, subject: &Subject, document: &Document) -> Result<Vec<FinalDocument>, Unavailable> {
        let credential = self.http.credential().await?.only_first();
        let final_document = |role, path: String, sha256| FinalDocument {
            document: subject.id.to_string(),
            file_name: document.name.as_deref().and_then(|name| FileName::new(name, role)),
            role,
            // The audit log is rendered anew at each download, so the PDF's hash marks the version of both.
            version: document.hash_value.clone().unwrap_or_default(),
            url: self.http.url(&path),
            credential: Some(credential.clone()),
            sha256,
            deferral: Some(DEARCHIVING),
        };
        Ok(vec![
            final_document(Role::Document, format!("pdf/{}/", subject.id), document.sha256()),
            final_document(Role::AuditLog, format!("document/{}/auditlog/", subject.id), None),
        ])
    }
}
