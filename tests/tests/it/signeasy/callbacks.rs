//! SignEasy's callbacks: every documented body, the token, and the identity of events.

use std::collections::BTreeMap;

use countersign::{
    domain::{Kind, Outcome, Provider, Route, TimeSource, Trust},
    ledger::StoredDelivery,
    replay::Replay,
    settings::SecretSource,
};
use end_to_end::{
    LocalStack, Stored,
    harness::PATH_TOKEN,
    signeasy::{TOKEN, changed, document, sample, set_token},
};
use serde_json::{Value, json};

/// The events that `events/signeasy-callback` has in every version, with their meaning.
fn documented_events() -> BTreeMap<String, Kind> {
    let text = include_str!("../../../../shared/tests/data/signeasy/documented_events.json");
    serde_json::from_str(text).expect("names and kinds")
}

async fn stored(stack: &LocalStack, delivery: &str) -> StoredDelivery {
    stack.ledger().delivery(&delivery.parse().unwrap()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sixteen_documented_bodies_are_recorded() {
    let stack = LocalStack::start_for_signeasy().await;
    for version in ["v1", "v2"] {
        for event in documented_events().keys() {
            let answer = stack.post_signeasy(&sample(&format!("rs_{event}_{version}"))).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{event} {version}");
            assert_eq!(answer.body["events"], 1);
        }
    }
    let timeline = stack.timeline(&document("235649")).await;
    assert_eq!(timeline.events.len(), 16);
    for (event, kind) in documented_events() {
        let name = if event == "reminded" { "rs.remind".to_owned() } else { format!("rs.{event}") };
        let events: Vec<_> = timeline.events.iter().filter(|event| event.name == name).collect();
        assert_eq!(events.len(), 2, "{name}");
        assert!(events.iter().all(|event| event.kind == kind && event.time_source == TimeSource::Provider));
    }
    let state = &timeline.document;
    assert_eq!((state.status, state.trust, state.conflict), (Some(Kind::Completed), Some(Trust::Token), true));
    assert!(!state.unjoined);
    assert!(!stack.everything().await.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn undocumented_and_bulk_events_are_recorded() {
    let stack = LocalStack::start_for_signeasy().await;
    for (case, id, status) in [
        ("rs_expired_v3", "373342", Some(Kind::Expired)),
        ("rs_declined_v3", "373341", Some(Kind::Declined)),
        ("rs_viewed_v3_drifted", "373340", Some(Kind::Viewed)),
        ("rs_bulksign_completed", "998877", None),
        ("unknown_event_without_content_type", "373343", None),
    ] {
        let url = stack.callback_url(Route::Signeasy).unwrap();
        let answer = stack.post_to(&url, &[], sample(case).to_string()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{case}");
        assert_eq!(stack.timeline(&document(id)).await.document.status, status, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_may_be_missing_in_document_signed_only() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    assert_eq!(stack.post_signeasy(&sample("rs_viewed_v2")).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.post_signeasy(&sample("document_signed")).await.verdict(), (200, "recorded", "ok"));
    let wrong = |case: &str| changed(case, |body| body["metadata"]["token"] = json!("another-unknown-token"));
    for body in [sample("rs_viewed_v1"), wrong("rs_viewed_v2"), wrong("document_signed")] {
        let answer = stack.post_signeasy(&body).await;
        assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
        assert_eq!(answer.body["delivery"], Value::Null);
    }
    for malformed in ["", "not JSON", "[]", r#"{"data":{"id":1}}"#] {
        assert_eq!(stack.post_signeasy_bytes(malformed).await.verdict(), (400, "rejected", "malformed"), "{malformed}");
    }
    let twice = sample("rs_viewed_v2").to_string().replacen(r#""token":"#, r#""token":"x","token":"#, 1);
    assert_eq!(stack.post_signeasy_bytes(twice).await.verdict(), (400, "rejected", "malformed"));
    let elsewhere = stack.callback_url(Route::Signeasy).unwrap().replace(PATH_TOKEN, "another-path-token");
    let answer = stack.post_to(&elsewhere, &[], sample("rs_viewed_v2").to_string()).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_token_may_be_missing_but_not_wrong() {
    let stack = LocalStack::start_with_signeasy_policy("if_present").await;
    assert_eq!(stack.post_signeasy(&sample("rs_viewed_v1")).await.verdict(), (200, "recorded", "ok"));
    let wrong = changed("rs_viewed_v2", |body| body["metadata"]["token"] = json!("another-unknown-token"));
    assert_eq!(stack.post_signeasy(&wrong).await.verdict(), (401, "rejected", "unproven"));
    assert_eq!(stack.post_signeasy_bytes("not JSON").await.verdict(), (400, "rejected", "malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_that_is_not_configured_is_answered_503() {
    let stack = LocalStack::start_with(|options| {
        set_token(options, "required");
        options.secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN]}));
    })
    .await;
    let answer = stack.post_signeasy(&sample("rs_viewed_v2")).await;
    assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_stored_and_deliveries_can_be_replayed() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    // A body that is stored in the table, and a large one that is stored in the bucket.
    let mut deliveries = Vec::new();
    for size in [10, 20_000] {
        let body = changed("rs_viewed_v2", |body| {
            body["data"]["name"] = format!("{} {TOKEN} {PATH_TOKEN}", "x".repeat(size)).into();
            body["Token"] = TOKEN.into();
        });
        let answer = stack.post_signeasy(&body).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        deliveries.push(answer.delivery().to_owned());
    }
    let all = stack.everything().await;
    assert!(all.contains("hmac-sha256:") && stack.keys().await.len() == 1);
    for secret in [TOKEN, PATH_TOKEN] {
        assert!(!all.contains(secret));
    }
    for delivery in &deliveries {
        let record = stored(&stack, delivery).await.record;
        assert_eq!((record.token, record.body_token), (0, Some(0)));
    }
    // A replay verifies them with the secrets configured at that time.
    for (url_tokens, tokens, problem) in [
        (json!(["a-newer-path-token", PATH_TOKEN]), json!(["a-newer-token", TOKEN]), None),
        (json!([PATH_TOKEN]), json!(["a-newer-token"]), Some("token_wrong")),
        (json!(["a-newer-path-token"]), json!([TOKEN]), Some("token_wrong")),
        (json!([PATH_TOKEN]), json!([]), Some("not_configured")),
    ] {
        let secrets = json!({"url_tokens": url_tokens, "tokens": tokens}).to_string();
        let mut settings = stack.settings.clone();
        settings.set_proof(Provider::Signeasy, SecretSource::Inline(secrets.into()));
        let replay = Replay::new(&settings, &stack.aws);
        for delivery in &deliveries {
            let replayed = replay.delivery(&delivery.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!((replayed.outcome, replayed.problem.as_deref()), ("recorded", problem));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_but_unreadable_bodies_are_set_aside() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let answer = stack.post_signeasy(&sample("unreadable")).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    let stored = stored(&stack, answer.delivery()).await;
    assert_eq!((stored.record.outcome, &*stored.record.reason), (Outcome::SetAside, "missing_field at data.id"));
    assert!(!String::from_utf8_lossy(stored.delivery.body()).contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_and_an_identical_reminder_count_as_deliveries_of_one_event() {
    let stack = LocalStack::start_for_signeasy().await;
    let first = sample("rs_reminded_v2");
    assert_eq!(stack.post_signeasy(&first).await.verdict(), (200, "recorded", "ok"));
    // The same bytes, other spaces, another order of fields, and without the token, as before it was configured.
    let spaced = serde_json::to_string_pretty(&first).unwrap();
    let metadata = first["metadata"].to_string();
    let reordered = format!(r#"{{"metadata":{metadata},"data":{}}}"#, first["data"]);
    let without = changed("rs_reminded_v2", |body| drop(body["metadata"].as_object_mut().unwrap().remove("token")));
    for again in [first.to_string(), spaced, reordered, without.to_string()] {
        assert_eq!(stack.post_signeasy_bytes(again).await.verdict(), (200, "duplicate", "duplicate"));
    }
    let later =
        changed("rs_reminded_v2", |body| body["data"]["recipients"][0]["last_modified_time"] = json!(1_600_000_000));
    assert_eq!(stack.post_signeasy(&later).await.verdict(), (200, "recorded", "ok"));
    let timeline = stack.timeline(&document("235649")).await;
    let counts: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.deliveries)).collect();
    assert_eq!(counts, [(Kind::Reminded, 5), (Kind::Reminded, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_with_other_spellings_of_documented_fields_is_the_same_event() {
    let stack = LocalStack::start_for_signeasy().await;
    assert_eq!(stack.post_signeasy(&sample("rs_declined_v3")).await.verdict(), (200, "recorded", "ok"));
    let drifts: [fn(&mut Value); 6] = [
        |body| body["data"]["public_link"] = json!("0"),
        |body| body["data"]["is_envelope"] = json!(1),
        |body| body["data"]["id"] = body["data"]["id"].to_string().into(),
        |body| body["data"]["recipients"][0]["order_id"] = json!("1"),
        |body| body["data"]["recipients"][0]["verification_status"] = json!(0),
        |body| drop(body["data"]["recipients"][0].as_object_mut().unwrap().remove("verification_time")),
    ];
    for (number, drift) in drifts.into_iter().enumerate() {
        let drifted = changed("rs_declined_v3", drift);
        assert_ne!(drifted, sample("rs_declined_v3"), "{number}");
        let answer = stack.post_signeasy(&drifted).await;
        assert_eq!(answer.verdict(), (200, "duplicate", "duplicate"), "{number}");
        let kept = stored(&stack, answer.delivery()).await.delivery;
        let kept: Value = serde_json::from_slice(kept.body()).unwrap();
        assert_eq!(kept["data"], drifted["data"], "{number}: the body is kept as it arrived");
    }
    let timeline = stack.timeline(&document("373341")).await;
    let events: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.deliveries)).collect();
    assert_eq!(events, [(Kind::Declined, 7)]);
}

/// Which spellings mean the same isn't documented for every field, so a body that drifted elsewhere is another event. It
/// changes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_with_drifted_undocumented_fields_is_another_event_of_the_same_status_and_no_conflict() {
    let stack = LocalStack::start_for_signeasy().await;
    let with = |note: Option<Value>| {
        changed("rs_declined_v3", |body| {
            if let Some(note) = note {
                body["data"]["undocumented"] = note;
            }
        })
    };
    for body in [with(None), with(Some(Value::Null)), with(Some(json!(1))), with(Some(json!("1")))] {
        assert_eq!(stack.post_signeasy(&body).await.verdict(), (200, "recorded", "ok"));
        assert_eq!(stack.post_signeasy(&body).await.verdict(), (200, "duplicate", "duplicate"));
    }
    let timeline = stack.timeline(&document("373341")).await;
    let kinds: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.occurred_at)).collect();
    assert_eq!(kinds, [(Kind::Declined, kinds[0].1); 4]);
    let state = &timeline.document;
    assert_eq!((state.status, state.occurred_at, state.conflict), (Some(Kind::Declined), Some(kinds[0].1), false));
}

/// The statuses of recipients in a callback are their own, whatever the callback is about. The API isn't needed for them.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_are_as_far_as_any_callback_says_in_every_order() {
    let with = |event: &str, statuses: [&str; 3]| {
        changed("rs_initiated_v3", |body| {
            body["metadata"]["event_type"] = event.into();
            let recipient = body["data"]["recipients"][0].clone();
            let recipients = (1..).zip(statuses).map(|(id, status)| {
                let mut recipient = recipient.clone();
                (recipient["recipient_id"], recipient["status"]) = (json!(id), status.into());
                recipient
            });
            body["data"]["recipients"] = recipients.collect();
        })
    };
    let bodies = [
        with("rs.initiated", ["not_viewed", "not_viewed", "not_viewed"]),
        with("rs.viewed", ["viewed", "viewed", "not_viewed"]),
        with("rs.signed", ["finalized", "viewed", "not_viewed"]),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let stack = LocalStack::start_for_signeasy().await;
        for index in order.into_iter().chain(order) {
            assert_eq!(stack.post_signeasy(&bodies[index]).await.status, 200);
        }
        let timeline = stack.timeline(&document("373340")).await;
        let signers: Vec<_> = timeline.signers.iter().map(|signer| (signer.id.as_str(), signer.status)).collect();
        assert_eq!(signers, [("1", Some(Kind::Signed)), ("2", Some(Kind::Viewed))], "{order:?}");
        assert_eq!(timeline.document.archive, None, "the API wasn't queried");
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Signed), 3));
        stack.post_signeasy(&with("rs.declined", ["finalized", "declined", "not_viewed"])).await;
        let signers = stack.timeline(&document("373340")).await.signers;
        assert_eq!(signers.last().map(|signer| signer.status), Some(Some(Kind::Declined)));
    }
}

/// The body of a request's event in version 3.
pub fn request(event: &str, id: u64, recipient: u64) -> Value {
    changed("rs_initiated_v3", |body| {
        body["metadata"]["event_type"] = event.into();
        body["data"]["id"] = id.into();
        body["data"]["recipients"][0]["recipient_id"] = recipient.into();
        body["request_info"] = json!({"order": recipient});
        if event == "rs.viewed" {
            body["data"]["recipients"][0]["status"] = "viewed".into();
            body["data"]["recipients"][0]["last_modified_time"] = json!(1_753_375_750);
        }
    })
}

/// The completion of that request, with the id of its signed file.
pub fn completion(file: u64, recipient: u64) -> Value {
    changed("rs_completed_v3_file_id_only", |body| {
        body["data"]["id"] = file.into();
        body["data"]["signed_file_id"] = file.to_string().into();
        body["data"]["recipients"][0]["recipient_id"] = recipient.into();
        body["request_info"] = json!({"order": recipient});
    })
}
