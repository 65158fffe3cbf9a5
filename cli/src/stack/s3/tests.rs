//! The embedded S3 through the real SDK, over loopback.

mod keys;
mod kill;
mod listing;
mod multipart;
mod objects;
mod raw;
mod rejections;
mod restart;

use std::fmt::Debug;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Credentials, Store, serve};

const BUCKET: &str = "archive";
const ACCESS_KEY: &str = "local";
const SECRET_KEY: &str = "only for this test";

/// A server on a folder of its own, or on the folder of an earlier server.
struct Server {
    address: SocketAddr,
    client: Client,
    folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::open(Arc::new(TempDir::new().unwrap())).await
    }

    async fn open(folder: Arc<TempDir>) -> Self {
        let store = Store::open(folder.path(), &[BUCKET]).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.into() };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, store, credentials, async {
            stopped.await.ok();
        }));
        Self { address, client: client(address, ACCESS_KEY, SECRET_KEY), folder, stop, task }
    }

    /// Ends the server. Returns its folder once the last connection has ended.
    async fn stop(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.folder
    }

    async fn put(&self, key: &str, body: &[u8]) {
        self.client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.to_vec())).send().await.unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let output = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        output.body.collect().await.unwrap().to_vec()
    }

    /// The keys in the bucket, as listed.
    async fn keys(&self) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        list.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    fn temporary_files(&self) -> usize {
        fs::read_dir(self.temporary()).unwrap().count()
    }
}

fn client(address: SocketAddr, access_key: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(aws_sdk_s3::config::Credentials::new(access_key, secret_key, None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// Status and error code of a request that must have failed.
fn error_of<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> (u16, String) {
    let error = result.unwrap_err();
    let status = error.raw_response().unwrap().status().as_u16();
    (status, error.code().unwrap().to_owned())
}

fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Bytes with a period that isn't a power of two, so that a misplaced chunk is noticed.
fn pattern(length: usize) -> Vec<u8> {
    let mut bytes = (0..251).collect::<Vec<u8>>().repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}
