//! Where each object is, in eight bytes per object.

use std::collections::BTreeMap;

use super::super::{
    fault::NotAPdf,
    limits::{MAX_ENTRIES, MAX_GROUPS, PER_GROUP},
};

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Entry {
    /// Nowhere: its number isn't in use.
    Free,
    /// At an offset, as the file counts it.
    At(u64),
    /// In this object stream.
    Within(u32),
}

/// The entries of all sections. Object numbers come in groups of neighbours, so that neither a million objects nor a few
/// with high numbers take much memory.
#[derive(Default)]
pub(in super::super) struct Entries {
    groups: BTreeMap<u32, Box<[u64]>>,
    added: u64,
}

/// The lowest two bits of an entry say what it is; 0 is no entry.
const FREE: u64 = 1;
const AT: u64 = 2;
const WITHIN: u64 = 3;

impl Entries {
    /// Adds the entry of an object, unless a newer section had one.
    ///
    /// # Errors
    /// [`NotAPdf::TooComplex`] beyond the limits.
    pub(in super::super) fn add(&mut self, number: u32, entry: Entry) -> Result<(), NotAPdf> {
        self.added += 1;
        let group = number / PER_GROUP;
        let is_full = self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&group);
        if self.added > MAX_ENTRIES || is_full {
            return Err(NotAPdf::TooComplex);
        }
        let group = self.groups.entry(group).or_insert_with(|| vec![0; PER_GROUP as usize].into());
        if let Some(packed) = group.get_mut((number % PER_GROUP) as usize).filter(|packed| **packed == 0) {
            *packed = pack(entry);
        }
        Ok(())
    }

    /// The entry of an object.
    pub(in super::super) fn get(&self, number: u32) -> Option<Entry> {
        let group = self.groups.get(&(number / PER_GROUP))?;
        group.get((number % PER_GROUP) as usize).copied().and_then(unpack)
    }

    /// All objects with an entry, by number.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (u32, Entry)> {
        self.groups.iter().flat_map(|(group, packed)| {
            let first = group.saturating_mul(PER_GROUP);
            (first..).zip(packed.iter().copied()).filter_map(|(number, packed)| Some((number, unpack(packed)?)))
        })
    }
}

fn pack(entry: Entry) -> u64 {
    match entry {
        // An object can't be at offset 0, where the header is. Some writers mark free entries so.
        Entry::Free | Entry::At(0) => FREE,
        Entry::At(offset) if offset > u64::MAX >> 2 => AT | (u64::MAX << 2),
        Entry::At(offset) => AT | offset << 2,
        Entry::Within(stream) => WITHIN | u64::from(stream) << 2,
    }
}

fn unpack(packed: u64) -> Option<Entry> {
    match packed & 3 {
        FREE => Some(Entry::Free),
        AT => Some(Entry::At(packed >> 2)),
        WITHIN => u32::try_from(packed >> 2).ok().map(Entry::Within),
        _ => None,
    }
}
