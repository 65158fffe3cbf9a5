//! Byte order marks before a text.

/// A body without the byte order marks before its text. None is allowed before JSON, but a parser may ignore one (RFC
/// 8259, 8.1), and a proxy that adds one to a body that has one already was seen.
pub fn without_byte_order_marks(mut body: &[u8]) -> &[u8] {
    while let Some(rest) = body.strip_prefix("\u{feff}".as_bytes()) {
        body = rest;
    }
    body
}
