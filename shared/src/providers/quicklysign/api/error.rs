//! What can go wrong with a call of the API.
//!
//! The API's own code and message are other people's text: they are shortened, and lose URLs and credentials, before
//! they get anywhere.

use jiff::SignedDuration;

use super::super::masked;
use crate::{archive::Obstacle, outbound::OutboundError, secrets::NotConfigured};

/// So many characters of a code or message are kept.
const MAX_TEXT: usize = 200;

/// A call that brought no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The credentials are missing or unfit.
    #[error("the credentials for QuicklySign's API: {0}")]
    NotConfigured(NotConfigured),
    /// There was no answer.
    #[error("QuicklySign's API: {0}")]
    Outbound(OutboundError),
    /// The API refused.
    #[error("QuicklySign's API answered {0}")]
    Answered(Answered),
    /// It answered that all is well, in something that isn't its envelope.
    #[error("QuicklySign's API answered, but not with its envelope")]
    NotAnEnvelope,
    /// The envelope lacks what was asked for.
    #[error("QuicklySign's API answered without a usable {0}")]
    Missing(&'static str),
    /// `pagination.next` leads to another host than the API's, or isn't a URL.
    #[error("QuicklySign's API gave a next page that isn't its own")]
    PageElsewhere,
    /// There is no end to the pages.
    #[error("QuicklySign's API gave more pages than a list can have")]
    TooManyPages,
    /// What was to be asked can't be put into a request.
    #[error("that can't be asked of QuicklySign's API")]
    Malformed,
}

/// An error that the API told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The envelope's `status_code`; without an envelope, the HTTP status.
    pub status: u16,
    /// `status.errors[0].code`, such as `bad_request` or `unauthorised`.
    pub code: Option<String>,
    /// `status.errors[0].message`.
    pub message: Option<String>,
    /// Whether it came in the API's envelope; if not, the path may not be one of the API's.
    pub in_envelope: bool,
    /// How much later to ask again, where it says so.
    pub retry_after: Option<SignedDuration>,
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        for text in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

impl ApiError {
    /// A stable code for people and records. What the API itself said is in the message.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::NotConfigured(_) => "not_configured".to_owned(),
            Self::Outbound(error) => error.code().to_owned(),
            Self::Answered(answered) => format!("api_http_{}", answered.status),
            Self::NotAnEnvelope => "api_not_json".to_owned(),
            Self::Missing(what) => format!("api_without_{what}"),
            Self::PageElsewhere => "page_elsewhere".to_owned(),
            Self::TooManyPages => "too_many_pages".to_owned(),
            Self::Malformed => "malformed_url".to_owned(),
        }
    }

    /// The status that the API answered with, if it answered.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(answered) => Some(answered.status),
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

impl From<ApiError> for Obstacle {
    fn from(error: ApiError) -> Self {
        let reason = error.code();
        match error {
            // The API's own host is always allowed: a refusal is about something else.
            ApiError::Answered(Answered { status: 403 | 404, .. }) => Self::Foreign { reason },
            ApiError::Answered(Answered { status: 429, retry_after, .. }) => {
                Self::NotReady { reason, after: retry_after }
            }
            _ => Self::Failed { reason },
        }
    }
}

/// The API's text as it may be shown: one line, not too long, without URLs' secrets and without any of `secrets`.
pub(super) fn presentable(text: &str, secrets: &[&str]) -> Option<String> {
    let known = secrets.iter().filter(|secret| !secret.is_empty());
    let text = known.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    let text: String = masked::text(&text).chars().filter(|char| !char.is_control()).take(MAX_TEXT).collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_says_is_shown_without_secrets() {
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
    fn an_obstacle_is_what_a_worker_makes_of_it() {
        let answered = |status, after| {
            let retry_after = after;
            Obstacle::from(ApiError::Answered(Answered { status, retry_after, ..Answered::default() }))
        };
        let minute = SignedDuration::from_mins(1);
        assert_eq!(answered(404, None), Obstacle::Foreign { reason: "api_http_404".to_owned() });
        assert_eq!(answered(403, None), Obstacle::Foreign { reason: "api_http_403".to_owned() });
        let busy = Obstacle::NotReady { reason: "api_http_429".to_owned(), after: Some(minute) };
        assert_eq!(answered(429, Some(minute)), busy);
        assert_eq!(answered(401, None), Obstacle::failed("api_http_401"));
        assert_eq!(answered(500, Some(minute)), Obstacle::failed("api_http_500"));
        assert_eq!(Obstacle::from(ApiError::Missing("access_token")), Obstacle::failed("api_without_access_token"));
    }
}
