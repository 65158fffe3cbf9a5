//! The multipart uploads in progress: parts are temporary files, an upload is a table of them in memory.
//!
//! Unlike in S3, an upload ends with the process. Its client ran in the same process, or gets `NoSuchUpload` and starts again.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};
use tempfile::NamedTempFile;
use tokio::sync::Mutex;

use super::checksum::{Algorithm, Checksums, Hasher, checksums_of, hex};
use super::folder::{Store, failed, run};
use super::object::Headers;
use super::upload::Received;

/// Minimum size of a part in bytes, except for the last one: S3's own limit.
const MIN_PART: u64 = 5 << 20;
/// S3's own limit.
const MAX_PART_NUMBER: i32 = 10_000;
const BUFFER: usize = 256 * 1024;

/// The uploads in progress.
#[derive(Default)]
pub(super) struct Uploads {
    by_id: Mutex<HashMap<String, Arc<Upload>>>,
}

/// One upload.
pub(super) struct Upload {
    pub bucket: String,
    pub key: String,
    pub headers: Headers,
    pub checksum: Option<Checksum>,
    parts: Mutex<BTreeMap<i32, Arc<Received>>>,
}

/// The checksum an upload was created with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum {
    pub algorithm: Algorithm,
    /// Whether it is over the parts' checksums instead of the whole content.
    pub composite: bool,
}

/// The concatenated parts.
pub(super) struct Joined {
    pub file: NamedTempFile,
    pub size: u64,
    pub etag: String,
    pub checksums: Checksums,
}

impl Upload {
    pub fn new(bucket: String, key: String, headers: Headers, checksum: Option<Checksum>) -> Self {
        Self { bucket, key, headers, checksum, parts: Mutex::default() }
    }

    /// Adds a part; replaces one with the same number.
    ///
    /// # Errors
    /// `InvalidArgument` for a part number that S3 doesn't allow.
    pub async fn add(&self, number: i32, part: Received) -> S3Result<()> {
        if !(1..=MAX_PART_NUMBER).contains(&number) {
            return Err(s3_error!(InvalidArgument, "Part numbers go from 1 to 10000."));
        }
        self.parts.lock().await.insert(number, Arc::new(part));
        Ok(())
    }

    /// Joins the parts that the client lists.
    ///
    /// # Errors
    /// `MalformedXML` (none listed), `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`.
    pub async fn join(&self, store: &Store, listed: &[CompletedPart]) -> S3Result<Joined> {
        let parts = self.select(listed).await?;
        let mut etags = Md5::new();
        let mut of_parts = Hasher::new(self.checksum.map(|checksum| checksum.algorithm));
        for part in &parts {
            etags.update(&part.md5);
            if let Some(checksum) = self.checksum {
                let encoded = part.checksums.get(&checksum.algorithm).ok_or_else(invalid_part)?;
                of_parts.update(&STANDARD.decode(encoded).map_err(|_| invalid_part())?);
            }
        }
        let etag = format!("{}-{}", hex(&etags.finalize()), parts.len());

        let file = store.temporary_file().await?;
        let count = parts.len();
        let whole = self.checksum.map(|checksum| checksum.algorithm);
        let (file, size, of_content) = run(move || concatenate(file, &parts, whole))
            .await
            .map_err(|error| failed("joining the parts of an upload", error))?;
        let checksums = if self.checksum.is_some_and(|checksum| checksum.composite) {
            of_parts.finish().into_iter().map(|(algorithm, value)| (algorithm, format!("{value}-{count}"))).collect()
        } else {
            of_content
        };
        Ok(Joined { file, size, etag, checksums })
    }

    async fn select(&self, listed: &[CompletedPart]) -> S3Result<Vec<Arc<Received>>> {
        if listed.is_empty() {
            return Err(s3_error!(MalformedXML, "No parts are listed."));
        }
        if !listed.is_sorted_by(|one, next| one.part_number < next.part_number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let known = self.parts.lock().await;
        let mut parts = Vec::with_capacity(listed.len());
        for claim in listed {
            let part = claim.part_number.and_then(|number| known.get(&number)).ok_or_else(invalid_part)?;
            let same_content = claim.e_tag.as_ref().is_some_and(|etag| etag.value() == hex(&part.md5));
            let same_checksums =
                checksums_of!(claim).iter().all(|(algorithm, value)| part.checksums.get(algorithm) == Some(value));
            if !(same_content && same_checksums) {
                return Err(invalid_part());
            }
            parts.push(Arc::clone(part));
        }
        let all_but_last = parts.split_last().map_or(&[][..], |(_, rest)| rest);
        if all_but_last.iter().any(|part| part.size < MIN_PART) {
            return Err(s3_error!(EntityTooSmall));
        }
        Ok(parts)
    }
}

impl Uploads {
    /// Starts an upload and returns its id.
    pub async fn create(&self, upload: Upload) -> String {
        let id = uuid::Uuid::now_v7().simple().to_string();
        self.by_id.lock().await.insert(id.clone(), Arc::new(upload));
        id
    }

    /// # Errors
    /// `NoSuchUpload`, also if the id belongs to another object.
    pub async fn find(&self, id: &str, bucket: &str, key: &str) -> S3Result<Arc<Upload>> {
        self.by_id
            .lock()
            .await
            .get(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchUpload))
    }

    /// Removes an upload. Its parts are deleted once the last reader has finished.
    pub async fn remove(&self, id: &str) {
        self.by_id.lock().await.remove(id);
    }
}

fn invalid_part() -> s3s::S3Error {
    s3_error!(InvalidPart, "A listed part was not uploaded, or is not what is listed.")
}

fn concatenate(
    mut file: NamedTempFile,
    parts: &[Arc<Received>],
    checksum: Option<Algorithm>,
) -> io::Result<(NamedTempFile, u64, Checksums)> {
    let mut hasher = Hasher::new(checksum);
    let mut size = 0;
    let mut buffer = vec![0; BUFFER];
    for part in parts {
        let mut content = part.file.reopen()?;
        loop {
            let read = content.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            hasher.update(chunk);
            file.write_all(chunk)?;
            size += read as u64;
        }
    }
    Ok((file, size, hasher.finish()))
}
