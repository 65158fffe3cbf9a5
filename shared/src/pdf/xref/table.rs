//! Cross-reference tables (ISO 32000-2, 7.5.4).

use std::io::{Read, Seek};

use super::{
    super::{fault::NotAPdf, object::Dictionary, object::Object, parse::parse_at, source::Source, syntax::Parser},
    Entries, Entry,
};

/// What can stand in a table.
enum Line {
    /// `trailer` and its dictionary.
    Trailer(Dictionary),
    /// A subsection: its first object number, and the number of its entries.
    Subsection(u64, u64),
    /// An entry: offset, generation, and whether it is in use.
    Entry(u64, u64, bool),
}

/// Reads the table at `offset`, after `xref`, and adds its entries. Returns its trailer.
///
/// Words count, not columns: entries of 19 or 21 bytes are seen, and so is a subsection with fewer entries than it
/// announces.
///
/// # Errors
/// [`NotAPdf::CrossReference`] if it can't be read.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    mut offset: u64,
    mut entries: Option<&mut Entries>,
) -> Result<Dictionary, NotAPdf> {
    let (mut number, mut left, mut is_first) = (0_u64, 0_u64, true);
    loop {
        let (line, after) = parse_at(source, offset, line)?.ok_or(NotAPdf::CrossReference)?;
        offset = after;
        match line {
            Line::Trailer(trailer) => return Ok(trailer),
            Line::Subsection(first, count) => (number, left, is_first) = (first, count, true),
            Line::Entry(..) if left == 0 => return Err(NotAPdf::CrossReference),
            Line::Entry(at, generation, in_use) => {
                // The list of free entries begins with object 0. Some writers number it 1.
                if is_first && number == 1 && !in_use && (at, generation) == (0, 65_535) {
                    number = 0;
                }
                is_first = false;
                let object = u32::try_from(number).map_err(|_| NotAPdf::TooComplex)?;
                if let Some(entries) = &mut entries {
                    entries.add(object, if in_use { Entry::At(at) } else { Entry::Free })?;
                }
                number += 1;
                left -= 1;
            }
        }
    }
}

fn line(parser: &mut Parser<'_>) -> Result<Line, super::super::syntax::SyntaxError> {
    use super::super::syntax::SyntaxError::{Incomplete, Invalid};
    match parser.keyword(b"trailer") {
        Ok(()) => {
            let Object::Dictionary(trailer) = parser.object()? else { return Err(Invalid) };
            return Ok(Line::Trailer(trailer));
        }
        Err(Incomplete) => return Err(Incomplete),
        Err(Invalid) => {}
    }
    let (first, second) = (parser.unsigned()?, parser.unsigned()?);
    for (word, in_use) in [(b"n", true), (b"f", false)] {
        match parser.keyword(word) {
            Ok(()) => return Ok(Line::Entry(first, second, in_use)),
            Err(Incomplete) => return Err(Incomplete),
            Err(Invalid) => {}
        }
    }
    Ok(Line::Subsection(first, second))
}
