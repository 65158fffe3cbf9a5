//! Lossless JSON: keys in their order, repeated keys included, and numbers as text.
//!
//! `serde_json::Value` isn't safe for secrets and identity. Of a repeated key it keeps only the last value, so a token could
//! be checked in one place and stored from another. It also rounds numbers that don't fit into 64 bits, so two different
//! bodies could become equal.
//!
//! A text is checked by `serde_json`, and then read in one pass. What isn't asked for is skipped without being stored, and
//! the number of values is limited, so that time and memory are bounded by the size of the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::json::without_byte_order_marks;

/// Documented bodies nest 4 deep.
const MAX_DEPTH: usize = 64;

/// Maximum number of values that are stored of one text: about 10 MB, apart from the texts themselves. A recipient has some
/// twenty values, so this is a request with thousands of recipients.
const MAX_VALUES: usize = 100_000;

#[derive(Clone, PartialEq)]
pub(super) enum Json {
    /// Members in the order of the text.
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    /// A number, `true`, `false` or `null`, as it was written.
    Plain(String),
}

impl fmt::Debug for Json {
    /// Without names and values, which are the sender's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object(_) => "Object",
            Self::Array(_) => "Array",
            Self::Text(_) => "Text",
            Self::Plain(_) => "Plain",
        })
    }
}

impl Json {
    /// Parses a text; `None` if it isn't JSON, is nested too deeply, or has too many values.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Reader::new(text)?.value(MAX_DEPTH)
    }

    /// Parses only some members of an object: `path` has the names of those that are wanted, on each level. What is in
    /// the last of them is left out, if it is an object or an array. `None` if the text isn't JSON, or has too many such
    /// members.
    pub(super) fn parse_members(text: &str, path: &[&[&str]]) -> Option<Self> {
        Reader::new(text)?.members(path)
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

/// Reads a text that was checked to be JSON, from its beginning to its end.
struct Reader<'a> {
    rest: &'a str,
    /// How many more values may be stored.
    values: usize,
}

impl<'a> Reader<'a> {
    /// `None` if the text isn't JSON.
    fn new(text: &'a str) -> Option<Self> {
        let checked: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self { rest: checked.get(), values: MAX_VALUES })
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.values = self.values.checked_sub(1)?;
        match self.peek()? {
            b'{' => self
                .list(b'}', |reader| Some(Some((reader.key()?, reader.value(depth.checked_sub(1)?)?))))
                .map(Json::Object),
            b'[' => self.list(b']', |reader| reader.value(depth.checked_sub(1)?).map(Some)).map(Json::Array),
            b'"' => self.text().map(Json::Text),
            _ => Some(Json::Plain(self.take_plain()?.to_owned())),
        }
    }

    /// See [`Json::parse_members`].
    fn members(&mut self, path: &[&[&str]]) -> Option<Json> {
        self.values = self.values.checked_sub(1)?;
        match (self.peek()?, path.split_first()) {
            (b'{', Some((wanted, below))) => self
                .list(b'}', |reader| {
                    let key = reader.key()?;
                    if wanted.contains(&key.as_str()) {
                        return Some(Some((key, reader.members(below)?)));
                    }
                    reader.skip()?;
                    Some(None)
                })
                .map(Json::Object),
            (b'{', None) => self.skip().map(|()| Json::Object(Vec::new())),
            (b'[', _) => self.skip().map(|()| Json::Array(Vec::new())),
            _ => self.value(0),
        }
    }

    /// The items of an object or array, up to its closing bracket. `item` returns `Some(None)` for one that it skipped.
    fn list<T>(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> Option<Option<T>>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.take(1)?;
        if self.peek()? == close {
            self.take(1)?;
            return Some(items);
        }
        loop {
            items.extend(item(self)?);
            let is_last = self.peek()? == close;
            self.take(1)?;
            if is_last {
                return Some(items);
            }
        }
    }

    /// A member's name, with the colon after it.
    fn key(&mut self) -> Option<String> {
        self.peek()?;
        let key = self.text()?;
        self.peek()?;
        self.take(1)?;
        Some(key)
    }

    fn text(&mut self) -> Option<String> {
        serde_json::from_str(self.take_text()?).ok().map(|Text(text)| text)
    }

    /// Skips a value, however deep it is.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => {
                    open += 1;
                    self.take(1)?;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.take(1)?;
                }
                b',' | b':' => {
                    self.take(1)?;
                }
                b'"' => {
                    self.take_text()?;
                }
                _ => {
                    self.take_plain()?;
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }

    /// The next byte that isn't whitespace, which isn't taken.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.bytes().next()
    }

    /// A text in its quotes.
    fn take_text(&mut self) -> Option<&'a str> {
        let mut is_escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        self.take(end + 2)
    }

    /// A number, `true`, `false` or `null`.
    fn take_plain(&mut self) -> Option<&'a str> {
        let is_end = |byte: u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
        self.take(self.rest.bytes().position(is_end).unwrap_or(self.rest.len()))
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
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
    fn the_number_of_stored_values_is_limited() {
        let array = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
        assert!(Json::parse(&array(MAX_VALUES - 1)).is_some());
        assert_eq!(Json::parse(&array(MAX_VALUES)), None);
        let members = |count: usize| format!("{{{}\"a\":1}}", "\"a\":1,".repeat(count - 1));
        assert_eq!(Json::parse(&members(MAX_VALUES)), None);
        assert_eq!(Json::parse_members(&members(MAX_VALUES), &[&["a"]]), None);
    }

    #[test]
    fn only_the_wanted_members_are_stored() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let many = format!("[{}1]", "1,".repeat(2 * MAX_VALUES));
        let text = format!(
            r#"{{"data": {deep}, "m\u0065ta" : {{"x": {many}, "token":"a\"}}", "y":"\\", "token" : [{{"z": 1}}] }},"meta":[1],"meta":null}}"#
        );
        let json = Json::parse_members(&text, &[&["meta"], &["token"]]).unwrap();
        assert_eq!(json.compact(), r#"{"meta":{"token":"a\"}","token":[]},"meta":[],"meta":null}"#);
    }

    #[test]
    fn texts_are_replaced_in_keys_and_values() {
        let mut json = Json::parse(r#"{"secret":["a secret b",{"x":"\u0073ecret"}],"y":1}"#).unwrap();
        json.replace_texts(&|text| text.contains("secret").then(|| text.replace("secret", "-")));
        assert_eq!(json.compact(), r#"{"-":["a - b",{"x":"-"}],"y":1}"#);
    }
}
