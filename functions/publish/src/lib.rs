//! Publishes statuses, archive jobs and deliveries on the event bus. Lambda reads the table's stream and passes its records.

use std::collections::HashMap;

use aws_lambda_events::event::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use countersign::{
    aws::Aws,
    ledger::Item,
    publish::{Publisher, StreamRecord},
    settings::{Problems, Settings},
};
use jiff::Timestamp;

/// The started function.
pub struct Function(Result<Publisher, Problems>);

impl Function {
    /// Starts the function. With wrong settings, every record stays in the stream.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws, eventbridge: aws_sdk_eventbridge::Client) -> Self {
        Self(settings.and_then(|settings| Publisher::new(&settings, aws, eventbridge)))
    }

    /// Publishes the events of a batch of stream records.
    ///
    /// The response names the first record that Lambda has to deliver again; all records after it come again with it.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let records: Vec<StreamRecord> = event.records.into_iter().map(record).collect();
        let failed = match &self.0 {
            // Boxed, because the type of the future is nested too deeply for the compiler otherwise.
            Ok(publisher) => Box::pin(publisher.publish(&records)).await,
            Err(problems) => {
                tracing::error!(event = "not_configured", problem = %problems, metric.NotConfigured = 1);
                records.into_iter().next().map(|record| record.sequence_number)
            }
        };
        let mut response = DynamoDbEventResponse::default();
        if failed.is_some() {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = failed;
            response.batch_item_failures.push(failure);
        }
        response
    }
}

fn record(EventRecord { change, .. }: EventRecord) -> StreamRecord {
    // An image that the record doesn't have is read as one without attributes.
    let item = |item: serde_dynamo::Item| Some(Item::from(HashMap::from(item))).filter(|item| *item != Item::default());
    StreamRecord {
        sequence_number: change.sequence_number.unwrap_or_default(),
        written_at: Timestamp::from_second(change.approximate_creation_date_time.timestamp()).unwrap_or_default(),
        before: item(change.old_image),
        after: item(change.new_image),
    }
}
