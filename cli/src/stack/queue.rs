//! The queue: delivers messages to `final-document`, a few at a time, until it accepts them. A message that it fails to
//! accept five times is a dead letter.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use final_document::TIME_LIMIT;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::Functions;

/// As in `template.yaml`.
const MAX_RECEIVES: u32 = 5;
const CONCURRENCY: usize = 4;

/// How long a message that wasn't accepted stays invisible. Deployed it is an hour, too long to wait at a laptop.
const VISIBILITY: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Queue(mpsc::UnboundedSender<Message>);

struct Message {
    id: String,
    body: String,
    receives: u32,
}

impl Queue {
    pub(super) fn send(&self, partition: &str) {
        let id = uuid::Uuid::now_v7().to_string();
        let body = serde_json::json!({"pk": partition}).to_string();
        self.put(Message { id, body, receives: 0 });
    }

    fn put(&self, message: Message) {
        // The receiver is gone only after the stack has ended. Due jobs are found at the next start.
        drop(self.0.send(message));
    }
}

/// A queue, and a task that delivers its messages until the stack ends.
pub(super) fn queue(
    functions: Arc<Functions>,
    mut stopping: watch::Receiver<bool>,
) -> (Queue, impl Future<Output = ()> + Send) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Message>();
    let queue = Queue(sender);
    let again = queue.clone();
    let work = async move {
        let places = Arc::new(Semaphore::new(CONCURRENCY));
        let mut workers = JoinSet::new();
        loop {
            let message = tokio::select! {
                message = receiver.recv() => message,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            let (Some(message), Ok(place)) = (message, Arc::clone(&places).acquire_owned().await) else { break };
            let (functions, again) = (Arc::clone(&functions), again.clone());
            workers.spawn(async move {
                deliver(&functions, message, &again).await;
                drop(place);
            });
            while workers.try_join_next().is_some() {}
        }
        while workers.join_next().await.is_some() {}
    };
    (queue, work)
}

async fn deliver(functions: &Arc<Functions>, mut message: Message, again: &Queue) {
    message.receives += 1;
    let event = event(&message);
    let called = Arc::clone(functions);
    // A panic is a crash of the function: the message is delivered again.
    let accepted =
        tokio::spawn(
            async move { called.final_document.handle(event, TIME_LIMIT).await.batch_item_failures.is_empty() },
        );
    if accepted.await.unwrap_or(false) {
        return;
    }
    if message.receives >= MAX_RECEIVES {
        tracing::error!(event = "dead_letter", message = message.id, body = message.body);
        return;
    }
    let again = again.clone();
    tokio::spawn(async move {
        tokio::time::sleep(VISIBILITY).await;
        again.put(message);
    });
}

fn event(message: &Message) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id = Some(message.id.clone());
    record.body = Some(message.body.clone());
    record.event_source = Some("aws:sqs".to_owned());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    event
}
