//! The services that the functions call: the embedded DynamoDB (in memory and without a stream, because the functions
//! are measured, not a disk), the embedded S3, the simulated e-signature services, and a TLS endpoint in front of
//! DynamoDB.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::StreamSpecification;
use countersign::{aws::Aws, domain::Provider};
use countersign_cli::{
    simulator::{self, Credentials, Simulator},
    stack::{self, BUCKET, Key, REGION, Secrets, TABLE, TEMPORARY_BUCKET, dynamodb::endpoint, s3},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use crate::tls::{self, Terminator};

/// The Legalesign group of all documents.
pub const GROUP: &str = "bench";

/// All services. They stop when this is dropped.
pub struct Services {
    /// The simulated e-signature services.
    pub simulator: Simulator,
    /// Path tokens and keys.
    pub secrets: Secrets,
    /// A temporary folder.
    pub folder: TempDir,
    /// Base URL of the simulated services.
    pub simulator_url: String,
    s3: String,
    key: Key,
    parts: JoinSet<()>,
}

/// An empty table.
pub struct Table {
    /// URL of the embedded DynamoDB, with plain HTTP.
    pub url: String,
    /// Clients of the table and of the bucket.
    pub aws: Aws,
    _server: JoinSet<()>,
}

impl Services {
    /// Starts the services.
    ///
    /// # Errors
    /// When no port is free, or the folder can't be created.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut parts = JoinSet::new();
        let mut secrets = Secrets::throw_away()?;
        let (proof, _) = secrets.of(Provider::Legalesign);
        let mut proof = proof.clone();
        proof["groups"] = json!([GROUP]);
        secrets.set_proof(Provider::Legalesign, proof);

        let store = s3::Store::open(folder.path().join("s3"), &[BUCKET, TEMPORARY_BUCKET])
            .await
            .context("the embedded S3's folder")?;
        let (listener, s3) = bind().await?;
        let key = Key::generate()?;
        let credentials = s3::Credentials { access_key: key.id.clone(), secret_key: key.secret.clone().into() };
        parts.spawn(s3::serve(listener, store, credentials, std::future::pending()));

        let credentials = Provider::ALL.map(|provider| (provider, secrets.of(provider).1.clone()));
        let simulator = Simulator::new(Credentials::new(credentials)?);
        simulator.set_group(GROUP);
        let (listener, simulator_url) = bind().await?;
        let simulated = simulator.clone();
        parts.spawn(async move { drop(simulator::serve(listener, simulated, std::future::pending()).await) });
        Ok(Self { simulator, secrets, folder, simulator_url, s3, key, parts })
    }

    /// Starts a new embedded DynamoDB with an empty table.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn table(&self) -> Result<Table> {
        let database = dynoxide::Database::memory().map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let (listener, url) = bind().await?;
        let mut server = JoinSet::new();
        server.spawn(endpoint::serve(listener, database, self.key.clone(), std::future::pending()));
        let aws = stack::clients(&url, &self.s3, &self.key).await;
        stack::dynamodb::create_table(&aws.dynamodb, TABLE).await?;
        let no_stream = StreamSpecification::builder().stream_enabled(false).build()?;
        aws.dynamodb.update_table().table_name(TABLE).stream_specification(no_stream).send().await?;
        Ok(Table { url, aws, _server: server })
    }

    /// Starts a TLS endpoint in front of the service at `url`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn tls(&mut self, url: &str) -> Result<Terminator> {
        Terminator::start(url, self.folder.path(), &mut self.parts).await
    }

    /// The environment of any function, with DynamoDB at this URL.
    #[must_use]
    pub fn environment(&self, dynamodb: &str) -> BTreeMap<String, String> {
        let simulator = &self.simulator_url;
        let mut environment = BTreeMap::from(
            [
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("TABLE_NAME", TABLE),
                ("ARCHIVE_BUCKET", BUCKET),
                ("TEMPORARY_BUCKET", TEMPORARY_BUCKET),
                ("AWS_REGION", REGION),
                ("AWS_DEFAULT_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", &self.key.id),
                ("AWS_SECRET_ACCESS_KEY", &self.key.secret),
                ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
                ("AWS_ENDPOINT_URL_S3", &self.s3),
                ("AWS_S3_FORCE_PATH_STYLE", "true"),
                ("ALLOW_INSECURE_DOWNLOADS", "true"),
                ("SIGNEASY_TOKEN", "required"),
                ("POWERTOOLS_SERVICE_NAME", "bench"),
                ("LEGALESIGN_API_URL", &format!("{simulator}/legalesign/api/v1")),
                ("QUICKLYSIGN_API_URL", &format!("{simulator}/quicklysign")),
                ("SIGNEASY_API_URL", &format!("{simulator}/signeasy")),
                ("QUICKLYSIGN_CALLBACK_URL", "https://bench.example/callbacks/quicklysign/{token}"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        // Debian has a folder with single certificates as well, and without this variable the SDK would read both.
        // Amazon Linux has hardly any certificates outside the file.
        if let Some(certificates) = tls::SYSTEM.into_iter().find(|file| Path::new(file).exists()) {
            environment.insert("SSL_CERT_FILE".to_owned(), certificates.to_owned());
        }
        for provider in Provider::ALL {
            let (proof, api) = self.secrets.of(provider);
            let prefix = provider.as_str().to_ascii_uppercase();
            environment.insert(format!("{prefix}_PROOF"), proof.to_string());
            environment.insert(format!("{prefix}_API"), api.to_string());
        }
        environment
    }

    /// The environment of any function, with DynamoDB behind this TLS endpoint.
    #[must_use]
    pub fn environment_through(&self, tls: &Terminator) -> BTreeMap<String, String> {
        let mut environment = self.environment(&tls.url);
        environment.insert("SSL_CERT_FILE".to_owned(), tls.certificates.display().to_string());
        environment
    }

    /// The log file for a function's output.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }
}

/// Listens on a free port on loopback. Returns the listener and its URL.
///
/// # Errors
/// When no port is free.
pub async fn bind() -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
