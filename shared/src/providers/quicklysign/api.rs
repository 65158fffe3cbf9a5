//! QuicklySign's API, version 1 (docs.quicklysign.com).
//!
//! Every answer is an envelope `{"status": {"status_code", "errors"}, "data"}`. The HTTP status mirrors `status_code`,
//! but can be forced to 200, so `status_code` counts. Where in `data` a document stands is not documented, only that it
//! has a `serve_pdf_url`: the whole tree is searched for it.

use http::{HeaderName, Method, Request, header};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use bytes::Bytes;

use crate::{
    archive::{Inspection, Obstacle, Wanted},
    event::Kind,
    ledger::Role,
    outbound::{Client, Credential, HostPatterns},
    secrets::{Cached, Secret},
    subject::SubjectId,
};

/// A pack of fifty documents takes some 100 KB.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("access_token");

/// What the API wants to see: `{"client_id", "client_secret", "api_key"}`.
#[derive(Deserialize)]
pub struct ApiSecrets {
    client_id: SecretString,
    client_secret: SecretString,
    api_key: SecretString,
}

impl Secret for ApiSecrets {
    type Json = Self;

    fn from_json(json: Self) -> Result<Self, String> {
        let given =
            [("client_id", &json.client_id), ("client_secret", &json.client_secret), ("api_key", &json.api_key)];
        let empty = given.into_iter().find(|(_, value)| value.expose_secret().is_empty()).map(|(name, _)| name);
        empty.map_or(Ok(json), |name| Err(format!("{name} is empty")))
    }
}

/// QuicklySign's API.
pub struct Api {
    client: Client,
    base: Url,
    secrets: Cached<ApiSecrets>,
    access_token: Mutex<Option<SecretString>>,
}

#[derive(Deserialize)]
struct Envelope {
    status: Status,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Status {
    status_code: u16,
}

impl Api {
    /// The API at `base`, without its version segment.
    #[must_use]
    pub fn new(client: &Client, base: &Url, secrets: Cached<ApiSecrets>) -> Self {
        let client = client.with_hosts(HostPatterns::only_host_of(base));
        Self { client, base: base.clone(), secrets, access_token: Mutex::new(None) }
    }

    /// Asks for a pack's status and final documents: `GET /v1/document_packs/<key>`.
    ///
    /// # Errors
    /// Why the API can't say, or why there are none yet.
    pub async fn inspect(&self, pack: &SubjectId) -> Result<Inspection, Obstacle> {
        let path = format!("v1/document_packs/{pack}");
        let mut token = self.access_token(None).await?;
        let mut answer = self.get(&path, &token).await;
        if let Err(Answered { status: 401, .. }) = answer {
            // Tokens expire; after how long is not documented.
            token = self.access_token(Some(&token)).await?;
            answer = self.get(&path, &token).await;
        }
        let data = answer.map_err(Answered::into_obstacle)?;
        let mut found = Vec::new();
        collect(&data, &mut found);
        self.inspection(pack, &found, &token)
    }

    fn inspection(&self, pack: &SubjectId, found: &[Found<'_>], token: &SecretString) -> Result<Inspection, Obstacle> {
        let not_ready = |reason: &str| Obstacle::NotReady { reason: reason.to_owned(), after: None };
        if found.iter().any(|document| document.status.is_some_and(|status| status != "complete")) {
            return Err(not_ready("not_complete"));
        }
        if found.is_empty() {
            return Err(not_ready("no_final_document"));
        }
        let said_complete = found.iter().all(|document| document.status.is_some());
        let credential = Credential::new(&self.base, ACCESS_TOKEN, token).ok();
        let documents = found.iter().enumerate().map(|(position, document)| {
            let id = document.key.and_then(|key| SubjectId::parse(key).ok());
            // A document without a key of its own is named by its place in the pack.
            let id = id.map_or_else(|| format!("{pack}-{}", position + 1), |id| id.to_string());
            Wanted {
                document: id,
                role: Role::Document,
                version: document.version.clone(),
                url: document.url.to_owned(),
                credential: credential.clone(),
                sha256: None,
            }
        });
        let status = said_complete.then_some(Kind::Completed);
        Ok(Inspection { status, documents: documents.collect(), ..Inspection::default() })
    }

    /// An access token: `POST /v1/access_tokens`. A cached one, unless it is the one that was refused.
    async fn access_token(&self, refused: Option<&SecretString>) -> Result<SecretString, Obstacle> {
        let mut cached = self.access_token.lock().await;
        if let Some(token) = cached.as_ref()
            && refused.is_none_or(|refused| refused.expose_secret() != token.expose_secret())
        {
            return Ok(token.clone());
        }
        if refused.is_some() {
            // The credentials themselves may have been rotated.
            self.secrets.reread().await;
        }
        let secrets = self.secrets.get().await.map_err(|problem| {
            tracing::error!(event = "not_configured", provider = "quicklysign", problem = %problem);
            Obstacle::failed("not_configured")
        })?;
        let body = json!({
            "client_id": secrets.client_id.expose_secret(),
            "client_secret": secrets.client_secret.expose_secret(),
            "api_key": secrets.api_key.expose_secret(),
        });
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri("v1/access_tokens"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .map_err(|_| Obstacle::failed("malformed_url"))?;
        let data = self.send(request).await.map_err(Answered::into_obstacle)?;
        let token =
            data.get("access_token").and_then(Value::as_str).ok_or_else(|| Obstacle::failed("no_access_token"))?;
        let token = SecretString::from(token);
        *cached = Some(token.clone());
        Ok(token)
    }

    async fn get(&self, path: &str, token: &SecretString) -> Result<Value, Answered> {
        let request = Request::builder()
            .uri(self.uri(path))
            .header(ACCESS_TOKEN, token.expose_secret())
            .body(Bytes::new())
            .map_err(|_| Answered::failed("malformed_url"))?;
        self.send(request).await
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Value, Answered> {
        let response = self.client.call(request, MAX_ANSWER).await.map_err(|error| Answered::failed(error.code()))?;
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(SignedDuration::from_secs);
        let answered = |status| Answered { status, code: None, retry_after };
        match serde_json::from_slice::<Envelope>(response.body()) {
            Ok(Envelope { status: Status { status_code: 200 }, data }) => Ok(data),
            Ok(Envelope { status, .. }) => Err(answered(status.status_code)),
            // A proxy's page instead of an envelope.
            Err(_) if response.status().is_success() => Err(Answered::failed("api_not_json")),
            Err(_) => Err(answered(response.status().as_u16())),
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}/{path}", self.base.as_str().trim_end_matches('/'))
    }
}

/// An answer without data.
struct Answered {
    status: u16,
    code: Option<&'static str>,
    retry_after: Option<SignedDuration>,
}

impl Answered {
    const fn failed(code: &'static str) -> Self {
        Self { status: 0, code: Some(code), retry_after: None }
    }

    fn into_obstacle(self) -> Obstacle {
        let reason = self.code.map_or_else(|| format!("api_http_{}", self.status), str::to_owned);
        match self.status {
            403 | 404 => Obstacle::Foreign { reason },
            429 => Obstacle::NotReady { reason, after: self.retry_after },
            _ => Obstacle::Failed { reason },
        }
    }
}

/// A document, wherever it stands.
struct Found<'a> {
    url: &'a str,
    key: Option<&'a str>,
    status: Option<&'a str>,
    version: String,
}

/// Collects every object with a `serve_pdf_url`, in the order of the text.
fn collect<'a>(value: &'a Value, found: &mut Vec<Found<'a>>) {
    match value {
        Value::Object(object) => {
            if let Some(url) = object.get("serve_pdf_url").and_then(Value::as_str).filter(|url| !url.is_empty()) {
                let text = |name: &str| object.get(name).and_then(Value::as_str);
                let version = match object.get("date_updated") {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => String::new(),
                };
                found.push(Found { url, key: text("key"), status: text("status"), version });
            }
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_found_wherever_they_stand() {
        let data = json!({
            "document_pack": {
                "key": "pack",
                "documents": [
                    {"key": "one", "serve_pdf_url": "https://x/1", "status": "complete", "date_updated": 17},
                    {"nested": {"document": {"serve_pdf_url": "https://x/2", "date_updated": "later"}}},
                    {"key": "none", "serve_pdf_url": ""},
                    {"key": "null", "serve_pdf_url": null},
                ],
            },
        });
        let mut found = Vec::new();
        collect(&data, &mut found);
        let found: Vec<_> = found.iter().map(|f| (f.url, f.key, f.status, f.version.as_str())).collect();
        assert_eq!(found, [("https://x/1", Some("one"), Some("complete"), "17"), ("https://x/2", None, None, "later")]);
    }
}
