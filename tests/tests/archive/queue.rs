//! The worker as the queue calls it.

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{aws::Aws, ledger::ArchiveState, settings::Problems};
use end_to_end::bench::{self, Bench, failed, message};
use final_document::Function;

use super::{assert_archived, finished, inspections, order};

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
async fn only_the_messages_that_are_no_orders_are_given_back() {
    let bench = Bench::start().await;
    let (one, two) = (finished(&bench, "one").await, finished(&bench, "two").await);
    let (one_pk, two_pk) =
        (format!(r#"{{"pk":"{}"}}"#, one.partition()), format!(r#"{{"pk":"{}","more":1}}"#, two.partition()));
    let answer = bench
        .final_document()
        .handle(batch(&[
            Some(r#"{"pk":"quicklysign#pack#one"}"#),
            Some(&one_pk),
            Some("not json"),
            Some("{}"),
            Some(r#"{"pk":null}"#),
            Some(r#"{"pk":"quicklysign#document_pack#a/b"}"#),
            Some(r#"{"pk":"DELIVERY#018f"}"#),
            None,
            Some(&two_pk),
            // Nobody ordered that: there is nothing to be done, and nothing wrong with the message.
            Some(r#"{"pk":"quicklysign#document_pack#unheard-of"}"#),
        ]))
        .await;
    let bad: Vec<String> = [0, 2, 3, 4, 5, 6, 7].map(|number| format!("message-{number}")).to_vec();
    assert_eq!(failed(&answer), bad);
    for subject in [&one, &two] {
        assert_eq!(order(&bench, subject).await.state, ArchiveState::Archived);
    }
    assert_eq!(inspections(&bench.simulator), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_twice_is_done_once() {
    let bench = Bench::start().await;
    bench.simulator.pack("twice").documents(2);
    let subject = finished(&bench, "twice").await;
    for _ in 0..3 {
        bench.work(&subject).await;
    }
    assert_eq!(inspections(&bench.simulator), 1);
    assert_archived(&bench, &subject, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_settings_or_a_table_every_message_is_given_back() {
    let bench = Bench::start().await;
    let subject = finished(&bench, "later").await;
    let wrong = Function::start(Err(Problems(vec!["TABLE_NAME is not set".to_owned()])), &bench.aws);
    assert_eq!(failed(&wrong.handle(message(&subject)).await), ["message"]);
    let aws = Aws { dynamodb: bench::unreachable().await.dynamodb, ..bench.aws.clone() };
    let lost = Function::start(Ok(bench.settings()), &aws);
    assert_eq!(failed(&lost.handle(message(&subject)).await), ["message"]);
    // Nothing of it was touched, and the message that comes again is done.
    let due = order(&bench, &subject).await;
    assert_eq!((due.state, due.attempts), (ArchiveState::Due, 0));
    bench.work(&subject).await;
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
}
