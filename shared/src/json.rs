//! Reading JSON that came from outside: an error names the place, never a value.

use serde::de::DeserializeOwned;

use crate::intake::Unreadable;

/// Reads `text` as a `T`.
///
/// # Errors
/// `not_json` when it is no JSON; else the path of the first field that is missing or of another type.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let code = match error.inner().classify() {
            serde_json::error::Category::Data => "unexpected_shape",
            _ => "not_json",
        };
        // A path's keys are the sender's too, and may be anything.
        Unreadable::new(code, &printable(&error.path().to_string()))
    })?;
    deserializer.end().map_err(|_| Unreadable::new("not_json", "."))?;
    Ok(value)
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
            (r#"{"inner":"someone@example.com"}"#, "unexpected_shape", "inner"),
            (r#"{"inner":[1,"secret"]}"#, "unexpected_shape", "inner[1]"),
        ] {
            let error = parse::<Shape>(text).unwrap_err();
            assert_eq!((error.code, error.path.as_str()), (code, path), "{text}");
        }
    }

    #[test]
    fn json_that_is_nested_too_deeply_is_an_error() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>(&deep).unwrap_err().code, "not_json");
    }
}
