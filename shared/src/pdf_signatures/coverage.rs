//! Which bytes a signature covers: its `ByteRange`, compared with its `Contents` and the file's revisions.

use std::{
    io::{Read, Seek},
    ops::Range,
};

use crate::{
    domain::Coverage,
    pdf::{Document, NotAPdf, Object, Revision},
};

/// Why a range doesn't cover what it should. `Display` is a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RangeFault {
    /// It isn't a list of pairs of numbers.
    #[error("ranges_malformed")]
    Malformed,
    /// It reaches beyond the end of the file.
    #[error("ranges_beyond_the_end")]
    BeyondTheEnd,
    /// A part begins before the end of the one before it.
    #[error("ranges_overlap")]
    Overlap,
    /// A part begins before the beginning of the one before it.
    #[error("ranges_backwards")]
    Backwards,
    /// It leaves out more than the signature itself, or ends within a revision.
    #[error("ranges_leave_gaps")]
    Gaps,
}

/// Maximum number of parts of a range.
const MAX_PARTS: usize = 64;

/// The bytes that a signature covers: all before its `Contents`, and all after it up to an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) before: Range<u64>,
    pub(super) after: Range<u64>,
}

impl Covered {
    /// Reads a `ByteRange`, whose offsets count from `origin`. `contents` is the place of `Contents` with its delimiters.
    /// Like `size`, it counts from the first byte of the file.
    pub(super) fn read(range: &Object, contents: &Range<u64>, origin: u64, size: u64) -> Result<Self, RangeFault> {
        let numbers = range.array().ok_or(RangeFault::Malformed)?;
        if numbers.is_empty() || numbers.len() % 2 != 0 || numbers.len() > 2 * MAX_PARTS {
            return Err(RangeFault::Malformed);
        }
        let mut parts: Vec<Range<u64>> = Vec::new();
        for pair in numbers.chunks_exact(2) {
            let number = |index: usize| pair[index].unsigned().ok_or(RangeFault::Malformed);
            let start = number(0)?.checked_add(origin).ok_or(RangeFault::BeyondTheEnd)?;
            let end = start.checked_add(number(1)?).filter(|end| *end <= size).ok_or(RangeFault::BeyondTheEnd)?;
            match parts.last_mut() {
                Some(last) if start < last.start => return Err(RangeFault::Backwards),
                Some(last) if start < last.end => return Err(RangeFault::Overlap),
                // Parts without a gap between them are one.
                Some(last) if start == last.end => last.end = end,
                _ => parts.push(start..end),
            }
        }
        let Ok([before, after]) = <[Range<u64>; 2]>::try_from(parts) else { return Err(RangeFault::Gaps) };
        let leaves_out_contents_only = before == (origin..contents.start) && after.start == contents.end;
        if leaves_out_contents_only { Ok(Self { before, after }) } else { Err(RangeFault::Gaps) }
    }

    /// The number of bytes.
    pub(super) const fn size(&self) -> u64 {
        (self.before.end - self.before.start) + (self.after.end - self.after.start)
    }

    /// How much of the file these bytes cover.
    pub(super) fn coverage<R: Read + Seek>(
        &self,
        document: &mut Document<R>,
        revisions: &[Revision],
    ) -> Result<Coverage, NotAPdf> {
        let end = self.after.end;
        // `Revision::end` is after the line end of `%%EOF`, which some signers leave out.
        let revision = revisions.iter().take_while(|revision| revision.end <= end + 2).count();
        let Some(last) = revision.checked_sub(1).and_then(|index| revisions.get(index)) else {
            return Ok(Coverage::Gaps);
        };
        if end == document.size() {
            return Ok(Coverage::File { revision });
        }
        // Padding that was there at signing.
        let mut is_padding = true;
        document.read(last.end.min(end)..end, |piece| {
            is_padding &= piece.iter().all(|byte| matches!(byte, b'\0' | b'\t' | b'\n' | 0x0c | b'\r' | b' '));
        })?;
        Ok(if is_padding { Coverage::Revision { revision } } else { Coverage::Gaps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(numbers: &[i64]) -> Result<Covered, RangeFault> {
        let range = Object::Array(numbers.iter().map(|number| Object::Integer(*number)).collect());
        Covered::read(&range, &(110..130), 10, 200)
    }

    #[test]
    fn a_range_covers_all_but_its_contents() {
        let covered = Covered { before: 10..110, after: 130..200 };
        assert_eq!(read(&[0, 100, 120, 70]).as_ref(), Ok(&covered));
        assert_eq!(read(&[0, 40, 40, 60, 120, 70]).as_ref(), Ok(&covered));
        assert_eq!(covered.size(), 170);
        for (numbers, fault) in [
            (&[][..], RangeFault::Malformed),
            (&[0, 100, 120], RangeFault::Malformed),
            (&[0, 100, -120, 70], RangeFault::Malformed),
            (&[0, 100, 120, 71], RangeFault::BeyondTheEnd),
            (&[0, 100, i64::MAX, i64::MAX], RangeFault::BeyondTheEnd),
            (&[0, 100, 99, 70], RangeFault::Overlap),
            (&[120, 70, 0, 100], RangeFault::Backwards),
            (&[0, 190], RangeFault::Gaps),
            (&[1, 99, 120, 70], RangeFault::Gaps),
            (&[0, 99, 120, 70], RangeFault::Gaps),
            (&[0, 100, 121, 69], RangeFault::Gaps),
            (&[0, 100, 120, 30, 160, 30], RangeFault::Gaps),
        ] {
            assert_eq!(read(numbers), Err(fault), "{numbers:?}");
        }
    }
}
