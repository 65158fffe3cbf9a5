//! `countersign reconcile`: finishes what was left, and asks the services for what their callbacks didn't tell, now.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign::{
    reconcile::{Reconcile as Asking, Reconciled},
    sweep::{Sweep, Swept},
    time,
};
use serde::Serialize;

use super::{
    output::{Failure, Output, or_dash, table},
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Reconcile {
    /// The folder with the secrets, if it isn't the stack's own
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    swept: Swept,
    asked: Reconciled,
}

impl Reconcile {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let mut access = Access::open(data).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let asking = Asking::new(&settings, &access.aws);
        let swept = Sweep::new(access.ledger(), settings.download_hosts).run(time::now()).await?;
        let asked = asking.run(time::now()).await?;
        let mut text = format!(
            "recorded {}, still unfinished {}, made due {}\n",
            swept.recorded + swept.taken_in,
            swept.still_unfinished,
            swept.made_due
        );
        let services =
            [("legalesign", &asked.legalesign), ("quicklysign", &asked.quicklysign), ("signeasy", &asked.signeasy)];
        let rows = services.map(|(service, asked)| {
            let [count, recorded, never_came, maybe_late] =
                [asked.asked, asked.recorded, asked.never_came, asked.maybe_late].map(|number| number.to_string());
            [service.to_owned(), count, recorded, never_came, maybe_late, or_dash(asked.stopped.as_ref())]
        });
        text.push_str(&table(["service", "asked for", "recorded", "never came", "maybe late", "stopped"], rows));
        Output::new(&Done { swept, asked }, text)
    }
}
