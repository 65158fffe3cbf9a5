//! `countersign quarantine`: what was refused.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use countersign::{delivery::DeliveryId, ledger::RefusedEntry, provider::Provider};
use serde_json::json;

use super::{
    output::{Failure, Output, or_dash, table},
    provider,
    storage::Access,
};

#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// List what was refused though its path token was right, and what the rings remember of all else
    List(List),
    /// Show one refused request
    Show(Show),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only those of one service
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,

    /// So many at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
}

#[derive(Debug, Args)]
pub struct Show {
    /// Its id
    id: DeliveryId,

    /// Its body too, which nobody has proven
    #[arg(long)]
    body: bool,
}

impl Quarantine {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        match self {
            Self::List(list) => list.run(data).await,
            Self::Show(show) => show.run(data).await,
        }
    }
}

impl List {
    async fn run(self, data: &Path) -> Result<Output, Failure> {
        let access = Access::open(data).await?;
        let ledger = access.ledger();
        let kept = ledger.quarantine_list(self.provider, None, self.limit.into()).await?;
        let mut refused: Vec<(Provider, RefusedEntry)> = Vec::new();
        for provider in Provider::ALL.into_iter().filter(|each| self.provider.is_none_or(|wanted| wanted == *each)) {
            refused.extend(ledger.refused(provider).await?.into_iter().map(|entry| (provider, entry)));
        }
        let mut text = if kept.is_empty() {
            "nothing is in quarantine\n".to_owned()
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
        if !refused.is_empty() {
            text.push_str("refused without a right path token (a sample):\n");
            text.push_str(&table(
                ["at", "route", "cause", "bytes", "refused"],
                refused.iter().map(|(_, entry)| {
                    let (route, cause) = (entry.route.to_owned(), entry.cause.clone());
                    [entry.at.to_string(), route, cause, entry.size.to_string(), entry.refused.to_string()]
                }),
            ));
        }
        let refused: Vec<&RefusedEntry> = refused.iter().map(|(_, entry)| entry).collect();
        Output::new(&json!({"quarantine": kept, "refused": refused}), text)
    }
}

impl Show {
    async fn run(self, data: &Path) -> Result<Output, Failure> {
        let access = Access::open(data).await?;
        let kept = access.ledger().quarantined(&self.id).await?;
        let kept = kept.ok_or_else(|| Failure::not_found(format!("{} is not in quarantine", self.id)))?;
        let mut json = json!({"quarantined": kept.record});
        let mut text = format!("{:#}\n", json["quarantined"]);
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
