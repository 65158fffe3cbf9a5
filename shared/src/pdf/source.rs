//! Range reads over a file, through one small buffer.

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem;

/// Bytes that are read at once. Most reads are for a few dozen bytes, and the next one is often just after.
const PAGE: usize = 4 * 1024;

/// Bytes that are searched at once.
const PIECE: usize = 64 * 1024;

/// A file, or its first part. All offsets are from the file's first byte.
pub(super) struct Source<R> {
    reader: R,
    length: u64,
    buffer: Vec<u8>,
    /// The offset of the buffer.
    start: u64,
}

impl<R: Read + Seek> Source<R> {
    /// The first `limit` bytes of a file.
    pub(super) fn new(mut reader: R, limit: u64) -> io::Result<Self> {
        let length = reader.seek(SeekFrom::End(0))?.min(limit);
        Ok(Self { reader, length, buffer: Vec::new(), start: 0 })
    }

    /// In bytes.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Up to `length` bytes at `offset`: fewer at the end of the file, none after it.
    pub(super) fn window(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        if offset >= self.length {
            // An operating system may refuse to seek so far.
            return Ok(&[]);
        }
        let end = offset.saturating_add(length as u64).min(self.length);
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let wanted = self.length.saturating_sub(offset).min(length.max(PAGE) as u64);
            self.buffer.clear();
            self.start = offset;
            self.reader.seek(SeekFrom::Start(offset))?;
            (&mut self.reader).take(wanted).read_to_end(&mut self.buffer)?;
            // A huge object must not keep its memory.
            self.buffer.shrink_to(PIECE);
        }
        let from = index(offset - self.start).min(self.buffer.len());
        let to = index(end - self.start).min(self.buffer.len());
        Ok(&self.buffer[from..to])
    }

    /// Reads from `offset` on, to `end` at most.
    pub(super) fn range(&mut self, offset: u64, end: u64) -> Range<'_, R> {
        Range { source: self, position: offset, end }
    }

    /// The offset of the first `needle` that begins at or after `from`. `needle` is shorter than 1 KiB.
    pub(super) fn find(&mut self, needle: &[u8], mut from: u64) -> io::Result<Option<u64>> {
        while from < self.length {
            let piece = self.window(from, PIECE)?;
            if let Some(position) = memmem::find(piece, needle) {
                return Ok(Some(from + position as u64));
            }
            // The next piece overlaps, for a needle across the border.
            let step = piece.len().saturating_sub(needle.len() - 1).max(1);
            from += step as u64;
        }
        Ok(None)
    }

    /// The offset of the last `needle` in the file. `needle` is shorter than 1 KiB.
    pub(super) fn find_last(&mut self, needle: &[u8]) -> io::Result<Option<u64>> {
        let mut end = self.length;
        loop {
            let from = end.saturating_sub(PIECE as u64);
            let piece = self.window(from, index(end - from))?;
            if let Some(position) = memmem::rfind(piece, needle) {
                return Ok(Some(from + position as u64));
            }
            if from == 0 {
                return Ok(None);
            }
            end = from + needle.len() as u64 - 1;
        }
    }
}

/// A part of a file as a reader.
pub(super) struct Range<'s, R> {
    source: &'s mut Source<R>,
    position: u64,
    end: u64,
}

impl<R: Read + Seek> Read for Range<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = index(self.end.saturating_sub(self.position)).min(buffer.len()).min(PIECE);
        let window = self.source.window(self.position, left)?;
        buffer[..window.len()].copy_from_slice(window);
        self.position += window.len() as u64;
        Ok(window.len())
    }
}

/// An offset within a buffer. Buffers are far smaller than what `usize` can count.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
