//! The embedded DynamoDB: its file, and the table as defined in `template.yaml`.

pub mod endpoint;

use std::path::Path;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
    },
};
use countersign::ledger::{EXPIRES_AT, INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY, PARTITION_KEY, SORT_KEY};
use dynoxide::Database;

use crate::owner_only;

/// Opens the database in `file`; creates it if it doesn't exist.
///
/// What it has acknowledged survives the end of the process, however it ends. If the machine loses power, the writes of
/// the last moments may be lost, but the file stays consistent.
///
/// # Errors
/// When the file can't be opened.
pub fn open(file: &Path) -> Result<Database> {
    let path = file.to_str().context("the data folder's path is not UTF-8")?;
    owner_only::database(file).with_context(|| format!("the embedded DynamoDB's file {path}"))?;
    let open = || {
        let database = Database::new(path)?;
        // This sets SQLite's `synchronous = NORMAL`. By default each write waits for the disk on its own, which limits the
        // stack to a dozen callbacks per second. The database has a write-ahead log, so the kernel has every commit.
        database.disable_bulk_loading()?;
        Ok(database)
    };
    open().map_err(|problem: dynoxide::DynoxideError| {
        anyhow::anyhow!("the embedded DynamoDB can't open {path}: {problem}")
    })
}

/// The content of the table's stream, as in `template.yaml`.
const STREAM: StreamViewType = StreamViewType::NewAndOldImages;

/// Creates the table, unless it exists.
///
/// # Errors
/// When DynamoDB rejects the request.
pub async fn create_table(client: &Client, table: &str) -> Result<()> {
    let tables = client.list_tables().send().await.context("the embedded DynamoDB")?;
    if tables.table_names().iter().any(|name| name == table) {
        return ensure_stream(client, table).await;
    }
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key(INDEX_PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key(INDEX_SORT_KEY, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(PARTITION_KEY)?)
        .attribute_definitions(attribute(SORT_KEY)?)
        .attribute_definitions(attribute(INDEX_PARTITION_KEY)?)
        .attribute_definitions(attribute(INDEX_SORT_KEY)?)
        .key_schema(key(PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key(SORT_KEY, KeyType::Range)?)
        .global_secondary_indexes(index)
        .stream_specification(StreamSpecification::builder().stream_enabled(true).stream_view_type(STREAM).build()?)
        .send()
        .await
        .context("creating the table")?;
    let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build()?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(expiry)
        .send()
        .await
        .context("setting the table's expiry")?;
    Ok(())
}

/// Gives a table of an earlier version of Countersign the stream that it has today.
async fn ensure_stream(client: &Client, table: &str) -> Result<()> {
    let described = client.describe_table().table_name(table).send().await.context("the embedded DynamoDB")?;
    let stream = described.table().and_then(|table| table.stream_specification());
    if stream.and_then(StreamSpecification::stream_view_type) != Some(&STREAM) {
        let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(STREAM).build()?;
        client
            .update_table()
            .table_name(table)
            .stream_specification(stream)
            .send()
            .await
            .context("changing the table's stream")?;
    }
    Ok(())
}
