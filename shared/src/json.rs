//! Reading JSON that came from outside: an error names the place, never a value.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::intake::Unreadable;

/// Reads the JSON object `text` as a `T`.
///
/// # Errors
/// `not_json` when it is no JSON; else the path of the first field that is missing or of another type.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    // serde takes an array for a struct too, its fields in the order in which ours stand. No service means that.
    if !text.trim_ascii_start().starts_with('{') {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return Err(Unreadable::new(if is_json { "unexpected_shape" } else { "not_json" }, "."));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if !error.inner().is_data() {
            return Unreadable::new("not_json", ".");
        }
        // A path's keys are the sender's too, and may be anything.
        Unreadable::new("unexpected_shape", &printable(&error.path().to_string()))
    })?;
    deserializer.end().map_err(|_| Unreadable::new("not_json", "."))?;
    Ok(value)
}

/// The elements of the JSON array `text`, each as its own text, so that one that can't be read doesn't spoil the others.
///
/// # Errors
/// `not_json` when it is no JSON; `unexpected_shape` when it is no array.
pub fn array(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    serde_json::from_str(text).map_err(|error| {
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
        #[expect(dead_code, reason = "only whether it can be read matters")]
        inner: Vec<u8>,
    }

    #[test]
    fn an_error_names_the_place_and_never_a_value() {
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
    fn an_array_s_elements_are_their_own_texts() {
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
    fn json_that_is_nested_too_deeply_is_an_error() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>(&deep).unwrap_err().code, "not_json");
    }
}
