//! Why a file is not a whole PDF.

use std::io;

/// Why a file is not a whole PDF. `Display` is a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.code())]
pub enum NotAPdf {
    /// The first 1,024 bytes have no `%PDF-`.
    NoHeader,
    /// The header comes after the header fields of a MIME or HTTP message: the file is a message with a PDF in it.
    Message,
    /// The header comes after the beginning of a zip's member: the file is a zip with a PDF in it.
    Zip,
    /// Its end is missing: no `startxref` is followed by an offset and `%%EOF`.
    Truncated,
    /// An incremental update begins after the last `%%EOF`, and its end is missing.
    TruncatedUpdate,
    /// The last `startxref`, or a `Prev` after it, leads to nothing that can be read as a cross-reference table or
    /// stream.
    CrossReference,
    /// The cross-reference sections lead to each other in a circle.
    Loop,
    /// An object isn't where the cross-reference says.
    Object,
    /// The trailer's `Root` doesn't lead to a catalog.
    Catalog,
    /// It has more cross-reference sections or objects than are read.
    TooComplex,
    /// The file can't be read.
    Disk(io::ErrorKind),
}

impl NotAPdf {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "not_a_pdf",
            Self::Message => "pdf_in_a_message",
            Self::Zip => "pdf_in_a_zip",
            Self::Truncated => "truncated_pdf",
            Self::TruncatedUpdate => "truncated_pdf_update",
            Self::CrossReference => "pdf_xref_missing",
            Self::Loop => "pdf_xref_loop",
            Self::Object => "pdf_object_missing",
            Self::Catalog => "pdf_catalog_missing",
            Self::TooComplex => "pdf_too_complex",
            Self::Disk(_) => "disk",
        }
    }
}

impl From<io::Error> for NotAPdf {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.kind())
    }
}
