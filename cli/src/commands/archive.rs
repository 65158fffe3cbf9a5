//! `countersign archive`: lists archive jobs, and retries them.

use clap::{Args, Subcommand};
use countersign::{
    domain::{Provider, Subject, SubjectId, SubjectKind},
    ledger::{ArchiveJob, ArchiveState},
};
use serde_json::{Value, json};

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, or_dash, table},
    provider,
    storage::Access,
};

#[derive(Debug, Subcommand)]
pub enum Archive {
    /// List archive jobs by state
    List(List),
    /// Fetch the PDFs of a document or pack again, now
    Retry(Retry),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only jobs in this state: due, waiting, archived, blocked, failed or foreign
    #[arg(long, value_parser = state)]
    state: Option<ArchiveState>,

    /// Maximum number of jobs per state
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    #[command(flatten)]
    deployed: Deployed,
}

#[derive(Debug, Args)]
pub struct Retry {
    /// The service
    #[arg(value_parser = provider())]
    provider: Provider,

    /// Id of the document or pack, as the service writes it
    id: String,

    #[command(flatten)]
    deployed: Deployed,
}

fn state(name: &str) -> Result<ArchiveState, String> {
    ArchiveState::parse(name).ok_or_else(|| "not a state of an archive job".to_owned())
}

impl Archive {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        match self {
            Self::List(list) => list.run(globals).await,
            Self::Retry(retry) => retry.run(globals).await,
        }
    }
}

impl List {
    async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        let mut jobs = Vec::new();
        for state in ArchiveState::ALL.into_iter().filter(|state| self.state.is_none_or(|wanted| wanted == *state)) {
            jobs.extend(ledger.jobs(state, None, self.limit.into()).await?);
        }
        let rows = jobs.iter().map(|job| {
            [
                job.subject.provider.to_string(),
                job.subject.id.to_string(),
                job.state.as_str().to_owned(),
                job.attempts.to_string(),
                or_dash(job.not_before),
                or_dash(job.reason.as_ref()),
            ]
        });
        let text = match jobs.is_empty() {
            true => "no archive jobs\n".to_owned(),
            false => table(["provider", "id", "state", "attempts", "next attempt", "reason"], rows),
        };
        Output::new(&json!({"orders": jobs.iter().map(view).collect::<Vec<_>>()}), text)
    }
}

impl Retry {
    async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let not_found = || {
            let (provider, id) = (self.provider, &self.id);
            let message =
                format!("there is no archive job for {provider} {id}: `countersign archive list` lists all jobs");
            Failure::not_found(message)
        };
        let id = SubjectId::parse(self.id.as_str()).map_err(|_| not_found())?;
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        for kind in SubjectKind::ALL.into_iter().filter(|kind| kind.has_documents()) {
            let subject = Subject { provider: self.provider, kind, id: id.clone() };
            if ledger.retry(&subject).await? {
                let text = format!("{} {id} is due\n", self.provider);
                return Output::new(&json!({"subject": subject, "state": ArchiveState::Due}), text);
            }
        }
        Err(not_found())
    }
}

fn view(job: &ArchiveJob) -> Value {
    json!({
        "subject": job.subject,
        "state": job.state,
        "attempts": job.attempts,
        "not_before": job.not_before,
        "reason": job.reason,
        "requests": job.requests,
    })
}
