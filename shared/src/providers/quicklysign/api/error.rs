//! Errors of the API.
//!
//! The API's own code and message are foreign text: they are shortened and lose URLs and credentials before they are shown
//! or logged.

use jiff::SignedDuration;

use super::super::redact;
use crate::{
    domain::{Provider, Unavailable},
    outbound::OutboundError,
    providers::http,
    secrets::NotConfigured,
};

/// Maximum length of a code or message, in characters.
const MAX_TEXT: usize = 200;

/// Why a request returned no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The credentials are missing or unusable.
    #[error("the credentials for QuicklySign's API: {0}")]
    NotConfigured(NotConfigured),
    /// There is no complete response.
    #[error("QuicklySign's API: {0}")]
    Outbound(OutboundError),
    /// The API reported an error.
    #[error("QuicklySign's API answered {0}")]
    Response(ErrorResponse),
    /// The response has a status of success but no envelope.
    #[error("QuicklySign's API answered, but not with its envelope")]
    NotAnEnvelope,
    /// The envelope lacks the requested object.
    #[error("QuicklySign's API answered without a usable {0}")]
    Missing(&'static str),
    /// `pagination.next` has another origin than the API, or isn't a URL.
    #[error("QuicklySign's API gave a next page that isn't its own")]
    PageElsewhere,
    /// The list has too many pages, or its pages form a loop.
    #[error("QuicklySign's API gave more pages than a list can have")]
    TooManyPages,
    /// The URL or the credentials can't be sent in a request.
    #[error("the URL or the credentials for QuicklySign's API can't be sent in a request")]
    Malformed,
}

/// An error that the API reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The envelope's `status_code`; without an envelope, the HTTP status.
    pub status: u16,
    /// `status.errors[0].code`, such as `bad_request` or `unauthorised`.
    pub code: Option<String>,
    /// `status.errors[0].message`.
    pub message: Option<String>,
    /// Whether it came in the API's envelope; if not, the path may not be one of the API's.
    pub in_envelope: bool,
    /// The pause that the service asks for.
    pub retry_after: Option<SignedDuration>,
}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        for text in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

impl ApiError {
    /// A stable code for people and records. The API's own message is in the error's text.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::NotConfigured(_) => "not_configured".to_owned(),
            Self::Outbound(error) => error.code().to_owned(),
            Self::Response(response) => format!("api_http_{}", response.status),
            Self::NotAnEnvelope => "api_not_json".to_owned(),
            Self::Missing(what) => format!("api_without_{what}"),
            Self::PageElsewhere => "page_elsewhere".to_owned(),
            Self::TooManyPages => "too_many_pages".to_owned(),
            Self::Malformed => "malformed_url".to_owned(),
        }
    }

    /// The status of an error that the API reported.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            _ => None,
        }
    }
}

impl From<NotConfigured> for ApiError {
    fn from(problem: NotConfigured) -> Self {
        Self::NotConfigured(problem)
    }
}

impl From<OutboundError> for ApiError {
    fn from(error: OutboundError) -> Self {
        Self::Outbound(error)
    }
}

impl From<ApiError> for Unavailable {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::NotConfigured(problem) => http::not_configured(Provider::Quicklysign, &problem),
            ApiError::Outbound(error) => error.into(),
            ApiError::Response(response) => http::unavailable(response.status, response.retry_after),
            error => Self::failed(error.code()),
        }
    }
}

/// The API's text as it may be shown: one line of limited length, without the secrets in URLs and without `secrets`.
pub(super) fn presentable(text: &str, secrets: &[&str]) -> Option<String> {
    let known = secrets.iter().filter(|secret| !secret.is_empty());
    let text = known.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    let text: String = redact::text(&text).chars().filter(|char| !char.is_control()).take(MAX_TEXT).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_of_the_api_are_redacted() {
        let shown = |text: &str| presentable(text, &["hush-hush", ""]).unwrap_or_default();
        assert_eq!(shown("client_secret is wrong"), "client_secret is wrong");
        assert_eq!(shown("hush-hush is wrong\r\nand so on"), "*** is wrongand so on");
        assert_eq!(
            shown("GET https://api.example/v1/webhooks?client_secret=x failed"),
            "GET https://api.example/*** failed"
        );
        assert_eq!(shown(&"a".repeat(1_000)).len(), MAX_TEXT);
        assert_eq!(presentable("\n", &[]), None);
    }

    #[test]
    fn each_error_has_its_variant_and_reason() {
        let unavailable = |status, after| {
            let retry_after = after;
            Unavailable::from(ApiError::Response(ErrorResponse { status, retry_after, ..ErrorResponse::default() }))
        };
        let minute = SignedDuration::from_mins(1);
        assert_eq!(unavailable(404, None), Unavailable::Foreign { reason: "api_http_404".to_owned() });
        for status in [401, 403] {
            assert_eq!(unavailable(status, None), Unavailable::Denied { reason: format!("api_http_{status}") });
        }
        assert_eq!(unavailable(429, Some(minute)), Unavailable::RateLimited { after: Some(minute) });
        assert_eq!(unavailable(429, Some(minute)).reason(), "api_http_429");
        assert_eq!(unavailable(500, Some(minute)), Unavailable::failed("api_http_500"));
        let missing = Unavailable::from(ApiError::Missing("access_token"));
        assert_eq!(missing, Unavailable::failed("api_without_access_token"));
        let not_configured = ApiError::NotConfigured(NotConfigured("QUICKLYSIGN_API is not set".to_owned()));
        assert_eq!(Unavailable::from(not_configured), Unavailable::NotConfigured);
    }
}
