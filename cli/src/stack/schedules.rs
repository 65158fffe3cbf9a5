//! The schedules that call `reconcile`, and the expiry of items.

use std::{sync::Arc, time::Duration};

use dynoxide::Database;
use reconcile::{TIME_LIMIT, Task};
use tokio::sync::watch;

use super::Functions;

/// Interval of the sweep. Deployed it is 15 minutes, too long to wait at a laptop.
const SWEEP_EVERY: Duration = Duration::from_secs(20);

/// Interval of querying the services, the same as deployed.
const QUERY_EVERY: Duration = Duration::from_secs(60 * 60);

/// Interval of deleting expired items. DynamoDB does it within a few days.
const EXPIRE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Queries the services for missed callbacks, again and again.
pub(super) async fn query(functions: Arc<Functions>, mut stopping: watch::Receiver<bool>) {
    loop {
        if stops_within(QUERY_EVERY, &mut stopping).await {
            return;
        }
        if let Err(problem) = functions.reconcile.handle(Task::Query, TIME_LIMIT).await {
            tracing::error!(event = "query_failed", %problem);
        }
    }
}

/// Sweeps again and again.
pub(super) async fn sweep(functions: Arc<Functions>, mut stopping: watch::Receiver<bool>) {
    loop {
        if let Err(problem) = functions.reconcile.handle(Task::Sweep, TIME_LIMIT).await {
            tracing::error!(event = "sweep_failed", %problem);
        }
        if stops_within(SWEEP_EVERY, &mut stopping).await {
            return;
        }
    }
}

/// Deletes expired items again and again: DynamoDB does it by itself, the embedded one on request.
pub(super) async fn expire(database: Database, mut stopping: watch::Receiver<bool>) {
    loop {
        let database = database.clone();
        // It reads the whole table, so it must not keep a thread that answers callbacks.
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(_)) => {}
            Ok(Err(problem)) => tracing::error!(event = "ttl_failed", %problem),
            Err(problem) => tracing::error!(event = "ttl_failed", %problem),
        }
        if stops_within(EXPIRE_EVERY, &mut stopping).await {
            return;
        }
    }
}

/// Waits until the interval is over or the stack stops, and returns whether it stops.
async fn stops_within(interval: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(interval) => false,
        _ = stopping.wait_for(|stop| *stop) => true,
    }
}
