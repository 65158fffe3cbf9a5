//! Callbacks under webhooks that are known here, and under others.

use countersign::{
    delivery::{DeliveryId, Route},
    intake,
    ledger::Outcome,
    provider::Provider,
    subject::SubjectId,
};
use end_to_end::{Answer, World, pack};
use serde_json::json;

const UNKNOWN: Option<&str> = Some("unknown_subscription");

async fn world_with(settings: &[(&str, &str)]) -> World {
    World::with(|options| {
        options.environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    })
    .await
}

async fn remember(world: &World, key: &str, entity: &str) {
    let [key, entity] = [key, entity].map(|text| SubjectId::parse(text).unwrap());
    let now = countersign::time::now();
    world.ledger().remember_webhook(Provider::Quicklysign, &key, &entity, now).await.unwrap();
}

/// Posts a callback under a webhook; `key` is the field's name and its value.
async fn post(world: &World, entity: &str, key: (&str, serde_json::Value)) -> Answer {
    let mut body = json!({"entity_type": "Document", "entity_key": entity, "callback_event": "entity_updated"});
    body[key.0] = key.1;
    world.post(Route::Quicklysign, "application/json", body.to_string()).await
}

async fn notes(world: &World, entity: &str) -> Vec<Option<String>> {
    world.timeline(&pack(entity)).await.events.into_iter().map(|event| event.note).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_webhook_says_so_on_its_event() {
    let world = World::start().await;
    remember(&world, "ours", "pack").await;
    for (entity, key, note) in [
        ("pack", ("webhook_key", json!("ours")), None),
        ("pack", ("subscription_key", json!("ours")), None),
        ("pack", ("webhook_key", json!("somebody-s")), UNKNOWN),
        ("pack", ("subscription_key", json!("not a key")), UNKNOWN),
        ("pack", ("webhook_key", json!(null)), UNKNOWN),
        ("pack", ("webhook_key", json!({"ours": true})), UNKNOWN),
        ("pack", ("another_field", json!("ours")), UNKNOWN),
        ("child", ("webhook_key", json!("ours")), Some("subscription_of_another_entity")),
    ] {
        let before = world.ledger().timeline(&pack(entity)).await.unwrap().map_or(0, |known| known.events.len());
        let answer = post(&world, entity, key.clone()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{key:?}");
        let events = world.timeline(&pack(entity)).await.events;
        let event = events.iter().find(|event| event.delivery.as_deref() == Some(answer.delivery())).unwrap();
        assert_eq!((event.note.as_deref(), events.len()), (note, before + 1), "{key:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_webhook_is_set_aside_where_the_setting_is_strict() {
    let world = world_with(&[("QUICKLYSIGN_SUBSCRIPTIONS", "strict")]).await;
    remember(&world, "ours", "pack").await;
    let answer = post(&world, "pack", ("webhook_key", json!("somebody-s"))).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    assert!(world.timeline(&pack("pack")).await.events.is_empty(), "nothing is believed of it");
    let stored = world.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.record.reason, "unknown_subscription at webhook_key");

    assert_eq!(post(&world, "pack", ("webhook_key", json!("ours"))).await.verdict(), (200, "recorded", "ok"));
    let child = post(&world, "child", ("subscription_key", json!("ours"))).await;
    assert_eq!(child.verdict(), (200, "recorded", "ok"), "a pack's webhook may tell of its documents");
    assert_eq!(notes(&world, "child").await, [Some("subscription_of_another_entity".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_recorded_by_a_replay_once_the_webhook_is_known() {
    let world = world_with(&[("QUICKLYSIGN_SUBSCRIPTIONS", "strict")]).await;
    let id: DeliveryId = post(&world, "pack", ("webhook_key", json!("late"))).await.delivery().parse().unwrap();
    let replay = async || {
        let stored = world.ledger().delivery(&id).await.unwrap().unwrap();
        intake::record(&world.ledger(), &stored.delivery).await.unwrap();
        world.ledger().delivery(&id).await.unwrap().unwrap().record.outcome
    };
    assert_eq!(replay().await, Outcome::SetAside, "nothing has changed");
    remember(&world, "late", "pack").await;
    assert_eq!(replay().await, Outcome::Recorded);
    assert_eq!(replay().await, Outcome::Recorded, "a replay adds nothing");
    assert_eq!(notes(&world, "pack").await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_judges_as_it_was_judged_when_it_came_in() {
    let world = World::start().await;
    let id: DeliveryId = post(&world, "pack", ("webhook_key", json!("unknown"))).await.delivery().parse().unwrap();
    // Stricter by now; what was taken in before stays.
    let settings = |options: &mut countersign_cli::stack::Options| {
        options.environment.insert("QUICKLYSIGN_SUBSCRIPTIONS".to_owned(), "strict".to_owned());
    };
    let world = world.restart(settings).await;
    let stored = world.ledger().delivery(&id).await.unwrap().unwrap();
    intake::record(&world.ledger(), &stored.delivery).await.unwrap();
    let outcome = world.ledger().delivery(&id).await.unwrap().unwrap().record.outcome;
    assert_eq!(outcome, Outcome::Recorded);
    remember(&world, "unknown", "pack").await;
    intake::record(&world.ledger(), &stored.delivery).await.unwrap();
    assert_eq!(notes(&world, "pack").await, [UNKNOWN.map(str::to_owned)], "what was noted then stays noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_the_settings_list_are_known() {
    for strictness in ["note", "strict"] {
        let listed = ("QUICKLYSIGN_WEBHOOK_KEYS", "made-by-hand, another");
        let world = world_with(&[("QUICKLYSIGN_SUBSCRIPTIONS", strictness), listed]).await;
        for field in ["webhook_key", "subscription_key"] {
            let answer = post(&world, "any-pack", (field, json!("made-by-hand"))).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        }
        assert_eq!(notes(&world, "any-pack").await, [None, None]);
        let other = post(&world, "any-pack", ("webhook_key", json!("made-by-han"))).await;
        let expected = if strictness == "strict" { "set_aside" } else { "recorded" };
        assert_eq!(other.verdict().1, expected);
    }
}
