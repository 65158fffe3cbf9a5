//! `countersign reconcile`: finishes what was left, now.

use std::path::{Path, PathBuf};

use clap::Args;
use countersign::{sweep::Sweep, time};

use super::{
    output::{Failure, Output},
    storage::Access,
};

#[derive(Debug, Args)]
pub struct Reconcile {
    /// The folder with the secrets, if it isn't the stack's own
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

impl Reconcile {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let mut access = Access::open(data).await?;
        let settings = access.settings(self.secrets.as_deref()).await?;
        let swept = Sweep::new(access.ledger(), settings.download_hosts).run(time::now()).await?;
        let text = format!(
            "recorded {}, still unfinished {}, made due {}\n",
            swept.recorded + swept.taken_in,
            swept.still_unfinished,
            swept.made_due
        );
        Output::new(&swept, text)
    }
}
