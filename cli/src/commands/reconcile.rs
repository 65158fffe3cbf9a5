//! `countersign reconcile`: finishes what was left, now.

use std::path::Path;

use countersign::{outbound::HostPatterns, sweep::Sweep, time};

use super::{
    output::{Failure, Output},
    storage::Access,
};

pub async fn run(data: &Path) -> Result<Output, Failure> {
    let access = Access::open(data).await?;
    // Which hosts are allowed is the running stack's to say; orders that are blocked wait for its own sweep.
    let sweep = Sweep::new(access.ledger(), HostPatterns::default());
    let swept = sweep.run(time::now()).await?;
    let text = format!(
        "recorded {}, still unfinished {}, made due {}\n",
        swept.recorded, swept.still_unfinished, swept.made_due
    );
    Output::new(&swept, text)
}
