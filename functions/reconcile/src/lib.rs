//! Finishes what was left: runs on a schedule, with what it should do as the event.

use countersign::{
    aws::Aws,
    ledger::{Ledger, LedgerError},
    settings::{Problems, Settings},
    sweep::{Sweep, Swept},
    time,
};
use serde::Deserialize;

/// What the schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Finish deliveries that stayed accepted, and make archive orders due whose time has come.
    Sweep,
}

/// The function, once it has been started.
pub struct Function(Result<Sweep, Problems>);

/// Why a task couldn't be done; Lambda's own error count and alarm tell of it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings are wrong.
    #[error("not configured: {0}")]
    NotConfigured(Problems),
    /// The ledger can't be asked.
    #[error(transparent)]
    Ledger(LedgerError),
}

impl Function {
    /// Starts the function.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(settings.map(|settings| {
            let ledger = Ledger::new(aws, &settings.table, &settings.bucket);
            Sweep::new(ledger, settings.download_hosts)
        }))
    }

    /// Does one task.
    ///
    /// # Errors
    /// When it couldn't be done; the next run does it.
    pub async fn handle(&self, task: Task) -> Result<Swept, Failure> {
        let sweep = self.0.as_ref().map_err(|problems| Failure::NotConfigured(problems.clone()))?;
        match task {
            Task::Sweep => sweep.run(time::now()).await.map_err(Failure::Ledger),
        }
    }
}
