//! The core of the entry points without a local stack: embedded DynamoDB and S3, simulated services, settings.

use std::collections::HashMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use countersign::{
    aws::Aws,
    settings::{Problems, Settings},
};
use countersign_cli::{
    bus,
    simulator::Simulator,
    stack::{
        self, Key, Options, Secrets, Storage,
        stream::{Reader, Start},
    },
};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

use super::{options, peer};

/// A URL where nothing listens: port 1 is never assigned to a program.
pub const UNREACHABLE: &str = "http://127.0.0.1:1";

/// The base of the callback URL that QuicklySign is given. Nothing is posted there.
const RECEIVER: &str = "https://receiver.example";

/// An embedded DynamoDB and S3 with an empty table and bucket, and the simulated services, all on loopback. The
/// environment can name DynamoDB Local and moto instead.
pub struct Embedded {
    /// Clients of DynamoDB and S3.
    pub aws: Aws,
    /// The key that DynamoDB, S3 and the event bus require.
    pub key: Key,
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
    stream: Mutex<Stream>,
    folder: TempDir,
    _parts: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

/// A reader of the table's stream.
enum Stream {
    Embedded(Reader),
    Peer(peer::Stream),
}

impl Embedded {
    /// Starts them in a new folder.
    pub async fn start(secrets: Secrets) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut parts, &stopping).await.expect("the embedded services");
        let (simulator, simulator_url) = stack::simulate(&secrets, &mut parts, &stopping).await.expect("a simulator");
        let mut stream = Stream::Embedded(storage.stream(Start::First).expect("a stream"));
        let Storage { mut aws, mut dynamodb, mut s3, eventbridge, key, bus, .. } = storage;
        if let Some(url) = peer::dynamodb_url() {
            let name = folder.path().file_name().expect("a name").to_string_lossy();
            let reader;
            (aws.dynamodb, reader) = peer::dynamodb(&aws.dynamodb, url.clone(), &name).await;
            (dynamodb, stream) = (url, Stream::Peer(reader));
        }
        if let Some(url) = peer::s3_url() {
            aws.s3 = peer::s3(&aws.s3, &url).await.into();
            s3 = url;
        }
        Self {
            aws,
            key,
            dynamodb_url: dynamodb,
            s3_url: s3,
            eventbridge_url: eventbridge,
            bus,
            stream: Mutex::new(stream),
            simulator,
            simulator_url,
            secrets,
            folder,
            _parts: parts,
            _stop: stop,
        }
    }

    /// The same clients of DynamoDB and S3, but at these URLs.
    #[must_use]
    pub fn clients_at(&self, dynamodb: &str, s3: &str) -> Aws {
        let dynamodb = self.aws.dynamodb.config().to_builder().endpoint_url(dynamodb).build();
        let s3 = self.aws.s3.config().to_builder().endpoint_url(s3).build();
        Aws {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            s3: aws_sdk_s3::Client::from_conf(s3).into(),
            secrets: self.aws.secrets.clone(),
        }
    }

    /// A client of the event bus.
    pub async fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        stack::eventbridge_client(&self.eventbridge_url, &self.key).await
    }

    /// The records of the table's stream since the last call.
    pub async fn stream_records(&self) -> Vec<EventRecord> {
        match &mut *self.stream.lock().await {
            Stream::Embedded(reader) => std::iter::from_fn(|| {
                Some(reader.read(1000).expect("the stream")).filter(|records| !records.is_empty())
            })
            .flatten()
            .collect(),
            Stream::Peer(reader) => reader.read().await,
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
    stack::clients(UNREACHABLE, UNREACHABLE, &Key::generate().expect("a key")).await
}
