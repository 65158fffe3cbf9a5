//! Parses `application/x-www-form-urlencoded` as the WHATWG URL standard does (section 5.1), but to bytes.
//!
//! Pairs are separated by `&`, empty pairs are skipped, the first `=` ends the name, no `=` means an empty value, `+`
//! is a space and `%XX` a byte. A `%` without two hexadecimal digits is kept, as in the standard and in Python's
//! `unquote_to_bytes`. A sender whose encoder forgot to escape a `%` signed the text with that `%`: because it is kept,
//! the signature can still verify. An error here would rule that out.

use bytes::Bytes;

use super::{Field, FormError, push};

/// Splits and decodes a body. Any bytes are a valid form; the only error is too many fields.
pub(super) fn read(body: &Bytes) -> Result<Vec<Field>, FormError> {
    let mut fields = Vec::new();
    for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        push(&mut fields, decode(body, name), decode(body, value))?;
    }
    Ok(fields)
}

/// Decodes `part`, a slice of `body`. Returns a slice if nothing needs decoding, else a copy no larger than `part`.
fn decode(body: &Bytes, part: &[u8]) -> Bytes {
    if !part.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return body.slice_ref(part);
    }
    let mut decoded = Vec::with_capacity(part.len());
    let mut rest = part;
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((if *first == b'+' { b' ' } else { *first }, tail));
        decoded.push(byte);
        rest = after;
    }
    decoded.into()
}

/// The value of a hexadecimal digit of either case.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
