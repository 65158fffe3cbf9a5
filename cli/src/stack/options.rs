//! The options of a local stack, and what its console gets.

use std::{collections::HashMap, path::PathBuf};

use anyhow::Result;
use axum::Router;
use countersign::{aws::Aws, settings::Settings};
use tokio::sync::watch;

use super::Secrets;
use crate::bus::{self, forwards::Forwards};

/// The options of a local stack.
pub struct Options {
    /// The gateway's port; 0 picks a free one.
    pub port: u16,
    /// The environment for the settings that the stack doesn't set itself.
    pub environment: HashMap<String, String>,
    /// The secrets that verify callbacks, and the API credentials.
    pub secrets: Secrets,
    /// Whether the schedules run. Tests call the sweep themselves.
    pub scheduled: bool,
    /// Whether the table's stream is read: the pipe fills the queue, and events are published. Without it archive jobs stay
    /// due, for functions that run elsewhere, and the next stack that reads the stream publishes the events.
    pub piped: bool,
    /// The URLs to post events to; `None` for none.
    pub forwards: Option<Forwards>,
    /// Builds a console, whose routes the gateway serves beside those of the callbacks; `None` for no console.
    pub console: Option<fn(ConsoleContext) -> Result<Router>>,
}

/// The parts of a stack that its console needs.
pub struct ConsoleContext {
    /// Clients of the stack's DynamoDB and S3.
    pub aws: Aws,
    /// The events on its bus.
    pub bus: bus::Log,
    /// The settings of its functions.
    pub settings: Settings,
    /// The secrets in use.
    pub secrets: Secrets,
    /// Its data folder.
    pub folder: PathBuf,
    /// The gateway's base URL.
    pub url: String,
    /// The gateway's port.
    pub port: u16,
    /// Changes with every write to the table.
    pub changes: watch::Receiver<u64>,
    /// Turns true when the stack ends.
    pub stopping: watch::Receiver<bool>,
}

impl Options {
    /// On a free port, with throw-away secrets and an empty environment, without schedules and console.
    ///
    /// # Errors
    /// When secrets can't be generated.
    pub fn for_tests() -> Result<Self> {
        Ok(Self {
            port: 0,
            environment: HashMap::new(),
            secrets: Secrets::throw_away()?,
            scheduled: false,
            piped: true,
            forwards: None,
            console: None,
        })
    }
}
