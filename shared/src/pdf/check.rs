//! Checks that every object is where the cross-reference says, and that the trailer leads to the catalog.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
};

use super::{
    Document,
    fault::NotAPdf,
    limits::MAX_DECODED,
    object::{Object, Stream},
    object_stream,
    parse::header_at,
    xref::Entry,
};

/// Checks all objects and the catalog.
///
/// Object streams are decoded to see that their objects are in them, up to [`MAX_DECODED`] bytes in all. Those of an
/// encrypted document can't be decoded, nor those with an unusual filter; they only have to be there.
///
/// # Errors
/// [`NotAPdf::Object`], [`NotAPdf::Catalog`], or that the file can't be read.
pub(super) fn check<R: Read + Seek>(document: &mut Document<R>) -> Result<(), NotAPdf> {
    check_offsets(document)?;
    check_object_streams(document)?;
    check_catalog(document)
}

fn check_offsets<R: Read + Seek>(document: &mut Document<R>) -> Result<(), NotAPdf> {
    let origin = document.origin;
    for (number, entry) in document.cross_reference.entries.iter() {
        // Object 0 is the head of the list of free entries, whatever its entry says.
        if let (1.., Entry::At(offset)) = (number, entry) {
            let header = header_at(&mut document.source, origin.saturating_add(offset))?;
            // Readers ignore a wrong generation.
            if header.is_none_or(|id| id.number != number) {
                return Err(NotAPdf::Object);
            }
        }
    }
    Ok(())
}

fn check_object_streams<R: Read + Seek>(document: &mut Document<R>) -> Result<(), NotAPdf> {
    // For each object stream, the number of objects that should be in it.
    let mut streams: BTreeMap<u32, usize> = BTreeMap::new();
    for (_, entry) in document.cross_reference.entries.iter() {
        if let Entry::Within(stream) = entry {
            *streams.entry(stream).or_default() += 1;
        }
    }
    let mut budget = MAX_DECODED;
    for (number, expected) in streams {
        let stream = object_stream(document, number)?;
        if document.is_encrypted() || budget == 0 || !is_readable(&stream) {
            continue;
        }
        let length = document.length(&stream)?;
        let checked = object_stream::check(&mut document.source, &stream, length, budget)?;
        let (numbers, decoded) = checked.ok_or(NotAPdf::Object)?;
        budget = budget.saturating_sub(decoded);
        let entries = &document.cross_reference.entries;
        let found = numbers.iter().filter(|other| entries.get(**other) == Some(Entry::Within(number))).count();
        if found != expected {
            return Err(NotAPdf::Object);
        }
    }
    Ok(())
}

/// The object stream with this number.
fn object_stream<R: Read + Seek>(document: &mut Document<R>, number: u32) -> Result<Stream, NotAPdf> {
    match document.stored(number)? {
        Some(Object::Stream(stream)) if stream.dictionary.is("Type", "ObjStm") => Ok(stream),
        _ => Err(NotAPdf::Object),
    }
}

fn is_readable(stream: &Stream) -> bool {
    match stream.dictionary.get("Filter") {
        Some(Object::Array(filters)) => filters.iter().all(|filter| filter.name() == Some(b"FlateDecode")),
        Some(filter) => filter.name() == Some(b"FlateDecode"),
        None => true,
    }
}

fn check_catalog<R: Read + Seek>(document: &mut Document<R>) -> Result<(), NotAPdf> {
    let Some(Object::Reference(root)) = document.cross_reference.trailer.get("Root").cloned() else {
        return Err(NotAPdf::Catalog);
    };
    if document.is_encrypted() && matches!(document.cross_reference.entries.get(root.number), Some(Entry::Within(_))) {
        return Ok(());
    }
    let catalog = document.object(root)?;
    // Readers open a catalog without a type.
    let is_catalog = catalog.dictionary().is_some_and(|catalog| match catalog.get("Type") {
        Some(kind) => kind.name() == Some(b"Catalog"),
        None => catalog.get("Pages").is_some(),
    });
    if is_catalog { Ok(()) } else { Err(NotAPdf::Catalog) }
}
