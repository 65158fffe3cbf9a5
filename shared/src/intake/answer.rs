//! What a sender is told. It repeats nothing of the request, and never the exact cause of a refusal: that goes to
//! the log, where the operator reads it and a forger doesn't.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::delivery::{DeliveryId, Proven};

/// So many seconds later is a good time to send again what couldn't be taken.
const RETRY_AFTER_SECONDS: u16 = 30;

/// What became of a request, as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The body is over `MAX_BODY_BYTES`.
    TooLarge,
    /// The path token or the provider's own proof is wrong.
    Unproven,
    /// The provider's own proof can't even be looked for.
    Malformed,
    /// The ledger can't take it at the moment.
    Unavailable,
    /// Settings or secrets are missing.
    NotConfigured,
    /// Proven and kept, but it can't be read.
    SetAside,
    /// Proven and durable; the sweep records it.
    Accepted,
    /// Proven, and all its events were known.
    Duplicate,
    /// Proven and recorded.
    Recorded,
}

impl Verdict {
    /// The HTTP status, the outcome and the reason.
    ///
    /// After the proof nothing is ever 4xx: SignEasy disables a webhook that keeps failing, QuicklySign repeats until
    /// it is 200, Legalesign may never repeat.
    #[must_use]
    pub const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "rejected", "too_large"),
            Self::Unproven => (StatusCode::UNAUTHORIZED, "rejected", "unproven"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "rejected", "malformed"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable"),
            Self::NotConfigured => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not_configured"),
            Self::SetAside => (StatusCode::OK, "set_aside", "unreadable"),
            Self::Accepted => (StatusCode::OK, "accepted", "out_of_time"),
            Self::Duplicate => (StatusCode::OK, "duplicate", "duplicate"),
            Self::Recorded => (StatusCode::OK, "recorded", "ok"),
        }
    }
}

/// The answer to a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub verdict: Verdict,
    /// The delivery that was kept, if one was.
    pub delivery: Option<DeliveryId>,
    /// How many events the delivery holds.
    pub events: usize,
    /// How many of its entries can't be read.
    pub unreadable: usize,
}

impl Answer {
    /// An answer to a request of which nothing was kept.
    #[must_use]
    pub const fn nothing_kept(verdict: Verdict) -> Self {
        Self { verdict, delivery: None, events: 0, unreadable: 0 }
    }

    /// An answer to a request that was kept.
    #[must_use]
    pub fn kept(delivery: &Proven, verdict: Verdict) -> Self {
        Self { delivery: Some(delivery.id().clone()), ..Self::nothing_kept(verdict) }
    }

    /// The answer as HTTP: `{"delivery", "outcome", "events", "reason"}`, and `unreadable` where an entry is.
    #[must_use]
    pub fn to_http(&self) -> Response<String> {
        let (status, outcome, reason) = self.verdict.parts();
        let mut body = json!({"delivery": self.delivery, "outcome": outcome, "events": self.events, "reason": reason});
        if self.unreadable > 0 {
            body["unreadable"] = self.unreadable.into();
        }
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}
