use std::time::Instant;

use countersign_cli::bus::forwards::{Forward, Secret, State};
use end_to_end::{
    LocalStack, PATIENCE,
    harness::{Received, Receiver},
};
use serde_json::json;
use tempfile::TempDir;

use super::{client, detail, put};

/// A webhook secret.
fn secret() -> Secret {
    let folder = TempDir::new().expect("a folder");
    Secret::of_data_folder(folder.path()).expect("a secret").0
}

/// Starts a stack that forwards to these receivers.
async fn start(receivers: &[&Receiver], secret: &Secret) -> LocalStack {
    LocalStack::start_with(|options| options.forwards = Some(Receiver::forwards(receivers, secret))).await
}

fn ids(received: &[Received]) -> Vec<&str> {
    received.iter().map(Received::id).collect()
}

/// Waits until the forwards are as expected.
async fn wait_for(stack: &LocalStack, expected: impl Fn(&[Forward]) -> bool) -> Vec<Forward> {
    let until = Instant::now() + PATIENCE;
    loop {
        let forwards = stack.bus.forwards().await.expect("forwards");
        if expected(&forwards) {
            return forwards;
        }
        assert!(Instant::now() < until, "{forwards:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_receiver_gets_every_event_signed_and_in_order() {
    let (one, other, secret) = (Receiver::start().await, Receiver::start().await, secret());
    let stack = start(&[&one, &other], &secret).await;
    let client = client(&stack).await;
    for id in ["a", "b", "a", "c"] {
        put(&client, id).await;
    }
    for receiver in [one, other] {
        let received = receiver.wait_for(3).await;
        assert_eq!(ids(&received), ["a", "b", "c"]);
        let body = received[0].verified(secret.reveal());
        assert_eq!(body["type"], "document.signed");
        assert_eq!(body["data"], detail("a", "signeasy"));
        assert!(body["timestamp"].as_str().expect("a time").ends_with('Z'), "{body}");
        assert_eq!(received[0].headers["content-type"], "application/json");
    }
    wait_for(&stack, |forwards| forwards.iter().all(|forward| forward.waiting == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_posted_until_it_is_accepted_and_the_next_one_waits() {
    let (failing, healthy, secret) = (Receiver::start().await, Receiver::start().await, secret());
    failing.answer_all_with(500);
    let stack = start(&[&failing, &healthy], &secret).await;
    let client = client(&stack).await;
    put(&client, "a").await;
    put(&client, "b").await;
    // The other receiver isn't delayed.
    assert_eq!(ids(&healthy.wait_for(2).await), ["a", "b"]);
    let forwards = wait_for(&stack, |forwards| forwards[0].attempts > 0 && forwards[1].waiting == 0).await;
    assert_eq!((forwards[0].state, forwards[0].waiting), (State::Retrying, 2));
    assert!(forwards[0].not_before.is_some());
    assert_eq!(forwards[1].state, State::Forwarding);
    failing.answer_with([302]);
    let forwards = wait_for(&stack, |forwards| forwards[0].waiting == 0).await;
    assert_eq!((forwards[0].state, forwards[0].failure.as_deref()), (State::Forwarding, None));
    let received = failing.received();
    let accepted: Vec<_> = received.iter().filter(|received| received.status == 204).cloned().collect();
    assert_eq!(ids(&accepted), ["a", "b"]);
    assert!(ids(&received).is_sorted(), "{:?}", ids(&received));
    assert!(received.iter().any(|received| received.status == 302), "a redirect isn't an acceptance");
    received.iter().for_each(|received| drop(received.verified(secret.reveal())));
    // The URL's path and query may be a secret.
    assert!(!json!(forwards).to_string().contains("countersign"), "{forwards:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_continues_after_a_restart_where_it_stopped() {
    let (receiver, secret) = (Receiver::start().await, secret());
    let stack = start(&[], &secret).await;
    put(&client(&stack).await, "before").await;
    // A new receiver gets what is published from now on.
    let stack = stack.restart(|options| options.forwards = Some(Receiver::forwards(&[&receiver], &secret))).await;
    put(&client(&stack).await, "a").await;
    receiver.wait_for(1).await;
    wait_for(&stack, |forwards| forwards[0].waiting == 0).await;
    // A known one gets what was published without it.
    let stack = stack.restart(|_| {}).await;
    put(&client(&stack).await, "b").await;
    let forwards = stack.bus.forwards().await.expect("forwards");
    assert_eq!((forwards[0].state, forwards[0].waiting), (State::Paused, 1));
    let stack = stack.restart(|options| options.forwards = Some(Receiver::forwards(&[&receiver], &secret))).await;
    put(&client(&stack).await, "c").await;
    assert_eq!(ids(&receiver.wait_for(3).await), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_gone_gets_nothing_more_until_it_is_named_again() {
    let (receiver, secret) = (Receiver::start().await, secret());
    receiver.answer_with([204, 410]);
    let stack = start(&[&receiver], &secret).await;
    let client = client(&stack).await;
    for id in ["a", "b", "c"] {
        put(&client, id).await;
    }
    let forwards = wait_for(&stack, |forwards| forwards[0].state == State::Ended).await;
    assert_eq!(forwards[0].waiting, 2);
    assert_eq!(ids(&receiver.received()), ["a", "b"]);
    let stack = stack.restart(|options| options.forwards = Some(Receiver::forwards(&[&receiver], &secret))).await;
    assert_eq!(ids(&receiver.wait_for(4).await), ["a", "b", "b", "c"]);
    stack.stop().await;
}
