//! Random requests to a function called directly: no panic, no 5xx, and nothing unproven is recorded.

use std::sync::LazyLock;

use countersign::domain::Route;
use end_to_end::{
    DirectFunctions, Stored,
    harness::{PATH_TOKEN, requests::gateway_request},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

use super::call;

const CASES: u32 = 96;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
}

type Headers = Vec<(String, String)>;

/// Random bytes, JSON with random fields, and a documented callback with some bytes changed.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let documented = include_bytes!("../../../../events/quicklysign-callback/document_updated.json");
    let documented: serde_json::Value = serde_json::from_slice(documented).unwrap();
    let documented = documented["body"].as_str().unwrap().as_bytes().to_vec();
    let length = documented.len();
    let changed = vec((0..length, any::<u8>()), 1..4).prop_map(move |changes| {
        let mut body = documented.clone();
        changes.into_iter().for_each(|(position, byte)| body[position] = byte);
        body
    });
    let (key, event) = (prop_oneof!["[a-zA-Z0-9_-]{1,40}", ".*"], prop_oneof!["[a-z_]{1,40}", ".*"]);
    let json = (key, event, ".*").prop_map(|(key, event, more)| {
        let body = serde_json::json!({"entity_key": key, "callback_event": event, (more.as_str()): more});
        body.to_string().into_bytes()
    });
    prop_oneof![vec(any::<u8>(), 0..3000), json, changed]
}

/// Random headers, including those that have a meaning.
fn headers() -> impl Strategy<Value = Headers> {
    let known =
        prop_oneof![Just("content-type"), Just("x-signed"), Just("cookie"), Just("content-length"), Just("expect")];
    let name = prop_oneof![known.prop_map(str::to_owned), "[a-z][a-z0-9-]{0,30}"];
    let value = prop_oneof!["[ -~]{0,100}", "[a-z]{1,10}/[a-z]{1,10}; (charset|boundary)=[ -~]{0,20}", "[ -~]{5000}"];
    // API Gateway sets these itself: they are never the sender's.
    vec(
        (name.prop_filter("set by the gateway", |name| name != "host" && !name.starts_with("x-forwarded")), value),
        0..6,
    )
}

fn borrowed(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn random_requests_with_the_right_token_are_recorded_or_set_aside_unchanged() {
    let functions = RUNTIME.block_on(DirectFunctions::start());
    let function = RUNTIME.block_on(functions.quicklysign_callback());
    let ledger = functions.ledger();
    let cases = (bodies(), headers());
    let run = runner().run(&cases, |(body, headers)| {
        RUNTIME.block_on(async {
            let request = gateway_request(Route::Quicklysign, PATH_TOKEN, None, &borrowed(&headers), &body);
            let answer = call(&function, request).await;
            prop_assert_eq!(answer.status, 200);
            let outcome = answer.body["outcome"].as_str().unwrap();
            prop_assert!(["recorded", "set_aside"].contains(&outcome), "{}", outcome);
            let stored = ledger.delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
            prop_assert_eq!(stored.delivery.body(), &body);
            prop_assert_eq!(stored.record.outcome.as_str(), outcome);
            Ok(())
        })
    });
    run.unwrap();
    // Everything recorded can be listed and read.
    RUNTIME.block_on(async {
        let documents = ledger.documents(None, None, None, 1000).await.unwrap().documents;
        let events: usize = documents.iter().map(|document| document.events).sum();
        let recorded = functions.items().await.iter().filter(|item| item.text("outcome") == Some("recorded")).count();
        assert_eq!(events, recorded);
    });
}

#[test]
fn random_requests_with_a_wrong_token_are_rejected_and_nothing_is_stored() {
    let functions = RUNTIME.block_on(DirectFunctions::start());
    let function = RUNTIME.block_on(functions.quicklysign_callback());
    let token =
        "([a-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}){1,60}".prop_filter("the right token", |token| token != PATH_TOKEN);
    let run = runner().run(&(token, bodies(), headers()), |(token, body, headers)| {
        RUNTIME.block_on(async {
            let request = gateway_request(Route::Quicklysign, &token, None, &borrowed(&headers), &body);
            let answer = call(&function, request).await;
            prop_assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
            prop_assert_eq!(answer.body, super::answer_without_delivery("rejected", "unproven"));
            Ok(())
        })
    });
    run.unwrap();
    RUNTIME.block_on(super::assert_nothing_is_stored(&functions));
}
