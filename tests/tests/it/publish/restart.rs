//! Events of what was written while no publisher ran.

use countersign::{ledger::ArchiveState, publish::DetailType};
use end_to_end::{LocalStack, harness::published::published, pack};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_a_restart_is_published_after_it_and_nothing_twice() {
    let stack = LocalStack::start_with(|options| options.piped = false).await;
    stack.post_quicklysign("final_document_generated", "before").await;
    assert!(published(&stack.bus).await.is_empty());
    let stack = stack.restart(|_| {}).await;
    let expected = [DetailType::DocumentCompleted, DetailType::DocumentArchived].into();
    stack.wait_for_archive(&pack("before"), &[ArchiveState::Archived]).await;
    stack.wait_for_events(&pack("before"), &expected).await;
    let before = published(&stack.bus).await;

    let stack = stack.restart(|_| {}).await;
    stack.post_quicklysign("final_document_generated", "after").await;
    stack.wait_for_events(&pack("after"), &expected).await;
    assert_eq!(published(&stack.bus).await[..before.len()], before);
    stack.stop().await;
}
