//! Why a file is not a whole PDF.

use std::io;

/// Why a file is not a whole PDF. `Display` is a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPdf {
    /// The first 1,024 bytes have no `%PDF-`.
    #[error("not_a_pdf")]
    NoHeader,
    /// The header comes after the header fields of a MIME or HTTP message: the file is a message with a PDF in it.
    #[error("pdf_in_a_message")]
    Message,
    /// Its end is missing: no `startxref` is followed by an offset and `%%EOF`.
    #[error("truncated_pdf")]
    Truncated,
    /// An incremental update begins after the last `%%EOF`, and its end is missing.
    #[error("truncated_pdf_update")]
    TruncatedUpdate,
    /// The last `startxref`, or a `Prev` behind it, leads to nothing that can be read as a cross-reference table or
    /// stream.
    #[error("pdf_xref_missing")]
    CrossReference,
    /// The cross-reference sections lead to each other in a circle.
    #[error("pdf_xref_loop")]
    Loop,
    /// An object isn't where the cross-reference says.
    #[error("pdf_object_missing")]
    Object,
    /// The trailer's `Root` doesn't lead to a catalog.
    #[error("pdf_catalog_missing")]
    Catalog,
    /// It has more cross-reference sections or objects than are read.
    #[error("pdf_too_complex")]
    TooComplex,
    /// The file can't be read.
    #[error("disk")]
    Disk(io::ErrorKind),
}

impl From<io::Error> for NotAPdf {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.kind())
    }
}
