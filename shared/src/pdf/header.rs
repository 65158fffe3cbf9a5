//! Where a PDF begins.

use std::io::{Read, Seek};

use memchr::memmem;

use super::{fault::NotAPdf, limits::HEADER_WITHIN, source::Source};

/// The offset of the header `%PDF-`.
///
/// # Errors
/// [`NotAPdf::NoHeader`]; [`NotAPdf::Message`] or [`NotAPdf::Zip`] if the file is a container with a PDF in it. Offsets
/// count from the header, so such a file reads like the PDF, but what is kept should be the document.
pub(super) fn find<R: Read + Seek>(source: &mut Source<R>) -> Result<u64, NotAPdf> {
    let head = source.window(0, HEADER_WITHIN)?;
    let offset = memmem::find(head, b"%PDF-").ok_or(NotAPdf::NoHeader)?;
    let leading = &head[..offset];
    if memmem::find(leading, b"PK\x03\x04").is_some() {
        return Err(NotAPdf::Zip);
    }
    if is_message(leading) { Err(NotAPdf::Message) } else { Ok(offset as u64) }
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
