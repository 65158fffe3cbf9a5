//! The way of a callback, the same for every provider: size, path token, the provider's own proof, durable acceptance,
//! reading, recording, answer.
//!
//! Errors are of three tiers. The sender's fault (too large, unproven, malformed) is answered 4xx, and nothing is
//! kept. Ours, for now (DynamoDB, secrets), is answered 503, and sending again helps. What was proven and can't be
//! read is nobody's to send again: it is kept, acknowledged, and somebody is called.

mod answer;
mod reading;
mod refused;
mod subscription;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, info_span};

pub use answer::{Answer, Verdict};
pub use reading::{Link, Reading, UnreadableEntry};
pub use subscription::{Subscribed, UnknownSubscription};

use refused::Refusals;

use crate::{
    aws::Aws,
    delivery::{Addressed, Envelope, OwnProof, Proven, Route, Unproven},
    ledger::{Ledger, LedgerError, Outcome},
    secrets::{Cached, NotConfigured, Secret},
    settings::{Problems, SecretSource, Settings},
    time,
    token::Tokens,
};

/// A callback function ends at 25 s and a sender may give up at 30 s (SignEasy), so an answer leaves by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What DynamoDB hasn't taken by then is put into the bucket, where the provider isn't known to send again.
const ACCEPT_WITHIN: Duration = Duration::from_secs(12);

/// One provider's callback: how it is proven and read.
pub trait Callback: Send + Sync + 'static {
    /// Where it is posted to.
    const ROUTE: Route;
    /// Whether a delivery that was accepted in time, and couldn't be recorded in time, is acknowledged and left to the
    /// sweep: right for a provider that isn't known to send again.
    const LEFT_TO_THE_SWEEP: bool = false;
    /// What proves it.
    type Secrets: Secret;

    /// The path tokens among the secrets.
    fn path_tokens(secrets: &Self::Secrets) -> &Tokens;

    /// The groups whose documents are wanted; all, where none is named.
    fn groups(_: &Self::Secrets) -> &[String] {
        &[]
    }

    /// What becomes of this request if the subscription that it names isn't known.
    fn unknown_subscription(&self, _: &Addressed) -> UnknownSubscription {
        UnknownSubscription::Unasked
    }

    /// The provider's own proof, over the bytes.
    ///
    /// # Errors
    /// When it is wrong, or can't be looked for.
    fn prove(&self, request: &Addressed, secrets: &Self::Secrets) -> Result<OwnProof, Refusal>;

    /// The body as it may be kept when the proof failed: without any secret, wrong ones included; `None` when they can't
    /// be found in it.
    fn without_secrets(&self, request: &Addressed, _: &Self::Secrets) -> Option<Bytes> {
        Some(request.body().clone())
    }
}

/// Why a request with the right path token isn't believed. The code is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The proof is wrong.
    Unproven(&'static str),
    /// There is no place where a proof could stand.
    Malformed(&'static str),
    /// What the proof would have to be compared with isn't set.
    NotConfigured(&'static str),
}

impl Refusal {
    /// The exact cause, as a stable code.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Unproven(cause) | Self::Malformed(cause) | Self::NotConfigured(cause) => cause,
        }
    }
}

/// Why a kept request can't be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotProven {
    /// There is nothing to compare its proof with.
    NotConfigured(NotConfigured),
    /// Its proof is still wrong.
    Refused(Refusal),
}

/// A proven delivery that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {path}")]
pub struct Unreadable {
    /// What is wrong, as a stable code.
    pub code: &'static str,
    /// Where, as a path into the JSON; `.` for all of it. Never a value.
    pub path: String,
}

impl Unreadable {
    /// Unreadable for this reason, at this place.
    #[must_use]
    pub fn new(code: &'static str, path: &str) -> Self {
        Self { code, path: path.to_owned() }
    }
}

/// Takes in one provider's callbacks.
pub struct Receiver<C: Callback> {
    callback: C,
    secrets: Cached<C::Secrets>,
    settings: Result<Settings, Problems>,
    ledger: Ledger,
    refusals: Refusals,
}

/// Why a request isn't taken in.
enum Refused {
    /// The secrets can't be had.
    NotConfigured(NotConfigured),
    /// The path token is wrong.
    PathToken,
    /// The path token is right, and the provider's own proof isn't. With what may be kept of the body.
    Proof(Addressed, Refusal, Option<Bytes>),
}

impl<C: Callback> Receiver<C> {
    /// A receiver with these settings; wrong ones are answered `not_configured`, request by request.
    #[must_use]
    pub fn new(callback: C, settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let provider = C::ROUTE.provider();
        let (secret, table, bucket) = match &settings {
            Ok(settings) => (settings.provider(provider).proof.clone(), &*settings.table, &*settings.bucket),
            Err(problems) => {
                tracing::error!(event = "not_configured", %provider, problem = %problems);
                (SecretSource::Missing("settings".to_owned()), "", "")
            }
        };
        let secrets = Cached::new(secret, Some(aws.secrets.clone()));
        let (ledger, refusals) = (Ledger::new(aws, table, bucket), Refusals::new(C::ROUTE));
        Self { callback, secrets, ledger, refusals, settings }
    }

    /// Reads the secrets, so that the first request needn't wait for them.
    pub async fn warm(&self) {
        if let Err(problem) = self.secrets.get().await {
            tracing::error!(event = "not_configured", provider = %C::ROUTE.provider(), problem = %problem);
        }
    }

    /// Takes in one request as HTTP: the last segment of its path is the path token.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body,
    {
        let received_at = time::now();
        let (head, body) = request.into_parts();
        // Only a body that is still on its way can fail; Lambda hands over whole ones.
        let Ok(body) = body.collect().await else { return Answer::nothing_kept(Verdict::Malformed).to_http() };
        let token = head.uri.path().rsplit('/').next().unwrap_or_default();
        let token = percent_encoding::percent_decode_str(token).decode_utf8_lossy();
        let envelope = Envelope::of(&head.headers, head.uri.query());
        let request = Unproven::new(C::ROUTE, SecretString::from(&*token), envelope, body.to_bytes(), received_at);
        let answer = self.receive(request).instrument(info_span!("callback", provider = %C::ROUTE.provider()));
        answer.await.to_http()
    }

    /// Takes in one request. Always answers, within [`ANSWER_WITHIN`].
    pub async fn receive(&self, request: Unproven) -> Answer {
        let Ok(settings) = &self.settings else {
            return self.not_configured(&NotConfigured("settings".to_owned()));
        };
        let (size, received_at) = (request.size(), request.received_at());
        let anybody_s = |verdict, cause| self.refusals.anybody_s(&self.ledger, verdict, cause, size, received_at);
        if size > settings.max_body_bytes {
            return Answer::nothing_kept(anybody_s(Verdict::TooLarge, "too_large").await);
        }
        let start = Instant::now();
        let delivery = match timeout_at(start + ANSWER_WITHIN, self.prove(request)).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(Refused::NotConfigured(problem))) => return self.not_configured(&problem),
            Ok(Err(Refused::PathToken)) => {
                return Answer::nothing_kept(anybody_s(Verdict::Unproven, "path_token").await);
            }
            Ok(Err(Refused::Proof(request, refusal, body))) => {
                if let Refusal::NotConfigured(cause) = refusal {
                    self.not_configured(&NotConfigured(cause.to_owned()));
                }
                let verdict = self.refusals.addressed(&self.ledger, &request, body.as_ref(), refusal).await;
                return Answer::nothing_kept(verdict);
            }
            Err(_) => return self.not_configured(&NotConfigured("reading the secrets took too long".to_owned())),
        };
        self.take_in(start, &delivery).await
    }

    /// Accepts a proven delivery and records it.
    async fn take_in(&self, start: Instant, delivery: &Proven) -> Answer {
        let deadline = start + ANSWER_WITHIN;
        // What must not be lost leaves time to put it elsewhere.
        let accept_by = if C::LEFT_TO_THE_SWEEP { start + ACCEPT_WITHIN } else { deadline };
        let reading = crate::providers::read(delivery);
        let events = reading.as_ref().map_or(0, |reading| reading.events.len());
        let accepted = || Answer { events, ..Answer::kept(delivery, Verdict::Accepted) };
        if let Err(problem) = in_time(accept_by, self.ledger.accept(delivery)).await {
            if !C::LEFT_TO_THE_SWEEP {
                return unavailable(delivery, &problem);
            }
            return match in_time(deadline, self.ledger.leave_pending(delivery)).await {
                Ok(()) => {
                    tracing::error!(event = "left_pending", delivery = %delivery.id(), events, problem, metric.LeftPending = 1);
                    accepted()
                }
                Err(second) => unavailable(delivery, &format!("{problem}; {second}")),
            };
        }
        match in_time(deadline, record_reading(&self.ledger, delivery, reading)).await {
            Ok(answer) => answer,
            Err(problem) if C::LEFT_TO_THE_SWEEP => {
                tracing::warn!(event = "left_to_the_sweep", delivery = %delivery.id(), events, problem);
                accepted()
            }
            Err(problem) => unavailable(delivery, &problem),
        }
    }

    fn not_configured(&self, problem: &NotConfigured) -> Answer {
        tracing::error!(event = "not_configured", problem = %problem, metric.NotConfigured = 1);
        Answer::nothing_kept(Verdict::NotConfigured)
    }

    async fn prove(&self, request: Unproven) -> Result<Proven, Refused> {
        let mut secrets = self.secrets.get().await.map_err(Refused::NotConfigured)?;
        let request = match request.address(C::path_tokens(&secrets)) {
            Ok(request) => request,
            // The token may be a new one that was set since the secret was read.
            Err(request) => {
                secrets = self.secrets.reread().await.ok_or(Refused::PathToken)?;
                request.address(C::path_tokens(&secrets)).map_err(|_| Refused::PathToken)?
            }
        };
        let mut proof = self.callback.prove(&request, &secrets);
        if let Err(Refusal::Unproven(_) | Refusal::NotConfigured(_)) = proof
            && let Some(now) = self.secrets.reread().await
        {
            proof = self.callback.prove(&request, &now);
            secrets = now;
        }
        match proof {
            Ok(proof) => {
                let unknown = self.callback.unknown_subscription(&request);
                Ok(request.prove(proof).wanting(C::groups(&secrets).to_vec()).if_unknown(unknown))
            }
            Err(refusal) => {
                let body = self.callback.without_secrets(&request, &secrets);
                Err(Refused::Proof(request, refusal, body))
            }
        }
    }
}

/// Asks for the own proof of a kept request, whose path token was right when it came in.
///
/// # Errors
/// When it is wrong, or the secrets can't be had.
pub async fn prove_again<C: Callback>(
    callback: &C,
    secrets: &Cached<C::Secrets>,
    request: Addressed,
) -> Result<Proven, NotProven> {
    let secrets = secrets.get().await.map_err(NotProven::NotConfigured)?;
    match callback.prove(&request, &secrets) {
        Ok(proof) => {
            let unknown = callback.unknown_subscription(&request);
            Ok(request.prove(proof).wanting(C::groups(&secrets).to_vec()).if_unknown(unknown))
        }
        Err(refusal) => Err(NotProven::Refused(refusal)),
    }
}

fn unavailable(delivery: &Proven, problem: &str) -> Answer {
    tracing::error!(event = "unavailable", delivery = %delivery.id(), problem, metric.Unavailable = 1);
    Answer::nothing_kept(Verdict::Unavailable)
}

/// What it gives, or why it doesn't until `deadline`.
async fn in_time<T>(deadline: Instant, work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, String> {
    match timeout_at(deadline, work).await {
        Ok(done) => done.map_err(|problem| problem.to_string()),
        Err(_) => Err("out of time".to_owned()),
    }
}

/// Reads an accepted delivery and records what it says. It is what a callback does, and what the sweep does again for
/// those that didn't get so far.
///
/// # Errors
/// When the ledger can't take it; the delivery stays accepted.
pub async fn record(ledger: &Ledger, delivery: &Proven) -> Result<Answer, LedgerError> {
    record_reading(ledger, delivery, crate::providers::read(delivery)).await
}

async fn record_reading(
    ledger: &Ledger,
    delivery: &Proven,
    reading: Result<Reading, Unreadable>,
) -> Result<Answer, LedgerError> {
    let reading = match reading {
        Ok(reading) => subscription::check(ledger, delivery, reading).await?,
        Err(unreadable) => Err(unreadable),
    };
    let reading = match reading {
        Ok(reading) => reading,
        Err(unreadable) => {
            let Unreadable { code, path } = &unreadable;
            let provider = delivery.route().provider();
            tracing::error!(event = "set_aside", delivery = %delivery.id(), %provider, cause = code, path, metric.SetAside = 1);
            let reason = format!("{code} at {path}");
            ledger.finish(delivery, Outcome::SetAside, &reason, 0, &[]).await?;
            return Ok(Answer::kept(delivery, Verdict::SetAside));
        }
    };
    report_unreadable(delivery, &reading.unreadable);
    let recorded = ledger.record(delivery, &reading).await?;
    crate::providers::relate(ledger, delivery, &reading.events).await?;
    let (outcome, verdict) = if reading.events.is_empty() && !reading.unreadable.is_empty() {
        (Outcome::SetAside, Verdict::SetAside)
    } else if recorded.new == 0 && recorded.known > 0 {
        (Outcome::Duplicate, Verdict::Duplicate)
    } else {
        (Outcome::Recorded, Verdict::Recorded)
    };
    let (_, _, reason) = verdict.parts();
    let events = reading.events.len();
    ledger.finish(delivery, outcome, reason, events, &reading.unreadable).await?;
    tracing::info!(
        event = outcome.as_str(),
        delivery = %delivery.id(),
        provider = %delivery.route().provider(),
        trust = delivery.trust().as_str(),
        events,
        new = recorded.new,
        foreign = reading.foreign,
        metric.Recorded = (outcome == Outcome::Recorded).then_some(1),
        metric.Duplicates = (outcome == Outcome::Duplicate).then_some(1),
    );
    Ok(Answer { events, unreadable: reading.unreadable.len(), ..Answer::kept(delivery, verdict) })
}

/// Calls somebody for the entries that can't be read: the same event as for a whole delivery, once.
fn report_unreadable(delivery: &Proven, entries: &[UnreadableEntry]) {
    let Some(UnreadableEntry { position, cause: Unreadable { code, path } }) = entries.first() else { return };
    tracing::error!(
        event = "set_aside",
        delivery = %delivery.id(),
        provider = %delivery.route().provider(),
        entries = entries.len(),
        first_position = position,
        cause = code,
        path,
        metric.SetAside = 1,
    );
}
