//! `countersign archive`: what is stuck, and having it done again.

use clap::{Args, Subcommand};
use countersign::{
    ledger::{ArchiveState, Order},
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
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
    /// List archive orders by state
    List(List),
    /// Have the documents of a subject fetched again now
    Retry(Retry),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only those of one state: due, waiting, archived, blocked, failed or foreign
    #[arg(long, value_parser = state)]
    state: Option<ArchiveState>,

    /// So many of each state at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,

    #[command(flatten)]
    deployed: Deployed,
}

#[derive(Debug, Args)]
pub struct Retry {
    /// The service
    #[arg(value_parser = provider)]
    provider: Provider,

    /// The subject's id, as the service writes it
    id: String,

    #[command(flatten)]
    deployed: Deployed,
}

fn state(name: &str) -> Result<ArchiveState, String> {
    ArchiveState::parse(name).ok_or_else(|| "not a state of an archive order".to_owned())
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
        let mut orders = Vec::new();
        for state in ArchiveState::ALL.into_iter().filter(|state| self.state.is_none_or(|wanted| wanted == *state)) {
            orders.extend(ledger.orders(state, None, self.limit.into()).await?);
        }
        let rows = orders.iter().map(|order| {
            [
                order.subject.provider.to_string(),
                order.subject.id.to_string(),
                order.state.as_str().to_owned(),
                order.attempts.to_string(),
                or_dash(order.not_before),
                or_dash(order.reason.as_ref()),
            ]
        });
        let text = match orders.is_empty() {
            true => "no archive orders\n".to_owned(),
            false => table(["provider", "id", "state", "attempts", "again", "reason"], rows),
        };
        Output::new(&json!({"orders": orders.iter().map(view).collect::<Vec<_>>()}), text)
    }
}

impl Retry {
    async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let nothing = || {
            let (provider, id) = (self.provider, &self.id);
            let message = format!(
                "there is no archive order of {provider} {id}: `countersign archive list` names those there are"
            );
            Failure::not_found(message)
        };
        let id = SubjectId::parse(self.id.as_str()).map_err(|_| nothing())?;
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        for kind in SubjectKind::ALL.into_iter().filter(|kind| kind.has_documents()) {
            let subject = Subject { provider: self.provider, kind, id: id.clone() };
            if ledger.retry(&subject).await? {
                let text = format!("{} {id} is due\n", self.provider);
                return Output::new(&json!({"subject": subject, "state": ArchiveState::Due}), text);
            }
        }
        Err(nothing())
    }
}

fn view(order: &Order) -> Value {
    json!({
        "subject": order.subject,
        "state": order.state,
        "attempts": order.attempts,
        "not_before": order.not_before,
        "reason": order.reason,
        "requests": order.requests,
    })
}
