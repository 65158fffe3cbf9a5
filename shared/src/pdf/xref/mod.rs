//! The cross-reference: where each object is (ISO 32000-2, 7.5.4 and 7.5.8).

mod entries;
pub(super) mod stream;
mod table;

use std::{
    collections::BTreeSet,
    io::{Read, Seek},
};

pub(super) use entries::{Entries, Entry};

use super::{
    fault::NotAPdf,
    limits::MAX_SECTIONS,
    object::{Dictionary, Object},
    parse::parse_at,
    source::Source,
};

/// The cross-reference of a document: all its sections, the newest first, as one.
pub(super) struct CrossReference {
    pub(super) entries: Entries,
    /// The newest trailer.
    pub(super) trailer: Dictionary,
    /// The offsets of the sections, as the file counts them.
    pub(super) sections: BTreeSet<u64>,
}

/// Reads the section at `start` and all older ones, to which `Prev` leads. Offsets in the file count from `origin`.
///
/// # Errors
/// [`NotAPdf`] if a section can't be read, if the sections lead to each other in a circle, or beyond the limits.
pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, origin: u64, start: u64) -> Result<CrossReference, NotAPdf> {
    let mut entries = Entries::default();
    let mut trailer: Option<Dictionary> = None;
    let mut sections = BTreeSet::new();
    let mut next = Some(start);
    while let Some(section) = next {
        if !sections.insert(section) {
            return Err(NotAPdf::Loop);
        }
        if sections.len() > MAX_SECTIONS {
            return Err(NotAPdf::TooComplex);
        }
        let read = read_section(source, origin, section, &mut entries)?;
        // Some writers end the chain with 0, where no section can be.
        next = number(&read, "Prev")?.filter(|previous| *previous != 0);
        match &mut trailer {
            None => trailer = Some(read),
            Some(trailer) => inherit(trailer, &read),
        }
    }
    Ok(CrossReference { entries, trailer: trailer.unwrap_or_default(), sections })
}

/// Reads one section and returns its trailer.
fn read_section<R: Read + Seek>(
    source: &mut Source<R>,
    origin: u64,
    section: u64,
    entries: &mut Entries,
) -> Result<Dictionary, NotAPdf> {
    let offset = origin.saturating_add(section);
    let Some(((), after)) = parse_at(source, offset, |parser| parser.keyword(b"xref"))? else {
        return stream::read(source, offset, entries);
    };
    // A hybrid file marks objects as free for readers that don't know streams. For others, a stream says where they are,
    // and so it is read before the table.
    let trailer = table::read(source, after, None)?;
    if let Some(hidden) = number(&trailer, "XRefStm")? {
        stream::read(source, origin.saturating_add(hidden), entries)?;
    }
    table::read(source, after, Some(entries))
}

/// An offset in a trailer.
fn number(trailer: &Dictionary, key: &str) -> Result<Option<u64>, NotAPdf> {
    match trailer.get(key) {
        None | Some(Object::Null) => Ok(None),
        Some(value) => value.unsigned().map(Some).ok_or(NotAPdf::CrossReference),
    }
}

/// Takes from an older trailer what each trailer should have, if the newest one lacks it.
fn inherit(trailer: &mut Dictionary, older: &Dictionary) {
    for key in ["Root", "Encrypt"] {
        if let (None, Some(value)) = (trailer.get(key), older.get(key)) {
            trailer.0.push((key.as_bytes().to_vec(), value.clone()));
        }
    }
}
