//! What is stored in a data folder, whether a stack runs on it or not.

use std::{path::Path, time::Duration};

use countersign::{aws::Aws, ledger::Ledger, settings::Settings};
use tokio::{sync::watch, task::JoinSet};

use super::output::Failure;
use crate::stack::{self, BUCKET, Endpoints, Folder, InUse, Options, Secrets, Storage, TABLE};

/// Another command holds the folder only for as long as it runs.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);

/// Access to a folder's table and bucket.
pub struct Access {
    /// Clients of its DynamoDB and S3.
    pub aws: Aws,
    source: Source,
}

/// Who serves them.
enum Source {
    /// The stack that runs on the folder.
    Running(Box<Endpoints>),
    /// This process. With these go the lock and the embedded services.
    Opened { folder: Folder, parts: JoinSet<()>, stop: watch::Sender<bool> },
}

impl Access {
    /// Asks the stack that runs on the folder, or opens the folder.
    pub async fn open(data: &Path) -> Result<Self, Failure> {
        match take(data).await? {
            Ok(folder) => {
                let (stop, stopping) = watch::channel(false);
                let mut parts = JoinSet::new();
                let storage = Storage::open(folder.path(), &mut parts, &stopping).await?;
                Ok(Self { aws: storage.aws, source: Source::Opened { folder, parts, stop } })
            }
            Err(endpoints) => {
                let aws = stack::clients(&endpoints.dynamodb, &endpoints.s3).await;
                Ok(Self { aws, source: Source::Running(Box::new(endpoints)) })
            }
        }
    }

    /// The ledger in it.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }

    /// The settings of the stack that runs on the folder, or those that one would have; the secrets as they are now, in
    /// `secrets` where it is given. The services' simulator runs as long as this does, if no stack's does.
    pub async fn settings(&mut self, secrets: Option<&Path>) -> Result<Settings, Failure> {
        let (environment, secrets, simulator, http) = match &mut self.source {
            Source::Running(endpoints) => {
                let secrets = Secrets::read(secrets.unwrap_or(&endpoints.secrets))?;
                (
                    endpoints.environment.clone().into_iter().collect(),
                    secrets,
                    endpoints.simulator.clone(),
                    endpoints.http.clone(),
                )
            }
            Source::Opened { folder, parts, stop } => {
                let secrets = match secrets {
                    Some(secrets) => Secrets::read(secrets)?,
                    None => Secrets::of_data_folder(folder.path())?,
                };
                let (_, simulator) = stack::simulate(&secrets, parts, &stop.subscribe()).await?;
                (stack::process_environment(), secrets, simulator, "http://127.0.0.1:3000".to_owned())
            }
        };
        let options = Options { port: 0, environment, secrets, scheduled: false, piped: false };
        let environment = stack::environment(&options, &simulator, &http);
        Ok(Settings::read(|name| environment.get(name).cloned())?)
    }
}

/// Takes the folder, or says where the stack is that has it. Waits for commands that have it for a moment.
pub async fn take(data: &Path) -> Result<Result<Folder, Endpoints>, Failure> {
    let started = std::time::Instant::now();
    loop {
        match Folder::take(data)? {
            Ok(folder) => return Ok(Ok(folder)),
            Err(InUse { endpoints: Some(endpoints) }) => return Ok(Err(endpoints)),
            Err(InUse { endpoints: None }) if started.elapsed() < WAIT_FOR_OTHERS => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(InUse { endpoints: None }) => {
                return Err(Failure::new("in_use", format!("another process uses the data folder {}", data.display())));
            }
        }
    }
}

/// The stack that runs on the folder.
pub async fn running(data: &Path) -> Result<Endpoints, Failure> {
    let no_stack = || {
        let data = data.display();
        Failure::new("no_stack", format!("no stack runs on {data}: start one with `countersign serve --data {data}`"))
    };
    if !data.is_dir() {
        return Err(no_stack());
    }
    take(data).await?.err().ok_or_else(no_stack)
}
