//! Parses JSON from outside. Errors contain the position, never a value.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::domain::Unreadable;

/// A body without the byte order marks before its JSON. None is allowed there, but a parser may ignore one (RFC 8259,
/// 8.1), and a proxy that adds one to a body that has one already was seen.
pub fn without_byte_order_marks(mut body: &[u8]) -> &[u8] {
    while let Some(rest) = body.strip_prefix("\u{feff}".as_bytes()) {
        body = rest;
    }
    body
}

/// Parses the JSON object `text` as a `T`. Byte order marks before it are ignored.
///
/// # Errors
/// `not_json` if the text is not JSON; `unexpected_shape`, with the path of the first missing or mistyped field, if it
/// is not a `T`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    let text = text.trim_start_matches('\u{feff}');
    // serde also accepts an array as a struct, with the fields in declaration order. No service sends that.
    if !text.trim_ascii_start().starts_with('{') {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return Err(Unreadable::new(if is_json { "unexpected_shape" } else { "not_json" }, "."));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if !error.inner().is_data() {
            return Unreadable::new("not_json", ".");
        }
        // The keys of a path come from the sender, so they can contain anything.
        Unreadable::new("unexpected_shape", &printable(&error.path().to_string()))
    })?;
    deserializer.end().map_err(|_| Unreadable::new("not_json", "."))?;
    Ok(value)
}

/// Splits the JSON array `text` into the texts of its elements, so that an unreadable element doesn't affect the rest.
/// Byte order marks before it are ignored.
///
/// # Errors
/// `not_json` if the text is not JSON; `unexpected_shape` if it is not an array.
pub fn array(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let code = if error.is_data() { "unexpected_shape" } else { "not_json" };
        Unreadable::new(code, ".")
    })
}

fn printable(path: &str) -> String {
    path.chars().take(100).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Shape {
        #[expect(dead_code, reason = "only whether it parses matters")]
        inner: Vec<u8>,
    }

    #[test]
    fn errors_contain_the_path_and_never_a_value() {
        for (text, code, path) in [
            ("", "not_json", "."),
            ("{", "not_json", "."),
            (r#"{"inner":[]} x"#, "not_json", "."),
            ("{}", "unexpected_shape", "."),
            ("null", "unexpected_shape", "."),
            ("[[1]]", "unexpected_shape", "."),
            (r#"{"inner":"someone@example.com"}"#, "unexpected_shape", "inner"),
            (r#"{"inner":[1,"secret"]}"#, "unexpected_shape", "inner[1]"),
        ] {
            let error = parse::<Shape>(text).unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (code, path), "{text}");
        }
    }

    #[test]
    fn an_array_is_split_into_the_texts_of_its_elements() {
        let texts = |text| array(text).map(|elements| elements.into_iter().map(RawValue::get).collect::<Vec<_>>());
        assert_eq!(
            texts(r#" [ {"a" : 1.0} ,[2], "three", null]"#).unwrap(),
            [r#"{"a" : 1.0}"#, "[2]", r#""three""#, "null"]
        );
        assert_eq!(texts("[]").unwrap(), [""; 0]);
        for (text, code) in [
            ("", "not_json"),
            ("[1,]", "not_json"),
            ("[1] x", "not_json"),
            ("{}", "unexpected_shape"),
            ("1", "unexpected_shape"),
        ] {
            assert_eq!(texts(text).unwrap_err(), Unreadable::new(code, "."), "{text}");
        }
    }

    #[test]
    fn deeply_nested_json_is_an_error() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>(&deep).unwrap_err().code, "not_json");
    }
}
