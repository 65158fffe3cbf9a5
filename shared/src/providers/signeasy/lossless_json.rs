//! Lossless JSON: keys in their order, repeated keys included, and numbers as text.
//!
//! `serde_json::Value` isn't safe for secrets and identity. Of a repeated key it keeps only the last value, so a token could
//! be checked in one place and stored from another. It also rounds numbers that don't fit into 64 bits, so two different
//! bodies could become equal.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::without_byte_order_marks;

/// Documented bodies nest 4 deep.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// Members in the order of the text.
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    /// A number, `true`, `false` or `null`, as it was written.
    Plain(String),
}

impl Json {
    /// Parses a text; `None` if it isn't JSON, or is nested too deeply.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // This checks the whole text; below, its parts are only split.
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Self::split(raw.get(), MAX_DEPTH)
    }

    fn split(text: &str, depth: usize) -> Option<Self> {
        let deeper = |value: &RawValue| Self::split(value.get(), depth.checked_sub(1)?);
        match text.as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let members = members.into_iter().map(|(Text(key), value)| Some((key, deeper(value)?)));
                members.collect::<Option<_>>().map(Self::Object)
            }
            b'[' => {
                let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                values.into_iter().map(deeper).collect::<Option<_>>().map(Self::Array)
            }
            b'"' => serde_json::from_str(text).ok().map(|Text(text)| Self::Text(text)),
            _ => Some(Self::Plain(text.to_owned())),
        }
    }

    /// Every value of a key, in the order of the text; none if this isn't an object.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Self> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    /// The same, mutable.
    pub(super) fn all_mut<'a>(&'a mut self, key: &'a str) -> impl Iterator<Item = &'a mut Self> {
        let members = if let Self::Object(members) = self { members.as_mut_slice() } else { &mut [] };
        members.iter_mut().filter(move |(name, _)| name == key).map(|(_, value)| value)
    }

    /// Removes every occurrence of a key.
    pub(super) fn remove(&mut self, key: &str) {
        if let Self::Object(members) = self {
            members.retain(|(name, _)| name != key);
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Plain(plain) if plain == "null")
    }

    /// Replaces texts, including keys, for which `replace` returns another.
    pub(super) fn replace_texts(&mut self, replace: &impl Fn(&str) -> Option<String>) {
        let change = |text: &mut String| {
            if let Some(other) = replace(text) {
                *text = other;
            }
        };
        match self {
            Self::Object(members) => members.iter_mut().for_each(|(key, value)| {
                change(key);
                value.replace_texts(replace);
            }),
            Self::Array(values) => values.iter_mut().for_each(|value| value.replace_texts(replace)),
            Self::Text(text) => change(text),
            Self::Plain(_) => {}
        }
    }

    /// Without whitespace, with keys in the order of the text.
    pub(super) fn compact(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, false);
        text
    }

    /// Without whitespace, with keys in the order of their bytes, so that the order of keys in the request doesn't matter.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true);
        text
    }

    fn write(&self, to: &mut String, sorted: bool) {
        match self {
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if sorted {
                    // A stable sort keeps the order of repeated keys.
                    members.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                list(to, ['{', '}'], members, |to, (key, value)| {
                    quote(to, key);
                    to.push(':');
                    value.write(to, sorted);
                });
            }
            Self::Array(values) => list(to, ['[', ']'], values, |to, value| value.write(to, sorted)),
            Self::Text(text) => quote(to, text),
            Self::Plain(plain) => to.push_str(plain),
        }
    }
}

fn list<T>(
    to: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    to.push(open);
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            to.push(',');
        }
        write(to, item);
    }
    to.push(close);
}

fn quote(to: &mut String, text: &str) {
    to.push_str(&serde_json::Value::from(text).to_string());
}

/// A JSON string that may hold half of a surrogate pair, which is read as U+FFFD. Some senders truncate an emoji to
/// `"\ud83d"`; their callbacks must not be rejected for that.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl Visitor<'_> for AnyText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        // serde_json accepts half pairs only in bytes.
        deserializer.deserialize_bytes(AnyText)
    }
}

/// An object's members in the order of the text.
struct Members<'a>(Vec<(Text, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyObject;
        impl<'de> Visitor<'de> for AnyObject {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(AnyObject)
    }
}

/// A body as text, without leading byte order marks; `None` if it isn't UTF-8.
pub(super) fn text_of(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(without_byte_order_marks(body)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Json::parse(text).map(|json| json.canonical())
    }

    #[test]
    fn the_canonical_form_ignores_key_order_whitespace_and_escapes() {
        let one = canonical(r#"{"b":[1,{"d":"é/","c":null}],"a":true}"#).unwrap();
        let other =
            canonical("\n{ \"a\" : true,\t\"b\":[ 1 , {\"\\u0063\":null,\"d\":\"\\u00e9\\/\"} ] }\r\n").unwrap();
        assert_eq!(one, r#"{"a":true,"b":[1,{"c":null,"d":"é/"}]}"#);
        assert_eq!(one, other);
    }

    #[test]
    fn numbers_and_array_order_are_kept() {
        let text = r#"[18446744073709551617,18446744073709551618,1.0,1.00,1e2,-0,0]"#;
        assert_eq!(canonical(text).unwrap(), text);
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
        assert_ne!(canonical(r#"["1"]"#), canonical("[1]"));
    }

    #[test]
    fn a_repeated_key_keeps_all_values_in_order() {
        let json = Json::parse(r#"{"b":1,"a":2,"b":3,"\u0062":4}"#).unwrap();
        assert_eq!(json.canonical(), r#"{"a":2,"b":1,"b":3,"b":4}"#);
        assert_eq!(json.compact(), r#"{"b":1,"a":2,"b":3,"b":4}"#);
        assert_eq!(json.all("b").count(), 3);
    }

    #[test]
    fn half_a_surrogate_pair_is_accepted() {
        let json = Json::parse(r#"{"name\ud83d":"cut \ud83d","whole":"\ud83d\ude00"}"#).unwrap();
        assert!(json.compact().contains("cut \u{fffd}"), "{json:?}");
        assert!(json.compact().contains('\u{1f600}'), "{json:?}");
    }

    #[test]
    fn invalid_json_and_deep_nesting_are_rejected() {
        for text in ["", "{", "{}x", "{'a':1}", "[1,]", "\"\u{1}\"", "01", "nul", r#"{"a":1 "b":2}"#, r#""\x""#] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(MAX_DEPTH)).is_some());
        assert_eq!(Json::parse(&nested(100_000)), None);
    }

    #[test]
    fn texts_are_replaced_in_keys_and_values() {
        let mut json = Json::parse(r#"{"secret":["a secret b",{"x":"\u0073ecret"}],"y":1}"#).unwrap();
        json.replace_texts(&|text| text.contains("secret").then(|| text.replace("secret", "-")));
        assert_eq!(json.compact(), r#"{"-":["a - b",{"x":"-"}],"y":1}"#);
    }
}
