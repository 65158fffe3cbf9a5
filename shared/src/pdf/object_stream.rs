//! Object streams: objects that are compressed together (ISO 32000-2, 7.5.7).

use std::io::{self, BufReader, Read, Seek};

use super::{
    decode::decode,
    limits::MAX_OBJECT_STREAM,
    object::{Object, Stream},
    source::Source,
    syntax::Parser,
    xref::stream::is_about_data,
};

/// What comes before the objects of an object stream.
pub(super) struct Contents {
    /// Each object's number, and its offset after `first`.
    pub(super) objects: Vec<(u32, u64)>,
    /// The offset of the first object in the decoded stream.
    first: u64,
}

/// An object stream in memory.
pub(super) struct Loaded {
    /// Its object number.
    pub(super) number: u32,
    contents: Contents,
    bytes: Vec<u8>,
}

impl Loaded {
    /// Decodes an object stream into memory; `None` if it can't be decoded, or is too large.
    pub(super) fn load<R: Read + Seek>(
        source: &mut Source<R>,
        number: u32,
        stream: &Stream,
        length: Option<u64>,
    ) -> io::Result<Option<Self>> {
        let Some(decoded) = decode(source, stream, length) else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = decoded.take(MAX_OBJECT_STREAM + 1).read_to_end(&mut bytes);
        if about_data(read)?.is_none() || bytes.len() as u64 > MAX_OBJECT_STREAM {
            return Ok(None);
        }
        let contents = about_data(contents(stream, &mut bytes.as_slice()))?.flatten();
        Ok(contents.map(|contents| Self { number, contents, bytes }))
    }

    /// The object with this number.
    pub(super) fn object(&self, number: u32) -> Option<Object> {
        let (_, offset) = self.contents.objects.iter().find(|(other, _)| *other == number)?;
        let start = self.contents.first.checked_add(*offset)?;
        let bytes = self.bytes.get(usize::try_from(start).ok()?..)?;
        Parser::new(bytes, start, true).object().ok()
    }
}

/// Reads the beginning of an object stream and decodes the rest, up to `limit` bytes, to see whether that can be done.
/// Returns the numbers of its objects, and how many bytes were decoded; `None` if it can't be decoded.
pub(super) fn check<R: Read + Seek>(
    source: &mut Source<R>,
    stream: &Stream,
    length: Option<u64>,
    limit: u64,
) -> io::Result<Option<(Vec<u32>, u64)>> {
    let Some(decoded) = decode(source, stream, length) else { return Ok(None) };
    let mut decoded = BufReader::new(decoded);
    let Some(Some(contents)) = about_data(contents(stream, &mut decoded))? else { return Ok(None) };
    let rest = about_data(io::copy(&mut decoded.take(limit), &mut io::sink()))?;
    let mut numbers: Vec<u32> = contents.objects.into_iter().map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(rest.map(|rest| (numbers, contents.first + rest)))
}

/// Reads the pairs of numbers at the beginning of an object stream.
fn contents(stream: &Stream, decoded: &mut impl Read) -> io::Result<Option<Contents>> {
    let dictionary = &stream.dictionary;
    let (Some(count), Some(first)) = (dictionary.unsigned("N"), dictionary.unsigned("First")) else { return Ok(None) };
    if first > MAX_OBJECT_STREAM {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    decoded.take(first).read_to_end(&mut bytes)?;
    let mut parser = Parser::new(&bytes, 0, true);
    let mut pair = || {
        let number = parser.unsigned().ok()?;
        Some((u32::try_from(number).ok()?, parser.unsigned().ok()?))
    };
    let objects = (0..count).map(|_| pair()).collect::<Option<Vec<_>>>();
    Ok(objects.map(|objects| Contents { objects, first }))
}

/// Tells data that can't be decoded (`None`) from a file that can't be read.
fn about_data<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_about_data(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
