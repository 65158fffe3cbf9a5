//! Splits entries into the batches that one `PutEvents` call accepts.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>

use std::ops::Range;

use super::{PublishedEvent, SOURCE};

/// Maximum number of entries of a call.
const MAX_ENTRIES: usize = 10;

/// Maximum size of all entries of a call, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The size that an entry's time counts, in bytes.
const TIME: usize = 14;

/// An event as `PutEvents` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The event.
    pub(super) event: PublishedEvent,
    /// Its detail, as JSON.
    pub(super) detail: String,
}

impl Entry {
    /// The size that it counts in a call, in bytes.
    pub(super) fn size(&self) -> usize {
        TIME + SOURCE.len() + self.event.detail_type.as_str().len() + self.detail.len()
    }
}

/// The positions of the first, second, … batch of entries with these sizes. An entry that is too large for any call is a
/// batch of its own.
pub(super) fn batches(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (position, size) in sizes.iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                batch.end += 1;
                bytes += size;
            }
            _ => {
                batches.push(position..position + 1);
                bytes = *size;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_at_most_ten_entries_and_256_kilobytes() {
        let ends = |sizes: &[usize]| batches(sizes).into_iter().map(|batch| batch.end).collect::<Vec<_>>();
        assert_eq!(ends(&[]), [0; 0]);
        assert_eq!(ends(&[1; 10]), [10]);
        assert_eq!(ends(&[1; 21]), [10, 20, 21]);
        let half = MAX_BYTES / 2;
        assert_eq!(ends(&[half, half, 1]), [2, 3]);
        assert_eq!(ends(&[half, half + 1, half]), [1, 2, 3]);
        assert_eq!(ends(&[1, MAX_BYTES + 1, 1]), [1, 2, 3]);
    }
}
