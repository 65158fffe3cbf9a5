//! From the vendor's vectors and documented callbacks to statuses.

use std::collections::BTreeSet;

use countersign::{
    domain::{Kind, Provider, Trust},
    ledger::ArchiveState,
    publish::DetailType,
    replay::Replay,
    settings::SecretSource,
};
use countersign_cli::simulator::{Answer as ApiAnswer, Status, dropbox_sign::form};
use end_to_end::{LocalStack, Stored, dropbox_sign::signature_request, harness::PATH_TOKEN};
use serde_json::{Value, json};

/// The API key of the vendor's vectors.
const KEY: &str = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782";
const ACCOUNT: &str =
    include_str!("../../../../shared/tests/data/dropbox_sign/EventCallbackHelper_AccountCallbacks.json");
const APP: &str = include_str!("../../../../shared/tests/data/dropbox_sign/EventCallbackHelper_AppCallbacks.json");

/// A stack with the API key of the vendor's vectors.
async fn stack_of_the_vectors() -> LocalStack {
    LocalStack::start_with(|options| {
        let proof = json!({"url_tokens": [PATH_TOKEN], "api_keys": [KEY]});
        options.secrets.set_proof(Provider::DropboxSign, proof);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_vectors_are_accepted_and_with_a_changed_byte_rejected() {
    let stack = stack_of_the_vectors().await;
    for vectors in [ACCOUNT, APP] {
        let vectors: serde_json::Map<String, Value> = serde_json::from_str(vectors).unwrap();
        for (name, callback) in vectors {
            let send = async |callback: &Value| {
                let post = form(callback);
                stack.post(post.route, &post.headers[0].1, post.body).await
            };
            let answer = send(&callback).await;
            // The vectors of requests contain no request, so that nothing can be read from them.
            let outcome = if name.starts_with("signature_request") { "set_aside" } else { "recorded" };
            assert_eq!((answer.status, answer.verdict().1), (200, outcome), "{name}");
            let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
            assert_eq!(stored.delivery.trust(), Trust::EventHash, "{name}");
            for field in ["event_hash", "event_time", "event_type"] {
                let mut changed = callback.clone();
                let mut bytes = changed["event"][field].as_str().unwrap().as_bytes().to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                changed["event"][field] = String::from_utf8(bytes).unwrap().into();
                assert_eq!(send(&changed).await.verdict(), (401, "rejected", "unproven"), "{name}: {field}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_callback_is_answered_with_the_text_that_the_service_insists_on() {
    let stack = LocalStack::start().await;
    for event in ["callback_test", "signature_request_sent", "template_created"] {
        let post = stack.dropbox_sign(event, "answered");
        let url = stack.callback_url(post.route).unwrap();
        let client = end_to_end::harness::client_of(&url);
        let request = http::Request::post(&url).header("content-type", &post.headers[0].1).body(post.body).unwrap();
        let response = client.call(request, 1 << 20).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.body()[..]),
            (200, &b"Hello API Event Received"[..]),
            "{event}"
        );
    }
    let events = stack.timeline(&signature_request("answered")).await.events.len();
    assert_eq!(events, 1, "a test and a template aren't about the request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_completed_only_when_the_api_says_so() {
    let stack = LocalStack::start().await;
    let script = stack.simulator.signature_request("claimed");
    script.status(Status::Awaiting);
    for event in ["signature_request_all_signed", "signature_request_downloadable"] {
        let calls = stack.simulator.requests_to("/dropbox-sign/").len();
        assert_eq!(stack.post_dropbox_sign(event, "claimed").await.verdict(), (200, "recorded", "ok"));
        let timeline = stack
            .wait_for_timeline(&signature_request("claimed"), |timeline| {
                timeline.document.archive.is_none() && stack.simulator.requests_to("/dropbox-sign/").len() > calls
            })
            .await;
        assert_eq!(timeline.document.status, Some(Kind::Signed), "{event}");
        assert!(timeline.pdfs.is_empty() && timeline.events.iter().all(|event| event.kind != Kind::Completed));
    }

    script.status(Status::Complete);
    stack.post_dropbox_sign("signature_request_downloadable", "claimed").await;
    let timeline = stack.wait_for_archive(&signature_request("claimed"), &[ArchiveState::Archived]).await;
    assert_eq!((timeline.document.status, timeline.document.trust), (Some(Kind::Completed), Some(Trust::Token)));
    assert!(timeline.document.confirmed_at.is_some() && !timeline.document.conflict && timeline.pdfs.len() == 1);
    let expected: BTreeSet<_> =
        [DetailType::DocumentSigned, DetailType::DocumentCompleted, DetailType::DocumentArchived].into();
    stack.wait_for_events(&signature_request("claimed"), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_is_a_duplicate_and_forged_completions_of_unknown_requests_stay_foreign() {
    let stack = LocalStack::start().await;
    let post = stack.dropbox_sign("signature_request_sent", "again");
    let send = async || stack.post(post.route, &post.headers[0].1, post.body.clone()).await;
    assert_eq!(send().await.verdict(), (200, "recorded", "ok"));
    assert_eq!(send().await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = stack.timeline(&signature_request("again")).await;
    assert_eq!((timeline.events.len(), timeline.events[0].deliveries), (1, 2));
    assert_eq!(timeline.document.trust, Some(Trust::EventHash));

    stack.simulator.signature_request("unknown").answer(ApiAnswer::Unknown);
    stack.post_dropbox_sign("signature_request_all_signed", "unknown").await;
    let timeline = stack.wait_for_archive(&signature_request("unknown"), &[ArchiveState::Waiting]).await;
    assert_eq!(timeline.document.archive.unwrap().reason.as_deref(), Some("not_known_yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_follow_from_callbacks_in_any_order() {
    let stack = LocalStack::start().await;
    for (last, kind) in [
        ("signature_request_declined", Kind::Declined),
        ("signature_request_canceled", Kind::Voided),
        ("signature_request_expired", Kind::Expired),
    ] {
        let events = [last, "signature_request_sent", "signature_request_remind", "signature_request_viewed"];
        for event in events {
            assert_eq!(stack.post_dropbox_sign(event, last).await.verdict(), (200, "recorded", "ok"), "{event}");
        }
        let timeline = stack.timeline(&signature_request(last)).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(kind), events.len()), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_proven_again_at_a_replay() {
    let stack = LocalStack::start().await;
    let answer = stack.post_dropbox_sign("signature_request_sent", "replayed").await;
    let replay = Replay::new(&stack.settings, &stack.aws);
    let id = answer.delivery().parse().unwrap();
    let replayed = replay.delivery(&id).await.unwrap();
    let replayed = serde_json::to_value(&replayed).unwrap();
    assert_eq!((&replayed["outcome"], &replayed["problem"]), (&json!("recorded"), &Value::Null));

    let mut rotated = stack.settings.clone();
    let proof = json!({"url_tokens": [PATH_TOKEN], "api_keys": ["another-api-key"]}).to_string();
    rotated.set_proof(Provider::DropboxSign, SecretSource::Inline(proof.into()));
    let replayed = Replay::new(&rotated, &stack.aws).delivery(&id).await.unwrap();
    assert_eq!(serde_json::to_value(&replayed).unwrap()["problem"], "event_hash_wrong");
}
