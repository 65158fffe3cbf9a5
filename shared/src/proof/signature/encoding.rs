//! Decodes the base64 of a signature, and repairs the damage that forms and headers do to it.
//!
//! Encoders of Legalesign's age wrap base64 at 76 columns, so line breaks and tabs are dropped. A `+` that was posted
//! unescaped arrives as a space, so spaces become `+`. The `=` at the end may be missing, since code that splits pairs
//! at `=` loses it. These repairs are safe: the decoded signature still has to verify.

use base64::Engine;

use crate::proof::BASE64;

/// Maximum length of a signature's text, in bytes. The largest accepted key, 8,192 bits, makes 1,368 characters; the
/// rest is room for line breaks.
const LONGEST: usize = 4096;

/// The bytes of a signature; `None` if it isn't base64 or is too long.
pub(super) fn decode(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.len() > LONGEST {
        return None;
    }
    let repaired: Vec<u8> = signature
        .iter()
        .filter(|byte| !matches!(byte, b'\r' | b'\n' | b'\t'))
        .map(|&byte| if byte == b' ' { b'+' } else { byte })
        .collect();
    BASE64.decode(repaired).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_by_forms_and_line_wrapping_is_repaired() {
        // 0xfb 0xef 0xbe 0xff is "++++/w==".
        let bytes = Some(vec![0xfb, 0xef, 0xbe, 0xff]);
        for text in ["++++/w==", "    /w==", "++++/w", "++\r\n++\n/w==\r\n", "\t++++\t/w==", " +\n+ /w="] {
            assert_eq!(decode(text.as_bytes()), bytes, "{text:?}");
        }
    }

    #[test]
    fn invalid_base64_is_refused() {
        for text in
            [&b"++++/w==x"[..], b"+++++", b"----_w==", b"++++/w%3D%3D", b"++=+/w==", b"\xff+++/w==", b"++++/x=="]
        {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn text_longer_than_any_signature_is_refused() {
        assert_eq!(decode(&[b'A'; LONGEST]).map(|bytes| bytes.len()), Some(LONGEST / 4 * 3));
        assert_eq!(decode(&[b'A'; LONGEST + 4]), None);
    }
}
