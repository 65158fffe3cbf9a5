//! Archives the final PDFs of subjects whose archive job is due. The pipe from the table's stream puts
//! `{"pk": "<provider>#<kind>#<id>"}` on the queue; everything else is in the table.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use countersign::{
    archive::Archiver,
    aws::Aws,
    domain::Subject,
    settings::{Problems, Settings},
};
use serde::Deserialize;

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
    ///
    /// The response names the messages that the queue should keep. A failed download isn't among them, since the job in the
    /// table says when it is retried; only a message whose job couldn't be read or written is.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(problem) = self.work(&message).await {
                let id = message.message_id.unwrap_or_default();
                tracing::error!(event = "message_failed", message = id, problem);
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn work(&self, message: &SqsMessage) -> Result<(), String> {
        let archiver = self.0.as_ref().map_err(ToString::to_string)?;
        let body = message.body.as_deref().unwrap_or_default();
        // An unreadable message goes to the dead-letter queue, where an operator can inspect it.
        let message: Message = serde_json::from_str(body).map_err(|_| "not_an_order".to_owned())?;
        let subject: Subject = message.pk.parse().map_err(|_| "not_a_subject".to_owned())?;
        archiver.work(&subject).await.map_err(|problem| problem.to_string())
    }
}
