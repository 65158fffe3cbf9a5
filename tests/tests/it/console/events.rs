//! The page of the events on the bus.

use countersign_cli::bus::{NewEvent, forwards::Target};
use end_to_end::LocalStack;
use jiff::Timestamp;
use serde_json::json;

use super::get;

/// Appends an event to the stack's bus.
async fn append(stack: &LocalStack, id: &str, detail_type: &str, reason: &str) {
    let detail = json!({
        "id": id,
        "provider": "signeasy",
        "subject": {"kind": "document", "id": "doc-1"},
        "status": "completed",
        "reason": reason,
        "pdfs": [{}, {}],
    });
    let source = "countersign".to_owned();
    let event = NewEvent { source, detail_type: detail_type.to_owned(), time: Timestamp::UNIX_EPOCH, detail };
    stack.bus.append(vec![event]).await.expect("appended");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_latest_first_with_links_to_timelines() {
    let stack = LocalStack::start().await;
    assert!(get(&stack, "/events").await.text().contains("No events."));
    append(&stack, "a", "document.completed", "").await;
    append(&stack, "b", "document.archive_failed", "<b>not_a_pdf</b>").await;
    let page = get(&stack, "/events").await.text();
    let (first, second) = (page.find("event-2").expect("the second event"), page.find("event-1").expect("the first"));
    assert!(first < second);
    assert!(page.contains("href=\"/documents/signeasy/document/doc-1\""), "{page}");
    assert!(page.contains("&lt;b&gt;not_a_pdf") && !page.contains("<b>not_a_pdf"), "{page}");
    let filtered = get(&stack, "/events?type=document.completed&provider=signeasy").await.text();
    assert!(filtered.contains("id=\"event-1\"") && !filtered.contains("id=\"event-2\""), "{filtered}");
    assert!(get(&stack, "/events?provider=legalesign").await.text().contains("No events."));
    assert_eq!(get(&stack, "/events?provider=other").await.status, 400);
    assert_eq!(get(&stack, "/events?type=other").await.status, 400);
    assert!(!get(&stack, "/events?after=2").await.text().contains("id=\"event-2\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_a_receiver_has_not_taken_and_not_its_path() {
    let stack = LocalStack::start().await;
    let target: Target = "https://hooks.example.com/services/s3cret".parse().expect("a target");
    stack.bus.set_targets(&[target]).await.expect("stored");
    append(&stack, "a", "document.completed", "").await;
    let page = get(&stack, "/events").await.text();
    assert!(page.contains("https://hooks.example.com/…") && !page.contains("s3cret"), "{page}");
    assert!(page.contains("<td class=\"number\" data-label=\"Waiting\">1</td>"), "{page}");
}
