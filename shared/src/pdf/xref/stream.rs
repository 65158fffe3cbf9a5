//! Cross-reference streams (ISO 32000-2, 7.5.8).

use std::io::{self, BufReader, Read, Seek};

use super::{
    super::{
        decode::decode,
        fault::NotAPdf,
        object::{Dictionary, Object},
        parse::indirect_at,
        source::Source,
    },
    Entries, Entry,
};

/// Reads the cross-reference stream at `offset` and adds its entries. Returns its dictionary, which is its trailer.
///
/// # Errors
/// [`NotAPdf::CrossReference`] if it can't be read.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    offset: u64,
    entries: &mut Entries,
) -> Result<Dictionary, NotAPdf> {
    let Some((_, Object::Stream(stream))) = indirect_at(source, offset)? else { return Err(NotAPdf::CrossReference) };
    let dictionary = &stream.dictionary;
    let (true, Some(widths)) = (dictionary.is("Type", "XRef"), widths(dictionary)) else {
        return Err(NotAPdf::CrossReference);
    };
    let decoded = decode(source, &stream, dictionary.unsigned("Length")).ok_or(NotAPdf::CrossReference)?;
    let mut decoded = BufReader::new(decoded);
    for (first, count) in subsections(dictionary).ok_or(NotAPdf::CrossReference)? {
        for number in first..first.saturating_add(count) {
            let mut row = [None; 3];
            for (field, width) in row.iter_mut().zip(widths) {
                *field = read_field(&mut decoded, width)?;
            }
            let number = u32::try_from(number).map_err(|_| NotAPdf::TooComplex)?;
            entries.add(number, entry(row))?;
        }
    }
    drop(decoded);
    Ok(stream.dictionary)
}

/// The entry of a row: its type, and two numbers. A type without width is 1.
fn entry([kind, second, _]: [Option<u64>; 3]) -> Entry {
    match (kind.unwrap_or(1), second.unwrap_or(0)) {
        (1, offset) => Entry::At(offset),
        (2, stream) => u32::try_from(stream).map_or(Entry::Free, Entry::Within),
        // Unknown types are references to null.
        _ => Entry::Free,
    }
}

/// The widths of the three fields in bytes, at most eight each, and not all 0.
fn widths(dictionary: &Dictionary) -> Option<[usize; 3]> {
    let [first, second, third, ..] = dictionary.get("W")?.array()? else { return None };
    let width = |value: &Object| usize::try_from(value.unsigned()?).ok().filter(|width| *width <= 8);
    let widths = [width(first)?, width(second)?, width(third)?];
    (widths != [0; 3]).then_some(widths)
}

/// The first object number and the count of each subsection.
fn subsections(dictionary: &Dictionary) -> Option<Vec<(u64, u64)>> {
    match dictionary.get("Index") {
        None | Some(Object::Null) => Some(vec![(0, dictionary.unsigned("Size")?)]),
        Some(index) => {
            let pairs = index.array()?.chunks_exact(2);
            pairs.map(|pair| Some((pair[0].unsigned()?, pair[1].unsigned()?))).collect()
        }
    }
}

/// Reads a big-endian number; `None` if it has no width.
fn read_field(decoded: &mut impl Read, width: usize) -> Result<Option<u64>, NotAPdf> {
    let mut bytes = [0; 8];
    match decoded.read_exact(&mut bytes[8 - width..]) {
        Ok(()) => Ok((width > 0).then(|| u64::from_be_bytes(bytes))),
        Err(error) if is_about_data(&error) => Err(NotAPdf::CrossReference),
        Err(error) => Err(error.into()),
    }
}

/// Whether the data can't be decoded, rather than the file not be read.
pub(in super::super) fn is_about_data(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}
