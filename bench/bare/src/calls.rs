//! DynamoDB calls, built from recorded JSON.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        batch_execute_statement::builders::BatchExecuteStatementFluentBuilder,
        batch_get_item::builders::BatchGetItemFluentBuilder, get_item::builders::GetItemFluentBuilder,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        update_item::builders::UpdateItemFluentBuilder,
    },
    primitives::Blob,
    types::{AttributeValue, BatchStatementRequest, KeysAndAttributes},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{StreamExt, TryStreamExt, future::try_join, stream};
use serde_json::Value;

/// Concurrency of calls for single items, and of calls for batches of items: `CONCURRENT` in the library's `ledger/table/`,
/// and `CONCURRENT_BATCHES` in its `ledger/events.rs`.
const CONCURRENT_WRITES: usize = 16;
const CONCURRENT_BATCHES: usize = 4;

/// Maximum number of calls of a small callback.
const FEW: usize = 32;

pub enum Call {
    Get(GetItemFluentBuilder),
    Put(PutItemFluentBuilder),
    Update(UpdateItemFluentBuilder),
    Query(QueryFluentBuilder),
    BatchGet(BatchGetItemFluentBuilder),
    BatchExecute(BatchExecuteStatementFluentBuilder),
}

/// The calls of one event.
pub enum Calls {
    /// Those of a small callback, by round.
    Rounds(Vec<Vec<Call>>),
    /// Those of a batch: about single items, and about many.
    Batch(Vec<Call>, Vec<Call>),
}

impl Calls {
    /// Reads a file of JSON lines, one line per event.
    ///
    /// # Errors
    /// When the text isn't in the bench's format.
    pub fn read(client: &Client, text: &str) -> Result<Vec<Self>> {
        text.lines().map(|line| Self::read_line(client, line)).collect()
    }

    fn read_line(client: &Client, line: &str) -> Result<Self> {
        let recorded: Vec<Value> = serde_json::from_str(line)?;
        let calls = recorded.iter().map(|call| Call::read(client, call));
        if recorded.len() > FEW {
            let calls: Vec<Call> = calls.collect::<Result<_>>()?;
            let (many, single) = calls.into_iter().partition(Call::is_about_many);
            return Ok(Self::Batch(single, many));
        }
        let mut rounds = BTreeMap::<u64, Vec<Call>>::new();
        for (call, recorded) in calls.zip(&recorded) {
            rounds.entry(recorded["round"].as_u64().context("a round")?).or_default().push(call?);
        }
        Ok(Self::Rounds(rounds.into_values().collect()))
    }

    /// Makes all calls. Returns their number.
    ///
    /// # Errors
    /// When a call fails. A failed condition is not an error.
    pub async fn make(self) -> Result<usize> {
        match self {
            Self::Rounds(rounds) => {
                let mut done = 0;
                for round in rounds {
                    done += concurrently(round, CONCURRENT_WRITES).await?;
                }
                Ok(done)
            }
            Self::Batch(single, many) => {
                let single = concurrently(single, CONCURRENT_WRITES);
                let (single, many) = try_join(single, concurrently(many, CONCURRENT_BATCHES)).await?;
                Ok(single + many)
            }
        }
    }
}

/// Makes these calls. Returns their number.
async fn concurrently(calls: Vec<Call>, concurrency: usize) -> Result<usize> {
    let number = calls.len();
    stream::iter(calls).map(Call::make).buffer_unordered(concurrency).try_collect::<()>().await?;
    Ok(number)
}

impl Call {
    fn read(client: &Client, call: &Value) -> Result<Self> {
        let input = &call["input"];
        let text = |name: &str| input[name].as_str().map(str::to_owned);
        let names = || names(&input["ExpressionAttributeNames"]);
        let values = || attributes(&input["ExpressionAttributeValues"]);
        Ok(match call["operation"].as_str().context("an operation")? {
            "GetItem" => Self::Get(
                client
                    .get_item()
                    .set_table_name(text("TableName"))
                    .set_key(attributes(&input["Key"])?)
                    .set_consistent_read(input["ConsistentRead"].as_bool())
                    .set_projection_expression(text("ProjectionExpression"))
                    .set_expression_attribute_names(names()?),
            ),
            "PutItem" => Self::Put(
                client
                    .put_item()
                    .set_table_name(text("TableName"))
                    .set_item(attributes(&input["Item"])?)
                    .set_condition_expression(text("ConditionExpression"))
                    .set_expression_attribute_names(names()?)
                    .set_expression_attribute_values(values()?),
            ),
            "UpdateItem" => Self::Update(
                client
                    .update_item()
                    .set_table_name(text("TableName"))
                    .set_key(attributes(&input["Key"])?)
                    .set_update_expression(text("UpdateExpression"))
                    .set_condition_expression(text("ConditionExpression"))
                    .set_expression_attribute_names(names()?)
                    .set_expression_attribute_values(values()?)
                    .set_return_values(text("ReturnValues").map(|value| value.as_str().into()))
                    .set_return_values_on_condition_check_failure(
                        text("ReturnValuesOnConditionCheckFailure").map(|value| value.as_str().into()),
                    ),
            ),
            "Query" => Self::Query(
                client
                    .query()
                    .set_table_name(text("TableName"))
                    .set_index_name(text("IndexName"))
                    .set_key_condition_expression(text("KeyConditionExpression"))
                    .set_filter_expression(text("FilterExpression"))
                    .set_projection_expression(text("ProjectionExpression"))
                    .set_expression_attribute_names(names()?)
                    .set_expression_attribute_values(values()?)
                    .set_consistent_read(input["ConsistentRead"].as_bool())
                    .set_scan_index_forward(input["ScanIndexForward"].as_bool())
                    .set_limit(input["Limit"].as_i64().and_then(|limit| i32::try_from(limit).ok())),
            ),
            "BatchGetItem" => Self::BatchGet(
                client.batch_get_item().set_request_items(tables(&input["RequestItems"], keys_and_attributes)?),
            ),
            "BatchExecuteStatement" => {
                let statements = input["Statements"].as_array().context("Statements")?.iter().map(statement);
                Self::BatchExecute(
                    client.batch_execute_statement().set_statements(Some(statements.collect::<Result<_>>()?)),
                )
            }
            other => bail!("unknown operation {other}"),
        })
    }

    fn is_about_many(&self) -> bool {
        matches!(self, Self::BatchGet(_) | Self::BatchExecute(_))
    }

    async fn make(self) -> Result<()> {
        match self {
            Self::Get(call) => check(call.send().await),
            Self::Put(call) => check(call.send().await),
            Self::Update(call) => check(call.send().await),
            Self::Query(call) => check(call.send().await),
            Self::BatchGet(call) => check(call.send().await),
            Self::BatchExecute(call) => check(call.send().await),
        }
    }
}

/// Ignores the output and failed conditions.
fn check<T, E, R>(response: Result<T, SdkError<E, R>>) -> Result<()>
where
    E: std::error::Error + Send + Sync + aws_sdk_dynamodb::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match response {
        Err(error)
            if error.as_service_error().and_then(aws_sdk_dynamodb::error::ProvideErrorMetadata::code)
                != Some("ConditionalCheckFailedException") =>
        {
            Err(error.into())
        }
        _ => Ok(()),
    }
}

fn names(value: &Value) -> Result<Option<HashMap<String, String>>> {
    Ok(serde_json::from_value(value.clone())?)
}

fn tables<T>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<Option<HashMap<String, T>>> {
    let tables = value.as_object().context("RequestItems")?;
    tables.iter().map(|(table, value)| Ok((table.clone(), read(value)?))).collect::<Result<_>>().map(Some)
}

fn keys_and_attributes(value: &Value) -> Result<KeysAndAttributes> {
    let keys = value["Keys"].as_array().context("Keys")?.iter().map(attributes);
    let keys: Vec<_> = keys.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    Ok(KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .set_projection_expression(value["ProjectionExpression"].as_str().map(str::to_owned))
        .set_expression_attribute_names(names(&value["ExpressionAttributeNames"])?)
        .set_consistent_read(value["ConsistentRead"].as_bool())
        .build()?)
}

fn statement(value: &Value) -> Result<BatchStatementRequest> {
    let parameters = value["Parameters"].as_array().context("Parameters")?.iter().map(attribute);
    Ok(BatchStatementRequest::builder()
        .set_statement(value["Statement"].as_str().map(str::to_owned))
        .set_parameters(Some(parameters.collect::<Result<_>>()?))
        .build()?)
}

/// A map of attributes; `None` if the value is absent.
fn attributes(value: &Value) -> Result<Option<HashMap<String, AttributeValue>>> {
    let Some(members) = value.as_object() else { return Ok(None) };
    members.iter().map(|(name, value)| Ok((name.clone(), attribute(value)?))).collect::<Result<_>>().map(Some)
}

/// A value in DynamoDB's JSON.
fn attribute(value: &Value) -> Result<AttributeValue> {
    let (kind, value) = value.as_object().and_then(|value| value.iter().next()).context("an attribute")?;
    let text = || value.as_str().map(str::to_owned).context("a text");
    let texts = || serde_json::from_value::<Vec<String>>(value.clone());
    Ok(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "B" => AttributeValue::B(Blob::new(BASE64_STANDARD.decode(text()?)?)),
        "BOOL" => AttributeValue::Bool(value.as_bool().context("a boolean")?),
        "NULL" => AttributeValue::Null(true),
        "SS" => AttributeValue::Ss(texts()?),
        "NS" => AttributeValue::Ns(texts()?),
        "L" => AttributeValue::L(value.as_array().context("a list")?.iter().map(attribute).collect::<Result<_>>()?),
        "M" => AttributeValue::M(attributes(value)?.context("a map")?),
        other => bail!("unknown attribute type {other}"),
    })
}
