//! Builds `UpdateItem` calls. Every name and value is a placeholder, because many natural attribute names are reserved
//! words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use futures::FutureExt;

use super::{Item, Table, Value, unavailable};
use crate::{
    domain::LedgerError,
    ledger::keys::{PARTITION_KEY, SORT_KEY},
};

/// The result of an `UpdateItem` call.
pub(in crate::ledger) enum Updated {
    /// Done: the returned attributes, as chosen by [`Update::returning`].
    Done(Item),
    /// The condition failed: the item as it is, empty if it doesn't exist.
    ConditionFailed(Item),
}

/// An update of one item.
#[derive(Clone)]
pub(in crate::ledger) struct Update<'a> {
    table: &'a Table,
    key: [(&'static str, String); 2],
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    condition: Option<String>,
    returns: ReturnValue,
}

impl Table {
    /// Begins an update of one item. An item that doesn't exist is created.
    pub(in crate::ledger) fn update(&self, partition: &str, sort: &str) -> Update<'_> {
        Update {
            table: self,
            key: [(PARTITION_KEY, partition.to_owned()), (SORT_KEY, sort.to_owned())],
            names: HashMap::new(),
            values: HashMap::new(),
            set: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            condition: None,
            returns: ReturnValue::None,
        }
    }
}

impl Update<'_> {
    fn name(&mut self, name: &str) -> String {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let placeholder = if is_plain { format!("#{name}") } else { format!("#n{}", self.names.len()) };
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: impl Into<Value>) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.into().0);
        placeholder
    }

    /// Sets an attribute.
    pub(in crate::ledger) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.set.push(format!("{name} = {value}"));
        self
    }

    /// Sets all attributes of `item`.
    pub(in crate::ledger) fn set_all(self, item: Item) -> Self {
        item.into_attributes().into_iter().fold(self, |update, (name, value)| update.set(&name, Value(value)))
    }

    /// Sets those attributes of `item` that the stored item lacks.
    pub(in crate::ledger) fn set_all_if_absent(self, item: Item) -> Self {
        item.into_attributes().into_iter().fold(self, |mut update, (name, value)| {
            let (name, value) = (update.name(&name), update.value(Value(value)));
            update.set.push(format!("{name} = if_not_exists({name}, {value})"));
            update
        })
    }

    /// Adds members to a set, or an amount to a number.
    pub(in crate::ledger) fn add(mut self, name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.add.push(format!("{name} {value}"));
        self
    }

    /// Removes an attribute.
    pub(in crate::ledger) fn remove(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.remove.push(name);
        self
    }

    /// Sets the condition. In it, `#name` stands for an attribute, and `?` for each of `values` in turn.
    pub(in crate::ledger) fn only_if<const N: usize>(mut self, condition: &str, values: [Value; N]) -> Self {
        let end_of_name = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        for after_hash in condition.split('#').skip(1) {
            self.name(&after_hash[..end_of_name(after_hash)]);
        }
        let condition = values.into_iter().fold(condition.to_owned(), |condition, value| {
            let placeholder = self.value(value);
            condition.replacen('?', &placeholder, 1)
        });
        self.condition = Some(condition);
        self
    }

    /// Chooses the attributes that the call returns; none by default.
    pub(in crate::ledger) fn returning(mut self, values: ReturnValue) -> Self {
        self.returns = values;
        self
    }

    /// Sends the update.
    pub(in crate::ledger) async fn send(self) -> Result<Updated, LedgerError> {
        let clause = |keyword: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{keyword} {} ", parts.join(", ")) }
        };
        let expression = [clause("SET", &self.set), clause("ADD", &self.add), clause("REMOVE", &self.remove)].concat();
        let [(partition_key, partition), (sort_key, sort)] = self.key;
        let call = self.table.client.update_item().table_name(&self.table.name);
        let output = call
            .key(partition_key, AttributeValue::S(partition))
            .key(sort_key, AttributeValue::S(sort))
            .update_expression(expression.trim_end())
            .set_condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values).filter(|values| !values.is_empty()))
            .return_values(self.returns)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        match output.boxed().await {
            Ok(output) => Ok(Updated::Done(output.attributes.unwrap_or_default().into())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Updated::ConditionFailed(failed.item().cloned().unwrap_or_default().into()))
                }
                _ => Err(unavailable("UpdateItem")(error)),
            },
        }
    }

    /// Sends the update; `false` if the condition failed.
    pub(in crate::ledger) async fn was_done(self) -> Result<bool, LedgerError> {
        Ok(matches!(self.send().await?, Updated::Done(_)))
    }
}
