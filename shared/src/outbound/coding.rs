//! The content codings that a response announces (RFC 9110, 8.4).

use http::{HeaderMap, header::CONTENT_ENCODING};

/// A content coding other than `identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip` or `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: the zlib format (RFC 1950). Some servers send raw DEFLATE (RFC 1951).
    Deflate,
    /// Any other, by its name: lower-case letters, digits and hyphens, at most 20; `unknown` for all other names.
    Other(String),
}

/// The codings that a response announces, in the order in which they were applied. Empty elements and `identity` are
/// left out.
pub(super) fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let values = headers.get_all(CONTENT_ENCODING).into_iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.map(|name| name.trim_ascii().to_ascii_lowercase());
    names.filter(|name| !name.is_empty() && name != b"identity").map(coding).collect()
}

fn coding(name: Vec<u8>) -> Coding {
    match name.as_slice() {
        b"gzip" | b"x-gzip" => Coding::Gzip,
        b"deflate" => Coding::Deflate,
        name => {
            let is_plain = name.len() <= 20 && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
            Coding::Other(if is_plain { String::from_utf8_lossy(name).into_owned() } else { "unknown".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static [u8]]) -> Vec<Coding> {
        let value = |value: &&'static [u8]| (CONTENT_ENCODING, HeaderValue::from_bytes(value).unwrap());
        codings(&values.iter().map(value).collect())
    }

    #[test]
    fn codings_are_listed_in_their_order() {
        let other = |name: &str| Coding::Other(name.to_owned());
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[b"", b"identity", b"Identity, ,"]), []);
        assert_eq!(of(&[b"aws-chunked, GZIP", b"x-gzip"]), [other("aws-chunked"), Coding::Gzip, Coding::Gzip]);
        assert_eq!(of(&[b"deflate,br"]), [Coding::Deflate, other("br")]);
        assert_eq!(of(&[b"UTF-8"]), [other("utf-8")]);
        for strange in [&b"binary; charset"[..], b"\xff", b"a-name-of-more-than-20-letters"] {
            assert_eq!(of(&[strange]), [other("unknown")]);
        }
    }
}
