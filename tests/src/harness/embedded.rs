//! The core of the entry points without a local stack: embedded DynamoDB and S3, simulated services, settings.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lambda_events::event::dynamodb::EventRecord;
use countersign::{
    aws::Aws,
    settings::{Problems, Settings},
};
use countersign_cli::{
    bus,
    simulator::Simulator,
    stack::{
        self, Options, Secrets, Storage,
        stream::{Reader, Start},
    },
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
    /// The event bus's URL.
    pub eventbridge_url: String,
    /// The events on the bus.
    pub bus: bus::Log,
    /// The simulated services.
    pub simulator: Simulator,
    /// The URL of the simulated services.
    pub simulator_url: String,
    /// The secrets of services and functions.
    pub secrets: Secrets,
    stream: Mutex<Reader>,
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
        let stream = storage.stream(Start::First).expect("a stream").into();
        let Storage { aws, dynamodb, s3, eventbridge, bus, .. } = storage;
        Self {
            aws,
            dynamodb_url: dynamodb,
            s3_url: s3,
            eventbridge_url: eventbridge,
            bus,
            stream,
            simulator,
            simulator_url,
            secrets,
            folder,
            _parts: parts,
            _stop: stop,
        }
    }

    /// A client of the event bus.
    pub async fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        stack::eventbridge_client(&self.eventbridge_url).await
    }

    /// The records of the table's stream since the last call.
    #[must_use]
    pub fn stream_records(&self) -> Vec<EventRecord> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| Some(stream.read(1000).expect("the stream")).filter(|records| !records.is_empty()))
            .flatten()
            .collect()
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
