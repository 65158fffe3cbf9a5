//! Items as DynamoDB holds them, with typed access.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use jiff::Timestamp;

use super::LedgerError;
use crate::time;

/// An item of the table: attributes by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item(HashMap<String, AttributeValue>);

impl Item {
    /// The attributes.
    #[must_use]
    pub fn into_attributes(self) -> HashMap<String, AttributeValue> {
        self.0
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into().0);
        self
    }

    pub(super) fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&String, &AttributeValue)> {
        self.0.iter()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// A text attribute.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(super) fn need(&self, attribute: &'static str) -> Result<&str, LedgerError> {
        self.text(attribute).ok_or(LedgerError::Corrupt { attribute })
    }

    pub(super) fn parse<T>(
        &self,
        attribute: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LedgerError> {
        parse(self.need(attribute)?).ok_or(LedgerError::Corrupt { attribute })
    }

    pub(super) fn time(&self, attribute: &'static str) -> Result<Timestamp, LedgerError> {
        self.parse(attribute, |text| text.parse().ok())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    /// Whether a flag is there and set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
    }

    /// The texts of a list; none where there is no such list.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let list = self.0.get(name).and_then(|value| value.as_l().ok());
        list.into_iter().flatten().filter_map(|value| value.as_s().ok().cloned()).collect()
    }

    /// Whether a set of texts has this member.
    pub(super) fn set_has(&self, name: &str, member: &str) -> bool {
        let set = self.0.get(name).and_then(|value| value.as_ss().ok());
        set.is_some_and(|members| members.iter().any(|known| known == member))
    }

    pub(super) fn set_size(&self, name: &str) -> usize {
        self.0.get(name).and_then(|value| value.as_ss().ok()).map_or(0, Vec::len)
    }
}

impl From<HashMap<String, AttributeValue>> for Item {
    fn from(attributes: HashMap<String, AttributeValue>) -> Self {
        Self(attributes)
    }
}

/// A value of an attribute.
pub(super) struct Value(pub(super) AttributeValue);

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
pub(super) fn one(member: impl Into<String>) -> Value {
    Value(AttributeValue::Ss(vec![member.into()]))
}

/// A set of texts; there must be a member, for DynamoDB knows no empty set.
pub(super) fn set(members: impl IntoIterator<Item = String>) -> Value {
    Value(AttributeValue::Ss(members.into_iter().collect()))
}
