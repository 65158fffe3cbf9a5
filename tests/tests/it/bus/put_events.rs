use aws_sdk_eventbridge::{error::ProvideErrorMetadata, primitives::DateTime};
use countersign::{domain::Provider, publish::DetailType};
use countersign_cli::bus::Filter;
use end_to_end::LocalStack;
use serde_json::json;

use super::{client, detail, entry, ids, put};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_stored_in_order_and_survive_a_restart() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    let entries =
        (0..10).map(|number| entry("document.signed", &detail(&format!("e{number}"), "signeasy").to_string()));
    let response = client.put_events().set_entries(Some(entries.collect())).send().await.expect("a response");
    assert_eq!(response.failed_entry_count(), 0);
    assert!(response.entries().iter().all(|entry| entry.event_id().is_some()), "{response:?}");
    put(&client, "e10").await;
    let expected: Vec<String> = (0..11).map(|number| format!("e{number}")).collect();
    assert_eq!(ids(&stack).await, expected);
    let stack = stack.restart(|_| {}).await;
    assert_eq!(ids(&stack).await, expected);
    put(&super::client(&stack).await, "e11").await;
    assert_eq!(ids(&stack).await.last().map(String::as_str), Some("e11"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_keeps_its_content_and_its_time_in_seconds() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    let content = json!({"id": "e", "provider": "legalesign", "text": "Zoë \u{1f58b} \"quoted\"\n", "null": null});
    let timed = entry("document.completed", &content.to_string());
    let mut timed = timed;
    timed.time = Some(DateTime::from_millis(1_764_129_600_987));
    client.put_events().entries(timed).send().await.expect("a response");
    let page = stack.bus.page(Filter::default(), None, 10).await.expect("a page");
    let expected = json!({
        "events": [{
            "source": "countersign",
            "detail-type": "document.completed",
            "time": "2025-11-26T04:00:00Z",
            "detail": content,
        }],
        "next": null,
    });
    assert_eq!(serde_json::to_value(&page).expect("JSON"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_entries_are_accepted_although_some_fail() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    let good = |id: &str| entry("document.signed", &detail(id, "signeasy").to_string());
    let mut elsewhere = good("elsewhere");
    elsewhere.event_bus_name = Some("default".to_owned());
    let mut of_aws = good("of-aws");
    of_aws.source = Some("aws.s3".to_owned());
    let mut without_type = good("without-type");
    without_type.detail_type = None;
    let mut by_arn = good("by-arn");
    by_arn.event_bus_name = Some("arn:aws:events:eu-west-1:000000000000:event-bus/countersign".to_owned());
    let bad = [entry("t", "{"), entry("t", "[]"), entry("t", ""), elsewhere, of_aws, without_type];
    let entries = [vec![good("first")], bad.to_vec(), vec![by_arn]].concat();
    let response = client.put_events().set_entries(Some(entries)).send().await.expect("a response");
    assert_eq!(response.failed_entry_count(), 6);
    let codes: Vec<Option<&str>> = response.entries().iter().map(|entry| entry.error_code()).collect();
    let (malformed, invalid) = (Some("MalformedDetail"), Some("InvalidArgument"));
    let reserved = Some("NotAuthorizedForSourceException");
    assert_eq!(codes, [None, malformed, malformed, invalid, invalid, reserved, invalid, None]);
    assert_eq!(ids(&stack).await, ["first", "by-arn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_a_limit_is_rejected_as_a_whole() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    let eleven = (0..11).map(|number| entry("t", &detail(&number.to_string(), "signeasy").to_string()));
    let padded = |id: &str, size: usize| entry("t", &json!({"id": id, "text": "x".repeat(size)}).to_string());
    let too_large = vec![padded("a", 130_000), padded("b", 135_000)];
    for entries in [eleven.collect(), too_large] {
        let error = client.put_events().set_entries(Some(entries)).send().await.expect_err("an error");
        assert_eq!(error.code(), Some("ValidationException"), "{error:?}");
    }
    assert!(ids(&stack).await.is_empty());
    // Just below the limit.
    let response = client.put_events().entries(padded("c", 262_000)).send().await.expect("a response");
    assert_eq!(response.failed_entry_count(), 0);
    let error = client.list_event_buses().send().await.expect_err("an error");
    assert_eq!(error.code(), Some("UnknownOperationException"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_is_stored_once_where_it_first_arrived() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    for id in ["a", "b", "a", "c", "a"] {
        put(&client, id).await;
    }
    assert_eq!(ids(&stack).await, ["a", "b", "c"]);
    assert_eq!(stack.bus.arrivals("a").await.expect("a number"), 3);
    // With a signature it is stored again: a rule may match only events that are proven by a signature.
    let mut signed = detail("a", "signeasy");
    signed["trust"] = json!("signature");
    for _ in 0..2 {
        let entry = entry("document.signed", &signed.to_string());
        client.put_events().entries(entry).send().await.expect("a response");
    }
    assert_eq!(ids(&stack).await, ["a", "b", "c", "a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_filtered_and_continue_without_gaps() {
    let stack = LocalStack::start().await;
    let client = client(&stack).await;
    for number in 0..6 {
        let provider = if number % 2 == 0 { "signeasy" } else { "legalesign" };
        let detail_type = if number < 3 { "document.sent" } else { "document.signed" };
        let entry = entry(detail_type, &detail(&number.to_string(), provider).to_string());
        client.put_events().entries(entry).send().await.expect("a response");
    }
    let listed = async |filter: Filter, limit: usize| {
        let (mut listed, mut before) = (Vec::new(), None);
        loop {
            let page = stack.bus.page(filter, before, limit).await.expect("a page");
            listed.extend(page.events.iter().map(|event| event.id().expect("an id").to_owned()));
            let Some(next) = page.next else { return listed };
            before = Some(next.parse().expect("a position"));
        }
    };
    assert_eq!(listed(Filter::default(), 2).await, ["5", "4", "3", "2", "1", "0"]);
    let signeasy = Filter { provider: Some(Provider::Signeasy), ..Filter::default() };
    assert_eq!(listed(signeasy, 1).await, ["4", "2", "0"]);
    let signed = Filter { detail_type: Some(DetailType::DocumentSigned), ..signeasy };
    assert_eq!(listed(signed, 10).await, ["4"]);
}
