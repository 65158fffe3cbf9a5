//! Many items in one call. DynamoDB answers such a call also when it took only a part of it: the rest is sent again,
//! later and later.

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::rand;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest},
};

use super::{Item, Ledger, LedgerError, PARTITION_KEY, SORT_KEY};

/// So many items fit into a BatchGetItem (DynamoDB's limit).
pub(super) const MAX_GET: usize = 100;

/// So many items fit into a BatchWriteItem (DynamoDB's limit).
pub(super) const MAX_WRITE: usize = 25;

/// The first pause before what was left is sent again; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After so many calls that left something, the whole is given up: some twelve seconds, within a callback's twenty.
const MAX_CALLS: u32 = 12;

/// A partition key and a sort key.
pub(super) type Key = (String, String);

impl Ledger {
    /// Reads up to [`MAX_GET`] different items, of each only some attributes and its key. Those that aren't there are
    /// left out.
    pub(super) async fn get_many(&self, keys: &[Key], attributes: &[&str]) -> Result<Vec<Item>, LedgerError> {
        let names = [PARTITION_KEY, SORT_KEY].iter().chain(attributes).enumerate();
        let names: HashMap<String, String> =
            names.map(|(position, name)| (format!("#a{position}"), (*name).to_owned())).collect();
        let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key_attributes).collect()))
            .projection_expression(projection)
            .set_expression_attribute_names(Some(names))
            .consistent_read(true)
            .build()
            .map_err(|_| not_built("BatchGetItem"))?;
        let mut found = Vec::with_capacity(keys.len());
        let mut left = HashMap::from([(self.table.clone(), wanted)]);
        for pause in pauses() {
            let answer = self.dynamodb.batch_get_item().set_request_items(Some(left.clone())).send().await;
            left = match answer {
                Ok(answer) => {
                    found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items).map(Item::from));
                    answer.unprocessed_keys.unwrap_or_default()
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

    /// Puts up to [`MAX_WRITE`] items with different keys, over what is there.
    pub(super) async fn put_many(&self, items: Vec<Item>) -> Result<(), LedgerError> {
        let put = |item: Item| {
            let put = PutRequest::builder().set_item(Some(item.into_attributes())).build();
            put.map(|put| WriteRequest::builder().put_request(put).build()).map_err(|_| not_built("BatchWriteItem"))
        };
        let requests: Vec<WriteRequest> = items.into_iter().map(put).collect::<Result<_, _>>()?;
        let mut left = HashMap::from([(self.table.clone(), requests)]);
        for pause in pauses() {
            let answer = self.dynamodb.batch_write_item().set_request_items(Some(left.clone())).send().await;
            left = match answer {
                Ok(answer) => answer.unprocessed_items.unwrap_or_default(),
                Err(error) => after_error(error, left, "BatchWriteItem")?,
            };
            if left.values().all(Vec::is_empty) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
        Err(unprocessed("BatchWriteItem"))
    }
}

fn key_attributes((partition, sort): &Key) -> HashMap<String, AttributeValue> {
    let attribute = |name: &str, value: &str| (name.to_owned(), AttributeValue::S(value.to_owned()));
    HashMap::from([attribute(PARTITION_KEY, partition), attribute(SORT_KEY, sort)])
}

/// What is left after a call that failed: everything, if the only fault was that it was too much.
fn after_error<E, R, T>(error: SdkError<E, R>, sent: T, operation: &'static str) -> Result<T, LedgerError>
where
    E: ProvideErrorMetadata,
{
    const TOO_MUCH: [&str; 3] =
        ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    if code.is_some_and(|code| TOO_MUCH.contains(&code)) {
        Ok(sent)
    } else {
        Err(LedgerError::unavailable(operation)(error))
    }
}

fn unprocessed(operation: &'static str) -> LedgerError {
    LedgerError::Unavailable { operation, code: "unprocessed_items".to_owned() }
}

fn not_built(operation: &'static str) -> LedgerError {
    LedgerError::Unavailable { operation, code: "construction_failure".to_owned() }
}

/// The pauses after each call. Half of each is random, so that calls which were refused together don't come back
/// together.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..MAX_CALLS).map(|call| {
        let pause = FIRST_PAUSE.saturating_mul(1 << call.min(16)).min(LONGEST_PAUSE);
        let mut random = [0; 1];
        // Without random numbers the pauses are only less well spread.
        let share = rand::fill(&mut random).map_or(255, |()| u32::from(random[0]));
        pause / 2 + pause / 2 * share / 255
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_within_a_callback_s_time() {
        let pauses: Vec<Duration> = pauses().collect();
        assert_eq!(pauses.len(), MAX_CALLS as usize);
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(16));
    }
}
