//! The core of the entry points without a local stack: embedded DynamoDB and S3, simulated services, settings.

use std::collections::HashMap;

use countersign::{
    aws::Aws,
    settings::{Problems, Settings},
};
use countersign_cli::{
    simulator::Simulator,
    stack::{self, Options, Secrets, Storage},
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};

use super::options;

/// A URL where nothing listens: port 1 is never assigned to a program.
pub const UNREACHABLE: &str = "http://127.0.0.1:1";

/// The base of the callback URL that QuicklySign is given. Nothing is posted there.
const RECEIVER: &str = "https://receiver.example";

/// An embedded DynamoDB and S3 with an empty table and bucket, and the simulated services, all on loopback.
pub struct Embedded {
    /// Clients of DynamoDB and S3.
    pub aws: Aws,
    /// DynamoDB's URL.
    pub dynamodb_url: String,
    /// S3's URL.
    pub s3_url: String,
    /// The simulated services.
    pub simulator: Simulator,
    /// The URL of the simulated services.
    pub simulator_url: String,
    /// The secrets of services and functions.
    pub secrets: Secrets,
    folder: TempDir,
    _parts: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

impl Embedded {
    /// Starts them in a new folder.
    pub async fn start(secrets: Secrets) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut parts, &stopping).await.expect("the embedded services");
        let (simulator, simulator_url) = stack::simulate(&secrets, &mut parts, &stopping).await.expect("a simulator");
        let Storage { aws, dynamodb, s3, .. } = storage;
        Self {
            aws,
            dynamodb_url: dynamodb,
            s3_url: s3,
            simulator,
            simulator_url,
            secrets,
            folder,
            _parts: parts,
            _stop: stop,
        }
    }

    /// Ends them, and returns the folder with everything that was stored.
    #[must_use]
    pub fn into_folder(self) -> TempDir {
        self.folder
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The functions' environment, as the local stack sets it, but for `changes`. The services' APIs are at
    /// `services_url`.
    #[must_use]
    pub fn environment(&self, services_url: &str, changes: &[(&str, &str)]) -> HashMap<String, String> {
        let options: Options = options(self.secrets.clone());
        let mut environment = stack::environment(&options, services_url, RECEIVER);
        environment.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        environment
    }

    /// The settings that functions read from that environment.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settings(&self, services_url: &str, changes: &[(&str, &str)]) -> Result<Settings, Problems> {
        let environment = self.environment(services_url, changes);
        countersign::providers::settings(|name| environment.get(name).cloned())
    }
}

/// Clients of a DynamoDB, S3 and Secrets Manager that can't be reached.
pub async fn unreachable_aws() -> Aws {
    stack::clients(UNREACHABLE, UNREACHABLE).await
}
