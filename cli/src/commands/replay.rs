//! `countersign replay`: verifies and records stored deliveries again, under their own ids.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    domain::{DeliveryId, Provider},
    ledger::Ledger,
    replay::{Replay as Replayer, Replayed, Selection},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output, or_dash, table},
    progress::Progress,
    provider,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Replay {
    /// Ids of the deliveries; with --quarantined, of the rejected requests
    #[arg(
        value_name = "DELIVERY",
        required_unless_present_any = ["since", "provider", "quarantined"],
        conflicts_with_all = ["since", "provider"]
    )]
    deliveries: Vec<DeliveryId>,

    /// All received since this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// All of this service
    #[arg(long, value_parser = provider())]
    provider: Option<Provider>,

    /// Replay rejected requests: record those that can be verified by now
    #[arg(long)]
    quarantined: bool,

    /// Folder with the secrets of the local stack [default: the stack's own]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,

    #[command(flatten)]
    deployed: Deployed,
}

impl Replay {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let mut access = Access::open(globals, &self.deployed).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let replayer = Replayer::new(&settings, &access.aws);
        let selection = Selection { since: self.since, provider: self.provider };
        let named = !self.deliveries.is_empty();
        let ids = match (named, self.quarantined) {
            (true, _) => self.deliveries.clone(),
            (false, true) => replayer.quarantined(selection).await?,
            (false, false) => replayer.stored(selection).await?,
        };
        let progress = Progress::of(globals, "replaying", ids.len());
        let mut replayed = Vec::with_capacity(ids.len());
        for id in ids {
            let done = if self.quarantined { replayer.rejected(&id).await? } else { replayer.delivery(&id).await? };
            match done {
                Some(done) => replayed.push(done),
                None if named => return Err(self.not_found(&access.ledger(), &id).await?),
                // It has expired since it was listed.
                None => {}
            }
            progress.step();
        }
        drop(progress);
        // Some rejected requests will always fail to verify. That counts as a failure only if they were named.
        let ok = replayed.iter().all(|done| done.problem.is_none()) || (self.quarantined && !named);
        Ok(Output::new(&json!({"replayed": replayed}), text(&replayed))?.failed_unless(ok))
    }
}

impl Replay {
    /// The failure for an id that isn't there; says where it is instead.
    async fn not_found(&self, ledger: &Ledger, id: &DeliveryId) -> Result<Failure, Failure> {
        let message = if self.quarantined {
            match ledger.delivery_record(id).await? {
                Some(_) => format!("{id} is stored, not in quarantine: replay it without --quarantined"),
                None => format!("{id} isn't in quarantine: `countersign quarantine list` lists what is"),
            }
        } else {
            match ledger.quarantined(id).await? {
                Some(_) => format!("{id} was rejected and is in quarantine: replay it with --quarantined"),
                None => format!("there is no delivery {id}: `countersign deliveries` lists a day's deliveries"),
            }
        };
        Ok(Failure::not_found(message))
    }
}

fn text(replayed: &[Replayed]) -> String {
    if replayed.is_empty() {
        return "nothing to replay\n".to_owned();
    }
    let rows = replayed.iter().map(|done| {
        let (before, outcome) = (done.before.to_owned(), done.outcome.to_owned());
        [done.delivery.to_string(), before, outcome, done.events.to_string(), or_dash(done.problem.as_ref())]
    });
    table(["delivery", "before", "now", "events", "problem"], rows)
}
