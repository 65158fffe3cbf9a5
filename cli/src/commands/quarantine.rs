//! `countersign quarantine`: rejected requests.

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use countersign::{
    domain::{Addressed, DeliveryId, Provider},
    ledger::{Quarantined, RejectedEntry},
};
use serde_json::json;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, or_dash, table},
    provider,
    storage::Access,
};
use crate::advice::next_step;

#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// List rejected requests: those with a valid path token in full, and a sample of all others
    List(List),
    /// Show one rejected request
    Show(Show),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only requests to this service's routes
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// Maximum number of requests with a valid path token
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,

    #[command(flatten)]
    deployed: Deployed,
}

#[derive(Debug, Args)]
pub struct Show {
    /// Id of the request
    id: DeliveryId,

    /// Print the body as well; it is unverified and may be forged
    #[arg(long)]
    body: bool,

    #[command(flatten)]
    deployed: Deployed,
}

impl Quarantine {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        match self {
            Self::List(list) => list.run(globals).await,
            Self::Show(show) => show.run(globals).await,
        }
    }
}

impl List {
    async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let access = Access::open(globals, &self.deployed).await?;
        let ledger = access.ledger();
        let kept = ledger.quarantine_list(self.provider, None, self.limit.into()).await?;
        let mut rejected: Vec<(Provider, RejectedEntry)> = Vec::new();
        for provider in Provider::ALL.into_iter().filter(|each| self.provider.is_none_or(|wanted| wanted == *each)) {
            rejected.extend(ledger.rejected(provider).await?.into_iter().map(|entry| (provider, entry)));
        }
        let mut text = if kept.is_empty() {
            "no requests in quarantine\n".to_owned()
        } else {
            table(
                ["id", "route", "received", "reason", "cause", "bytes", "until"],
                kept.iter().map(|record| {
                    let (id, route, until) = (record.id.to_string(), record.route.to_owned(), record.expires_at);
                    let (reason, cause) = (record.reason.clone(), record.cause.clone());
                    [id, route, record.received_at.to_string(), reason, cause, or_dash(record.size), until.to_string()]
                }),
            )
        };
        if !kept.is_empty() {
            text.push_str("`countersign quarantine show ID` shows what to do about a request\n");
        }
        if !rejected.is_empty() {
            text.push_str("rejected without a valid path token (a sample):\n");
            text.push_str(&table(
                ["at", "route", "cause", "bytes", "rejected"],
                rejected.iter().map(|(_, entry)| {
                    let (route, cause) = (entry.route.to_owned(), entry.cause.clone());
                    [entry.at.to_string(), route, cause, entry.size.to_string(), entry.refused.to_string()]
                }),
            ));
        }
        let rejected: Vec<&RejectedEntry> = rejected.iter().map(|(_, entry)| entry).collect();
        Output::new(&json!({"quarantine": kept, "refused": rejected}), text)
    }
}

impl Show {
    async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let access = Access::open(globals, &self.deployed).await?;
        let kept = access.ledger().quarantined(&self.id).await?;
        let not_found = || format!("{} is not in quarantine: `countersign quarantine list` lists what is", self.id);
        let kept = kept.ok_or_else(|| Failure::not_found(not_found()))?;
        let next = next_step(&kept.record);
        let envelope = kept.request.as_ref().map(Addressed::envelope);
        let mut json = json!({
            "quarantined": kept.record,
            "headers": envelope.map(|envelope| &envelope.headers),
            "event": envelope.and_then(|envelope| envelope.event.as_ref()),
            "next": next,
        });
        let mut text = text(&kept);
        text.push_str(&format!("next      {next}\n"));
        if kept.record.sha256.is_some() && kept.record.taken_in_at.is_none() {
            text.push_str(&format!(
                "          countersign replay --quarantined {}{}\n",
                self.id,
                self.deployed.as_options()
            ));
        }
        if let Some(request) = kept.request.filter(|_| self.body) {
            match std::str::from_utf8(request.body()) {
                Ok(body) => {
                    json["body"] = body.into();
                    text.push_str(&format!("{}\n", body.escape_default()));
                }
                Err(_) => {
                    let body = BASE64_STANDARD.encode(request.body());
                    text.push_str(&format!("base64: {body}\n"));
                    json["body_base64"] = body.into();
                }
            }
        }
        Output::new(&json, text)
    }
}

/// The facts about a rejected request, one per line.
fn text(kept: &Quarantined) -> String {
    let record = &kept.record;
    let body = match (record.size, &record.sha256) {
        (Some(size), Some(sha256)) => format!("{size} bytes, SHA-256 {sha256}"),
        _ => "not kept".to_owned(),
    };
    let mut text = format!(
        "id        {}\nroute     {}\nreceived  {}\nrejected  {}: {}\nbody      {body}\nexpires   {}\n",
        record.id, record.route, record.received_at, record.reason, record.cause, record.expires_at
    );
    if let Some(at) = record.taken_in_at {
        text.push_str(&format!("replayed  {at}\n"));
    }
    if let Some(envelope) = kept.request.as_ref().map(Addressed::envelope) {
        for (name, value) in &envelope.headers {
            text.push_str(&format!("header    {name}: {value}\n"));
        }
        if let Some(event) = &envelope.event {
            text.push_str(&format!("?event=   {event}\n"));
        }
    }
    text
}
