//! Where a PDF begins.

use std::io::{self, Read, Seek};

use memchr::memmem;

use super::{fault::NotAPdf, limits::HEADER_WITHIN, source::Source};

/// The offset of the header `%PDF-`.
///
/// # Errors
/// [`NotAPdf::NoHeader`], or [`NotAPdf::Message`]: offsets count from the header, so a message with a PDF in it reads
/// like the PDF. The archive keeps documents, not the messages around them.
pub(super) fn find<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, NotAPdf> {
    let head = source.window(0, HEADER_WITHIN)?;
    let offset = memmem::find(head, b"%PDF-").ok_or(NotAPdf::NoHeader)?;
    if is_message(&head[..offset]) { Err(NotAPdf::Message) } else { Ok(offset as u64) }
}

/// Whether these bytes have a line like `Content-Type: …` or `MIME-Version: …`.
fn is_message(leading: &[u8]) -> bool {
    leading.split(|byte| *byte == b'\n').any(|line| {
        let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len()).unwrap_or_default();
        let is_field = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let starts = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        is_field && (starts(b"Content-") || starts(b"MIME-Version"))
    })
}

/// Whether a file's first bytes may be those of a PDF.
///
/// # Errors
/// If the file can't be read.
pub fn has_header<R: Read + Seek>(reader: R) -> io::Result<bool> {
    let mut source = Source::new(reader, HEADER_WITHIN as u64)?;
    Ok(memmem::find(source.window(0, HEADER_WITHIN)?, b"%PDF-").is_some())
}
