//! Decodes streams, piece by piece (ISO 32000-2, 7.4). Only what cross-reference and object streams use in practice:
//! no filter, or `FlateDecode`, with or without a PNG predictor.

use std::io::{self, Read, Seek};

use flate2::read::DeflateDecoder;

use super::{
    limits::MAX_ROW,
    object::{Dictionary, Object, Stream},
    source::Source,
};

/// The decoded bytes of a stream; `None` if its filter isn't supported. `length` is its size in the file, if known; a
/// `FlateDecode` stream ends by itself.
pub(super) fn decode<'s, R: Read + Seek>(
    source: &'s mut Source<R>,
    stream: &Stream,
    length: Option<u64>,
) -> Option<Box<dyn Read + 's>> {
    let end = length.and_then(|length| stream.start.checked_add(length)).unwrap_or(u64::MAX);
    let filter = match stream.dictionary.get("Filter") {
        None | Some(Object::Null) => None,
        Some(Object::Array(filters)) if filters.len() < 2 => filters.first(),
        Some(filter) => Some(filter),
    };
    let Some(filter) = filter else { return length.map(|_| Box::new(source.range(stream.start, end)) as _) };
    if filter.name() != Some(b"FlateDecode") {
        return None;
    }
    // The zlib header is skipped, and the checksum after the data isn't read: readers ignore a wrong one. A wrong
    // `Length` is ignored as well.
    let inflated = DeflateDecoder::new(source.range(stream.start.saturating_add(2), u64::MAX));
    match predictor(&stream.dictionary)? {
        None => Some(Box::new(inflated)),
        Some((row, pixel)) => Some(Box::new(Unpredict::new(inflated, row, pixel))),
    }
}

/// The length of a row and of a pixel in bytes, for a PNG predictor. The outer `None` is an unsupported predictor.
fn predictor(dictionary: &Dictionary) -> Option<Option<(usize, usize)>> {
    let parameters = match dictionary.get("DecodeParms") {
        Some(Object::Array(parameters)) => parameters.first(),
        parameters => parameters,
    };
    let Some(parameters) = parameters.and_then(Object::dictionary) else { return Some(None) };
    match parameters.unsigned("Predictor") {
        None | Some(1) => return Some(None),
        Some(10..=15) => {}
        Some(_) => return None,
    }
    let number = |key, default| match parameters.get(key) {
        None => Some(default),
        Some(value) => value.unsigned().and_then(|value| usize::try_from(value).ok()),
    };
    let bits = number("Colors", 1)?.checked_mul(number("BitsPerComponent", 8)?)?;
    let row = bits.checked_mul(number("Columns", 1)?)?.div_ceil(8);
    (1..=MAX_ROW).contains(&row).then(|| Some((row, bits.div_ceil(8).max(1))))
}

/// Undoes PNG's prediction (ISO/IEC 15948, 9): each row has a byte for its filter, then the differences.
struct Unpredict<R> {
    inner: R,
    pixel: usize,
    /// The filter's byte and the row.
    row: Vec<u8>,
    above: Vec<u8>,
    position: usize,
}

impl<R: Read> Unpredict<R> {
    fn new(inner: R, row: usize, pixel: usize) -> Self {
        Self { inner, pixel, row: vec![0; row + 1], above: vec![0; row + 1], position: row + 1 }
    }

    /// Reads a row. `false` at the end. An incomplete last row is dropped.
    fn next_row(&mut self) -> io::Result<bool> {
        std::mem::swap(&mut self.row, &mut self.above);
        match self.inner.read_exact(&mut self.row) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        let filter = self.row[0];
        for index in 1..self.row.len() {
            let before = |row: &[u8]| index.checked_sub(self.pixel).filter(|at| *at > 0).map_or(0, |at| row[at]);
            let (left, up, corner) = (before(&self.row), self.above[index], before(&self.above));
            let predicted = match filter {
                1 => left,
                2 => up,
                3 => u8::try_from(u16::midpoint(left.into(), up.into())).unwrap_or_default(),
                4 => paeth(left, up, corner),
                _ => 0,
            };
            self.row[index] = self.row[index].wrapping_add(predicted);
        }
        self.position = 1;
        Ok(true)
    }
}

impl<R: Read> Read for Unpredict<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.row.len() && !self.next_row()? {
            return Ok(0);
        }
        let rest = &self.row[self.position..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length;
        Ok(length)
    }
}

/// The neighbour that is nearest to left + up − corner.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(up) - i16::from(corner);
    let distance = |value: u8| (estimate - i16::from(value)).abs();
    if distance(left) <= distance(up) && distance(left) <= distance(corner) {
        left
    } else if distance(up) <= distance(corner) {
        up
    } else {
        corner
    }
}
