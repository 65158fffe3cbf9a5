//! QuicklySign's webhook API, and that a new pack gets its webhook.

use countersign::{
    delivery::Route,
    ledger::KnownWebhook,
    provider::Provider,
    providers::quicklysign::{
        CallbackUrl,
        api::ApiError,
        subscribe::{SubscribeError, Subscriber},
        webhooks::{Logs, Webhook, Webhooks},
    },
    settings::{SecretSource, Settings},
    subject::SubjectId,
};
use countersign_cli::stack::{Options, Stack};
use end_to_end::World;
use quicklysign_subscribe::{Failure, Function, Order};
use serde_json::json;

fn key(text: &str) -> SubjectId {
    SubjectId::parse(text).expect("a key")
}

fn api(stack: &Stack) -> Webhooks {
    Webhooks::of(&stack.settings, &stack.aws)
}

fn keys(webhooks: &[Webhook]) -> Vec<&SubjectId> {
    webhooks.iter().map(|webhook| &webhook.key).collect()
}

/// The status and the code that the API answered with.
fn answered(error: ApiError) -> (u16, String) {
    match error {
        ApiError::Answered(answered) => (answered.status, answered.code.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

/// Settings with this environment over the stack's own.
async fn world_with(name: &'static str, value: &'static str) -> World {
    World::with(|options: &mut Options| drop(options.environment.insert(name.to_owned(), value.to_owned()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_made_listed_shown_and_ended() {
    let world = World::start().await;
    let api = api(&world.stack);
    let callback = CallbackUrl::parse("https://x.example/callbacks/quicklysign/the-path-token").unwrap();
    let one = api.create(&key("one"), &callback).await.unwrap();
    let again = api.create(&key("one"), &callback).await.unwrap();
    let two = api.create(&key("two"), &callback).await.unwrap();
    assert_ne!(one.key, again.key, "the API makes another one each time");
    assert_eq!(keys(&api.list(None).await.unwrap()), [&one.key, &again.key, &two.key]);
    assert_eq!(keys(&api.list(Some(&key("one"))).await.unwrap()), [&one.key, &again.key]);
    assert!(api.list(Some(&key("three"))).await.unwrap().is_empty());

    let shown = serde_json::to_value(api.get(&two.key).await.unwrap()).unwrap();
    assert_eq!((&shown["key"], &shown["entity_key"]), (&json!(two.key), &json!("two")));
    assert_eq!(shown["callback"], "https://x.example/callbacks/quicklysign/***");
    assert!(shown["date_created"].is_string());

    api.delete(&two.key).await.unwrap();
    assert_eq!(answered(api.delete(&two.key).await.unwrap_err()), (404, "not_found".to_owned()));
    assert_eq!(answered(api.get(&two.key).await.unwrap_err()), (404, "not_found".to_owned()));
    api.delete_of_entity(&key("one")).await.unwrap();
    assert_eq!(answered(api.delete_of_entity(&key("one")).await.unwrap_err()).0, 404);
    assert!(api.list(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_s_paths_are_singular_as_documented_and_plural_by_setting() {
    for (setting, path) in [("singular", "/quicklysign/v1/webhook"), ("plural", "/quicklysign/v1/webhooks")] {
        let world = world_with("QUICKLYSIGN_DELETE_PATHS", setting).await;
        let api = api(&world.stack);
        let callback = CallbackUrl::parse("https://x.example/t").unwrap();
        let webhook = api.create(&key("one"), &callback).await.unwrap();
        api.create(&key("one"), &callback).await.unwrap();
        api.delete(&webhook.key).await.unwrap();
        api.delete_of_entity(&key("one")).await.unwrap();
        let asked = world.stack.simulator.requests().into_iter().filter(|request| request.method == "DELETE");
        let paths: Vec<String> = asked.map(|request| request.path).collect();
        assert_eq!(paths, [format!("{path}/{}", webhook.key), path.to_owned()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_s_errors_are_told_as_code_and_message() {
    let world = World::start().await;
    let mut settings = world.stack.settings.clone();
    let wrong = r#"{"client_id": "local", "client_secret": "wrong-s3cret", "api_key": "k"}"#;
    settings.set_api(Provider::Quicklysign, SecretSource::Inline(wrong.into()));
    let error = Webhooks::of(&settings, &world.stack.aws).list(None).await.unwrap_err();
    let told = error.to_string();
    assert_eq!(told, "QuicklySign's API answered 401: unauthorised: client_id or client_secret is wrong");
    assert!(!format!("{error:?}").contains("wrong-s3cret"));

    settings.set_api(Provider::Quicklysign, SecretSource::Missing("QUICKLYSIGN_API".to_owned()));
    let error = Webhooks::of(&settings, &world.stack.aws).list(None).await.unwrap_err();
    assert_eq!(error.code(), "not_configured");

    let api = api(&world.stack);
    world.stack.simulator.fail_next(1, "/quicklysign/v1/webhooks", 502);
    let error = api.list(None).await.unwrap_err();
    assert_eq!((error.code().as_str(), answered(error)), ("api_http_502", (502, String::new())), "a proxy's page");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_logs_are_read_to_their_last_page() {
    let world = World::start().await;
    let api = api(&world.stack);
    let callback = CallbackUrl::parse("https://x.example/callbacks/quicklysign/the-path-token").unwrap();
    world.stack.simulator.webhooks_per_page(2);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(api.create(&key("pack"), &callback).await.unwrap().key);
    }
    api.create(&key("other"), &callback).await.unwrap();
    assert_eq!(keys(&api.list(Some(&key("pack"))).await.unwrap()), made.iter().collect::<Vec<_>>());
    assert_eq!(api.list(None).await.unwrap().len(), 6);
    world.stack.simulator.log_callback("pack", "final_document_generated", 200);
    world.stack.simulator.log_callback("pack", "entity_updated", 503);
    assert_eq!(api.callback_logs(&Logs::OfEntity(key("pack"))).await.unwrap().len(), 10);
    assert_eq!(api.callback_logs(&Logs::OfWebhook(made[0].clone())).await.unwrap().len(), 2);
    // The client's id and secret went with every page, each once.
    for request in world.stack.simulator.requests_to("/quicklysign/v1/webhooks") {
        if request.method == "GET" {
            for name in ["client_id", "client_secret"] {
                assert_eq!(request.query.iter().filter(|(field, _)| field == name).count(), 1, "{request:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_what_was_answered_and_never_the_path_token() {
    let world = World::start().await;
    let api = api(&world.stack);
    let callback = CallbackUrl::parse(&world.stack.callback_url(Route::Quicklysign).unwrap()).unwrap();
    let webhook = api.create(&key("pack"), &callback).await.unwrap();
    world.stack.simulator.log_callback("pack", "final_document_generated", 503);
    let [log] = &api.callback_logs(&Logs::All).await.unwrap()[..] else { panic!("one call") };
    assert_eq!((log.http_status, log.callback_event.as_str()), (Some(503), "final_document_generated"));
    assert_eq!(log.webhook_key.as_deref(), Some(webhook.key.as_str()));
    let token = world.stack.secrets.url_token(Provider::Quicklysign).unwrap();
    let all = format!("{log:?} {} {webhook:?} {}", json!(log), json!(webhook));
    assert!(log.log.starts_with("Unsuccessful call to url http://127.0.0.1:"), "{}", log.log);
    assert!(all.contains("/callbacks/quicklysign/***") && !all.contains(&token), "{all}");
}

async fn call(
    function: &Function,
    entity_key: &str,
) -> Result<countersign::providers::quicklysign::subscribe::Subscribed, Failure> {
    function.handle(Order { entity_key: entity_key.to_owned() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pack_gets_one_webhook_however_often_it_is_asked_for() {
    let world = World::start().await;
    let function = Function::start(Ok(world.stack.settings.clone()), &world.stack.aws);
    let first = call(&function, "pack").await.unwrap();
    assert_eq!((first.created, first.replaced), (true, 0));
    let again = call(&function, "pack").await.unwrap();
    assert_eq!((again.created, &again.webhook.key), (false, &first.webhook.key));
    call(&function, "other").await.unwrap();
    assert_eq!(api(&world.stack).list(None).await.unwrap().len(), 2);
    let known = world.ledger().webhook(Provider::Quicklysign, &first.webhook.key).await.unwrap();
    assert!(matches!(known, Some(KnownWebhook { entity, .. }) if entity.as_str() == "pack"));
    assert_eq!(world.ledger().webhook(Provider::Quicklysign, &key("nobody-s")).await.unwrap(), None);

    // What the API was told is where callbacks are taken.
    let [webhook] = &api(&world.stack).list(Some(&key("pack"))).await.unwrap()[..] else { panic!("one webhook") };
    let answer = json!({"webhook_key": webhook.key, "entity_key": "pack", "callback_event": "entity_updated"});
    let answer = world.post(Route::Quicklysign, "application/json", answer.to_string()).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(world.timeline(&end_to_end::pack("pack")).await.events[0].note, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_takes_the_place_of_the_old_one() {
    let world = World::start().await;
    let function = Function::start(Ok(world.stack.settings.clone()), &world.stack.aws);
    let before = call(&function, "pack").await.unwrap();
    let elsewhere = CallbackUrl::parse("https://x.example/callbacks/quicklysign/somebody-else").unwrap();
    let foreign = api(&world.stack).create(&key("pack"), &elsewhere).await.unwrap();
    call(&function, "other").await.unwrap();

    let mut settings = world.stack.settings.clone();
    let rotated = r#"{"url_tokens": ["a-new-path-token", "the-old-path-token"]}"#;
    settings.set_proof(Provider::Quicklysign, SecretSource::Inline(rotated.into()));
    let rotated = Function::start(Ok(settings), &world.stack.aws);
    let after = call(&rotated, "pack").await.unwrap();
    assert_eq!((after.created, after.replaced), (true, 1));
    let left = api(&world.stack).list(Some(&key("pack"))).await.unwrap();
    assert_eq!(keys(&left), [&foreign.key, &after.webhook.key], "another stack's stays, and so does another pack's");
    assert_eq!(api(&world.stack).list(Some(&key("other"))).await.unwrap().len(), 1);
    // Its last callbacks may be on their way.
    assert!(world.ledger().webhook(Provider::Quicklysign, &before.webhook.key).await.unwrap().is_some());
    assert_eq!(call(&rotated, "pack").await.unwrap().replaced, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_webhook_that_can_not_be_ended_is_no_failure() {
    let world = World::start().await;
    let function = Function::start(Ok(world.stack.settings.clone()), &world.stack.aws);
    call(&function, "pack").await.unwrap();
    let mut settings = world.stack.settings.clone();
    settings.set_proof(Provider::Quicklysign, SecretSource::Inline(r#"{"url_tokens": ["a-new-path-token"]}"#.into()));
    world.stack.simulator.fail_next(1, "/quicklysign/v1/webhook/", 500);
    let after = call(&Function::start(Ok(settings), &world.stack.aws), "pack").await.unwrap();
    assert_eq!((after.created, after.replaced), (true, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_to_a_question_does_not_mean_that_there_is_nothing() {
    let world = World::start().await;
    let function = Function::start(Ok(world.stack.settings.clone()), &world.stack.aws);
    world.stack.simulator.fail_next(2, "/quicklysign/v1/webhooks", 204);
    assert_eq!(api(&world.stack).list(None).await.unwrap_err(), ApiError::NotAnEnvelope);
    assert_eq!(call(&function, "pack").await.unwrap_err().code(), "api_not_json");
    assert!(api(&world.stack).list(None).await.unwrap().is_empty(), "no webhook was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_and_nothing_is_made() {
    let world = World::start().await;
    let code = async |settings: Settings, pack: &str| {
        let function = Function::start(Ok(settings), &world.stack.aws);
        call(&function, pack).await.unwrap_err().code()
    };
    let settings = || world.stack.settings.clone();
    assert_eq!(code(settings(), "no key").await, "invalid_entity_key");
    let mut no_url = settings();
    no_url.quicklysign.callback_url = None;
    assert_eq!(code(no_url, "pack").await, "not_configured");
    let mut short = settings();
    short.set_proof(Provider::Quicklysign, SecretSource::Inline(r#"{"url_tokens": ["short"]}"#.into()));
    assert_eq!(code(short, "pack").await, "not_configured");
    let mut no_api = settings();
    no_api.set_api(Provider::Quicklysign, SecretSource::Inline("{}".into()));
    assert_eq!(code(no_api, "pack").await, "not_configured");
    let problems = Settings::read(|_| None).err().unwrap();
    let function = Function::start(Err(problems), &world.stack.aws);
    assert_eq!(call(&function, "pack").await.unwrap_err().code(), "not_configured");
    assert!(api(&world.stack).list(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_could_not_be_remembered_is_found_again() {
    let world = World::start().await;
    let mut settings = world.stack.settings.clone();
    settings.table = "no-such-table".to_owned();
    let subscriber = Subscriber::new(&settings, &world.stack.aws);
    let callback = subscriber.callback().await.unwrap();
    let error = subscriber.subscribe(&key("pack"), &callback).await.unwrap_err();
    assert!(matches!(&error, SubscribeError::Ledger(_)), "{error:?}");
    let [made] = &api(&world.stack).list(None).await.unwrap()[..] else { panic!("it was made") };
    let again = Subscriber::new(&world.stack.settings, &world.stack.aws).subscribe(&key("pack"), &callback).await;
    assert_eq!(again.map(|again| (again.created, again.webhook.key)).unwrap(), (false, made.key.clone()));
    assert!(world.ledger().webhook(Provider::Quicklysign, &made.key).await.unwrap().is_some());
}
