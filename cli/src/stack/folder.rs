//! The data folder: the lock on it, and the endpoints of the stack that runs on it.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use countersign::domain::Provider;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{owner_only, programs_only::Key};

const ENDPOINTS: &str = "endpoints.json";
const SAM_LOCAL: &str = "sam-local.json";
const LOCK: &str = "lock";

/// The endpoints of a running stack, which `endpoints.json` announces to other processes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The stack's process.
    pub pid: u32,
    /// The gateway.
    pub http: String,
    /// The embedded DynamoDB.
    pub dynamodb: String,
    /// The embedded S3, path-style.
    pub s3: String,
    /// The event bus, which answers EventBridge's PutEvents.
    pub eventbridge: String,
    /// The simulated services.
    pub simulator: String,
    /// The base URL of each service's API: the simulator, unless a setting says otherwise.
    pub apis: BTreeMap<Provider, String>,
    /// The table.
    pub table: String,
    /// The bucket.
    pub bucket: String,
    /// The temporary bucket.
    pub temporary_bucket: String,
    /// The folder with the secrets in use.
    pub secrets: PathBuf,
    /// The functions' settings that aren't secret, as variables. Commands use the same.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A region, for clients that need one.
    pub region: String,
    /// The access key that DynamoDB, S3 and the event bus require. Each start makes a new one.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: String,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key.
        f.debug_struct("Endpoints").field("pid", &self.pid).field("http", &self.http).finish_non_exhaustive()
    }
}

impl Endpoints {
    /// The key that DynamoDB, S3 and the event bus require.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { id: self.access_key_id.clone(), secret: self.secret_access_key.clone() }
    }
}

/// A data folder that only this process uses. The operating system holds the lock, and releases it however the process
/// ends.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// The result of an attempt to lock a data folder.
pub enum Taken {
    /// It is locked now.
    Free(Folder),
    /// Another process uses it; with the endpoints of that process, if it is a stack and ready.
    InUse(Option<Box<Endpoints>>),
}

impl Taken {
    /// The folder, if it was free.
    #[must_use]
    pub fn free(self) -> Option<Folder> {
        if let Self::Free(folder) = self { Some(folder) } else { None }
    }
}

impl Folder {
    /// Locks the folder; creates it if it doesn't exist.
    ///
    /// # Errors
    /// If it can't be created, or locking fails for another reason than that it is in use.
    pub fn take(path: &Path) -> Result<Taken> {
        fs::create_dir_all(path).with_context(|| format!("the data folder {}", path.display()))?;
        let file = path.join(LOCK);
        let lock = owner_only::open(&file).with_context(|| format!("the lock {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                let folder = Self { path: path.to_owned(), _lock: lock };
                // Left by a process that was killed.
                folder.withdraw();
                Ok(Taken::Free(folder))
            }
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(path.join(ENDPOINTS)).ok();
                Ok(Taken::InUse(text.and_then(|text| serde_json::from_str(&text).ok())))
            }
            Err(TryLockError::Error(error)) => Err(error).context("locking the data folder"),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `endpoints.json` atomically: a reader sees the whole file or none.
    pub(super) fn announce(&self, endpoints: &Endpoints) -> Result<()> {
        self.write(ENDPOINTS, endpoints).map(drop)
    }

    /// Writes the environment of functions under `sam local`, in the form of its `--env-vars`. Returns the file's path.
    pub(super) fn announce_to_sam(&self, environments: &Value) -> Result<PathBuf> {
        self.write(SAM_LOCAL, environments)
    }

    /// Only this user can read the file: a temporary file has mode 0600, and keeps it.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<PathBuf> {
        let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
        file.write_all(serde_json::to_string_pretty(value)?.as_bytes())?;
        let path = self.path.join(name);
        file.persist(&path)?;
        Ok(path)
    }

    /// Removes the announcements, if they exist.
    pub(super) fn withdraw(&self) {
        for name in [ENDPOINTS, SAM_LOCAL] {
            // A missing file needs no removal.
            drop(fs::remove_file(self.path.join(name)));
        }
    }
}
