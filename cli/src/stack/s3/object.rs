//! The format of an object's file: the object's bytes, then its [`Properties`] as JSON, then the JSON's length as eight
//! bytes, big-endian.
//!
//! Bytes and properties share a file so that one rename makes both appear, or replaces both: there is no moment between,
//! nothing to repair, and a reader that has the file open keeps a matching pair. The bytes come first because checksums are
//! known only when the last of them has been written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::checksum::Checksums;

/// S3 allows 2 KB of user metadata; a longer JSON than this is not ours.
const MAX_PROPERTIES: u64 = 1 << 20;
const LENGTH_SIZE: u64 = 8;

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Properties {
    /// The object's key; the file's name is only a hash of it.
    pub key: String,
    /// Bytes of content.
    pub size: u64,
    /// Without quotes: hex MD5 of the content, or of the parts' MD5s, a dash and the number of parts.
    pub etag: String,
    pub last_modified: jiff::Timestamp,
    #[serde(flatten)]
    pub headers: Headers,
    /// Those that the client gave, and that held.
    pub checksums: Checksums,
    /// The checksums are over the parts' checksums instead of the content.
    pub composite: bool,
}

/// What the client says about an object and gets back with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Headers {
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
    /// User metadata: names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// Completes a file that has the object's bytes.
pub(super) fn append(file: &mut File, properties: &Properties) -> io::Result<()> {
    let json = serde_json::to_vec(properties)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_be_bytes())
}

/// Reads the properties; the file's position is anywhere afterwards.
///
/// # Errors
/// `InvalidData` if the file isn't an object's, or has been cut.
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
