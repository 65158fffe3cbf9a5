//! Builds UpdateItem calls, so that no expression is pieced together by hand: every name and value is a placeholder,
//! since half of the natural attribute names are reserved words.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    Ledger, LedgerError, PARTITION_KEY, SORT_KEY,
    item::{Item, Value},
};

/// What an UpdateItem came to.
pub(super) enum Updated {
    /// It was done: the attributes that were asked for.
    Done(Item),
    /// The condition didn't hold: the item as it is, empty if there is none.
    Refused(Item),
}

/// An update of one item.
#[derive(Clone)]
pub(super) struct Update<'a> {
    ledger: &'a Ledger,
    key: [(&'static str, String); 2],
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    condition: Option<String>,
    returns: ReturnValue,
}

impl Ledger {
    pub(super) fn update(&self, partition: &str, sort: &str) -> Update<'_> {
        Update {
            ledger: self,
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

    pub(super) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.set.push(format!("{name} = {value}"));
        self
    }

    pub(super) fn set_all(self, item: Item) -> Self {
        item.into_attributes().into_iter().fold(self, |update, (name, value)| update.set(&name, Value(value)))
    }

    pub(super) fn set_all_if_absent(self, item: Item) -> Self {
        item.into_attributes().into_iter().fold(self, |mut update, (name, value)| {
            let (name, value) = (update.name(&name), update.value(Value(value)));
            update.set.push(format!("{name} = if_not_exists({name}, {value})"));
            update
        })
    }

    /// Adds members to a set, or to a number.
    pub(super) fn add(mut self, name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.add.push(format!("{name} {value}"));
        self
    }

    pub(super) fn remove(mut self, name: &str) -> Self {
        let name = self.name(name);
        self.remove.push(name);
        self
    }

    /// Sets the condition. In it, `#name` stands for an attribute, and `?` for each of `values` in turn.
    pub(super) fn only_if<const N: usize>(mut self, condition: &str, values: [Value; N]) -> Self {
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

    pub(super) fn returning(mut self, values: ReturnValue) -> Self {
        self.returns = values;
        self
    }

    /// Sends the update.
    pub(super) async fn send(self) -> Result<Updated, LedgerError> {
        let clause = |keyword: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{keyword} {} ", parts.join(", ")) }
        };
        let expression = [clause("SET", &self.set), clause("ADD", &self.add), clause("REMOVE", &self.remove)].concat();
        let [(partition_key, partition), (sort_key, sort)] = self.key;
        let call = self.ledger.dynamodb.update_item().table_name(&self.ledger.table);
        let answer = call
            .key(partition_key, AttributeValue::S(partition))
            .key(sort_key, AttributeValue::S(sort))
            .update_expression(expression.trim_end())
            .set_condition_expression(self.condition)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values).filter(|values| !values.is_empty()))
            .return_values(self.returns)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Updated::Done(answer.attributes.unwrap_or_default().into())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::Refused(refused.item().cloned().unwrap_or_default().into()))
                }
                _ => Err(LedgerError::unavailable("UpdateItem")(error)),
            },
        }
    }

    /// Sends the update; whether it was done: `false` when the condition didn't hold.
    pub(super) async fn was_done(self) -> Result<bool, LedgerError> {
        Ok(matches!(self.send().await?, Updated::Done(_)))
    }
}
