//! The embedded DynamoDB: its file, and the table as defined in `template.yaml`.

pub mod endpoint;

use std::{path::Path, time::Duration};

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
use rusqlite::Connection;

use crate::owner_only;

/// Maximum wait for another process that writes to the file.
const BUSY: Duration = Duration::from_secs(5);

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
    let database = open().map_err(|problem: dynoxide::DynoxideError| {
        anyhow::anyhow!("the embedded DynamoDB can't open {path}: {problem}")
    })?;
    index_stream(file).with_context(|| format!("the index of the embedded DynamoDB's stream in {path}"))?;
    Ok(database)
}

/// Adds an index to the stream's records. Every write looks for the highest sequence number, and every reader for the
/// records after one: without an index, both read all records that the stream ever had.
fn index_stream(file: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    // The expression has to be the one in dynoxide's queries, or SQLite doesn't use the index.
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS countersign_stream_order
         ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite's plan for a query of dynoxide over the stream's records.
    fn plan(connection: &Connection, query: &str) -> String {
        connection.query_row(&format!("EXPLAIN QUERY PLAN {query}"), [], |row| row.get("detail")).unwrap()
    }

    #[test]
    fn writes_and_readers_of_the_stream_use_the_index() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dynamodb.sqlite");
        let _database = open(&file).unwrap();
        let connection = Connection::open(&file).unwrap();
        // From `next_stream_sequence_number` and `stream_records_with_event_ids` in dynoxide's `storage.rs`.
        let highest = "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records
                       WHERE table_name = 'a'";
        let after = "SELECT event_name, keys_json, new_image, old_image FROM _stream_records
                     WHERE table_name = 'a' AND shard_id = 'b' AND CAST(sequence_number AS INTEGER) > 1
                     ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT 1";
        for query in [highest, after] {
            let plan = plan(&connection, query);
            assert!(plan.starts_with("SEARCH") && plan.contains("countersign_stream_order"), "{plan}");
        }
    }

    #[test]
    fn a_file_can_be_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dynamodb.sqlite");
        drop(open(&file).unwrap());
        open(&file).unwrap();
    }
}
