//! Text strings (ISO 32000-2, 7.9.2.2).

use super::limits::MAX_NAME;

/// Decodes a text string, without control characters, up to the limit of names.
pub(super) fn decode(bytes: &[u8]) -> String {
    let text = match bytes {
        [0xfe, 0xff, units @ ..] => {
            let units = units.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        [0xef, 0xbb, 0xbf, utf8 @ ..] => String::from_utf8_lossy(utf8).into_owned(),
        // PDFDocEncoding, which is Latin-1 for nearly all letters.
        latin => latin.iter().copied().map(char::from).collect(),
    };
    clip(&text)
}

/// The text without control characters, up to the limit of names. Names are shown on terminals and pages.
pub(super) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_strings_are_decoded_by_their_byte_order_mark() {
        for (bytes, text) in [
            (&b"Signature1"[..], "Signature1"),
            (b"\xfe\xff\x00A\x20\xac", "A\u{20ac}"),
            (b"\xfe\xff\xd8\x00\x00", "\u{fffd}"),
            (b"\xef\xbb\xbf\xe2\x82\xac", "\u{20ac}"),
            (b"J\xfcrgen\x1b[2J", "J\u{fc}rgen[2J"),
        ] {
            assert_eq!(decode(bytes), text);
        }
        assert_eq!(decode(&[b'a'; 10_000]).len(), MAX_NAME);
    }
}
