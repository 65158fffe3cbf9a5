//! The data folder: who uses it, and where its stack can be reached.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use countersign::provider::Provider;
use serde::{Deserialize, Serialize};

const ENDPOINTS: &str = "endpoints.json";
const LOCK: &str = "lock";

/// Where a running stack's parts are, as `endpoints.json` tells other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The process.
    pub pid: u32,
    /// The gateway.
    pub http: String,
    /// The embedded DynamoDB.
    pub dynamodb: String,
    /// The embedded S3, path-style.
    pub s3: String,
    /// The simulated services.
    pub simulator: String,
    /// Where each service's API is asked: at the simulator, unless a setting says otherwise.
    pub apis: BTreeMap<Provider, String>,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// The folder with the secrets in use.
    pub secrets: PathBuf,
    /// A region for clients that want one.
    pub region: String,
    /// What the embedded S3 wants to see; it protects nothing.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// A data folder that this process alone uses. The lock is the operating system's, so it ends with the process, however
/// that ends.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Another process uses the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Where its stack is, if it is a stack and is ready.
    pub endpoints: Option<Endpoints>,
}

impl Folder {
    /// Takes the folder, and makes it if it isn't there.
    ///
    /// # Errors
    /// When it can't be made or locked. That another process uses it is no error here.
    pub fn take(path: &Path) -> Result<Result<Self, InUse>> {
        fs::create_dir_all(path).with_context(|| format!("the data folder {}", path.display()))?;
        let file = path.join(LOCK);
        let lock = File::create(&file).with_context(|| format!("the lock {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                let folder = Self { path: path.to_owned(), _lock: lock };
                // Left by a process that was killed.
                folder.withdraw();
                Ok(Ok(folder))
            }
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(path.join(ENDPOINTS)).ok();
                Ok(Err(InUse { endpoints: text.and_then(|text| serde_json::from_str(&text).ok()) }))
            }
            Err(TryLockError::Error(error)) => Err(error).context("locking the data folder"),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes where the stack is, all at once: a reader sees the whole file or none.
    pub(super) fn announce(&self, endpoints: &Endpoints) -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(serde_json::to_string_pretty(endpoints)?.as_bytes())?;
        file.persist(self.path.join(ENDPOINTS))?;
        Ok(())
    }

    pub(super) fn withdraw(&self) {
        // That it isn't there is what is wanted.
        drop(fs::remove_file(self.path.join(ENDPOINTS)));
    }
}
