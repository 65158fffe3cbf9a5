//! Access to what is stored: in a data folder, whether a stack runs on it or not, or in a deployed stack.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{
    aws::{Aws, StorageNames},
    ledger::Ledger,
    providers::{self, Services},
    settings::Settings,
};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Globals,
    deployed::{Deployed, Found},
    output::Failure,
};
use crate::{
    secrets::Secrets,
    stack::{self, Endpoints, Folder, Options, STORAGE, Storage, Taken},
};

/// Timeout for another command that uses the folder. Commands other than `serve` run only briefly.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);

/// Access to a table and a bucket.
pub struct Access {
    /// Clients of their DynamoDB and S3.
    pub aws: Aws,
    source: Source,
}

/// Where the table and the bucket are.
enum Source {
    /// In the stack that runs on the folder.
    Running { data: PathBuf, endpoints: Box<Endpoints> },
    /// In this process, which holds the folder's lock and runs the embedded services until it is dropped.
    Opened { folder: Folder, parts: JoinSet<()>, stop: watch::Sender<bool> },
    /// In AWS.
    Deployed(Box<Found>),
}

impl Access {
    /// Access to the deployed stack, if one is named; to the data folder otherwise.
    pub async fn open(globals: &Globals, deployed: &Deployed) -> Result<Self, Failure> {
        if !deployed.is_named(globals.data.is_some())? {
            return Self::local(globals.data()).await;
        }
        let found = deployed.find().await?;
        Ok(Self { aws: found.aws.clone(), source: Source::Deployed(Box::new(found)) })
    }

    /// Access to a data folder: by way of the stack that runs on it, or opened in this process.
    pub async fn local(data: &Path) -> Result<Self, Failure> {
        match take(data).await? {
            Owner::Us(folder) => {
                let (stop, stopping) = watch::channel(false);
                let mut parts = JoinSet::new();
                let storage = Storage::open(folder.path(), &mut parts, &stopping).await?;
                Ok(Self { aws: storage.aws, source: Source::Opened { folder, parts, stop } })
            }
            Owner::Stack(endpoints) => {
                let aws = stack::clients(&endpoints.dynamodb, &endpoints.s3, &endpoints.key()).await;
                let data = data.to_owned();
                Ok(Self { aws, source: Source::Running { data, endpoints } })
            }
        }
    }

    /// Names of the table and the buckets.
    pub fn names(&self) -> StorageNames<'_> {
        match &self.source {
            Source::Running { .. } | Source::Opened { .. } => STORAGE,
            Source::Deployed(found) => found.names(),
        }
    }

    /// The ledger in the table and the buckets.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, self.names())
    }

    /// The services without settings, to read stored deliveries with.
    pub fn services(&self) -> Services {
        Services::without_settings(&self.aws)
    }

    /// A label and a place, for people.
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

    /// Whether [`Self::settings`] are known. Not if only the table and bucket of a deployed stack are.
    pub const fn has_settings(&self) -> bool {
        match &self.source {
            Source::Running { .. } | Source::Opened { .. } => true,
            Source::Deployed(found) => found.deployment.is_some(),
        }
    }

    /// The settings of the functions: of the deployed stack, of the stack that runs on the folder, or as a stack on the
    /// folder would have them. A local stack's secrets are read anew, from the folder `secrets` if given. If no stack runs,
    /// the simulated services are started, and run until this is dropped.
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
                    &"--secrets is for a data folder: the secrets of a deployed stack are in Secrets Manager",
                ));
            }
            Source::Deployed(found) => {
                let Some(deployment) = &found.deployment else {
                    let message = "the functions' secrets and settings are known only from the stack: give --stack \
                                   instead of --table, --bucket and --temporary-bucket";
                    return Err(Failure::usage(&message));
                };
                return Ok(providers::settings(|name| deployment.environment().get(name).cloned())?);
            }
        };
        let options =
            Options { port: 0, environment, secrets, scheduled: false, piped: false, forwards: None, console: None };
        let environment: HashMap<String, String> = stack::environment(&options, &simulator, &http);
        Ok(providers::settings(|name| environment.get(name).cloned())?)
    }
}

/// The process that uses a data folder.
pub enum Owner {
    /// This process, which has just locked it.
    Us(Folder),
    /// A running stack.
    Stack(Box<Endpoints>),
}

/// Locks the folder, unless a stack runs on it. Waits for other commands, which hold it briefly.
pub async fn take(data: &Path) -> Result<Owner, Failure> {
    let started = std::time::Instant::now();
    loop {
        match Folder::take(data)? {
            Taken::Free(folder) => return Ok(Owner::Us(folder)),
            Taken::InUse(Some(endpoints)) => return Ok(Owner::Stack(endpoints)),
            Taken::InUse(None) if started.elapsed() < WAIT_FOR_OTHERS => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Taken::InUse(None) => {
                return Err(Failure::new("in_use", format!("another process uses the data folder {}", data.display())));
            }
        }
    }
}

/// The endpoints of the stack that runs on the folder.
pub async fn running(data: &Path) -> Result<Endpoints, Failure> {
    let no_stack = || {
        let data = data.display();
        Failure::new("no_stack", format!("no stack runs on {data}: start one with `countersign serve --data {data}`"))
    };
    if !data.is_dir() {
        return Err(no_stack());
    }
    match take(data).await? {
        Owner::Us(_) => Err(no_stack()),
        Owner::Stack(endpoints) => Ok(*endpoints),
    }
}
