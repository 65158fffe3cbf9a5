//! The connection to the API: its URL, its credentials, and one request at a time.

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

use super::{
    credentials::ApiSecrets,
    envelope::{self, Page},
    error::ApiError,
};
use crate::{
    aws::Aws,
    outbound::{Client, HostPatterns},
    secrets::Cached,
    settings::ServiceSettings,
};

/// Longest response that is read, in bytes. A pack of fifty documents takes some 100 KB.
const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// The header with the access token.
pub(super) const ACCESS_TOKEN: HeaderName = HeaderName::from_static("access_token");

/// An account at QuicklySign's API, without a client.
pub(in crate::providers::quicklysign) struct Account {
    /// With the version segment, without a slash at the end.
    base: Url,
    secrets: Arc<Cached<ApiSecrets>>,
}

impl Account {
    /// The account with these settings, whose URL may end with the version segment. Reads no secret yet.
    pub(in crate::providers::quicklysign) fn new(settings: &ServiceSettings, aws: &Aws) -> Self {
        Self::at(&settings.api_url, Cached::new(&settings.api, aws))
    }

    fn at(base: &Url, secrets: Cached<ApiSecrets>) -> Self {
        let mut base = base.clone();
        let path = base.path().trim_end_matches('/').to_owned();
        let versioned = if path.ends_with("/v1") { path } else { format!("{path}/v1") };
        base.set_path(&versioned);
        Self { base, secrets: Arc::new(secrets) }
    }

    /// The account over a client's connections. No request goes to another host.
    pub(in crate::providers::quicklysign) fn connect(&self, client: &Client) -> Connection {
        let client = client.with_hosts(HostPatterns::only_host_of(&self.base));
        Connection { client, base: self.base.clone(), secrets: Arc::clone(&self.secrets) }
    }
}

/// An account over a client's connections.
pub(in crate::providers::quicklysign) struct Connection {
    client: Client,
    base: Url,
    pub(in crate::providers::quicklysign) secrets: Arc<Cached<ApiSecrets>>,
}

impl Connection {
    /// The API's URL, with the version segment.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of an endpoint, such as `document_packs/<key>`. Keys in it must be a
    /// [`SubjectId`](crate::domain::SubjectId), which needs no escaping.
    pub(in crate::providers::quicklysign) fn endpoint(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path()));
        url
    }

    /// The URL with the client's id and secret in the query, as webhook endpoints require.
    pub(in crate::providers::quicklysign) fn with_client(&self, mut url: Url, secrets: &ApiSecrets) -> Url {
        let others: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let others = others.iter().filter(|(name, _)| !matches!(name.as_str(), "client_id" | "client_secret"));
        url.query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair("client_id", secrets.client_id())
            .append_pair("client_secret", secrets.client_secret());
        url
    }

    /// The URL of `pagination.next` on `page`. Only the API's own origin is allowed: the request carries credentials.
    ///
    /// # Errors
    /// [`ApiError::PageElsewhere`].
    pub(super) fn next_page(&self, page: &Url, next: &str) -> Result<Url, ApiError> {
        let url = self.client.policy().redirect(page, next.as_bytes()).map_err(|_| ApiError::PageElsewhere)?;
        if url.origin() == self.base.origin() { Ok(url) } else { Err(ApiError::PageElsewhere) }
    }

    /// Sends one request and opens the response's envelope.
    ///
    /// # Errors
    /// [`ApiError`] if there is no data.
    pub(in crate::providers::quicklysign) async fn send(
        &self,
        method: Method,
        url: &Url,
        token: Option<&SecretString>,
        body: Option<&Value>,
    ) -> Result<Page, ApiError> {
        let mut request = Request::builder().method(method.clone()).uri(url.as_str());
        if let Some(token) = token {
            request = request.header(ACCESS_TOKEN, token.expose_secret());
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(body).map_err(|_| ApiError::Malformed)?;
        let response = self.client.call(request, MAX_RESPONSE).await?;
        let secrets = self.secrets.get().await?;
        let token = token.map(ExposeSecret::expose_secret).unwrap_or_default();
        let page = envelope::open(&response, &[secrets.client_secret(), secrets.api_key(), token])?;
        // Only DELETE may have an empty response. For any other request it must not be read as an empty list.
        if page.data.is_null() && method != Method::DELETE { Err(ApiError::NotAnEnvelope) } else { Ok(page) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        outbound::{Timeouts, UrlPolicy},
        settings::SecretSource,
    };

    pub(in super::super) fn connection(base: &str) -> Connection {
        let policy = UrlPolicy::new(HostPatterns::default(), true);
        let secrets = r#"{"client_id":"id","client_secret":"a&b=c","api_key":"key"}"#;
        let secrets = Cached::without_client(SecretSource::Inline(secrets.into()));
        Account::at(&Url::parse(base).unwrap(), secrets).connect(&Client::new(policy, Timeouts::default()))
    }

    #[test]
    fn the_version_segment_is_optional() {
        for (base, url) in [
            ("https://api.quicklysign.com", "https://api.quicklysign.com/v1/webhooks/k"),
            ("https://api.quicklysign.com/", "https://api.quicklysign.com/v1/webhooks/k"),
            ("https://sandboxapi.quicklysign.com/v1", "https://sandboxapi.quicklysign.com/v1/webhooks/k"),
            ("http://127.0.0.1:3000/quicklysign", "http://127.0.0.1:3000/quicklysign/v1/webhooks/k"),
        ] {
            assert_eq!(connection(base).endpoint("webhooks/k").as_str(), url);
        }
    }

    #[tokio::test]
    async fn the_query_has_the_client_id_and_secret_once() {
        let connection = connection("https://api.example");
        let secrets = connection.secrets.get().await.unwrap();
        let mut url = connection.endpoint("webhooks");
        url.set_query(Some("client_id=old&entity_key=k&cursor=2"));
        let expected = "entity_key=k&cursor=2&client_id=id&client_secret=a%26b%3Dc";
        assert_eq!(connection.with_client(url, &secrets).query(), Some(expected));
    }

    #[test]
    fn a_next_page_must_have_the_origin_of_the_api() {
        let connection = connection("https://api.example/base");
        let page = connection.endpoint("document_packs/k");
        for (next, expected) in [
            ("https://api.example/base/v1/document_packs/k?cursor=2", "/base/v1/document_packs/k"),
            ("https://api.example:443/other", "/other"),
            ("?cursor=2", "/base/v1/document_packs/k"),
            ("/v1/x", "/v1/x"),
        ] {
            assert_eq!(connection.next_page(&page, next).unwrap().path(), expected, "{next}");
        }
        for next in [
            "https://evil.example/base/v1/document_packs/k",
            "https://api.example.evil.example/",
            "https://api.example@evil.example/",
            "//evil.example/x",
            "http://api.example/base/v1/document_packs/k",
            "https://api.example:8443/base/v1/document_packs/k",
            "https://127.0.0.1/",
            "https:\\\\evil.example",
            "javascript:alert(1)",
        ] {
            assert_eq!(connection.next_page(&page, next), Err(ApiError::PageElsewhere), "{next}");
        }
    }
}
