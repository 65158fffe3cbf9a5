//! Files on the function's disk, which are deleted on drop, or at the next start if the process was killed.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use aws_lc_rs::digest;
use tempfile::NamedTempFile;

/// The beginning of the files' names.
const PREFIX: &str = "countersign-archive-";

/// A new, empty file.
pub(super) fn new_file() -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(PREFIX).tempfile()
}

/// Removes the files that an earlier process left in `folder` because it was killed: they would take the space of the next
/// download. No other process may be working in `folder`.
pub fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let leftovers = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let removed = leftovers.filter(|entry| std::fs::remove_file(entry.path()).is_ok()).count();
    if removed > 0 {
        tracing::warn!(event = "leftovers_removed", files = removed);
    }
}

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
        let mut file = new_file().map_err(|_| SpoolError::Disk)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_removed_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        // As after a kill: a file that its process didn't delete.
        let name = Spooled::write(&b"left"[..], 10).unwrap().file.path().file_name().unwrap().to_owned();
        std::fs::write(folder.path().join(&name), "left").unwrap();
        std::fs::write(folder.path().join("other"), "kept").unwrap();
        remove_leftovers(folder.path());
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["other"]);
    }
}
