//! Sizes of the deployed binaries.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Size {
    /// The binary.
    pub binary: u64,
    /// The zip with only the binary as `bootstrap`, as `sam deploy` makes it.
    pub zip: u64,
}

/// The sizes of a binary.
///
/// # Errors
/// When the file can't be read.
pub fn of(file: &Path) -> Result<Size> {
    let binary = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // zlib's default level, which SAM uses.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&binary)?;
    let zipped = zip.finish()?.into_inner();
    Ok(Size { binary: binary.len() as u64, zip: zipped.len() as u64 })
}
