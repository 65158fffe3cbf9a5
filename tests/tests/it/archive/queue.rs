//! The worker, called with the queue's messages.

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{aws::Aws, ledger::ArchiveState, settings::Problems};
use end_to_end::{
    DirectFunctions,
    harness::{
        requests::{failed_messages, queue_message},
        unreachable_aws,
    },
};
use final_document::Function;
use final_document::TIME_LIMIT;

use super::{api_calls, assert_archived, job_of, record_completion};

fn batch(bodies: &[Option<&str>]) -> SqsEvent {
    let messages = bodies.iter().enumerate().map(|(number, body)| {
        let id = format!("message-{number}");
        body.map_or_else(
            || serde_json::json!({"messageId": id}),
            |body| serde_json::json!({"messageId": id, "body": body}),
        )
    });
    serde_json::from_value(serde_json::json!({"Records": messages.collect::<Vec<_>>()})).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_invalid_messages_are_returned_to_the_queue() {
    let functions = DirectFunctions::start().await;
    let (one, two) = (record_completion(&functions, "one").await, record_completion(&functions, "two").await);
    let (one_pk, two_pk) =
        (format!(r#"{{"pk":"{}"}}"#, one.partition()), format!(r#"{{"pk":"{}","more":1}}"#, two.partition()));
    let answer = functions
        .final_document()
        .handle(
            batch(&[
                Some(r#"{"pk":"quicklysign#pack#one"}"#),
                Some(&one_pk),
                Some("not json"),
                Some("{}"),
                Some(r#"{"pk":null}"#),
                Some(r#"{"pk":"quicklysign#document_pack#a/b"}"#),
                Some(r#"{"pk":"DELIVERY#018f"}"#),
                None,
                Some(&two_pk),
                // A valid message without a job: nothing is done.
                Some(r#"{"pk":"quicklysign#document_pack#unheard-of"}"#),
            ]),
            TIME_LIMIT,
        )
        .await;
    let bad: Vec<String> = [0, 2, 3, 4, 5, 6, 7].map(|number| format!("message-{number}")).to_vec();
    assert_eq!(failed_messages(&answer), bad);
    for subject in [&one, &two] {
        assert_eq!(job_of(&functions, subject).await.state, ArchiveState::Archived);
    }
    assert_eq!(api_calls(&functions.simulator), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_delivered_twice_is_processed_once() {
    let functions = DirectFunctions::start().await;
    functions.simulator.pack("twice").documents(2);
    let subject = record_completion(&functions, "twice").await;
    for _ in 0..3 {
        functions.archive(&subject).await;
    }
    assert_eq!(api_calls(&functions.simulator), 1);
    assert_archived(&functions, &subject, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_settings_or_a_table_all_messages_are_returned_to_the_queue() {
    let functions = DirectFunctions::start().await;
    let subject = record_completion(&functions, "later").await;
    let wrong = Function::start(Err(Problems(vec!["TABLE_NAME is not set".to_owned()])), &functions.aws);
    assert_eq!(failed_messages(&wrong.handle(queue_message(&subject), TIME_LIMIT).await), ["message"]);
    let aws = Aws { dynamodb: unreachable_aws().await.dynamodb, ..functions.aws.clone() };
    let lost = Function::start(Ok(functions.settings()), &aws);
    assert_eq!(failed_messages(&lost.handle(queue_message(&subject), TIME_LIMIT).await), ["message"]);
    // The job is unchanged, and done when the message is delivered again.
    let due = job_of(&functions, &subject).await;
    assert_eq!((due.state, due.attempts), (ArchiveState::Due, 0));
    functions.archive(&subject).await;
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
}
