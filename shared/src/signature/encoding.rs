//! The base64 of a signature, as it arrives after a form or a header had its way with it.
//!
//! Encoders of Legalesign's age wrap base64 at 76 columns, so line breaks and tabs are dropped. A `+` that was posted
//! without being escaped arrives as a space, so a space becomes a `+`. The `=` at the end may be missing, since code
//! that splits pairs at `=` loses it. None of this lets a wrong signature through: what comes out is still verified.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The largest key the verifier takes, 8,192 bits, makes 1,368 characters. Nobody wraps them so short that they double.
const LONGEST: usize = 4096;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a signature, or nothing if it isn't base64.
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
    fn repairs_what_forms_and_wrapping_do() {
        // 0xfb 0xef 0xbe 0xff is "++++/w==".
        let bytes = Some(vec![0xfb, 0xef, 0xbe, 0xff]);
        for text in ["++++/w==", "    /w==", "++++/w", "++\r\n++\n/w==\r\n", "\t++++\t/w==", " +\n+ /w="] {
            assert_eq!(decode(text.as_bytes()), bytes, "{text:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in
            [&b"++++/w==x"[..], b"+++++", b"----_w==", b"++++/w%3D%3D", b"++=+/w==", b"\xff+++/w==", b"++++/x=="]
        {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_too_long_to_be_a_signature() {
        assert_eq!(decode(&[b'A'; LONGEST]).map(|bytes| bytes.len()), Some(LONGEST / 4 * 3));
        assert_eq!(decode(&[b'A'; LONGEST + 4]), None);
    }
}
