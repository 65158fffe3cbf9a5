//! Where a PDF ends, and what follows its end.

use std::io::{self, Read, Seek};

use memchr::memmem;

use super::{fault::NotAPdf, parse::parse_at, source::Source, syntax::is_space};

/// Bytes after the end that are looked at together.
const PIECE: usize = 64 * 1024;

/// Length of the longest `<number> <generation> ` that is recognized, in bytes.
const LONGEST_HEADER: usize = 24;

/// The end of a revision.
pub(super) struct Tail {
    /// The number after `startxref`.
    pub(super) start: u64,
    /// The absolute offset after `%%EOF` and the end of its line.
    pub(super) end: u64,
}

/// The last `startxref` of the file, which must have an offset and `%%EOF`.
///
/// # Errors
/// [`NotAPdf::Truncated`], or [`NotAPdf::TruncatedUpdate`] if objects follow.
pub(super) fn last<R: Read + Seek>(source: &mut Source<R>) -> Result<Tail, NotAPdf> {
    let position = source.find_last(b"startxref")?.ok_or(NotAPdf::Truncated)?;
    let mut tail = at(source, position)?.ok_or(NotAPdf::Truncated)?;
    // Some writers end a file with more than one `%%EOF`.
    while let Some(end) = end_marker(source, tail.end)? {
        tail.end = end;
    }
    if update_follows(source, tail.end)? { Err(NotAPdf::TruncatedUpdate) } else { Ok(tail) }
}

/// Reads `startxref`, an offset and `%%EOF`. Comments and white space may stand between them.
pub(super) fn at<R: Read + Seek>(source: &mut Source<R>, position: u64) -> io::Result<Option<Tail>> {
    let parsed = parse_at(source, position, |parser| {
        parser.keyword(b"startxref")?;
        parser.unsigned()
    })?;
    let Some((start, after)) = parsed else { return Ok(None) };
    // Whatever stands in between is at most a few comments.
    let between = source.window(after, 1024)?;
    let Some(marker) = memmem::find(between, b"%%EOF") else { return Ok(None) };
    let is_comment = |line: &[u8]| line.iter().find(|byte| !is_space(**byte)).is_none_or(|byte| *byte == b'%');
    if !between[..marker].split(|byte| matches!(byte, b'\r' | b'\n')).all(is_comment) {
        return Ok(None);
    }
    Ok(end_marker(source, after + marker as u64)?.map(|end| Tail { start, end }))
}

/// The offset after `%%EOF` and the end of its line, if only white space stands before it.
fn end_marker<R: Read + Seek>(source: &mut Source<R>, position: u64) -> io::Result<Option<u64>> {
    let window = source.window(position, 64)?;
    let space = window.iter().take_while(|byte| is_space(**byte)).count();
    let Some(rest) = window[space..].strip_prefix(b"%%EOF") else { return Ok(None) };
    let line = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    };
    Ok(Some(position + (space + 5 + line) as u64))
}

/// Whether an incremental update begins after the end: an object, or a cross-reference table. All other bytes are
/// padding, or something that a server appended.
fn update_follows<R: Read + Seek>(source: &mut Source<R>, end: u64) -> io::Result<bool> {
    let mut position = end;
    loop {
        let piece = source.window(position, PIECE)?;
        let is_first = position == end;
        if (is_first && is_table_or_cut_header(piece)) || has_object_header(piece) {
            return Ok(true);
        }
        if piece.len() < PIECE {
            return Ok(false);
        }
        // The next piece overlaps, for a header across the border.
        position += (PIECE - LONGEST_HEADER) as u64;
    }
}

/// Whether there is `<number> <generation> obj` anywhere.
fn has_object_header(piece: &[u8]) -> bool {
    memmem::find_iter(piece, b"obj").any(|position| {
        let before = &piece[position.saturating_sub(LONGEST_HEADER)..position];
        let mut words = before.rsplit(|byte| is_space(*byte)).filter(|word| !word.is_empty());
        let mut is_number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
        before.last().is_some_and(|byte| is_space(*byte)) && is_number() && is_number()
    })
}

/// Whether these bytes begin with `xref`, or are nothing but the beginning of `xref` or of an object's header.
fn is_table_or_cut_header(piece: &[u8]) -> bool {
    let mut words = piece.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    let (second, third) = (words.next(), words.next());
    let is_number = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
    let is_cut_table = second.is_none() && b"xref".starts_with(first);
    let is_cut_header = is_number(first)
        && second.is_none_or(is_number)
        && third.is_none_or(|word| b"obj".starts_with(word))
        && words.next().is_none();
    first == b"xref" || is_cut_table || is_cut_header
}
