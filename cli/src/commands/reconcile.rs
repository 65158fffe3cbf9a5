//! `countersign reconcile`: finishes what was left, and asks the services for what their callbacks didn't tell, now.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use countersign::{
    provider::Provider,
    reconcile::{Reconcile as Asking, Reconciled},
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
    pub async fn run(self, globals: &Globals) -> Result<Output, Failure> {
        let mut access = Access::local(globals.data()).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let progress = Arc::new(Progress::open_ended(globals, "finishing what was left"));
        let watching = Arc::clone(&progress);
        let asking = Asking::new(&settings, &access.aws)
            .watched(move |provider, asked| watching.say(format!("asking {}: {asked}", name(provider))));
        let swept = Sweep::new(access.ledger(), settings.download_hosts).run(time::now()).await?;
        progress.say("asking the services");
        let asked = asking.run(time::now()).await?;
        drop((asking, progress));
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

const fn name(provider: Provider) -> &'static str {
    match provider {
        Provider::Legalesign => "Legalesign",
        Provider::Quicklysign => "QuicklySign",
        Provider::Signeasy => "SignEasy",
    }
}
