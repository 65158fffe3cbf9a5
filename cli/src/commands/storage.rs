//! What is stored: in a data folder, whether a stack runs on it or not, or in a deployed stack.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{aws::Aws, ledger::Ledger, settings::Settings};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Globals,
    deployed::{Deployed, Found},
    output::Failure,
};
use crate::stack::{self, BUCKET, Endpoints, Folder, InUse, Options, Secrets, Storage, TABLE};

/// Another command holds the folder only for as long as it runs.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);

/// Access to a table and a bucket.
pub struct Access {
    /// Clients of their DynamoDB and S3.
    pub aws: Aws,
    source: Source,
}

/// Who serves them.
enum Source {
    /// The stack that runs on the folder.
    Running { data: PathBuf, endpoints: Box<Endpoints> },
    /// This process. With these go the lock and the embedded services.
    Opened { folder: Folder, parts: JoinSet<()>, stop: watch::Sender<bool> },
    /// AWS.
    Deployed(Box<Found>),
}

impl Access {
    /// Finds the deployed stack where one is named; else asks the stack that runs on the data folder, or opens that.
    pub async fn open(globals: &Globals, deployed: &Deployed) -> Result<Self, Failure> {
        if !deployed.is_meant(globals.data.is_some())? {
            return Self::local(globals.data()).await;
        }
        let found = deployed.find().await?;
        Ok(Self { aws: found.aws.clone(), source: Source::Deployed(Box::new(found)) })
    }

    /// Asks the stack that runs on the folder, or opens the folder.
    pub async fn local(data: &Path) -> Result<Self, Failure> {
        match take(data).await? {
            Ok(folder) => {
                let (stop, stopping) = watch::channel(false);
                let mut parts = JoinSet::new();
                let storage = Storage::open(folder.path(), &mut parts, &stopping).await?;
                Ok(Self { aws: storage.aws, source: Source::Opened { folder, parts, stop } })
            }
            Err(endpoints) => {
                let aws = stack::clients(&endpoints.dynamodb, &endpoints.s3).await;
                let data = data.to_owned();
                Ok(Self { aws, source: Source::Running { data, endpoints: Box::new(endpoints) } })
            }
        }
    }

    /// The table's and the bucket's name.
    pub fn names(&self) -> (&str, &str) {
        match &self.source {
            Source::Running { .. } | Source::Opened { .. } => (TABLE, BUCKET),
            Source::Deployed(found) => (&found.table, &found.bucket),
        }
    }

    /// The ledger in them.
    pub fn ledger(&self) -> Ledger {
        let (table, bucket) = self.names();
        Ledger::new(&self.aws, table, bucket)
    }

    /// What it is, and where, for people.
    pub fn label(&self) -> (String, String) {
        let folder = |path: &Path| ("data folder".to_owned(), path.display().to_string());
        match &self.source {
            Source::Running { data, .. } => folder(data),
            Source::Opened { folder: opened, .. } => folder(opened.path()),
            Source::Deployed(found) => (found.label.clone(), format!("table {}, bucket {}", found.table, found.bucket)),
        }
    }

    /// Whether it is a deployed stack.
    pub const fn is_deployed(&self) -> bool {
        matches!(self.source, Source::Deployed(_))
    }

    /// Whether [`Self::settings`] can be known: of a deployed stack not, where only its table and bucket were named.
    pub const fn has_settings(&self) -> bool {
        match &self.source {
            Source::Running { .. } | Source::Opened { .. } => true,
            Source::Deployed(found) => found.deployment.is_some(),
        }
    }

    /// The settings of the deployed stack's functions; or those of the stack that runs on the folder, or that one would
    /// have, with the secrets as they are now, in `secrets` where it is given. The services' simulator runs as long as
    /// this does, if no stack's does.
    pub async fn settings(&mut self, secrets: Option<&Path>) -> Result<Settings, Failure> {
        let (environment, secrets, simulator, http) = match &mut self.source {
            Source::Running { endpoints, .. } => {
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
            Source::Deployed(_) if secrets.is_some() => {
                return Err(Failure::usage(
                    &"--secrets is for a data folder: a deployed stack's are in Secrets Manager",
                ));
            }
            Source::Deployed(found) => {
                let Some(deployment) = &found.deployment else {
                    let message = "which secrets and settings the functions have is told by the stack: give --stack \
                                   instead of --table and --bucket";
                    return Err(Failure::usage(&message));
                };
                return Ok(Settings::read(|name| deployment.environment().get(name).cloned())?);
            }
        };
        let options = Options { port: 0, environment, secrets, scheduled: false, piped: false };
        let environment: HashMap<String, String> = stack::environment(&options, &simulator, &http);
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
