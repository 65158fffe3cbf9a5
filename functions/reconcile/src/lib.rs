//! Finishes interrupted work, and queries the services for what their callbacks didn't report. Two schedules invoke it;
//! the event of each names its task.

use std::time::Duration;

use countersign::{
    aws::Aws,
    deadline::Deadline,
    domain::LedgerError,
    reconcile::{Reconcile, Reconciled},
    settings::{Problems, Settings},
    sweep::{Sweep, Swept},
    time,
};
use serde::{Deserialize, Serialize};

/// The task that a schedule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Finish deliveries that stayed accepted, and make archive jobs due whose waiting time is over.
    Sweep,
    /// Query the services, and record what is missing.
    Query,
}

/// The result of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Done {
    /// The result of a sweep.
    Swept(Swept),
    /// The result of querying the services.
    Queried(Reconciled),
}

/// The function's time limit. As in `template.yaml`.
pub const TIME_LIMIT: Duration = Duration::from_secs(600);

/// Time that is kept for what a task does last: one large batch, or the query that just began.
const RESERVE: Duration = Duration::from_secs(60);

/// The started function.
pub struct Function(Result<Tasks, Problems>);

struct Tasks {
    sweep: Sweep,
    reconcile: Reconcile,
}

/// Why a task failed. Lambda's own error metric and its alarm report it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings are wrong.
    #[error("not configured: {0}")]
    NotConfigured(Problems),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(LedgerError),
}

impl Function {
    /// Starts the function.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(
            settings
                .map(|settings| Tasks { sweep: Sweep::new(&settings, aws), reconcile: Reconcile::new(&settings, aws) }),
        )
    }

    /// Runs one task. `time_left` is the time after which Lambda ends the function. The task stops before that.
    ///
    /// # Errors
    /// If the task failed. The next run does what is left.
    pub async fn handle(&self, task: Task, time_left: Duration) -> Result<Done, Failure> {
        let deadline = Deadline::after(time_left.saturating_sub(RESERVE));
        let tasks = self.0.as_ref().map_err(|problems| Failure::NotConfigured(problems.clone()))?;
        match task {
            Task::Sweep => tasks.sweep.run_until(deadline, time::now()).await.map(Done::Swept).map_err(Failure::Ledger),
            Task::Query => {
                tasks.reconcile.run_until(deadline, time::now()).await.map(Done::Queried).map_err(Failure::Ledger)
            }
        }
    }
}
