//! Reconcile: queries the services for what their callbacks didn't report, and records it.
//!
//! The services want their customers to use callbacks instead of polling. So the queries are rare and small, and limited
//! to what may be missing. A service that lists changes is queried for what was modified since the last pass (`feeds`).
//! Any other is queried for each subject without a terminal status (`open_subjects`). A status that no callback reported
//! and that is older than [`GRACE`] is recorded with `source: reconcile` and counted as a missed callback.
//!
//! Each run is bounded, and continues where the last one stopped, even if it was ended from outside. Every service has its
//! share of the time, and its failure doesn't affect the others. A 429 ends a service's run for as long as the service asks.

mod feeds;
mod open_subjects;
mod pause;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Index,
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    aws::Aws,
    deadline::Deadline,
    domain::{Kind, LedgerError, Link, Provider, Subject, TimeSource},
    ledger::{Ledger, ReportedStatus},
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
    providers::{Discovery, MissedCallback, Services},
    settings::Settings,
};

/// A callback may still arrive within this time: a batch of Legalesign's alone takes six minutes.
pub const GRACE: SignedDuration = SignedDuration::from_mins(15);

/// The result of querying one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queried {
    /// The number of documents, requests and packs that were queried.
    pub queried: usize,
    /// The number of recorded statuses that no callback had reported.
    pub recorded: usize,
    /// Of these, the missed callbacks; the others are older than the first run.
    pub missed: usize,
    /// The number of missing statuses whose callback may still arrive.
    pub maybe_late: usize,
    /// Why the service wasn't queried completely, as a stable code.
    pub stopped: Option<String>,
    /// The kind of `stopped`, if an operator should know about it and the service is in use.
    #[serde(skip)]
    pub trouble: Option<Trouble>,
}

/// Why a service can't be queried, if an operator should know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It needs an operator: settings or credentials are missing or not sufficient.
    Denied,
    /// The service or the network failed.
    Failed,
}

/// The results of all services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reconciled(BTreeMap<Provider, Queried>);

impl Reconciled {
    /// Each service with its result.
    pub fn iter(&self) -> impl Iterator<Item = (Provider, &Queried)> {
        self.0.iter().map(|(provider, result)| (*provider, result))
    }
}

impl Index<Provider> for Reconciled {
    type Output = Queried;

    fn index(&self, provider: Provider) -> &Queried {
        &self.0[&provider]
    }
}

/// Queries the services.
pub struct Reconcile {
    ledger: Ledger,
    services: Services,
    client: Client,
    in_use: BTreeSet<Provider>,
    progress: Option<Progress>,
}

/// Called for each document, request or pack that was queried, with the number so far.
type Progress = Box<dyn Fn(Provider, usize) + Send + Sync>;

/// A status that the API reports.
struct Found<'a> {
    subject: &'a Subject,
    status: Kind,
    changed_at: Option<(Timestamp, TimeSource)>,
    links: &'a [Link],
    /// Whether the pass is the first over this service or feed: what it finds is older than this stack.
    first_pass: bool,
}

impl Reconcile {
    /// With the secrets and the storage of these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let policy = UrlPolicy::new(HostPatterns::default(), settings.allow_insecure);
        Self {
            ledger: Ledger::new(aws, settings.storage()),
            services: Services::start(settings, aws),
            client: Client::new(policy, Timeouts::default()),
            in_use: settings.providers.clone(),
            progress: None,
        }
    }

    /// The same, with a function that is called for each document, request or pack that was queried.
    #[must_use]
    pub fn watched(self, progress: impl Fn(Provider, usize) + Send + Sync + 'static) -> Self {
        Self { progress: Some(Box::new(progress)), ..self }
    }

    /// One run, as if it were `now`. Runs may happen at any time, also concurrently.
    ///
    /// # Errors
    /// If DynamoDB can't be read or written. A service that can't be queried isn't an error: the next run queries it again.
    pub async fn run(&self, now: Timestamp) -> Result<Reconciled, LedgerError> {
        self.run_until(Deadline::NONE, now).await
    }

    /// The same, within this time, which the services share.
    ///
    /// # Errors
    /// As [`Reconcile::run`].
    pub async fn run_until(&self, deadline: Deadline, now: Timestamp) -> Result<Reconciled, LedgerError> {
        let mut reconciled = Reconciled::default();
        let mut failure = None;
        for (provider, services_left) in Provider::ALL.into_iter().zip((1..=Provider::ALL.len()).rev()) {
            let mut result = Queried::default();
            if !self.in_use.contains(&provider) {
                result.stopped = Some("not_in_use".to_owned());
                reconciled.0.insert(provider, result);
                continue;
            }
            if let Err(problem) = self.query(provider, deadline.first_of(services_left), now, &mut result).await {
                tracing::error!(event = "ledger_unavailable", %provider, %problem);
                failure.get_or_insert(problem);
            }
            // A service without any document isn't in use. If that can't be found out, it may be.
            if result.trouble.is_some() && !self.ledger.has_documents(provider).await.unwrap_or(true) {
                result.trouble = None;
            }
            log(provider, &result);
            reconciled.0.insert(provider, result);
        }
        failure.map_or(Ok(reconciled), Err)
    }

    async fn query(
        &self,
        provider: Provider,
        deadline: Deadline,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        match self.services.of(provider).discovery().await {
            Ok(Discovery::Feeds(feeds)) => self.feeds(provider, &feeds, deadline, now, result).await,
            Ok(Discovery::OpenSubjects) => self.open_subjects(provider, deadline, now, result).await,
            Err(problem) => {
                tracing::warn!(event = "not_configured", %provider, problem = %problem);
                result.stopped = Some("not_configured".to_owned());
                result.trouble = Some(Trouble::Denied);
                Ok(())
            }
        }
    }

    /// Counts one more query.
    fn count(&self, provider: Provider, result: &mut Queried) {
        result.queried += 1;
        if let Some(progress) = &self.progress {
            progress(provider, result.queried);
        }
    }

    /// Records a status that the API reports, if no callback reported it and none is expected any more.
    async fn record(&self, found: &Found<'_>, now: Timestamp, result: &mut Queried) -> Result<(), LedgerError> {
        let Found { subject, status, changed_at, links, first_pass } = *found;
        let reported = ReportedStatus { subject: subject.clone(), status, changed_at };
        let known = self.ledger.known_status(subject).await?;
        if known.covers(status) {
            if known.status == Some(status) && !known.confirmed {
                self.ledger.report(&reported, now).await?;
            }
            return Ok(());
        }
        // If the API doesn't report the time, the status is missing since it was first found.
        let since = match (changed_at, known.missing) {
            (Some((at, _)), _) => at,
            (None, Some((seen, since))) if seen == status => since,
            (None, _) => {
                self.ledger.note_missing(subject, status, now).await?;
                now
            }
        };
        if is_in_grace(since, now) && !first_pass {
            result.maybe_late += 1;
            return Ok(());
        }
        if self.ledger.report_missed(&reported, links, now).await? {
            result.recorded += 1;
            if !first_pass {
                result.missed += 1;
                tracing::warn!(event = "callback_missed", provider = %subject.provider, subject = %subject.id, kind = subject.kind.as_str(), status = status.as_str());
            }
        }
        Ok(())
    }

    /// Records a callback that the service made and that never arrived, unless it may still arrive.
    async fn record_missed(
        &self,
        missed: &MissedCallback,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        let MissedCallback { subject, name, kind, made_at, known } = missed;
        if is_in_grace(*made_at, now) {
            result.maybe_late += 1;
            return Ok(());
        }
        if self.ledger.record_missed_callback(subject, name, *kind, *made_at, *known, now).await? {
            result.recorded += 1;
            result.missed += 1;
            tracing::warn!(event = "callback_missed", provider = %subject.provider, subject = %subject.id, name);
        }
        Ok(())
    }
}

fn log(provider: Provider, result: &Queried) {
    tracing::info!(
        event = "reconciled",
        provider = %provider,
        queried = result.queried,
        recorded = result.recorded,
        missed = result.missed,
        maybe_late = result.maybe_late,
        stopped = result.stopped,
        metric.MissedCallbacks = result.missed,
    );
    let reason = result.stopped.as_deref();
    match result.trouble {
        Some(Trouble::Denied) => {
            tracing::warn!(event = "not_queried", %provider, reason, metric.NotQueried = 1, metric.ApiDenied = 1);
        }
        Some(Trouble::Failed) => tracing::warn!(event = "not_queried", %provider, reason, metric.NotQueried = 1),
        None => {}
    }
}

/// Whether a callback about what happened at `since` may still arrive.
fn is_in_grace(since: Timestamp, now: Timestamp) -> bool {
    since.checked_add(GRACE).is_ok_and(|end| end > now)
}
