//! Finishes what was left, and asks the services for what their callbacks didn't tell: runs on schedules, with what it
//! should do as the event.

use countersign::{
    aws::Aws,
    ledger::{Ledger, LedgerError},
    reconcile::{Reconcile, Reconciled},
    settings::{Problems, Settings},
    sweep::{Sweep, Swept},
    time,
};
use serde::{Deserialize, Serialize};

/// What the schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Finish deliveries that stayed accepted, and make archive orders due whose time has come.
    Sweep,
    /// Ask the services, and record what is missing.
    Ask,
}

/// What a task came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// Of a sweep.
    Swept(Swept),
    /// Of asking.
    Asked(Reconciled),
}

/// The function, once it has been started.
pub struct Function(Result<Tasks, Problems>);

struct Tasks {
    sweep: Sweep,
    reconcile: Reconcile,
}

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
            let reconcile = Reconcile::new(&settings, aws);
            let ledger = Ledger::new(aws, &settings.table, &settings.bucket);
            Tasks { sweep: Sweep::new(ledger, settings.download_hosts), reconcile }
        }))
    }

    /// Does one task.
    ///
    /// # Errors
    /// When it couldn't be done; the next run does it.
    pub async fn handle(&self, task: Task) -> Result<Done, Failure> {
        let tasks = self.0.as_ref().map_err(|problems| Failure::NotConfigured(problems.clone()))?;
        match task {
            Task::Sweep => tasks.sweep.run(time::now()).await.map(Done::Swept).map_err(Failure::Ledger),
            Task::Ask => tasks.reconcile.run(time::now()).await.map(Done::Asked).map_err(Failure::Ledger),
        }
    }
}
