//! `countersign reconcile`: finishes interrupted work, and queries the services for missed callbacks.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use countersign::{
    reconcile::{Reconcile as Queries, Reconciled},
    sweep::{Sweep, Swept},
    time,
};
use serde::Serialize;

use super::{
    Globals,
    output::{Failure, Output, or_dash, table},
    progress::Progress,
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Reconcile {
    /// Folder with the secrets [default: the stack's own]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// The result.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    swept: Swept,
    queried: Reconciled,
}

impl Reconcile {
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let mut access = Access::local(globals.data()).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let progress = Arc::new(Progress::open_ended(globals, "finishing interrupted work"));
        let watching = Arc::clone(&progress);
        let queries = Queries::new(&settings, &access.aws)
            .watched(move |provider, count| watching.show(format!("querying {}: {count}", provider.display_name())));
        let swept = Sweep::new(&settings, &access.aws).run(time::now()).await?;
        progress.show("querying the services");
        let queried = queries.run(time::now()).await?;
        drop((queries, progress));
        let mut text = format!(
            "deliveries: {} recorded, {} still unfinished; archive jobs: {} made due\n",
            swept.recorded + swept.taken_in,
            swept.still_unfinished,
            swept.made_due
        );
        let rows = queried.iter().map(|(provider, result)| {
            let [count, recorded, missed, maybe_late] =
                [result.queried, result.recorded, result.missed, result.maybe_late].map(|number| number.to_string());
            [provider.to_string(), count, recorded, missed, maybe_late, or_dash(result.stopped.as_ref())]
        });
        text.push_str(&table(["service", "queried", "recorded", "missed", "maybe late", "stopped"], rows));
        Output::new(&Done { swept, queried }, text)
    }
}
