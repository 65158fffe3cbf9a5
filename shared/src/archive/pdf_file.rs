//! A PDF on the function's disk that was found to be whole.

use tempfile::NamedTempFile;

use super::spool::Spooled;
use crate::pdf::{Document, NotAPdf};

/// A checked PDF in a temporary file, which is deleted on drop.
pub(super) struct PdfFile {
    pub(super) file: NamedTempFile,
    /// In bytes.
    pub(super) size: u64,
    /// SHA-256 of the PDF, in hex.
    pub(super) sha256: String,
    /// The same SHA-256, as bytes.
    pub(super) digest: [u8; 32],
    /// The number of bytes after the PDF's end. They are kept, because the file is archived as it was served.
    pub(super) trailing_bytes: u64,
    /// Its name in the zip that it came in, made safe.
    pub(super) name: Option<String>,
}

impl PdfFile {
    /// Checks that a file is a whole PDF.
    ///
    /// # Errors
    /// Why it isn't one.
    pub(super) fn check(spooled: Spooled, name: Option<String>) -> Result<Self, NotAPdf> {
        let trailing_bytes = Document::open(spooled.file.reopen()?)?.trailing();
        let sha256 = spooled.sha256();
        let Spooled { file, size, digest } = spooled;
        Ok(Self { file, size, sha256, digest, trailing_bytes, name })
    }
}
