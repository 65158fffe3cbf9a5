//! Archives the final PDFs of subjects whose archive job is due. The pipe from the table's stream puts
//! `{"pk": "<provider>#<kind>#<id>"}` on the queue; everything else is in the table.

use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use countersign::{
    archive::Archiver,
    aws::Aws,
    domain::Subject,
    settings::{Problems, Settings},
};
use serde::Deserialize;
use tokio::time::Instant;

/// The function's time limit. As in `template.yaml`.
pub const TIME_LIMIT: Duration = Duration::from_secs(600);

/// The started function.
pub struct Function(Result<Archiver, Problems>);

#[derive(Deserialize)]
struct Message {
    pk: String,
}

impl Function {
    /// Starts the function. With wrong settings every message goes back to the queue.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(settings.map(|settings| Archiver::new(&settings, aws)))
    }

    /// Works on the jobs of a batch of messages, one after another: documents may be large, and they share one disk.
    /// `time_left` is the time after which Lambda ends the function. All outcomes are stored before that.
    ///
    /// The response names the messages that the queue should keep. A failed download isn't among them, since the job in the
    /// table says when it is retried; only a message whose job couldn't be read or written is.
    pub async fn handle(&self, event: SqsEvent, time_left: Duration) -> SqsBatchResponse {
        let end = Instant::now() + time_left;
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(problem) = self.work(&message, end).await {
                let id = message.message_id.unwrap_or_default();
                tracing::error!(event = "message_failed", message = id, problem);
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn work(&self, message: &SqsMessage, end: Instant) -> Result<(), String> {
        let archiver = self.0.as_ref().map_err(ToString::to_string)?;
        let body = message.body.as_deref().unwrap_or_default();
        // An unreadable message goes to the dead-letter queue, where an operator can inspect it.
        let message: Message = serde_json::from_str(body).map_err(|_| "not_an_order".to_owned())?;
        let subject: Subject = message.pk.parse().map_err(|_| "not_a_subject".to_owned())?;
        archiver.work(&subject, end).await.map_err(|problem| problem.to_string())
    }
}
