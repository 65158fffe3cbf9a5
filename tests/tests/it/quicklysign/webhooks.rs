//! QuicklySign's webhook API, and subscribing to packs.

use countersign::{
    domain::{KnownWebhook, Provider, Route, SubjectId},
    ledger::Ledger,
    providers::quicklysign::{
        CallbackUrl,
        api::ApiError,
        subscribe::{SubscribeError, Subscriber},
        webhooks::{Logs, Webhook, Webhooks},
    },
    settings::{SecretSource, Settings},
};
use countersign_cli::stack::Stack;
use end_to_end::{LocalStack, Stored, pack};
use futures::future::join_all;
use quicklysign_subscribe::{Failure, Function, Input};
use serde_json::json;

fn key(text: &str) -> SubjectId {
    SubjectId::parse(text).expect("a key")
}

fn api(stack: &Stack) -> Webhooks {
    Webhooks::new(&stack.settings, &stack.aws)
}

fn keys(webhooks: &[Webhook]) -> Vec<&SubjectId> {
    webhooks.iter().map(|webhook| &webhook.key).collect()
}

/// Status and code of the API's response.
fn status_and_code(error: ApiError) -> (u16, String) {
    match error {
        ApiError::Response(answered) => (answered.status, answered.code.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_created_listed_shown_and_deleted() {
    let stack = LocalStack::start().await;
    let api = api(&stack);
    let callback = CallbackUrl::parse("https://x.example/callbacks/quicklysign/the-path-token").unwrap();
    let one = api.create(&key("one"), &callback).await.unwrap();
    let again = api.create(&key("one"), &callback).await.unwrap();
    let two = api.create(&key("two"), &callback).await.unwrap();
    assert_ne!(one.key, again.key, "the API creates another one each time");
    assert_eq!(keys(&api.list(None).await.unwrap()), [&one.key, &again.key, &two.key]);
    assert_eq!(keys(&api.list(Some(&key("one"))).await.unwrap()), [&one.key, &again.key]);
    assert!(api.list(Some(&key("three"))).await.unwrap().is_empty());

    let shown = serde_json::to_value(api.get(&two.key).await.unwrap()).unwrap();
    assert_eq!((&shown["key"], &shown["entity_key"]), (&json!(two.key), &json!("two")));
    assert_eq!(shown["callback"], "https://x.example/callbacks/quicklysign/***");
    assert!(shown["date_created"].is_string());

    api.delete(&two.key).await.unwrap();
    assert_eq!(status_and_code(api.delete(&two.key).await.unwrap_err()), (404, "not_found".to_owned()));
    assert_eq!(status_and_code(api.get(&two.key).await.unwrap_err()), (404, "not_found".to_owned()));
    api.delete_of_entity(&key("one")).await.unwrap();
    assert_eq!(status_and_code(api.delete_of_entity(&key("one")).await.unwrap_err()).0, 404);
    assert!(api.list(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_paths_are_singular_by_default_and_plural_by_setting() {
    for (setting, path) in [("singular", "/quicklysign/v1/webhook"), ("plural", "/quicklysign/v1/webhooks")] {
        let stack = LocalStack::start_with_environment(&[("QUICKLYSIGN_DELETE_PATHS", setting)]).await;
        let api = api(&stack);
        let callback = CallbackUrl::parse("https://x.example/t").unwrap();
        let webhook = api.create(&key("one"), &callback).await.unwrap();
        api.create(&key("one"), &callback).await.unwrap();
        api.delete(&webhook.key).await.unwrap();
        api.delete_of_entity(&key("one")).await.unwrap();
        let deletions = stack.simulator.requests().into_iter().filter(|request| request.method == "DELETE");
        let paths: Vec<String> = deletions.map(|request| request.path).collect();
        assert_eq!(paths, [format!("{path}/{}", webhook.key), path.to_owned()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_errors_have_code_and_message_of_the_envelope() {
    let stack = LocalStack::start().await;
    let mut settings = stack.settings.clone();
    let wrong = r#"{"client_id": "local", "client_secret": "wrong-s3cret", "api_key": "k"}"#;
    settings.set_api(Provider::Quicklysign, SecretSource::Inline(wrong.into()));
    let error = Webhooks::new(&settings, &stack.aws).list(None).await.unwrap_err();
    let message = error.to_string();
    assert_eq!(message, "QuicklySign's API answered 401: unauthorised: client_id or client_secret is wrong");
    assert!(!format!("{error:?}").contains("wrong-s3cret"));

    settings.set_api(Provider::Quicklysign, SecretSource::Missing("QUICKLYSIGN_API".to_owned()));
    let error = Webhooks::new(&settings, &stack.aws).list(None).await.unwrap_err();
    assert_eq!(error.code(), "not_configured");

    let api = api(&stack);
    stack.simulator.fail_next(1, "/quicklysign/v1/webhooks", 502);
    let error = api.list(None).await.unwrap_err();
    assert_eq!(
        (error.code().as_str(), status_and_code(error)),
        ("api_http_502", (502, String::new())),
        "a proxy's error page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_logs_are_read_to_the_last_page() {
    let stack = LocalStack::start().await;
    let api = api(&stack);
    let callback = CallbackUrl::parse("https://x.example/callbacks/quicklysign/the-path-token").unwrap();
    stack.simulator.webhooks_per_page(2);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(api.create(&key("pack"), &callback).await.unwrap().key);
    }
    api.create(&key("other"), &callback).await.unwrap();
    assert_eq!(keys(&api.list(Some(&key("pack"))).await.unwrap()), made.iter().collect::<Vec<_>>());
    assert_eq!(api.list(None).await.unwrap().len(), 6);
    stack.simulator.log_callback("pack", "final_document_generated", 200);
    stack.simulator.log_callback("pack", "entity_updated", 503);
    assert_eq!(api.callback_logs(&Logs::OfEntity(key("pack"))).await.unwrap().len(), 10);
    assert_eq!(api.callback_logs(&Logs::OfWebhook(made[0].clone())).await.unwrap().len(), 2);
    // Every page is requested with the client's id and secret, each once.
    for request in stack.simulator.requests_to("/quicklysign/v1/webhooks") {
        if request.method == "GET" {
            for name in ["client_id", "client_secret"] {
                assert_eq!(request.query.iter().filter(|(field, _)| field == name).count(), 1, "{request:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_logs_show_the_answer_and_never_the_path_token() {
    let stack = LocalStack::start().await;
    let api = api(&stack);
    let callback = CallbackUrl::parse(&stack.callback_url(Route::Quicklysign).unwrap()).unwrap();
    let webhook = api.create(&key("pack"), &callback).await.unwrap();
    stack.simulator.log_callback("pack", "final_document_generated", 503);
    let [log] = &api.callback_logs(&Logs::All).await.unwrap()[..] else { panic!("one logged call") };
    assert_eq!((log.http_status, log.callback_event.as_str()), (Some(503), "final_document_generated"));
    assert_eq!(log.webhook_key.as_deref(), Some(webhook.key.as_str()));
    let token = stack.secrets.url_token(Provider::Quicklysign).unwrap();
    let all = format!("{log:?} {} {webhook:?} {}", json!(log), json!(webhook));
    assert!(log.log.starts_with("Unsuccessful call to url http://127.0.0.1:"), "{}", log.log);
    assert!(all.contains("/callbacks/quicklysign/***") && !all.contains(&token), "{all}");
}

async fn call(
    function: &Function,
    entity_key: &str,
) -> Result<countersign::providers::quicklysign::subscribe::Subscribed, Failure> {
    function.handle(Input { entity_key: entity_key.to_owned() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_repeatedly_creates_one_webhook() {
    let stack = LocalStack::start().await;
    let function = Function::start(Ok(stack.settings.clone()), &stack.aws);
    let first = call(&function, "pack").await.unwrap();
    assert_eq!((first.created, first.replaced), (true, 0));
    let again = call(&function, "pack").await.unwrap();
    assert_eq!((again.created, &again.webhook.key), (false, &first.webhook.key));
    call(&function, "other").await.unwrap();
    assert_eq!(api(&stack).list(None).await.unwrap().len(), 2);
    let known = stack.ledger().webhook(Provider::Quicklysign, &first.webhook.key).await.unwrap();
    assert!(matches!(known, Some(KnownWebhook { entity, .. }) if entity.as_str() == "pack"));
    assert_eq!(stack.ledger().webhook(Provider::Quicklysign, &key("unknown")).await.unwrap(), None);

    // Callbacks of the created webhook are accepted as known.
    let [webhook] = &api(&stack).list(Some(&key("pack"))).await.unwrap()[..] else { panic!("one webhook") };
    let body = json!({"webhook_key": webhook.key, "entity_key": "pack", "callback_event": "entity_updated"});
    let answer = stack.post(Route::Quicklysign, "application/json", body.to_string()).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.timeline(&pack("pack")).await.events[0].note, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_concurrently_leaves_one_webhook() {
    let stack = LocalStack::start().await;
    let function = Function::start(Ok(stack.settings.clone()), &stack.aws);
    let foreign = api(&stack).create(&key("other"), &CallbackUrl::parse("https://x.example/t").unwrap()).await.unwrap();
    for subscribed in join_all((0..8).map(|_| call(&function, "pack"))).await {
        subscribed.unwrap();
    }
    let left = api(&stack).list(Some(&key("pack"))).await.unwrap();
    let [webhook] = left.as_slice() else { panic!("{left:?}") };
    assert!(stack.ledger().webhook(Provider::Quicklysign, &webhook.key).await.unwrap().is_some());
    assert_eq!(keys(&api(&stack).list(Some(&key("other"))).await.unwrap()), [&foreign.key]);
    let again = call(&function, "pack").await.unwrap();
    assert_eq!((again.created, &again.webhook.key), (false, &webhook.key));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_token_rotation_a_new_webhook_replaces_the_old_one() {
    let stack = LocalStack::start().await;
    let function = Function::start(Ok(stack.settings.clone()), &stack.aws);
    let before = call(&function, "pack").await.unwrap();
    let other_url = CallbackUrl::parse("https://x.example/callbacks/quicklysign/another-token").unwrap();
    let foreign = api(&stack).create(&key("pack"), &other_url).await.unwrap();
    call(&function, "other").await.unwrap();

    let mut settings = stack.settings.clone();
    let rotated = r#"{"url_tokens": ["a-new-path-token", "the-old-path-token"]}"#;
    settings.set_proof(Provider::Quicklysign, SecretSource::Inline(rotated.into()));
    let rotated = Function::start(Ok(settings), &stack.aws);
    let after = call(&rotated, "pack").await.unwrap();
    assert_eq!((after.created, after.replaced), (true, 1));
    let left = api(&stack).list(Some(&key("pack"))).await.unwrap();
    assert_eq!(keys(&left), [&foreign.key, &after.webhook.key], "webhooks of other stacks and packs stay");
    assert_eq!(api(&stack).list(Some(&key("other"))).await.unwrap().len(), 1);
    // The old webhook is still known: its last callbacks may still arrive.
    assert!(stack.ledger().webhook(Provider::Quicklysign, &before.webhook.key).await.unwrap().is_some());
    assert_eq!(call(&rotated, "pack").await.unwrap().replaced, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_to_delete_an_old_webhook_is_not_a_failure() {
    let stack = LocalStack::start().await;
    let function = Function::start(Ok(stack.settings.clone()), &stack.aws);
    call(&function, "pack").await.unwrap();
    let mut settings = stack.settings.clone();
    settings.set_proof(Provider::Quicklysign, SecretSource::Inline(r#"{"url_tokens": ["a-new-path-token"]}"#.into()));
    stack.simulator.fail_next(1, "/quicklysign/v1/webhook/", 500);
    let after = call(&Function::start(Ok(settings), &stack.aws), "pack").await.unwrap();
    assert_eq!((after.created, after.replaced), (true, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_api_response_is_not_an_empty_list() {
    let stack = LocalStack::start().await;
    let function = Function::start(Ok(stack.settings.clone()), &stack.aws);
    stack.simulator.fail_next(2, "/quicklysign/v1/webhooks", 204);
    assert_eq!(api(&stack).list(None).await.unwrap_err(), ApiError::NotAnEnvelope);
    assert_eq!(call(&function, "pack").await.unwrap_err().code(), "api_not_json");
    assert!(api(&stack).list(None).await.unwrap().is_empty(), "no webhook was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_with_an_invalid_key_or_configuration_creates_no_webhook() {
    let stack = LocalStack::start().await;
    let code = async |settings: Settings, pack: &str| {
        let function = Function::start(Ok(settings), &stack.aws);
        call(&function, pack).await.unwrap_err().code()
    };
    let settings = || stack.settings.clone();
    assert_eq!(code(settings(), "no key").await, "invalid_entity_key");
    let mut no_url = settings();
    no_url.set_option(Provider::Quicklysign, "QUICKLYSIGN_CALLBACK_URL", None);
    assert_eq!(code(no_url, "pack").await, "not_configured");
    let mut short = settings();
    short.set_proof(Provider::Quicklysign, SecretSource::Inline(r#"{"url_tokens": ["short"]}"#.into()));
    assert_eq!(code(short, "pack").await, "not_configured");
    let mut no_api = settings();
    no_api.set_api(Provider::Quicklysign, SecretSource::Inline("{}".into()));
    assert_eq!(code(no_api, "pack").await, "not_configured");
    let problems = countersign::providers::settings(|_| None).err().unwrap();
    let function = Function::start(Err(problems), &stack.aws);
    assert_eq!(call(&function, "pack").await.unwrap_err().code(), "not_configured");
    assert!(api(&stack).list(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_could_not_be_stored_is_reused_by_the_next_subscription() {
    let stack = LocalStack::start().await;
    let mut settings = stack.settings.clone();
    settings.table = "no-such-table".to_owned();
    let unwritable = Ledger::new(&stack.aws, settings.storage());
    let subscriber = Subscriber::new(&settings, &stack.aws);
    let callback = subscriber.callback().await.unwrap();
    let error = subscriber.subscribe(&key("pack"), &callback, &unwritable).await.unwrap_err();
    assert!(matches!(&error, SubscribeError::Ledger(_)), "{error:?}");
    let [created] = &api(&stack).list(None).await.unwrap()[..] else { panic!("a webhook was created") };
    let again = Subscriber::new(&stack.settings, &stack.aws).subscribe(&key("pack"), &callback, &stack.ledger()).await;
    assert_eq!(again.map(|again| (again.created, again.webhook.key)).unwrap(), (false, created.key.clone()));
    assert!(stack.ledger().webhook(Provider::Quicklysign, &created.key).await.unwrap().is_some());
}
