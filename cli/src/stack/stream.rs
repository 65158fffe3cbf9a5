//! Reads the stream of the embedded DynamoDB's table. A shard allows two readers, as deployed: the pipe and the publisher.

use anyhow::{Context, Result, anyhow};
use aws_lambda_events::event::dynamodb::EventRecord;
use dynoxide::{
    Database,
    actions::{
        describe_stream::DescribeStreamRequest, get_records::GetRecordsRequest,
        get_shard_iterator::GetShardIteratorRequest, list_streams::ListStreamsRequest,
    },
};

/// Where a reader starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record that the stream has.
    First,
    /// After the record with this sequence number.
    After(String),
    /// After the last record.
    End,
}

/// A reader of the table's stream.
pub struct Reader {
    database: Database,
    iterator: String,
}

impl Reader {
    /// A reader of the stream of `table`.
    pub(super) fn open(database: Database, table: &str, start: Start) -> Result<Self> {
        let problem = |problem| anyhow!("the table's stream: {problem}");
        let request = ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() };
        let streams = database.list_streams(request).map_err(problem)?.streams;
        let stream_arn = streams.into_iter().next().context("the table has no stream")?.stream_arn;
        let request = DescribeStreamRequest { stream_arn: stream_arn.clone(), ..Default::default() };
        let shards = database.describe_stream(request).map_err(problem)?.stream_description.shards;
        let shard_id = shards.into_iter().next_back().context("the stream has no shard")?.shard_id;
        let (kind, sequence_number) = match start {
            Start::First => ("TRIM_HORIZON", None),
            Start::After(sequence_number) => ("AFTER_SEQUENCE_NUMBER", Some(sequence_number)),
            Start::End => ("LATEST", None),
        };
        let shard_iterator_type = kind.to_owned();
        let request = GetShardIteratorRequest { stream_arn, shard_id, shard_iterator_type, sequence_number };
        let iterator = database.get_shard_iterator(request).map_err(problem)?.shard_iterator;
        Ok(Self { database, iterator: iterator.context("the shard has ended")? })
    }

    /// The next records, up to `limit`, as Lambda passes them. Each call continues after the previous one.
    ///
    /// # Errors
    /// When the stream can't be read.
    pub fn read(&mut self, limit: usize) -> Result<Vec<EventRecord>> {
        let request = GetRecordsRequest { shard_iterator: self.iterator.clone(), limit: Some(limit) };
        let answer = self.database.get_records(request).map_err(|problem| anyhow!("{problem}"))?;
        // DynamoDB's streams and Lambda have the same JSON for a record.
        let records: Vec<EventRecord> = serde_json::from_value(serde_json::to_value(&answer.records)?)?;
        if let Some(next) = answer.next_shard_iterator {
            self.iterator = next;
        }
        Ok(records)
    }
}
