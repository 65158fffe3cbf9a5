//! The answer to a callback. It repeats nothing of the request and never names the exact cause of a rejection: that goes to
//! the log, where an operator reads it and a forger doesn't.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::domain::{DeliveryId, Outcome, Proven};

/// The header with the answer's JSON, if the service insists on another body.
pub const ANSWER: HeaderName = HeaderName::from_static("countersign-answer");

/// Value of Retry-After in a 503, in seconds.
const RETRY_AFTER_SECONDS: u16 = 30;

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service isn't in use.
    NotInUse,
    /// The method isn't POST: a browser, or the check of a URL.
    NotPosted,
    /// No callback has this path.
    UnknownPath,
    /// The body is over `MAX_BODY_BYTES`.
    TooLarge,
    /// The path token or the service's own proof is wrong.
    Unproven,
    /// The request has no place where the service's own proof could be.
    Malformed,
    /// The ledger can't be written at the moment.
    Unavailable,
    /// Settings or secrets are missing.
    NotConfigured,
    /// Proven and kept, but unreadable.
    SetAside,
    /// Proven and durable; the sweep records it.
    Accepted,
    /// Proven, and all its events were known.
    Duplicate,
    /// Proven and recorded.
    Recorded,
}

impl Verdict {
    /// The HTTP status.
    ///
    /// After the proof it is never 4xx: SignEasy disables a webhook that keeps failing, QuicklySign repeats until 200,
    /// Legalesign may never repeat.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotInUse | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::NotPosted => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unproven => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unavailable | Self::NotConfigured => StatusCode::SERVICE_UNAVAILABLE,
            Self::SetAside | Self::Accepted | Self::Duplicate | Self::Recorded => StatusCode::OK,
        }
    }

    /// The answer's `outcome`.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::NotInUse
            | Self::NotPosted
            | Self::UnknownPath
            | Self::TooLarge
            | Self::Unproven
            | Self::Malformed => "rejected",
            Self::Unavailable | Self::NotConfigured => "unavailable",
            Self::SetAside => Outcome::SetAside.as_str(),
            Self::Accepted => Outcome::Accepted.as_str(),
            Self::Duplicate => Outcome::Duplicate.as_str(),
            Self::Recorded => Outcome::Recorded.as_str(),
        }
    }

    /// The answer's `reason`, a stable code.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotInUse => "not_in_use",
            Self::NotPosted => "not_posted",
            Self::UnknownPath => "unknown_path",
            Self::TooLarge => "too_large",
            Self::Unproven => "unproven",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
            Self::NotConfigured => "not_configured",
            Self::SetAside => "unreadable",
            Self::Accepted => "out_of_time",
            Self::Duplicate => "duplicate",
            Self::Recorded => "ok",
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Recorded => Self::Recorded,
            Outcome::Duplicate => Self::Duplicate,
            Outcome::SetAside => Self::SetAside,
        }
    }
}

/// The answer to a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The result.
    pub verdict: Verdict,
    /// The delivery, if one was kept.
    pub delivery: Option<DeliveryId>,
    /// The number of events in the delivery.
    pub events: usize,
    /// The number of its entries that can't be read.
    pub unreadable: usize,
}

impl Answer {
    /// The answer to a request that wasn't stored as a delivery.
    #[must_use]
    pub const fn nothing_kept(verdict: Verdict) -> Self {
        Self { verdict, delivery: None, events: 0, unreadable: 0 }
    }

    /// The answer to a request that was stored as this delivery.
    #[must_use]
    pub fn kept(delivery: &Proven, verdict: Verdict) -> Self {
        Self { delivery: Some(delivery.id().clone()), ..Self::nothing_kept(verdict) }
    }

    /// The answer as HTTP: `{"delivery", "outcome", "events", "reason"}`, with `unreadable` if an entry is. If the callback
    /// is acknowledged and its service insists on the body `acknowledgement`, that is the body, and the JSON is in the
    /// header [`ANSWER`], for people and tests.
    #[must_use]
    pub fn to_http(&self, acknowledgement: Option<&'static str>) -> Response<String> {
        let verdict = self.verdict;
        let mut body = json!({
            "delivery": self.delivery, "outcome": verdict.outcome(), "events": self.events, "reason": verdict.reason(),
        });
        if self.unreadable > 0 {
            body["unreadable"] = self.unreadable.into();
        }
        let body = body.to_string();
        let acknowledgement = acknowledgement.filter(|_| verdict.status() == StatusCode::OK);
        // The JSON consists of codes, ids and numbers, which a header can hold.
        let in_header = acknowledgement.and_then(|_| HeaderValue::from_str(&body).ok());
        let content_type = if acknowledgement.is_some() { "text/plain" } else { "application/json" };
        let mut response = Response::new(acknowledgement.map_or(body, str::to_owned));
        *response.status_mut() = verdict.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(answer) = in_header {
            headers.insert(ANSWER, answer);
        }
        if verdict == Verdict::NotPosted {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if verdict.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_replaces_the_body_only_if_the_callback_is_acknowledged() {
        let recorded = Answer { events: 1, ..Answer::nothing_kept(Verdict::Recorded) };
        let json = r#"{"delivery":null,"events":1,"outcome":"recorded","reason":"ok"}"#;
        let plain = recorded.to_http(None);
        assert_eq!((plain.body().as_str(), plain.headers().get(ANSWER)), (json, None));
        let insisted = recorded.to_http(Some("Received"));
        assert_eq!(
            (insisted.body().as_str(), insisted.headers()[header::CONTENT_TYPE].as_bytes()),
            ("Received", &b"text/plain"[..])
        );
        assert_eq!(insisted.headers()[ANSWER], json);
        for verdict in [Verdict::Unproven, Verdict::Malformed, Verdict::Unavailable, Verdict::NotInUse] {
            let answer = Answer::nothing_kept(verdict);
            assert_eq!(answer.to_http(Some("Received")).body(), answer.to_http(None).body(), "{verdict:?}");
        }
    }
}
