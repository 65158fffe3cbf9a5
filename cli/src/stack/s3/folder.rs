//! The layout of the folder:
//!
//! - `lock`
//! - `temporary/…`: bodies on their way in; emptied at start
//! - `buckets/BUCKET/SHA256-OF-KEY`: one file per object, in the format of `object`, readable by its owner only
//!
//! A key never becomes part of a path, so it may be anything that S3 allows. An object is created by one rename of a
//! temporary file that is complete and synced; if the object must not exist yet, by a rename that doesn't replace. The file
//! system decides races, and a process that is killed leaves an object or a temporary file, never half an object. (A power
//! cut can lose the newest names, since the folder itself isn't synced.)
//!
//! Several processes may have the same folder open: each holds a shared lock on `lock`. A process that opens the folder and
//! is the only one deletes the temporary files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tempfile::NamedTempFile;

use super::checksum::hex;
use super::object::{self, Properties};
use crate::owner_only;

/// Hex characters in the name of an object's file.
const NAME_LENGTH: usize = 64;

/// The objects of one folder. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    temporary: PathBuf,
    buckets: PathBuf,
    /// Unlocked when dropped, or when the process dies.
    _lock: File,
}

impl Store {
    /// Opens the folder `root`, creates it and `buckets` if they don't exist, and deletes what an earlier process left
    /// unfinished.
    ///
    /// # Errors
    /// If the folder can't be created or read, or a bucket's name is one that S3 doesn't allow (`InvalidInput`).
    pub async fn open(root: impl Into<PathBuf>, buckets: &[&str]) -> io::Result<Self> {
        let root = root.into();
        let buckets: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        run(move || Self::open_blocking(&root, &buckets)).await
    }

    fn open_blocking(root: &Path, names: &[String]) -> io::Result<Self> {
        let buckets = root.join("buckets");
        let temporary = root.join("temporary");
        fs::create_dir_all(&buckets)?;
        for name in names {
            if !s3s::path::check_bucket_name(name) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{name} can't be the name of a bucket"),
                ));
            }
            fs::create_dir_all(buckets.join(name))?;
        }

        let lock = owner_only::open(&root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {
                if temporary.exists() {
                    fs::remove_dir_all(&temporary)?;
                }
                lock.unlock()?;
            }
            // Another process has the folder open, and the temporary files may be its own.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Waits only for a process that is cleaning up.
        lock.lock_shared()?;
        fs::create_dir_all(&temporary)?;
        Ok(Self { inner: Arc::new(Inner { temporary, buckets, _lock: lock }) })
    }

    /// A new file for a body; it is deleted when dropped.
    pub(super) async fn temporary_file(&self) -> S3Result<NamedTempFile> {
        let folder = self.inner.temporary.clone();
        run(move || NamedTempFile::new_in(folder)).await.map_err(|error| failed("making a temporary file", error))
    }

    /// Stores the bytes in `file` as the object that `properties` describes. `exclusive`: only if no object has that key.
    pub(super) async fn commit(
        &self,
        bucket: &str,
        mut file: NamedTempFile,
        properties: Properties,
        exclusive: bool,
    ) -> S3Result<()> {
        let path = self.object(bucket, &properties.key);
        let committed = run(move || {
            object::append(file.as_file_mut(), &properties)?;
            file.as_file().sync_all()?;
            publish(file, &path, exclusive)
        })
        .await;
        match committed {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(s3_error!(PreconditionFailed, "The key is taken."))
            }
            Err(error) => {
                self.require_bucket(bucket).await?;
                Err(failed("storing an object", error))
            }
        }
    }

    /// Opens an object; the file's position is undefined.
    pub(super) async fn read(&self, bucket: &str, key: &str) -> S3Result<(File, Properties)> {
        let path = self.object(bucket, key);
        let opened = run(move || {
            let mut file = File::open(path)?;
            let properties = object::read(&mut file)?;
            Ok((file, properties))
        })
        .await;
        match opened {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.require_bucket(bucket).await?;
                Err(s3_error!(NoSuchKey))
            }
            Err(error) => Err(failed("reading an object", error)),
        }
    }

    /// Removes an object. It isn't an error if there is none, as in S3.
    pub(super) async fn remove(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.object(bucket, key);
        match run(move || fs::remove_file(path)).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.require_bucket(bucket).await,
            Err(error) => Err(failed("removing an object", error)),
        }
    }

    /// The properties of all objects whose keys begin with `prefix`, unsorted. Reads every object's file, which is fast
    /// enough for the thousands of a local stack.
    pub(super) async fn scan(&self, bucket: &str, prefix: &str) -> S3Result<Vec<Properties>> {
        self.require_bucket(bucket).await?;
        let folder = self.inner.buckets.join(bucket);
        let prefix = prefix.to_owned();
        run(move || {
            let mut found = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                // Not an object: file managers leave files of their own.
                if entry.file_name().len() != NAME_LENGTH {
                    continue;
                }
                let properties = match File::open(entry.path()) {
                    Ok(mut file) => object::read(&mut file)?,
                    // Deleted in the meantime.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                if properties.key.starts_with(&prefix) {
                    found.push(properties);
                }
            }
            Ok(found)
        })
        .await
        .map_err(|error| failed("listing a bucket", error))
    }

    /// Creates a bucket.
    pub(super) async fn create_bucket(&self, bucket: &str) -> S3Result<()> {
        let path = self.inner.buckets.join(bucket);
        match run(move || fs::create_dir(path)).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(s3_error!(BucketAlreadyOwnedByYou)),
            Err(error) => Err(failed("making a bucket", error)),
        }
    }

    /// All buckets and their creation times, sorted by name.
    pub(super) async fn buckets(&self) -> S3Result<Vec<(String, SystemTime)>> {
        let folder = self.inner.buckets.clone();
        run(move || {
            let mut found = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                // Not every file system records creation times.
                let since = metadata.created().or_else(|_| metadata.modified())?;
                if let Ok(name) = entry.file_name().into_string()
                    && s3s::path::check_bucket_name(&name)
                {
                    found.push((name, since));
                }
            }
            found.sort();
            Ok(found)
        })
        .await
        .map_err(|error| failed("listing the buckets", error))
    }

    /// # Errors
    /// `NoSuchBucket`.
    pub(super) async fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        let path = self.inner.buckets.join(bucket);
        match run(move || Ok(path.is_dir())).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(s3_error!(NoSuchBucket)),
            Err(error) => Err(failed("looking for a bucket", error)),
        }
    }

    /// The path of an object's file. `bucket` has no separators: `s3s` rejects names that aren't valid.
    fn object(&self, bucket: &str, key: &str) -> PathBuf {
        let name = hex(digest(&SHA256, key.as_bytes()).as_ref());
        self.inner.buckets.join(bucket).join(name)
    }
}

/// The one step that makes an object exist. `exclusive` leaves the decision to the file system (a rename that doesn't
/// replace, or a hard link): a check beforehand would let two through.
///
/// # Errors
/// `AlreadyExists` if `exclusive` and the path is taken.
pub(super) fn publish(file: NamedTempFile, path: &Path, exclusive: bool) -> io::Result<()> {
    if exclusive {
        file.persist_noclobber(path)?;
    } else {
        file.persist(path)?;
    }
    Ok(())
}

/// Runs blocking work on a thread for it.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Logs an error. The client gets an `InternalError` without details.
pub(super) fn failed(doing: &'static str, error: io::Error) -> S3Error {
    tracing::error!(%error, doing, "the embedded S3 failed");
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))
}
