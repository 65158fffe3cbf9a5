//! Events of what was written while no publisher ran.

use aws_sdk_dynamodb::types::{StreamSpecification, StreamViewType};
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

/// Gives the table the stream that it had before events were published: its records have the keys only.
async fn use_the_stream_of_an_earlier_version(stack: &LocalStack) {
    let keys_only = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::KeysOnly);
    let update = stack.aws.dynamodb.update_table().table_name(&stack.endpoints.table);
    update.stream_specification(keys_only.build().expect("a stream")).send().await.expect("an update");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_a_version_without_events_publishes_what_happens_from_now_on() {
    let stack = LocalStack::start_with(|options| options.piped = false).await;
    use_the_stream_of_an_earlier_version(&stack).await;
    stack.post_quicklysign("final_document_generated", "earlier").await;
    let stack = stack.restart(|_| {}).await;
    stack.wait_for_archive(&pack("earlier"), &[ArchiveState::Archived]).await;
    stack.post_quicklysign("final_document_generated", "later").await;
    let expected = [DetailType::DocumentCompleted, DetailType::DocumentArchived].into();
    stack.wait_for_events(&pack("later"), &expected).await;
    stack.stop().await;
}
