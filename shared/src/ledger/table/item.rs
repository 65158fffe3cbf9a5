//! Items as DynamoDB holds them, with typed access.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use jiff::Timestamp;

use crate::{domain::LedgerError, time};

/// An item of the table: attributes by name.
#[derive(Clone, Default, PartialEq)]
pub struct Item(HashMap<String, AttributeValue>);

impl fmt::Debug for Item {
    /// The names of the attributes. Their values may be payloads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: BTreeSet<&String> = self.0.keys().collect();
        f.debug_tuple("Item").field(&names).finish()
    }
}

impl Item {
    /// Adds all attributes of another item.
    pub(in crate::ledger) fn with_all(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The attributes.
    #[must_use]
    pub fn into_attributes(self) -> HashMap<String, AttributeValue> {
        self.0
    }

    /// Adds an attribute.
    pub(in crate::ledger) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into().0);
        self
    }

    /// Adds an attribute if it has a value.
    pub(in crate::ledger) fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(in crate::ledger) fn attributes(&self) -> impl Iterator<Item = (&String, &AttributeValue)> {
        self.0.iter()
    }

    pub(in crate::ledger) fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// A text attribute.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    /// A text attribute that every item of this kind has.
    pub(in crate::ledger) fn need(&self, attribute: &'static str) -> Result<&str, LedgerError> {
        self.text(attribute).ok_or(LedgerError::Corrupt { attribute })
    }

    /// A text attribute that every item of this kind has, parsed.
    pub(in crate::ledger) fn parse<T>(
        &self,
        attribute: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LedgerError> {
        parse(self.need(attribute)?).ok_or(LedgerError::Corrupt { attribute })
    }

    /// A time that every item of this kind has.
    pub(in crate::ledger) fn time(&self, attribute: &'static str) -> Result<Timestamp, LedgerError> {
        self.parse(attribute, |text| text.parse().ok())
    }

    /// A time; `None` if it is missing or can't be parsed.
    pub(in crate::ledger) fn optional_time(&self, name: &str) -> Option<Timestamp> {
        self.text(name)?.parse().ok()
    }

    pub(in crate::ledger) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    /// Whether a flag exists and is `true`.
    pub(in crate::ledger) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
    }

    /// The texts of a list; empty if it is missing.
    pub(in crate::ledger) fn list(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(|value| value.as_l().ok());
        list.into_iter().flatten().filter_map(|value| value.as_s().ok().cloned()).collect()
    }

    /// The members of a set of texts; none if it is missing.
    pub(in crate::ledger) fn set(&self, name: &str) -> &[String] {
        self.0.get(name).and_then(|value| value.as_ss().ok()).map_or(&[], Vec::as_slice)
    }

    /// Whether a set of texts has this member.
    pub(in crate::ledger) fn set_has(&self, name: &str, member: &str) -> bool {
        self.set(name).iter().any(|each| each == member)
    }

    /// The number of members of a set of texts.
    pub(in crate::ledger) fn set_size(&self, name: &str) -> usize {
        self.set(name).len()
    }
}

impl From<HashMap<String, AttributeValue>> for Item {
    fn from(attributes: HashMap<String, AttributeValue>) -> Self {
        Self(attributes)
    }
}

/// A value of an attribute.
pub(in crate::ledger) struct Value(pub(in crate::ledger) AttributeValue);

impl Value {
    /// A null: an attribute that exists without a value.
    pub(in crate::ledger) fn null() -> Self {
        Self(AttributeValue::Null(true))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(AttributeValue::S(text))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        time::format(at).into()
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self(AttributeValue::Bool(flag))
    }
}

impl From<&[String]> for Value {
    fn from(texts: &[String]) -> Self {
        Self(AttributeValue::L(texts.iter().cloned().map(AttributeValue::S).collect()))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self(AttributeValue::N(number.to_string()))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(AttributeValue::N(number.to_string()))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        u64::from(number).into()
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self(AttributeValue::B(Blob::new(bytes)))
    }
}

impl From<&BTreeMap<String, String>> for Value {
    fn from(map: &BTreeMap<String, String>) -> Self {
        Self(AttributeValue::M(
            map.iter().map(|(key, value)| (key.clone(), AttributeValue::S(value.clone()))).collect(),
        ))
    }
}

/// A set of texts with a single member.
pub(in crate::ledger) fn one(member: impl Into<String>) -> Value {
    Value(AttributeValue::Ss(vec![member.into()]))
}

/// A set of texts. DynamoDB has no empty set, so there must be a member.
pub(in crate::ledger) fn set(members: impl IntoIterator<Item = String>) -> Value {
    Value(AttributeValue::Ss(members.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_values() {
        let item = Item::default().with("payload", "bob.private@example.com").with("id", "7");
        assert_eq!(format!("{item:?}"), r#"Item({"id", "payload"})"#);
    }
}
