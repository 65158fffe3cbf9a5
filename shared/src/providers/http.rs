//! The client of a service's JSON API: one host, one credential in `Authorization`, one way to read failures.
//!
//! It holds no HTTP client. The caller passes one at each call, so that functions that only receive callbacks never make
//! one.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::{
    domain::{Provider, Unavailable},
    json::without_byte_order_marks,
    outbound::{Client, Credential, HostPatterns, OutboundError},
    secrets::{Cached, NotConfigured, Secret},
    time,
};

/// Longest response that is read, in bytes. A document or request with two hundred signers takes some 100 KB.
const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// The credentials of an API that takes them in `Authorization`.
pub(super) trait ApiSecret: Secret {
    /// The service.
    const PROVIDER: Provider;
    /// The media types of its responses.
    const ACCEPT: &'static str = "application/json";

    /// The header's value.
    fn authorization(&self) -> SecretString;

    /// The pause that a response asks for.
    fn pause(headers: &HeaderMap, _now: Timestamp) -> Option<SignedDuration> {
        retry_after(headers)
    }
}

/// An API at one host. No request goes to another one.
pub(super) struct HttpApi<S> {
    base: Url,
    secrets: Cached<S>,
}

/// Why there is no usable response to a request.
#[derive(Debug)]
pub(super) enum Failure {
    /// The response has another status than 200.
    Status {
        /// The status.
        status: StatusCode,
        /// The pause that the service asks for.
        retry_after: Option<SignedDuration>,
    },
    /// There is no complete response within the limits.
    Outbound(OutboundError),
    /// No request could be made, or the response isn't a JSON object.
    Unavailable(Unavailable),
}

impl<S: ApiSecret> HttpApi<S> {
    /// The API at `base`: the URL before the paths of its endpoints.
    pub(super) const fn new(base: Url, secrets: Cached<S>) -> Self {
        Self { base, secrets }
    }

    /// The URL of an endpoint. Ids in `path` must be a [`SubjectId`](crate::domain::SubjectId), which needs no escaping.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// The credential for downloads from the API's own host.
    pub(super) async fn credential(&self) -> Result<Credential, Unavailable> {
        let authorization = self.secret().await?.authorization();
        Credential::new(&self.base, header::AUTHORIZATION, &authorization).map_err(|_| not_sendable())
    }

    /// Gets a JSON object.
    pub(super) async fn get_object(&self, client: &Client, path: &str) -> Result<Value, Failure> {
        let body = self.get(client, path, MAX_RESPONSE).await?;
        let object: Value =
            serde_json::from_slice(without_byte_order_marks(&body)).map_err(|_| Unavailable::failed("api_not_json"))?;
        if object.is_object() { Ok(object) } else { Err(Unavailable::failed("api_unexpected_answer").into()) }
    }

    /// Gets the body of a response with status 200, at most `limit` bytes. After a 401 the secret is read again and, if it
    /// has changed, the request is repeated once.
    pub(super) async fn get(&self, client: &Client, path: &str, limit: usize) -> Result<Bytes, Failure> {
        let client = client.with_hosts(HostPatterns::only_host_of(&self.base));
        let secret = self.secret().await?;
        let response = self.get_once(&client, path, limit, &secret.authorization()).await;
        if let Err(Failure::Status { status: StatusCode::UNAUTHORIZED, .. }) = response
            && let Some(secret) = self.secrets.reread(&secret).await
        {
            return self.get_once(&client, path, limit, &secret.authorization()).await;
        }
        response
    }

    async fn get_once(
        &self,
        client: &Client,
        path: &str,
        limit: usize,
        authorization: &SecretString,
    ) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .uri(self.url(path))
            .header(header::AUTHORIZATION, authorization.expose_secret())
            .header(header::ACCEPT, S::ACCEPT)
            .body(Bytes::new())
            .map_err(|_| not_sendable())?;
        let response = client.call(request, limit).await.map_err(Failure::Outbound)?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(Failure::Status { status, retry_after: S::pause(response.headers(), time::now()) }),
        }
    }

    async fn secret(&self) -> Result<Arc<S>, Unavailable> {
        self.secrets.get().await.map_err(|problem| not_configured(S::PROVIDER, &problem))
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status { status, retry_after } => unavailable(status.as_u16(), retry_after),
            Failure::Outbound(error) => error.into(),
            Failure::Unavailable(unavailable) => unavailable,
        }
    }
}

/// What an API's status means for the subject of the request. Only 404 says that the subject isn't ours.
pub(super) fn unavailable(status: u16, retry_after: Option<SignedDuration>) -> Unavailable {
    let reason = format!("api_http_{status}");
    match status {
        401 | 403 => Unavailable::Denied { reason },
        404 => Unavailable::Foreign { reason },
        429 => Unavailable::RateLimited { after: retry_after },
        _ => Unavailable::Failed { reason },
    }
}

/// The pause that a response asks for in `Retry-After`, if it is a number of seconds. A date is ignored, because no service
/// documents one.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds: u32 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(SignedDuration::from_secs(seconds.into()))
}

/// Logs why an API's credentials can't be used.
pub(super) fn not_configured(provider: Provider, problem: &NotConfigured) -> Unavailable {
    tracing::error!(event = "not_configured", provider = %provider, problem = %problem);
    Unavailable::NotConfigured
}

/// The credential has characters that a header can't have.
fn not_sendable() -> Unavailable {
    Unavailable::failed("credential_not_sendable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_variant_and_429_the_pause() {
        let minute = Some(SignedDuration::from_mins(1));
        assert_eq!(unavailable(404, minute), Unavailable::Foreign { reason: "api_http_404".to_owned() });
        for status in [401, 403] {
            assert_eq!(unavailable(status, minute), Unavailable::Denied { reason: format!("api_http_{status}") });
        }
        assert_eq!(unavailable(429, minute), Unavailable::RateLimited { after: minute });
        assert_eq!(unavailable(429, None).reason(), "api_http_429");
        for status in [302, 400, 410, 500] {
            assert_eq!(unavailable(status, minute), Unavailable::failed(format!("api_http_{status}")));
        }
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let pause = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static(text))]))
        };
        assert_eq!(pause("17"), Some(SignedDuration::from_secs(17)));
        assert_eq!(pause("4294967295"), Some(SignedDuration::from_secs(u32::MAX.into())));
        for none in ["", "-1", "1.5", "4294967296", "soon", "Sun, 22 Nov 2026 00:00:00 GMT"] {
            assert_eq!(pause(none), None, "{none}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn missing_credentials_are_their_own_reason() {
        let unavailable = not_configured(Provider::Signeasy, &NotConfigured("A is not set".to_owned()));
        assert_eq!(unavailable.reason(), "not_configured");
        assert_eq!(unavailable, Unavailable::NotConfigured);
    }
}
