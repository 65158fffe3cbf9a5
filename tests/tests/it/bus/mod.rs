//! The local stack's event bus: EventBridge's PutEvents through the real SDK, and forwarding to URLs.

mod forwards;
mod put_events;

use aws_sdk_eventbridge::{Client, config::Credentials, types::PutEventsRequestEntry};
use countersign_cli::{bus, stack};
use end_to_end::LocalStack;
use serde_json::{Value, json};

/// A client of the stack's bus, as a function has it.
async fn client(stack: &LocalStack) -> Client {
    let key = stack.endpoints.key();
    let credentials = Credentials::new(&key.id, &key.secret, None, None, "test");
    let config = aws_config::defaults(countersign::aws::behavior_version())
        .region(aws_config::Region::new(stack::REGION))
        .credentials_provider(credentials)
        .endpoint_url(&stack.endpoints.eventbridge)
        .load()
        .await;
    Client::new(&config)
}

/// An entry for the stack's bus.
fn entry(detail_type: &str, detail: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus::NAME)
        .source("countersign")
        .detail_type(detail_type)
        .detail(detail)
        .build()
}

fn detail(id: &str, provider: &str) -> Value {
    json!({"version": "1", "id": id, "provider": provider, "subject": {"kind": "document", "id": "d"}})
}

/// Puts one event, which must be accepted.
async fn put(client: &Client, id: &str) {
    let entry = entry("document.signed", &detail(id, "signeasy").to_string());
    let response = client.put_events().entries(entry).send().await.expect("a response");
    assert_eq!(response.failed_entry_count(), 0, "{response:?}");
}

/// The ids of the events on the bus, in their order.
async fn ids(stack: &LocalStack) -> Vec<String> {
    let events = stack.bus.after(0, bus::Filter::default(), 1000).await.expect("events");
    events.iter().map(|event| event.id().expect("an id").to_owned()).collect()
}
