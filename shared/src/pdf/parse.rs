//! Parses what stands at an offset of a file.

use std::io::{self, Read, Seek};

use super::{
    limits::MAX_OBJECT,
    object::{Object, ObjectId, Stream},
    source::Source,
    syntax::{Parser, SyntaxError},
};

/// Parses at `offset`, with as many bytes as that takes. Returns the result and the offset after it; `None` if it
/// can't be parsed.
pub(super) fn parse_at<R: Read + Seek, T>(
    source: &mut Source<R>,
    offset: u64,
    parse: impl Fn(&mut Parser<'_>) -> Result<T, SyntaxError>,
) -> io::Result<Option<(T, u64)>> {
    let mut length = 1024;
    loop {
        let window = source.window(offset, length)?;
        let ends = window.len() < length;
        let mut parser = Parser::new(window, offset, ends);
        match parse(&mut parser) {
            Ok(parsed) => return Ok(Some((parsed, offset + parser.position as u64))),
            Err(SyntaxError::Incomplete) if !ends && length < MAX_OBJECT => length *= 4,
            Err(_) => return Ok(None),
        }
    }
}

/// Parses the header of the object at `offset`, after white space.
pub(super) fn header_at<R: Read + Seek>(source: &mut Source<R>, offset: u64) -> io::Result<Option<ObjectId>> {
    let parsed = parse_at(source, offset, |parser| parser.object_header())?;
    Ok(parsed.map(|(id, _)| id))
}

/// Parses the indirect object at `offset`: `<number> <generation> obj`, then an object or a stream.
pub(super) fn indirect_at<R: Read + Seek>(
    source: &mut Source<R>,
    offset: u64,
) -> io::Result<Option<(ObjectId, Object)>> {
    let parsed = parse_at(source, offset, |parser| {
        let (id, object) = (parser.object_header()?, parser.object()?);
        let is_stream = matches!(object, Object::Dictionary(_)) && begins_stream(parser)?;
        Ok((id, object, is_stream))
    })?;
    Ok(parsed.map(|((id, object, is_stream), end)| match object {
        Object::Dictionary(dictionary) if is_stream => (id, Object::Stream(Stream { dictionary, start: end })),
        object => (id, object),
    }))
}

/// Whether a stream follows its dictionary. The parser is then at its first byte.
fn begins_stream(parser: &mut Parser<'_>) -> Result<bool, SyntaxError> {
    match parser.keyword(b"stream") {
        Ok(()) => {}
        Err(SyntaxError::Invalid) => return Ok(false),
        Err(incomplete) => return Err(incomplete),
    }
    parser.end_of_line()?;
    Ok(true)
}
