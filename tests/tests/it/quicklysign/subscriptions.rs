//! Callbacks of known and unknown webhooks.

use countersign::{
    domain::{DeliveryId, Outcome, Route, SubjectId},
    intake,
};
use end_to_end::harness::deliveries;
use end_to_end::{Answer, LocalStack, Stored, pack};
use serde_json::json;

const UNKNOWN: Option<&str> = Some("unknown_subscription");

async fn store_webhook(stack: &LocalStack, key: &str, entity: &str) {
    let [key, entity] = [key, entity].map(|text| SubjectId::parse(text).unwrap());
    let now = countersign::time::now();
    stack.ledger().remember_webhook(&pack(entity.as_str()), &key, now).await.unwrap();
}

/// Posts a callback of a webhook; `key` is the name and value of the field.
async fn post(stack: &LocalStack, entity: &str, key: (&str, serde_json::Value)) -> Answer {
    let mut body = json!({"entity_type": "Document", "entity_key": entity, "callback_event": "entity_updated"});
    body[key.0] = key.1;
    stack.post(Route::Quicklysign, "application/json", body.to_string()).await
}

async fn notes(stack: &LocalStack, entity: &str) -> Vec<Option<String>> {
    stack.timeline(&pack(entity)).await.events.into_iter().map(|event| event.note).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_unknown_webhooks_are_recorded_with_a_note() {
    let stack = LocalStack::start().await;
    store_webhook(&stack, "ours", "pack").await;
    for (entity, key, note) in [
        ("pack", ("webhook_key", json!("ours")), None),
        ("pack", ("subscription_key", json!("ours")), None),
        ("pack", ("webhook_key", json!("unknown")), UNKNOWN),
        ("pack", ("subscription_key", json!("not a key")), UNKNOWN),
        ("pack", ("webhook_key", json!(null)), UNKNOWN),
        ("pack", ("webhook_key", json!({"ours": true})), UNKNOWN),
        ("pack", ("another_field", json!("ours")), UNKNOWN),
        ("child", ("webhook_key", json!("ours")), Some("subscription_of_another_entity")),
    ] {
        let before = stack.ledger().timeline(&pack(entity)).await.unwrap().map_or(0, |known| known.events.len());
        let answer = post(&stack, entity, key.clone()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{key:?}");
        let events = stack.timeline(&pack(entity)).await.events;
        let event = events.iter().find(|event| event.delivery.as_deref() == Some(answer.delivery())).unwrap();
        assert_eq!((event.note.as_deref(), events.len()), (note, before + 1), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_unknown_webhooks_are_set_aside_in_strict_mode() {
    let stack = LocalStack::start_with_environment(&[("QUICKLYSIGN_SUBSCRIPTIONS", "strict")]).await;
    store_webhook(&stack, "ours", "pack").await;
    let answer = post(&stack, "pack", ("webhook_key", json!("unknown"))).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    assert!(stack.timeline(&pack("pack")).await.events.is_empty(), "nothing is recorded");
    let stored = stack.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.record.reason, "unknown_subscription at webhook_key");

    assert_eq!(post(&stack, "pack", ("webhook_key", json!("ours"))).await.verdict(), (200, "recorded", "ok"));
    let child = post(&stack, "child", ("subscription_key", json!("ours"))).await;
    assert_eq!(child.verdict(), (200, "recorded", "ok"), "a pack's webhook may report its documents");
    assert_eq!(notes(&stack, "child").await, [Some("subscription_of_another_entity".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_aside_callback_is_recorded_by_a_replay_once_its_webhook_is_known() {
    let stack = LocalStack::start_with_environment(&[("QUICKLYSIGN_SUBSCRIPTIONS", "strict")]).await;
    let id: DeliveryId = post(&stack, "pack", ("webhook_key", json!("late"))).await.delivery().parse().unwrap();
    let replay = async || {
        let stored = stack.ledger().delivery(&id).await.unwrap().unwrap();
        intake::record(&stack.ledger(), &deliveries::services(), &stored.delivery).await.unwrap();
        stack.ledger().delivery(&id).await.unwrap().unwrap().record.outcome
    };
    assert_eq!(replay().await, Outcome::SetAside, "the webhook is still unknown");
    store_webhook(&stack, "late", "pack").await;
    assert_eq!(replay().await, Outcome::Recorded);
    assert_eq!(replay().await, Outcome::Recorded, "a replay adds nothing");
    assert_eq!(notes(&stack, "pack").await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_applies_the_strictness_at_the_time_of_receipt() {
    let stack = LocalStack::start().await;
    let id: DeliveryId = post(&stack, "pack", ("webhook_key", json!("unknown"))).await.delivery().parse().unwrap();
    // The setting is stricter now, but doesn't apply to stored deliveries.
    let settings = |options: &mut countersign_cli::stack::Options| {
        options.environment.insert("QUICKLYSIGN_SUBSCRIPTIONS".to_owned(), "strict".to_owned());
    };
    let stack = stack.restart(settings).await;
    let stored = stack.ledger().delivery(&id).await.unwrap().unwrap();
    intake::record(&stack.ledger(), &deliveries::services(), &stored.delivery).await.unwrap();
    let outcome = stack.ledger().delivery(&id).await.unwrap().unwrap().record.outcome;
    assert_eq!(outcome, Outcome::Recorded);
    store_webhook(&stack, "unknown", "pack").await;
    intake::record(&stack.ledger(), &deliveries::services(), &stored.delivery).await.unwrap();
    assert_eq!(notes(&stack, "pack").await, [UNKNOWN.map(str::to_owned)], "the note stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_listed_in_the_settings_are_known() {
    for strictness in ["note", "strict"] {
        let listed = ("QUICKLYSIGN_WEBHOOK_KEYS", "made-by-hand, another");
        let stack = LocalStack::start_with_environment(&[("QUICKLYSIGN_SUBSCRIPTIONS", strictness), listed]).await;
        for field in ["webhook_key", "subscription_key"] {
            let answer = post(&stack, "any-pack", (field, json!("made-by-hand"))).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        }
        assert_eq!(notes(&stack, "any-pack").await, [None, None]);
        let other = post(&stack, "any-pack", ("webhook_key", json!("made-by-han"))).await;
        let expected = if strictness == "strict" { "set_aside" } else { "recorded" };
        assert_eq!(other.verdict().1, expected);
    }
}
