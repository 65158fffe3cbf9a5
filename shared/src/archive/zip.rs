//! Unpacks a zip that was downloaded instead of a PDF. On request, SignEasy sends the documents of one request as a
//! zip. The bytes decide, not the content type: SignEasy was seen sending a PDF as `application/zip`.
//!
//! *Zip or PDF.* A zip may have anything before it and a comment after it, and a stored member is in it as it is. So a zip
//! with a PDF inside can look like a PDF with some bytes around it, and a PDF with a zip attached can look like a zip.
//! A file is a zip if a member begins before any PDF header, or if its end record, with its comment, ends the file. In the
//! second case the first member must not be the stream of a PDF: a PDF that was cut off right after an attached zip is
//! neither. A zip is never archived as a PDF, whatever it shows.
//!
//! *Bounds.* Members and their sizes are counted while unpacking, because the numbers that a zip declares can be false. The
//! directory is read member by member, from the same end record that its bounds were checked with. A member is written to
//! a temporary file and identified by its content, so a name can't escape from a folder ("zip slip").

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use memchr::memmem;
use tempfile::NamedTempFile;
use zip::{
    ZipReadOptions,
    read::{Config, ZipFile},
    unstable::read::ZipIterable,
};

use super::{
    member_name::safe_name,
    pdf_file::PdfFile,
    spool::{SpoolError, Spooled},
};
use crate::pdf::NotAPdf;

/// Maximum number of members. A request has a handful of documents.
const MAX_MEMBERS: usize = 100;

/// Maximum size of all PDFs together, in bytes. They must fit on a function's disk of 512 MB, beside the zip itself.
pub(super) const MAX_UNPACKED: u64 = 200 * 1024 * 1024;

/// Maximum number of bytes that are read to find the directory. The end record and its comment have at most 65,557; a
/// search for a directory that isn't where the record says would go through the whole file, and remember what it finds.
const MAX_SEARCH: u64 = 1024 * 1024;

/// How many bytes of a file's beginning show its format. PDF readers look for `%PDF-` there (ISO 32000-1, Annex H, note
/// 13).
const HEAD: usize = 1024;

/// Size of the end record without its comment, in bytes.
const END_RECORD: usize = 22;

/// The beginning of a member, and of the end record.
const MEMBER: &[u8] = b"PK\x03\x04";
const END: &[u8] = b"PK\x05\x06";

/// Unpacks the PDFs of a file in the zip's order; `None` if the file isn't a zip. `limit` is for all
/// together, in bytes.
///
/// # Errors
/// A stable code: the zip can't be read, exceeds a limit, or contains no PDF or a damaged one.
pub(super) fn unpack(file: &NamedTempFile, limit: u64) -> Result<Option<Vec<PdfFile>>, &'static str> {
    let open = || file.reopen().map_err(|_| "disk");
    let begins = begins_as_zip(open()?).map_err(|_| "disk")?;
    if !begins && !ends_as_zip(open()?).map_err(|_| "disk")? {
        return Ok(None);
    }
    let mut zip = match ZipIterable::try_new(Bounded { file: open()?, left: MAX_SEARCH }, Config::default()) {
        Ok(zip) => zip,
        Err(_) if begins => return Err("zip_unreadable"),
        // The end record was only bytes that look like one.
        Err(_) => return Ok(None),
    };
    if zip.len() > MAX_MEMBERS {
        return Err("zip_too_many_members");
    }
    if !begins && is_attached(&mut zip, open()?)? {
        return Ok(None);
    }
    read_members(&mut zip, Bounded { file: open()?, left: u64::MAX }, limit).map(Some)
}

/// Whether a member begins before any PDF header.
fn begins_as_zip(file: File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(is_zip(&head))
}

fn is_zip(head: &[u8]) -> bool {
    let member = memmem::find(head, MEMBER);
    member.is_some_and(|member| memmem::find(head, b"%PDF-").is_none_or(|header| member < header))
}

/// Whether an end record with its comment ends the file.
fn ends_as_zip(mut file: File) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub((END_RECORD + usize::from(u16::MAX)) as u64)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(memmem::find_iter(&tail, END).any(|position| {
        let record = &tail[position..];
        let comment = record.get(END_RECORD - 2..END_RECORD).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        comment.is_some_and(|comment| record.len() == END_RECORD + usize::from(comment))
    }))
}

/// Whether the first member of a zip is the stream of a PDF.
fn is_attached(zip: &mut ZipIterable<Bounded>, mut file: File) -> Result<bool, &'static str> {
    let unreadable = |_| "zip_unreadable";
    let mut first = None;
    for entry in zip.files().map_err(unreadable)? {
        let start = entry.map_err(unreadable)?.header_start();
        first = Some(first.map_or(start, |first: u64| first.min(start)));
    }
    let Some(first) = first else { return Ok(false) };
    file.seek(SeekFrom::Start(first.saturating_sub(16))).map_err(|_| "disk")?;
    let mut before = Vec::new();
    file.take(first.min(16)).read_to_end(&mut before).map_err(|_| "disk")?;
    Ok(before.trim_ascii_end().ends_with(b"stream"))
}

fn read_members(zip: &mut ZipIterable<Bounded>, file: Bounded, limit: u64) -> Result<Vec<PdfFile>, &'static str> {
    let mut members = zip.files_with_reader(file, ZipReadOptions::default()).map_err(|_| "zip_unreadable")?;
    let mut pdfs: Vec<PdfFile> = Vec::new();
    let (mut position, mut left) = (0_u32, limit);
    while let Some(member) = members.next() {
        position += 1;
        // Encrypted members and unusual compression methods are not supported.
        let member = member.map_err(|_| "zip_unreadable")?;
        match read_member(member, left)? {
            Content::Pdf(pdf) => {
                left -= pdf.size;
                pdfs.push(pdf);
            }
            // Logged for an operator, without its name, which may be personal data.
            Content::Other => tracing::warn!(event = "zip_member_not_a_pdf", position),
            Content::Empty => {}
        }
    }
    if pdfs.is_empty() { Err("zip_without_pdf") } else { Ok(pdfs) }
}

/// What a member is.
enum Content {
    Pdf(PdfFile),
    Other,
    /// A folder, or a file without bytes.
    Empty,
}

/// Reads one member: its beginning, and the rest if it may be a PDF. `limit` is in bytes.
fn read_member(mut member: ZipFile<'_, Bounded>, limit: u64) -> Result<Content, &'static str> {
    let mut head = Vec::with_capacity(HEAD);
    member.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|_| "zip_unreadable")?;
    if head.is_empty() {
        return Ok(Content::Empty);
    }
    if is_zip(&head) || memmem::find(&head, b"%PDF-").is_none() {
        return Ok(Content::Other);
    }
    let name = member.name().ok().and_then(|name| safe_name(&name));
    // On reaching the end, the `zip` crate verifies the member's CRC-32.
    let spooled = Spooled::write(head.chain(member), limit).map_err(|error| match error {
        SpoolError::TooLarge => "zip_too_large",
        SpoolError::Unreadable => "zip_unreadable",
        SpoolError::Disk => "disk",
    })?;
    match PdfFile::check(spooled, name) {
        Ok(pdf) => Ok(Content::Pdf(pdf)),
        Err(NotAPdf::NoHeader | NotAPdf::Message | NotAPdf::Zip) => Ok(Content::Other),
        Err(fault) => Err(fault.code()),
    }
}

/// A file with a limit on the number of bytes that are read.
struct Bounded {
    file: File,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| io::Error::other("the limit is reached"))?;
        Ok(length)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests;
