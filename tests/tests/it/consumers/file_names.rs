//! Events name the files of their PDFs only if the stack is set to do so.

use std::time::Instant;

use countersign::{domain::Provider, forget::forget, publish::DetailType, time};
use countersign_cli::bus::Filter;
use end_to_end::{LocalStack, PATIENCE, harness::deliveries};
use serde_json::Value;

use super::schema::Schema;

/// A stack with these settings, on which a pack was archived.
async fn start(settings: &[(&str, &str)]) -> LocalStack {
    let stack = LocalStack::start_with_environment(settings).await;
    stack.simulator.pack("p").documents(1).name("Contract of Zoë Quinn");
    stack.trigger(Provider::Quicklysign, "final_document_generated", "p").await;
    stack
}

/// Waits for an event of this type.
async fn wait_for(stack: &LocalStack, detail_type: DetailType) -> Value {
    let filter = Filter { detail_type: Some(detail_type), ..Filter::default() };
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(event) = stack.bus.page(filter, None, 1).await.expect("a page").events.pop() {
            return serde_json::to_value(event).expect("JSON");
        }
        assert!(Instant::now() < until, "not published");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_have_file_names_only_with_event_file_names() {
    let schema = Schema::read();
    let stack = start(&[]).await;
    let without = wait_for(&stack, DetailType::DocumentArchived).await;
    schema.check_event(&without);
    assert!(!without.to_string().contains("Quinn"), "{without}");

    let stack = start(&[("EVENT_FILE_NAMES", "true")]).await;
    let with = wait_for(&stack, DetailType::DocumentArchived).await;
    schema.check_event(&with);
    assert_eq!(with["detail"]["pdfs"][0]["file_name"], "Contract of Zoë Quinn.pdf");

    // Forgetting erases it on the local bus, too.
    let (services, id) = (deliveries::services(), end_to_end::pack("p").id);
    forget(&stack.ledger(), &services, Provider::Quicklysign, &id, time::now()).await.expect("forgotten");
    wait_for(&stack, DetailType::DocumentForgotten).await;
    let mut expected = with;
    expected["detail"]["pdfs"][0].as_object_mut().expect("a PDF").remove("file_name");
    assert_eq!(wait_for(&stack, DetailType::DocumentArchived).await, expected);
}
