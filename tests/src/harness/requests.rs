//! What functions are called with: events of API Gateway and messages of the queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use countersign::domain::{Route, Subject};
use countersign_cli::stack::gateway;
use http::Request;
use serde_json::json;

/// A callback's request as API Gateway hands it to a function: through the event that it makes of the request.
#[must_use]
pub fn gateway_request(
    route: Route,
    token: &str,
    query: Option<&str>,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request<bytes::Bytes> {
    let path = route.path().replace("{token}", token);
    let uri = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let mut request = http::Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let matched = gateway::Matched::of(&head.method, head.uri.path()).expect("a route");
    http_event::request(&gateway::event::of(&matched, &head, body).to_string()).expect("an event").0
}

/// The message that the pipe puts on the queue for a subject's archive job.
#[must_use]
pub fn queue_message(subject: &Subject) -> SqsEvent {
    let mut record = SqsMessage::default();
    record.message_id = Some("message".to_owned());
    record.body = Some(json!({"pk": subject.partition()}).to_string());
    let mut event = SqsEvent::default();
    event.records = vec![record];
    event
}

/// The ids of the messages that the queue is to deliver again.
#[must_use]
pub fn failed_messages(response: &SqsBatchResponse) -> Vec<&str> {
    response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}
