//! The revisions of a document: an incremental update, such as a signature, appends to the file and leaves what was there
//! as it is (ISO 32000-2, 7.5.6).

use std::io::{Read, Seek};

use super::{Document, fault::NotAPdf, tail};

/// Maximum number of revisions that are listed.
const MAX_REVISIONS: usize = 4_096;

/// One revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The offset of its cross-reference section, as the file counts it.
    pub cross_reference: u64,
    /// The absolute offset after its `%%EOF` and the end of that line. These first bytes of the file are the document
    /// as it was then: `Document::open_up_to` opens it.
    pub end: u64,
}

impl<R: Read + Seek> Document<R> {
    /// The revisions, the oldest first. The last one is the document as it is.
    ///
    /// A `startxref` counts if it leads to a section of this document: that of a linearized file's first part doesn't,
    /// nor one within another file that is embedded. Reads the whole file.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn revisions(&mut self) -> Result<Vec<Revision>, NotAPdf> {
        let mut revisions = Vec::new();
        let mut from = self.origin;
        while let Some(position) = self.source.find(b"startxref", from)? {
            from = position + 1;
            let Some(tail) = tail::at(&mut self.source, position)? else { continue };
            if self.cross_reference.sections.contains(&tail.start) && revisions.len() < MAX_REVISIONS {
                revisions.push(Revision { cross_reference: tail.start, end: tail.end });
            }
        }
        Ok(revisions)
    }
}
