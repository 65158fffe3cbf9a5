//! `countersign serve`: runs the local stack until it is interrupted.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use countersign::domain::Route;

use super::{
    output::{Failure, Output},
    storage::{self, Owner},
};
use crate::{
    bus::forwards::{Forwards, Secret, Target},
    local_console,
    secrets::Secrets,
    stack::{self, Containers, Host, Options, Stack},
};

#[derive(Debug, Args)]
pub struct Serve {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 3000)]
    port: u16,

    /// Folder with a file <provider>.json for each service, with {"proof": {…}, "api": {…}} [default: throw-away secrets in
    /// the data folder, generated at the first start]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,

    /// Only serve requests, without pipe, queue and schedules: for functions that run elsewhere, as under `sam local`
    #[arg(long)]
    manual: bool,

    /// Let functions in containers reach the stack, and write DIR/sam-local.json for `sam local … --env-vars`
    ///
    /// HOST is how a container reaches this machine. It can be a private address: DynamoDB, S3, the event bus and the
    /// simulated services then listen on it as well as on loopback. On Linux the default is 172.17.0.1, Docker's bridge. Or
    /// it can be a name by which containers reach this machine's loopback, like Docker Desktop's host.docker.internal, the
    /// default on macOS and Windows. Any other program that reaches the address can read and change what is stored. The
    /// gateway and the console stay on loopback.
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = Host::DEFAULT)]
    containers: Option<Host>,

    /// Post every event of the bus to this URL, signed as Standard Webhooks say; can be given several times
    ///
    /// An event is posted again, after growing pauses, until it is answered 2xx; the next one follows only then. The
    /// secret is generated at the first start, printed once, and stored in DIR/webhook-secret. docs/events.md shows
    /// how to verify the signature. `countersign events` shows what is still waiting.
    #[arg(long, value_name = "URL")]
    forward_to: Vec<Target>,
}

impl Default for Serve {
    fn default() -> Self {
        Self { port: 3000, secrets: None, manual: false, containers: None, forward_to: Vec::new() }
    }
}

impl Serve {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        // Signals are caught before anything is started, so that an early one isn't lost.
        let interrupted = interrupted()?;
        let folder = match storage::take(data).await? {
            Owner::Us(folder) => folder,
            Owner::Stack(endpoints) => {
                let (pid, http) = (endpoints.pid, &endpoints.http);
                let message = format!("process {pid} already serves {} at {http}", data.display());
                return Err(Failure::new("in_use", message));
            }
        };
        let (secrets, ours) = match &self.secrets {
            Some(secrets) => (Secrets::read(secrets)?, false),
            None => (Secrets::of_data_folder(folder.path())?, true),
        };
        let (forwards, new_secret) = self.forwards(folder.path())?;
        let environment = stack::process_environment();
        let automatic = !self.manual;
        let options = Options {
            port: self.port,
            environment,
            secrets,
            scheduled: automatic,
            piped: automatic,
            forwards,
            console: Some(local_console::router),
        };
        let stack = Stack::start(folder, options).await?;
        let mut containers = None;
        if let Some(host) = &self.containers {
            match stack.admit_containers(host, ours).await {
                Ok(admitted) => containers = Some(admitted),
                Err(problem) => {
                    stack.stop().await;
                    return Err(problem.into());
                }
            }
        }
        if ours {
            // Throw-away tokens are the only ones that are ever printed.
            let mut stderr = std::io::stderr();
            for route in Route::ALL {
                drop(writeln!(stderr, "callback URL: {}", stack.callback_url(route)?));
            }
        }
        if let (Some(host), Some(containers)) = (&self.containers, &containers) {
            drop(writeln!(std::io::stderr(), "{}", explain(host, containers, ours)));
        }
        if let Some(secret) = new_secret {
            drop(writeln!(std::io::stderr(), "webhook secret: {}", secret.reveal()));
        }
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on {}", stack.endpoints.http)?;
        stdout.flush()?;
        interrupted.await;
        drop(containers);
        stack.stop().await;
        Ok(Output::none())
    }
}

impl Serve {
    /// The URLs to post events to, and the secret that signs them if it was generated just now.
    fn forwards(&self, data: &Path) -> Result<(Option<Forwards>, Option<Secret>), Failure> {
        if self.forward_to.is_empty() {
            return Ok((None, None));
        }
        let (secret, is_new) = Secret::of_data_folder(data)?;
        let forwards = Forwards { targets: self.forward_to.clone(), secret: secret.clone() };
        Ok((Some(forwards), is_new.then_some(secret)))
    }
}

/// Explains what `--containers` opened, and how to use it.
fn explain(host: &Host, containers: &Containers, with_secrets: bool) -> String {
    let opened = match host {
        Host::Address(address) => format!(
            "warning: DynamoDB, S3, the event bus and the simulated services listen on {address} too. Every container on this \
             machine, and every machine that can route packets to that address, can read and change what is stored."
        ),
        Host::Name(name) => {
            format!("containers reach DynamoDB, S3, the event bus and the simulated services through {name}")
        }
    };
    let secrets = if with_secrets {
        ""
    } else {
        "\nThe secrets of --secrets are not in that file: set <P>_PROOF and <P>_API in the environment of `sam`."
    };
    format!(
        "{opened}\nfor functions in containers: sam local invoke … --env-vars {}{secrets}",
        containers.env_file.display()
    )
}

/// Catches the signals to end from now on. The future resolves at the first one.
#[cfg(unix)]
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
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
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
