//! The format of an object's file: the object's bytes, then its [`Properties`] as JSON, then the JSON's length as eight
//! bytes, big-endian.
//!
//! Bytes and properties share a file so that one rename creates or replaces both at once: there is nothing to repair, and a
//! reader that has the file open keeps a matching pair. The bytes come first because checksums are known only when the last
//! byte has been written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::checksum::Checksums;

/// Longest valid JSON, in bytes. S3 allows 2 KB of user metadata, so anything longer is damaged.
const MAX_PROPERTIES: u64 = 1 << 20;
const LENGTH_SIZE: u64 = 8;

/// The metadata of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Properties {
    /// The object's key; the file's name is only a hash of it.
    pub key: String,
    /// Size of the content, in bytes.
    pub size: u64,
    /// Without quotes: the hex MD5 of the content; or that of the parts' MD5s, a dash and the number of parts.
    pub etag: String,
    pub last_modified: jiff::Timestamp,
    #[serde(flatten)]
    pub headers: Headers,
    /// The checksums that the client sent, verified.
    pub checksums: Checksums,
    /// Whether the checksums are over the parts' checksums instead of the content.
    pub composite: bool,
}

/// Headers that the client sends with an object and gets back with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    /// User metadata: names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// Appends the properties to a file that has the object's bytes.
pub(super) fn append(file: &mut File, properties: &Properties) -> io::Result<()> {
    let json = serde_json::to_vec(properties)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_be_bytes())
}

/// Reads the properties; the file's position is undefined afterwards.
///
/// # Errors
/// `InvalidData` if it isn't an object's file, or is truncated.
pub(super) fn read(file: &mut File) -> io::Result<Properties> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "not the file of an object");
    let length_at = file.metadata()?.len().checked_sub(LENGTH_SIZE).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(length_at))?;
    let mut length = [0; LENGTH_SIZE as usize];
    file.read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    let json_at = length_at.checked_sub(length).filter(|_| length <= MAX_PROPERTIES).ok_or_else(damaged)?;

    file.seek(SeekFrom::Start(json_at))?;
    let mut json = Vec::new();
    file.take(length).read_to_end(&mut json)?;
    let properties: Properties = serde_json::from_slice(&json).map_err(|_| damaged())?;
    if properties.size != json_at {
        return Err(damaged());
    }
    Ok(properties)
}
