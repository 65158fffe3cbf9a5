//! `countersign replay`: takes stored deliveries through proof and recording again, under their own ids.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    delivery::DeliveryId,
    ledger::Ledger,
    provider::Provider,
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
    /// The deliveries
    #[arg(
        value_name = "DELIVERY",
        required_unless_present_any = ["since", "provider", "quarantined"],
        conflicts_with_all = ["since", "provider"]
    )]
    deliveries: Vec<DeliveryId>,

    /// All that came in from then on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// All of one service
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,

    /// Refused deliveries instead of stored ones: take in what can be proven by now
    #[arg(long)]
    quarantined: bool,

    /// The folder with the secrets, if it isn't the stack's own
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
            let done = if self.quarantined { replayer.refused(&id).await? } else { replayer.delivery(&id).await? };
            match done {
                Some(done) => replayed.push(done),
                None if named => return Err(self.nothing(&access.ledger(), &id).await?),
                // It expired since it was listed.
                None => {}
            }
            progress.step();
        }
        drop(progress);
        // What still can't be proven was expected to be among the refused, unless it was named.
        let ok = replayed.iter().all(|done| done.problem.is_none()) || (self.quarantined && !named);
        Ok(Output::new(&json!({"replayed": replayed}), text(&replayed))?.failed_unless(ok))
    }
}

impl Replay {
    /// That a delivery isn't there, and where it is instead.
    async fn nothing(&self, ledger: &Ledger, id: &DeliveryId) -> Result<Failure, Failure> {
        let message = if self.quarantined {
            match ledger.delivery_record(id).await? {
                Some(_) => format!("{id} isn't in quarantine, but stored: replay it without --quarantined"),
                None => format!("{id} isn't in quarantine: `countersign quarantine list` names what is"),
            }
        } else {
            match ledger.quarantined(id).await? {
                Some(_) => format!("{id} was refused and is in quarantine: replay it with --quarantined"),
                None => format!("there is no delivery {id}: `countersign deliveries` lists those of a day"),
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
