//! Files on the function's disk, which are deleted on drop.

use std::io::{self, Read, Write};

use aws_lc_rs::digest;
use tempfile::NamedTempFile;

/// A file that was written completely.
pub(super) struct Spooled {
    pub(super) file: NamedTempFile,
    /// In bytes.
    pub(super) size: u64,
    /// SHA-256 of its content.
    pub(super) digest: [u8; 32],
}

/// Why a file could not be written completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpoolError {
    /// The data exceeds the limit.
    TooLarge,
    /// The data can't be read.
    Unreadable,
    /// The disk can't be written to.
    Disk,
}

impl Spooled {
    /// Writes at most `limit` bytes, and hashes them on the way.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub(super) fn write(mut data: impl Read, limit: u64) -> Result<Self, SpoolError> {
        let mut file = NamedTempFile::new().map_err(|_| SpoolError::Disk)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut size = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(SpoolError::Unreadable),
            };
            size += length as u64;
            if size > limit {
                return Err(SpoolError::TooLarge);
            }
            hash.update(&buffer[..length]);
            file.write_all(&buffer[..length]).map_err(|_| SpoolError::Disk)?;
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.finish().as_ref());
        Ok(Self { file, size, digest })
    }

    /// SHA-256 of its content, in hex.
    pub(super) fn sha256(&self) -> String {
        hex::encode(self.digest)
    }
}
