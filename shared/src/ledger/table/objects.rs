//! One S3 bucket: puts, gets and deletes objects.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    operation::get_object::GetObjectError,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ObjectLockRetentionMode},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::unavailable;
use crate::{aws::Lazy, domain::LedgerError};

/// One S3 bucket.
#[derive(Clone)]
pub(in crate::ledger) struct Objects {
    client: Lazy<aws_sdk_s3::Client>,
    bucket: String,
    bypass_governance: bool,
}

/// Attempts to put an object while others put it too.
const CONFLICTING_ATTEMPTS: u32 = 3;

/// S3's codes for an object or a bucket without a lock.
const NOT_LOCKED: [&str; 3] =
    ["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"];

/// A version of an object, or a delete marker.
struct Version {
    key: String,
    id: Option<String>,
    is_marker: bool,
}

/// An object with a version that Object Lock holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The object's key.
    pub key: String,
    /// Object Lock's mode: `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// When the lock ends.
    pub until: Timestamp,
}

/// Keys of which versions were deleted.
#[derive(Debug, Default)]
pub(in crate::ledger) struct DeletedVersions {
    /// Every key that had a version.
    pub(in crate::ledger) all: BTreeSet<String>,
    /// Those with a version that may not be deleted.
    pub(in crate::ledger) kept: BTreeSet<String>,
}

impl Objects {
    pub(in crate::ledger) fn new(client: Lazy<aws_sdk_s3::Client>, bucket: &str) -> Self {
        Self { client, bucket: bucket.to_owned(), bypass_governance: false }
    }

    /// The same, but deletes versions that Object Lock holds in mode governance, too.
    pub(in crate::ledger) fn bypassing_governance(self) -> Self {
        Self { bypass_governance: true, ..self }
    }

    /// Puts an object, unless its key exists: a key has the id of the one request whose bytes are stored there. S3 compares
    /// the SHA-256 before it keeps anything.
    pub(in crate::ledger) async fn put(&self, key: &str, body: &Bytes) -> Result<(), LedgerError> {
        let mut put = self.put_once(key, body).await;
        for _ in 1..CONFLICTING_ATTEMPTS {
            match &put {
                // Another request for the key was under way. S3's documentation says to upload again.
                Err(LedgerError::Unavailable { code, .. }) if code == "ConditionalRequestConflict" => {
                    put = self.put_once(key, body).await;
                }
                _ => break,
            }
        }
        put
    }

    async fn put_once(&self, key: &str, body: &Bytes) -> Result<(), LedgerError> {
        let hash = digest::digest(&digest::SHA256, body);
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .content_type("application/octet-stream")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(hash))
            .body(ByteStream::from(body.clone()))
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
            Err(error) => Err(unavailable("PutObject")(error)),
        }
    }

    /// An object's bytes; `None` if it doesn't exist, [`LedgerError::BodyDenied`] if it can't be read or S3 doesn't say that it
    /// doesn't exist.
    pub(in crate::ledger) async fn get(&self, key: &str) -> Result<Option<Bytes>, LedgerError> {
        let object = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) if matches!(error.as_service_error(), Some(GetObjectError::NoSuchKey(_))) => return Ok(None),
            Err(error) if is_denied(error.as_service_error()) => return Err(LedgerError::BodyDenied),
            Err(error) => return Err(unavailable("GetObject")(error)),
        };
        let body = object.body.collect().await;
        let cut_off = |_| LedgerError::Unavailable { operation: "GetObject", code: "response_error".to_owned() };
        body.map(|body| Some(body.into_bytes())).map_err(cut_off)
    }

    /// The first keys with this prefix, in order: at most `limit`, and at most 1,000 (S3's page).
    pub(in crate::ledger) async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, LedgerError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX).min(1_000);
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).max_keys(limit).send().await;
        let list = list.map_err(unavailable("ListObjectsV2"))?;
        Ok(list.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
    }

    /// Deletes an object. In a versioned bucket its versions stay.
    pub(in crate::ledger) async fn delete(&self, key: &str) -> Result<(), LedgerError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map(drop).map_err(unavailable("DeleteObject"))
    }

    /// The versions of all objects whose key starts with `prefix` that Object Lock holds against [`Self::delete_versions`].
    pub(in crate::ledger) async fn held(&self, prefix: &str, now: Timestamp) -> Result<Vec<Held>, LedgerError> {
        let mut held = Vec::new();
        for version in self.versions(prefix).await?.into_iter().filter(|version| !version.is_marker) {
            held.extend(self.lock_of(version).await?.filter(|held| {
                held.until > now
                    && !(self.bypass_governance && held.mode == ObjectLockRetentionMode::Governance.as_str())
            }));
        }
        Ok(held)
    }

    /// The lock of a version; `None` if it has none.
    async fn lock_of(&self, version: Version) -> Result<Option<Held>, LedgerError> {
        let get = self.client.get_object_retention().bucket(&self.bucket).key(&version.key).set_version_id(version.id);
        let retention = match get.send().await {
            Ok(found) => found.retention,
            Err(error) if error.code().is_some_and(|code| NOT_LOCKED.contains(&code)) => return Ok(None),
            Err(error) => return Err(unavailable("GetObjectRetention")(error)),
        };
        let lock = retention.and_then(|retention| retention.mode.zip(retention.retain_until_date));
        let Some((mode, until)) = lock else { return Ok(None) };
        let until = Timestamp::from_second(until.secs()).unwrap_or(Timestamp::MAX);
        Ok(Some(Held { key: version.key, mode: mode.as_str().to_owned(), until }))
    }

    /// Deletes every version of all objects whose key starts with `prefix`.
    pub(in crate::ledger) async fn delete_versions(&self, prefix: &str) -> Result<DeletedVersions, LedgerError> {
        let mut deleted = DeletedVersions::default();
        for version in self.versions(prefix).await? {
            deleted.all.insert(version.key.clone());
            if !self.delete_version(&version.key, version.id.as_deref()).await? {
                deleted.kept.insert(version.key);
            }
        }
        Ok(deleted)
    }

    /// The versions and delete markers of all objects whose key starts with `prefix`.
    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, LedgerError> {
        let mut found = Vec::new();
        let mut markers = (None, None);
        loop {
            let page = self.client.list_object_versions().bucket(&self.bucket).prefix(prefix);
            let page = page.set_key_marker(markers.0).set_version_id_marker(markers.1).send().await;
            let page = page.map_err(unavailable("ListObjectVersions"))?;
            let is_truncated = page.is_truncated() == Some(true);
            let versions = page.versions.into_iter().flatten().map(|version| (version.key, version.version_id, false));
            let delete_markers =
                page.delete_markers.into_iter().flatten().map(|marker| (marker.key, marker.version_id, true));
            let all = versions.chain(delete_markers);
            found.extend(all.filter_map(|(key, id, is_marker)| Some(Version { key: key?, id, is_marker })));
            if !is_truncated {
                return Ok(found);
            }
            markers = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// Deletes a version of an object; `false` if that is forbidden.
    async fn delete_version(&self, key: &str, version: Option<&str>) -> Result<bool, LedgerError> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(key);
        // Without the permission for it, S3 refuses any delete that has this header.
        let delete = delete.set_bypass_governance_retention(self.bypass_governance.then_some(true));
        match delete.set_version_id(version.map(str::to_owned)).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_denied(error.as_service_error()) => Ok(false),
            Err(error) => Err(unavailable("DeleteObject")(error)),
        }
    }
}

/// Whether S3 refused a call for lack of permission.
fn is_denied(error: Option<&impl ProvideErrorMetadata>) -> bool {
    error.and_then(ProvideErrorMetadata::code) == Some("AccessDenied")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_dynamodb::config::{Credentials, Region};
    use axum::http::{HeaderMap, Method, Uri};

    use super::*;
    use crate::aws::{Aws, behavior_version};

    const VERSIONS: &str = "<ListVersionsResult><IsTruncated>false</IsTruncated>\
                            <Version><Key>a/b</Key><VersionId>1</VersionId></Version></ListVersionsResult>";

    const LOCKED: &str = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>\
                          </Retention>";

    /// A bucket with one version, and the header with which it is deleted.
    async fn bucket() -> (Objects, Arc<Mutex<Vec<Option<String>>>>) {
        let deleted = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::clone(&deleted);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap| {
            if uri.query().is_some_and(|query| query.contains("retention")) {
                return std::future::ready(LOCKED);
            }
            if method == Method::DELETE {
                let header = headers.get("x-amz-bypass-governance-retention");
                seen.lock().unwrap().push(header.map(|value| value.to_str().unwrap().to_owned()));
            }
            std::future::ready(VERSIONS)
        };
        let app = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let config = aws_config::defaults(behavior_version())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(url)
            .load()
            .await;
        (Objects::new(Aws::new(&config, true).s3, "bucket"), deleted)
    }

    #[tokio::test]
    async fn governance_is_bypassed_only_on_request() {
        let (objects, deleted) = bucket().await;
        assert!(objects.delete_versions("a/").await.unwrap().kept.is_empty());
        objects.bypassing_governance().delete_versions("a/").await.unwrap();
        assert_eq!(*deleted.lock().unwrap(), [None, Some("true".to_owned())]);
    }

    #[tokio::test]
    async fn a_locked_version_is_held_until_its_lock_ends_or_is_bypassed() {
        let (objects, deleted) = bucket().await;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let end = at("2030-01-01T00:00:00Z");
        let held = Held { key: "a/b".to_owned(), mode: "GOVERNANCE".to_owned(), until: end };
        assert_eq!(objects.held("a/", at("2029-12-31T23:59:59Z")).await.unwrap(), [held]);
        assert_eq!(objects.held("a/", end).await.unwrap(), []);
        assert_eq!(objects.bypassing_governance().held("a/", at("2029-12-31T23:59:59Z")).await.unwrap(), []);
        assert!(deleted.lock().unwrap().is_empty(), "nothing is deleted");
    }
}
