//! The tasks of a stack, which end together.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet};

/// Tasks that end together.
pub(super) struct Tasks {
    pub(super) running: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Self { running: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(task);
    }

    /// Turns true when the tasks have to end.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Ends the tasks, and cuts off those that need longer than `grace`.
    pub(super) async fn end(&mut self, grace: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!(event = "cut_off", parts = self.running.len());
            self.running.shutdown().await;
        }
    }
}
