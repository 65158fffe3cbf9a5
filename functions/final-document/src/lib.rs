//! Archives the final PDFs of subjects whose archive order is due. The pipe from the table's stream puts
//! `{"pk": "<provider>#<kind>#<id>"}` on the queue; everything else is in the table.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use countersign::{
    archive::Archiver,
    aws::Aws,
    settings::{Problems, Settings},
    subject::Subject,
};
use serde::Deserialize;

/// The function, once it has been started.
pub struct Function(Result<Archiver, Problems>);

#[derive(Deserialize)]
struct Order {
    pk: String,
}

impl Function {
    /// Starts the function; with wrong settings every message goes back to the queue.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(settings.map(|settings| Archiver::new(&settings, aws)))
    }

    /// Does the orders of a batch of messages, one after another: a document may be large, and the disk is one.
    ///
    /// The answer names the messages that the queue should keep. A failed download isn't among them, since the order
    /// in the table says when it is tried again; only what couldn't be written there is.
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
        // A message that isn't an order goes to the dead letters, where somebody can look at it.
        let order: Order = serde_json::from_str(body).map_err(|_| "not_an_order".to_owned())?;
        let subject: Subject = order.pk.parse().map_err(|_| "not_a_subject".to_owned())?;
        archiver.work(&subject).await.map_err(|problem| problem.to_string())
    }
}
