//! Asks the services for what their callbacks didn't tell, and records it.
//!
//! The services say: prefer callbacks to polling. So this asks seldom, for little at a time, and only for what may be
//! missing: of Legalesign, which isn't known to send anything again, what was modified in our groups since the last time;
//! of the others, the subjects that are still open. A status that no callback told of, and that is older than
//! [`GRACE`], is recorded with `source: reconcile` and counted: it is a callback that never came.
//!
//! Each run is bounded, and goes on where the one before stopped. A 429 ends a service's run until it wants to be asked
//! again.

mod legalesign;
mod open;
mod quicklysign;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    archive::Obstacle,
    aws::Aws,
    event::{Kind, TimeSource},
    intake::Link,
    ledger::{Ledger, LedgerError, Observation},
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
    provider::Provider,
    providers::{Apis, legalesign::proof::ProofSecrets, quicklysign::webhooks::Webhooks},
    secrets::Cached,
    settings::Settings,
    subject::Subject,
};

/// A callback may still come within this time: a batch of Legalesign's alone takes six minutes.
pub const GRACE: SignedDuration = SignedDuration::from_mins(15);

/// After a 429 that doesn't say when to come back.
const PAUSE: SignedDuration = SignedDuration::from_mins(15);

/// After so many failures in a row a service is left alone until the next run.
const MAX_FAILURES: usize = 3;

/// What asking one service came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// How many documents, requests and packs it was asked for.
    pub asked: usize,
    /// How many statuses were recorded that no callback had told of.
    pub recorded: usize,
    /// Of these, the callbacks that never came; the others are from before the first run.
    pub never_came: usize,
    /// How many are missing, but for so short a time that a callback may still come.
    pub maybe_late: usize,
    /// Why the service wasn't asked for all that was to be asked for, as a stable code, if it wasn't.
    pub stopped: Option<String>,
}

/// What asking all of them came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Legalesign.
    pub legalesign: Asked,
    /// QuicklySign.
    pub quicklysign: Asked,
    /// SignEasy.
    pub signeasy: Asked,
}

/// Asks the services.
pub struct Reconcile {
    ledger: Ledger,
    apis: Apis,
    legalesign_proof: Cached<ProofSecrets>,
    webhooks: Webhooks,
    watch: Option<Watch>,
}

/// Hears of each document, request or pack that a service was asked for, and how many those are by now.
type Watch = Box<dyn Fn(Provider, usize) + Send + Sync>;

/// Whether a service goes on being asked.
enum Next {
    GoOn,
    /// Not now: why, and when again.
    Stop(String, Option<SignedDuration>),
}

/// A missing status: what of it was done.
struct Missing<'a> {
    subject: &'a Subject,
    status: Kind,
    changed_at: Option<(Timestamp, TimeSource)>,
    links: &'a [Link],
}

impl Reconcile {
    /// With these settings' secrets and storage.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let policy = UrlPolicy::new(HostPatterns::default(), settings.allow_insecure);
        let client = Client::new(policy, Timeouts::default());
        let proof = settings.provider(Provider::Legalesign).proof.clone();
        let apis = Apis::new(settings, aws, &client);
        Self {
            ledger: Ledger::new(aws, &settings.table, &settings.bucket),
            webhooks: apis.quicklysign().webhooks(settings.quicklysign.delete_paths),
            apis,
            legalesign_proof: Cached::new(proof, Some(aws.secrets.clone())),
            watch: None,
        }
    }

    /// The same, and `watch` is told of each document, request or pack that a service was asked for: the service, and
    /// how many those are by now.
    #[must_use]
    pub fn watched(self, watch: impl Fn(Provider, usize) + Send + Sync + 'static) -> Self {
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// Counts one more that a service was asked for.
    fn count(&self, provider: Provider, asked: &mut Asked) {
        asked.asked += 1;
        if let Some(watch) = &self.watch {
            watch(provider, asked.asked);
        }
    }

    /// One run, as if it were `now`. It may run at any time, also twice at once.
    ///
    /// # Errors
    /// When DynamoDB can't be asked or written to. That a service can't be asked is no error: the next run asks again.
    pub async fn run(&self, now: Timestamp) -> Result<Reconciled, LedgerError> {
        let reconciled = Reconciled {
            legalesign: self.legalesign(now).await?,
            quicklysign: self.open(Provider::Quicklysign, now).await?,
            signeasy: self.open(Provider::Signeasy, now).await?,
        };
        let Reconciled { legalesign, quicklysign, signeasy } = &reconciled;
        for (provider, asked) in
            [(Provider::Legalesign, legalesign), (Provider::Quicklysign, quicklysign), (Provider::Signeasy, signeasy)]
        {
            tracing::info!(
                event = "reconciled",
                provider = %provider,
                asked = asked.asked,
                recorded = asked.recorded,
                never_came = asked.never_came,
                maybe_late = asked.maybe_late,
                stopped = asked.stopped,
                metric.MissedCallbacks = asked.never_came,
            );
        }
        Ok(reconciled)
    }

    /// Records a status of the API's, if no callback told of it and none is to be expected any more.
    async fn compare(
        &self,
        missing: &Missing<'_>,
        first_pass: bool,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<(), LedgerError> {
        let Missing { subject, status, changed_at, links } = missing;
        let known = self.ledger.known_status(subject).await?;
        if known.covers(*status) {
            if known.status == Some(*status) && !known.confirmed {
                self.ledger.confirm(subject, *status, now).await?;
            }
            return Ok(());
        }
        // Where the API doesn't say since when, it is missing since it was first seen to be.
        let since = match (changed_at, known.missing) {
            (Some((at, _)), _) => *at,
            (None, Some((seen, since))) if seen == *status => since,
            (None, _) => {
                self.ledger.note_missing(subject, *status, now).await?;
                now
            }
        };
        if since.checked_add(GRACE).is_ok_and(|end| end > now) && !first_pass {
            asked.maybe_late += 1;
            return Ok(());
        }
        let observation = Observation { subject: (*subject).clone(), status: *status, changed_at: *changed_at };
        if self.ledger.observe(&observation, links, now).await? {
            asked.recorded += 1;
            if !first_pass {
                asked.never_came += 1;
                tracing::warn!(event = "callback_never_came", provider = %subject.provider, subject = %subject.id, kind = subject.kind.as_str(), status = status.as_str());
            }
        }
        Ok(())
    }
}

/// What an obstacle means for the service's other subjects.
fn next(obstacle: &Obstacle, failures: &mut usize) -> Next {
    match obstacle {
        Obstacle::NotReady { reason, after } if reason == "api_http_429" => {
            Next::Stop(reason.clone(), Some(after.unwrap_or(PAUSE)))
        }
        Obstacle::Failed { reason } => {
            *failures += 1;
            let hopeless = reason == "not_configured" || *failures >= MAX_FAILURES;
            if hopeless { Next::Stop(reason.clone(), None) } else { Next::GoOn }
        }
        _ => {
            *failures = 0;
            Next::GoOn
        }
    }
}
