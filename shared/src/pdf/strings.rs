//! Strings and names (ISO 32000-2, 7.3.4 and 7.3.5).

use super::{
    object::PdfString,
    syntax::{Parser, SyntaxError},
};

/// Parses `(…)` at the parser's position.
pub(super) fn literal(parser: &mut Parser<'_>) -> Result<PdfString, SyntaxError> {
    let start = parser.position;
    let mut position = start + 1;
    let mut depth = 0_usize;
    let mut bytes = Vec::new();
    let at = |position: usize| parser.bytes.get(position).copied().ok_or(SyntaxError::Incomplete);
    loop {
        let byte = at(position)?;
        position += 1;
        match byte {
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b'(' => depth += 1,
            b'\\' => {
                position += escape(at(position)?, &parser.bytes[position..], &mut bytes);
                continue;
            }
            _ => {}
        }
        bytes.push(byte);
    }
    Ok(finish(parser, start, position, bytes))
}

/// Undoes the escape that begins with `first`, which is the first byte of `rest`. Returns its length.
fn escape(first: u8, rest: &[u8], bytes: &mut Vec<u8>) -> usize {
    let plain = match first {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        // A line that continues.
        b'\n' => return 1,
        b'\r' => return if rest.get(1) == Some(&b'\n') { 2 } else { 1 },
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
            let (length, value) =
                digits.fold((0, 0_u32), |(n, value), digit| (n + 1, value * 8 + u32::from(digit - b'0')));
            // An overflow is ignored (ISO 32000-2, table 3).
            bytes.push(u8::try_from(value & 0xff).unwrap_or_default());
            return length;
        }
        other => other,
    };
    bytes.push(plain);
    1
}

/// Parses `<…>` at the parser's position.
pub(super) fn hexadecimal(parser: &mut Parser<'_>) -> Result<PdfString, SyntaxError> {
    let start = parser.position;
    let rest = &parser.bytes[start + 1..];
    let length = rest.iter().position(|byte| *byte == b'>').ok_or(SyntaxError::Incomplete)?;
    let mut bytes = Vec::with_capacity(length / 2);
    let mut high = None;
    for byte in &rest[..length] {
        let Some(digit) = digit(*byte) else { continue };
        match high.take() {
            None => high = Some(digit << 4),
            Some(high) => bytes.push(high | digit),
        }
    }
    // A missing last digit is 0.
    bytes.extend(high);
    Ok(finish(parser, start, start + length + 2, bytes))
}

fn finish(parser: &mut Parser<'_>, start: usize, end: usize, bytes: Vec<u8>) -> PdfString {
    parser.position = end;
    PdfString { bytes, place: parser.offset + start as u64..parser.offset + end as u64 }
}

/// A name whose `#` escapes are undone.
pub(super) fn unescaped_name(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'#', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(*first),
            },
            _ => bytes.push(*first),
        }
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
