//! `countersign serve`: the local stack, until it is told to end.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use countersign::delivery::Route;

use super::{
    output::{Failure, Output},
    storage,
};
use crate::stack::{self, Options, Secrets, Stack};

#[derive(Debug, Args)]
pub struct Serve {
    /// The port on 127.0.0.1; 0 for a free one
    #[arg(long, default_value_t = 3000)]
    port: u16,

    /// A folder with <provider>.json = {"proof": {…}, "api": {…}}; without it, throw-away secrets are made at the first
    /// start
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,

    /// Only answer: no pipe, no queue, no schedule. For functions that run elsewhere, as under `sam local`
    #[arg(long)]
    manual: bool,
}

impl Default for Serve {
    fn default() -> Self {
        Self { port: 3000, secrets: None, manual: false }
    }
}

impl Serve {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        // Signals are caught before anything is started, so that an early one isn't lost.
        let told_to_end = told_to_end()?;
        let folder = storage::take(data).await?.map_err(|endpoints| {
            let (pid, http) = (endpoints.pid, endpoints.http);
            Failure::new("in_use", format!("process {pid} already serves {} at {http}", data.display()))
        })?;
        let (secrets, ours) = match &self.secrets {
            Some(secrets) => (Secrets::read(secrets)?, false),
            None => (Secrets::of_data_folder(folder.path())?, true),
        };
        let environment = stack::process_environment();
        let by_itself = !self.manual;
        let options = Options { port: self.port, environment, secrets, scheduled: by_itself, piped: by_itself };
        let stack = Stack::start(folder, options).await?;
        if ours {
            // Only throw-away tokens are ever printed.
            let mut stderr = std::io::stderr();
            for route in Route::ALL {
                drop(writeln!(stderr, "callback URL: {}", stack.callback_url(route)?));
            }
        }
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {}", stack.endpoints.http)?;
        stdout.flush()?;
        told_to_end.await;
        stack.stop().await;
        Ok(Output::none())
    }
}

#[cfg(unix)]
pub(super) fn told_to_end() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(super) fn told_to_end() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
