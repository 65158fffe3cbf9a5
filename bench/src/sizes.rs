//! How large what is deployed is.

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
    /// The zip with nothing but the binary as `bootstrap`, as `sam deploy` makes it.
    pub zip: u64,
}

/// Of a binary.
///
/// # Errors
/// When it can't be read.
pub fn of(file: &Path) -> Result<Size> {
    let binary = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // zlib's own default, which SAM's zip has.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(&binary)?;
    let zipped = zip.finish()?.into_inner();
    Ok(Size { binary: binary.len() as u64, zip: zipped.len() as u64 })
}
