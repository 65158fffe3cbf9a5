//! The embedded DynamoDB, S3 and event bus of a data folder, and clients of them.

use std::path::Path;

use anyhow::{Context, Result};
use countersign::aws::Aws;
use dynoxide::Database;
use tokio::{sync::watch, task::JoinSet};

use super::{
    BUCKET, REGION, TABLE, TEMPORARY_BUCKET, bind, dynamodb, s3, stopped,
    stream::{Reader, Start},
};
use crate::{bus, programs_only::Key};

/// The embedded DynamoDB, S3 and event bus alone, for commands on a folder that no stack runs on.
pub struct Storage {
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// URL of S3.
    pub s3: String,
    /// URL of the event bus.
    pub eventbridge: String,
    /// The key that they require.
    pub key: Key,
    /// Clients of DynamoDB and S3.
    pub aws: Aws,
    /// The events on the bus.
    pub bus: bus::Log,
    pub(super) database: Database,
}

impl Storage {
    /// Opens the table, the buckets and the bus in `folder`, and serves them on loopback until `stop` turns true.
    ///
    /// # Errors
    /// When the files can't be opened, or there is no free port.
    pub async fn open(folder: &Path, parts: &mut JoinSet<()>, stop: &watch::Receiver<bool>) -> Result<Self> {
        let database = dynamodb::open(&folder.join("dynamodb.sqlite"))?;
        let (listener, dynamodb) = bind(0).await?;
        let key = Key::generate()?;
        parts.spawn(dynamodb::endpoint::serve(listener, database.clone(), key.clone(), stopped(stop.clone())));
        let store = s3::Store::open(folder.join("s3"), &[BUCKET, TEMPORARY_BUCKET])
            .await
            .context("the embedded S3's folder")?;
        let (listener, s3) = bind(0).await?;
        let credentials = s3::Credentials { access_key: key.id.clone(), secret_key: key.secret.clone().into() };
        parts.spawn(s3::serve(listener, store, credentials, stopped(stop.clone())));
        let bus = bus::Log::open(folder)?;
        let (listener, eventbridge) = bind(0).await?;
        parts.spawn(bus::endpoint::serve(listener, bus.clone(), key.clone(), stopped(stop.clone())));
        let aws = clients(&dynamodb, &s3, &key).await;
        dynamodb::create_table(&aws.dynamodb, TABLE).await?;
        Ok(Self { dynamodb, s3, eventbridge, key, aws, bus, database })
    }
}

impl Storage {
    /// A reader of the table's stream.
    ///
    /// # Errors
    /// When the table has no stream.
    pub fn stream(&self, start: Start) -> Result<Reader> {
        Reader::open(self.database.clone(), TABLE, start)
    }
}

/// A client of an embedded event bus at this URL.
pub async fn eventbridge_client(url: &str, key: &Key) -> aws_sdk_eventbridge::Client {
    aws_sdk_eventbridge::Client::new(&config(key).await.to_builder().endpoint_url(url).build())
}

/// Clients of an embedded DynamoDB and S3 at these URLs.
pub async fn clients(dynamodb: &str, s3: &str, key: &Key) -> Aws {
    let config = config(key).await;
    let dynamodb = config.to_builder().endpoint_url(dynamodb).build();
    let s3 = config.to_builder().endpoint_url(s3).build();
    let aws = Aws::new(&dynamodb, true);
    Aws { s3: Aws::new(&s3, true).s3, ..aws }
}

async fn config(key: &Key) -> aws_config::SdkConfig {
    let credentials = aws_sdk_s3::config::Credentials::new(&key.id, &key.secret, None, None, "local");
    aws_config::defaults(countersign::aws::behavior_version())
        .region(aws_config::Region::new(REGION))
        .credentials_provider(credentials)
        .timeout_config(countersign::aws::timeouts())
        .load()
        .await
}
