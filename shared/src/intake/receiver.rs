//! The callback function: verifies a request, makes it durable, records it and answers.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, info_span};

use super::{
    Answer, Verdict, in_time,
    record::{Stored, record_reading},
    rejections::Rejections,
    target::{self, Target},
};
use crate::{
    aws::Aws,
    domain::{Envelope, Proven, Rejection, Route, Unproven},
    ledger::Ledger,
    providers::{Endpoint, NotVerified, Redelivery, Rejected, Service},
    secrets::NotConfigured,
    settings::{Problems, Settings},
    time,
};

/// A callback is answered within this time: the function's own timeout is 25 s, and a sender may give up after 30 s
/// (SignEasy). A rejected request may take [`super::rejections::KEEP_WITHIN`] longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A delivery that is written once is recorded within this time, which leaves time to accept it if it can't be.
const RECORD_ONCE_WITHIN: Duration = Duration::from_secs(12);

/// If the service isn't known to send again until it is answered, and DynamoDB hasn't accepted a delivery within this
/// time, it is spooled in the bucket.
const ACCEPT_WITHIN: Duration = Duration::from_secs(12);

/// The same for a delivery whose recording failed before.
const ACCEPT_AFTER_FAILURE_WITHIN: Duration = Duration::from_secs(16);

/// Receives the callbacks to one route of a service.
pub struct Receiver<S> {
    endpoint: Endpoint,
    parts: Result<Parts<S>, Problems>,
}

struct Parts<S> {
    service: S,
    ledger: Ledger,
    rejections: Rejections,
    max_body_bytes: usize,
    in_use: bool,
}

impl<S: Service> Receiver<S> {
    /// A receiver for one of a service's endpoints. `start` makes the service from settings and clients. With wrong
    /// settings, every request is answered `not_configured`.
    pub fn new(
        endpoint: &Endpoint,
        start: fn(&Settings, &Aws) -> S,
        settings: Result<Settings, Problems>,
        aws: &Aws,
    ) -> Self {
        let parts = settings.map(|settings| Parts {
            service: start(&settings, aws),
            ledger: Ledger::new(aws, settings.storage()),
            rejections: Rejections::new(endpoint.route),
            max_body_bytes: settings.max_body_bytes,
            in_use: settings.providers.contains(&endpoint.route.provider()),
        });
        if let Err(problems) = &parts {
            tracing::error!(event = "not_configured", provider = %endpoint.route.provider(), problem = %problems);
        }
        Self { endpoint: *endpoint, parts }
    }

    /// Where its callbacks are posted to.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.endpoint.route
    }

    /// Reads the secrets, so that the first request needn't wait for them.
    pub async fn warm(&self) {
        let Some(parts) = self.parts.as_ref().ok().filter(|parts| parts.in_use) else { return };
        if let Err(problem) = parts.service.warm(self.route()).await {
            tracing::error!(event = "not_configured", provider = %self.route().provider(), problem = %problem);
        }
    }

    /// Receives one HTTP request. The last segment of its path is the path token.
    ///
    /// What isn't posted is answered the same whatever the path is, so that it tells nothing about the token.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<String> {
        self.answer(request).await.to_http(self.endpoint.acknowledgement)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let received_at = time::now();
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Answer::nothing_kept(Verdict::NotPosted);
        }
        let Some(Target { token, event }) = target::of(self.route(), head.uri.path()) else {
            // Without the provider: the gateway passes paths of no service on, too.
            tracing::warn!(event = "callback_path_unknown", size = body.len(), metric.CallbackPathsUnknown = 1);
            return Answer::nothing_kept(Verdict::UnknownPath);
        };
        let envelope = Envelope::of(&head.headers, head.uri.query(), self.endpoint.kept_headers).with_event(event);
        let request = Unproven::new(self.route(), SecretString::from(token), envelope, body, received_at);
        self.receive(request).instrument(info_span!("callback", provider = %self.route().provider())).await
    }

    /// Receives one request. Always answers, within `ANSWER_WITHIN`.
    pub async fn receive(&self, request: Unproven) -> Answer {
        let Ok(parts) = &self.parts else { return not_configured(&NotConfigured("settings".to_owned())) };
        if !parts.in_use {
            // The access log is enough: a stranger's request must not ring an alarm.
            return Answer::nothing_kept(Verdict::NotInUse);
        }
        let (size, received_at) = (request.size(), request.arrived_at());
        let reject = |verdict, cause| parts.rejections.reject(&parts.ledger, verdict, cause, size, received_at);
        if size > parts.max_body_bytes {
            return Answer::nothing_kept(reject(Verdict::TooLarge, "too_large").await);
        }
        let start = Instant::now();
        let delivery = match timeout_at(start + ANSWER_WITHIN, parts.service.verify(request)).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(NotVerified::NotConfigured(problem))) => return not_configured(&problem),
            Ok(Err(NotVerified::ForeignRoute)) => {
                return Answer::nothing_kept(reject(Verdict::Unproven, "foreign_route").await);
            }
            Ok(Err(NotVerified::PathToken)) => {
                return Answer::nothing_kept(reject(Verdict::Unproven, "path_token").await);
            }
            Ok(Err(NotVerified::Proof(rejected))) => {
                let Rejected { request, rejection, redacted_body } = *rejected;
                if let Rejection::NotConfigured(cause) = rejection {
                    not_configured(&NotConfigured(cause.to_owned()));
                }
                let kept = parts.rejections.quarantine(&parts.ledger, &request, redacted_body.as_ref(), rejection);
                return Answer::nothing_kept(kept.await);
            }
            Err(_) => return not_configured(&NotConfigured("reading the secrets took too long".to_owned())),
        };
        parts.record(start, &delivery, self.endpoint.redelivery).await
    }
}

impl<S: Service> Parts<S> {
    /// Records a proven delivery, or makes it durable for the sweep.
    async fn record(&self, start: Instant, delivery: &Proven, redelivery: Redelivery) -> Answer {
        let reading = self.service.read(delivery);
        let events = reading.as_ref().map_or(0, |reading| reading.events.len());
        let deadline = start + ANSWER_WITHIN;
        if redelivery == Redelivery::Unknown {
            if let Err(problem) = in_time(start + ACCEPT_WITHIN, self.ledger.accept(delivery)).await {
                return self.spool(deadline, delivery, events, &problem).await;
            }
            let recorded = record_reading(&self.ledger, delivery, reading, Stored::Accepted);
            return in_time(deadline, recorded).await.unwrap_or_else(|problem| accepted(delivery, events, &problem));
        }
        let recorded = record_reading(&self.ledger, delivery, reading, Stored::NotYet);
        let problem = match in_time(start + RECORD_ONCE_WITHIN, recorded).await {
            Ok(answer) => return answer,
            Err(problem) => problem,
        };
        let resends = redelivery == Redelivery::UntilAcknowledged;
        let accept_by = if resends { deadline } else { start + ACCEPT_AFTER_FAILURE_WITHIN };
        let kept = in_time(accept_by, self.ledger.accept_after_failure(delivery)).await;
        match kept {
            // The service's next attempt records it sooner than the sweep.
            Ok(()) | Err(_) if resends => unavailable(delivery, &problem),
            Ok(()) => accepted(delivery, events, &problem),
            Err(second) => self.spool(deadline, delivery, events, &format!("{problem}; {second}")).await,
        }
    }

    /// Puts a delivery that DynamoDB doesn't accept into the bucket, for the sweep.
    async fn spool(&self, deadline: Instant, delivery: &Proven, events: usize, problem: &str) -> Answer {
        match in_time(deadline, self.ledger.spool(delivery)).await {
            Ok(()) => {
                tracing::error!(
                    event = "left_pending",
                    delivery = %delivery.id(),
                    events,
                    problem,
                    metric.Proven = 1,
                    metric.LeftPending = 1,
                );
                Answer { events, ..Answer::kept(delivery, Verdict::Accepted) }
            }
            Err(second) => unavailable(delivery, &format!("{problem}; {second}")),
        }
    }
}

/// The answer to a delivery that is accepted, and that the sweep is going to record.
fn accepted(delivery: &Proven, events: usize, problem: &str) -> Answer {
    tracing::warn!(event = "left_to_the_sweep", delivery = %delivery.id(), events, problem, metric.Proven = 1);
    Answer { events, ..Answer::kept(delivery, Verdict::Accepted) }
}

fn not_configured(problem: &NotConfigured) -> Answer {
    tracing::error!(event = "not_configured", problem = %problem, metric.NotConfigured = 1);
    Answer::nothing_kept(Verdict::NotConfigured)
}

fn unavailable(delivery: &Proven, problem: &str) -> Answer {
    tracing::error!(
        event = "unavailable",
        delivery = %delivery.id(),
        problem,
        metric.Proven = 1,
        metric.Unavailable = 1,
    );
    Answer::nothing_kept(Verdict::Unavailable)
}
