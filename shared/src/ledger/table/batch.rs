//! Many items in one call. DynamoDB may process only a part of a batch and still report success; the rest is sent again
//! with growing pauses.

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::rand;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeValue, BatchStatementErrorCodeEnum, BatchStatementRequest, BatchStatementResponse, KeysAndAttributes,
    },
};

use super::{Item, Table, unavailable};
use crate::{
    domain::LedgerError,
    ledger::keys::{PARTITION_KEY, SORT_KEY},
};

/// Maximum number of items of a `BatchGetItem` (DynamoDB's limit).
pub(in crate::ledger) const MAX_GET: usize = 100;

/// Maximum number of statements of a `BatchExecuteStatement` (DynamoDB's limit).
pub(in crate::ledger) const MAX_WRITE: usize = 25;

/// The pause before the rest is sent again the first time. Each further pause is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Maximum number of calls for one batch: about twelve seconds, within a callback's twenty.
const MAX_CALLS: u32 = 12;

/// A partition key and a sort key.
pub(in crate::ledger) type Key = (String, String);

impl Table {
    /// Reads some attributes and the keys of up to [`MAX_GET`] different items, consistently. Leaves out items that don't
    /// exist.
    pub(in crate::ledger) async fn get_many(
        &self,
        keys: &[Key],
        attributes: &[&str],
    ) -> Result<Vec<Item>, LedgerError> {
        let names = [PARTITION_KEY, SORT_KEY].iter().chain(attributes).enumerate();
        let names: HashMap<String, String> =
            names.map(|(position, name)| (format!("#a{position}"), (*name).to_owned())).collect();
        let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key_attributes).collect()))
            .projection_expression(projection)
            .set_expression_attribute_names(Some(names))
            .consistent_read(true)
            .build()
            .map_err(|_| not_built("BatchGetItem"))?;
        let mut found = Vec::with_capacity(keys.len());
        let mut left = HashMap::from([(self.name.clone(), request)]);
        for pause in pauses() {
            let output = self.client.batch_get_item().set_request_items(Some(left.clone())).send().await;
            left = match output {
                Ok(output) => {
                    found.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items).map(Item::from));
                    output.unprocessed_keys.unwrap_or_default()
                }
                Err(error) => after_error(error, left, "BatchGetItem")?,
            };
            if left.values().all(|keys| keys.keys().is_empty()) {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
        }
        Err(unprocessed("BatchGetItem"))
    }

    /// Inserts up to [`MAX_WRITE`] items with different keys, each only if its key isn't taken. Returns the positions of
    /// items that were there already, which stay as they are.
    ///
    /// `BatchWriteItem` can't be used: it has no conditions, so it overwrites what another writer stored since.
    pub(in crate::ledger) async fn insert_many(&self, items: &[Item]) -> Result<Vec<usize>, LedgerError> {
        const OPERATION: &str = "BatchExecuteStatement";
        let statements: Vec<_> = items.iter().map(|item| self.insert(item)).collect::<Result<_, _>>()?;
        let mut left: Vec<usize> = (0..items.len()).collect();
        let mut existing = Vec::new();
        for pause in pauses() {
            let sent = left.iter().map(|position| statements[*position].clone()).collect();
            let output = self.client.batch_execute_statement().set_statements(Some(sent)).send().await;
            left = match output {
                Ok(output) => {
                    let responses = output.responses.unwrap_or_default();
                    let mut again = Vec::new();
                    for (number, position) in left.into_iter().enumerate() {
                        match inserted(responses.get(number)) {
                            Inserted::New => {}
                            Inserted::Exists => existing.push(position),
                            Inserted::Throttled => again.push(position),
                            Inserted::Failed(code) => {
                                return Err(LedgerError::Unavailable { operation: OPERATION, code });
                            }
                        }
                    }
                    again
                }
                Err(error) => after_error(error, left, OPERATION)?,
            };
            if left.is_empty() {
                return Ok(existing);
            }
            tokio::time::sleep(pause).await;
        }
        Err(unprocessed(OPERATION))
    }

    /// The statement that inserts an item.
    fn insert(&self, item: &Item) -> Result<BatchStatementRequest, LedgerError> {
        let (fields, values): (Vec<String>, Vec<AttributeValue>) =
            item.attributes().map(|(name, value)| (format!("'{name}': ?"), value.clone())).unzip();
        // Names of attributes are constants and a table's name has no quotes, so nothing needs escaping.
        let statement = format!("INSERT INTO \"{}\" VALUE {{{}}}", self.name, fields.join(", "));
        let request = BatchStatementRequest::builder().statement(statement).set_parameters(Some(values)).build();
        request.map_err(|_| not_built("BatchExecuteStatement"))
    }
}

/// The result of inserting one item.
enum Inserted {
    New,
    Exists,
    Throttled,
    Failed(String),
}

/// The result of a statement. One without a response wasn't processed.
fn inserted(response: Option<&BatchStatementResponse>) -> Inserted {
    use BatchStatementErrorCodeEnum as Code;
    let Some(response) = response else { return Inserted::Throttled };
    let Some(error) = &response.error else { return Inserted::New };
    match &error.code {
        Some(Code::DuplicateItem) => Inserted::Exists,
        Some(
            Code::ProvisionedThroughputExceeded
            | Code::ThrottlingError
            | Code::RequestLimitExceeded
            | Code::InternalServerError,
        ) => Inserted::Throttled,
        code => Inserted::Failed(code.as_ref().map_or("unknown", Code::as_str).to_owned()),
    }
}

fn key_attributes((partition, sort): &Key) -> HashMap<String, AttributeValue> {
    let attribute = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
    HashMap::from([attribute(PARTITION_KEY, partition), attribute(SORT_KEY, sort)])
}

/// What to send again after a failed call: everything, if the table was only throttled.
fn after_error<E, R, T>(error: SdkError<E, R>, sent: T, operation: &'static str) -> Result<T, LedgerError>
where
    E: ProvideErrorMetadata,
{
    const THROTTLED: [&str; 3] =
        ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    if code.is_some_and(|code| THROTTLED.contains(&code)) { Ok(sent) } else { Err(unavailable(operation)(error)) }
}

fn unprocessed(operation: &'static str) -> LedgerError {
    LedgerError::Unavailable { operation, code: "unprocessed_items".to_owned() }
}

fn not_built(operation: &'static str) -> LedgerError {
    LedgerError::Unavailable { operation, code: "construction_failure".to_owned() }
}

/// The pauses after each call. Half of each is random, so that calls that were throttled together don't return
/// together.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..MAX_CALLS).map(|call| {
        let pause = FIRST_PAUSE.saturating_mul(1 << call.min(16)).min(LONGEST_PAUSE);
        let mut random = [0; 1];
        // Without random numbers the pauses are only spread less well.
        let share = rand::fill(&mut random).map_or(255, |()| u32::from(random[0]));
        pause / 2 + pause / 2 * share / 255
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_within_the_time_of_a_callback() {
        let pauses: Vec<Duration> = pauses().collect();
        assert_eq!(pauses.len(), MAX_CALLS as usize);
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(16));
    }
}
