//! Proven requests are stored: recorded, or set aside unchanged if they can't be read.

use bytes::Bytes;
use countersign::{
    domain::{Outcome, Route},
    intake::{self, Verdict},
    ledger::Item,
};
use end_to_end::harness::deliveries;
use end_to_end::{
    DirectFunctions, Stored,
    harness::{PATH_TOKEN, requests::gateway_request},
    pack, quicklysign,
};

use super::{answer_with_delivery, call, function};

fn named(event: &str) -> Vec<u8> {
    quicklysign::body(event, "unreadable").into_bytes()
}

fn with_key(key: &str) -> Vec<u8> {
    quicklysign::body("document_updated", key).into_bytes()
}

/// Unreadable bodies, with the recorded reasons.
fn unreadable() -> Vec<(Vec<u8>, &'static str)> {
    let twice = br#"{"entity_key": "a", "entity_key": "b", "callback_event": "document_updated"}"#;
    vec![
        (b"".to_vec(), "not_json"),
        (b"not json".to_vec(), "not_json"),
        (b"{".to_vec(), "not_json"),
        (b"entity_key=a&callback_event=document_updated".to_vec(), "not_json"),
        ([&named("document_updated")[..], b"}"].concat(), "not_json"),
        ([&b" \xef\xbb\xbf"[..], &named("document_updated")].concat(), "not_json"),
        (b"\xff\xfe{\0}\0".to_vec(), "not_utf8 at ."),
        (b"{\"entity_key\": \"a\", \"callback_event\": \"\xe4\"}".to_vec(), "not_utf8 at ."),
        (b"null".to_vec(), "unexpected_shape at ."),
        (b"\"document_updated\"".to_vec(), "unexpected_shape at ."),
        (b"{}".to_vec(), "unexpected_shape at ."),
        (br#"{"entity_key": "a"}"#.to_vec(), "unexpected_shape at ."),
        (br#"{"callback_event": "document_updated"}"#.to_vec(), "unexpected_shape at ."),
        (br#"{"entity_key": null, "callback_event": "x"}"#.to_vec(), "unexpected_shape at entity_key"),
        (br#"{"entity_key": 17, "callback_event": "x"}"#.to_vec(), "unexpected_shape at entity_key"),
        (br#"{"entity_key": "a", "callback_event": ["x"]}"#.to_vec(), "unexpected_shape at callback_event"),
        (twice.to_vec(), "unexpected_shape at ."),
        (with_key(""), "invalid_id at entity_key"),
        (with_key("a/b"), "invalid_id at entity_key"),
        (with_key("../../etc"), "invalid_id at entity_key"),
        (with_key("a#b"), "invalid_id at entity_key"),
        (with_key("ä"), "invalid_id at entity_key"),
        (with_key("a\0"), "invalid_id at entity_key"),
        (with_key(&"a".repeat(201)), "invalid_id at entity_key"),
        (named(""), "invalid_name at callback_event"),
        (named(&"n".repeat(201)), "invalid_name at callback_event"),
        (br#"["a", "final_document_generated"]"#.to_vec(), "unexpected_shape at ."),
        ("[".repeat(100_000).into_bytes(), "not_json"),
        (r#"{"entity_key":"#.repeat(100_000).into_bytes(), "unexpected_shape at entity_key"),
        ([&b"\0"[..], &[b'x'; 300_000]].concat(), "not_json"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_bodies_are_set_aside_unchanged_and_can_be_read_again() {
    let functions = DirectFunctions::start().await;
    let (function, ledger) = (functions.quicklysign_callback().await, functions.ledger());
    let cases = unreadable();
    let count = cases.len();
    for (body, reason) in cases {
        let body = Bytes::from(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = call(&function, quicklysign::request(PATH_TOKEN, &body)).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &answer_with_delivery(&answer, "set_aside", 0, "unreadable")),
            "{shown}"
        );

        let id = answer.delivery().parse().unwrap();
        let stored = ledger.delivery(&id).await.unwrap().unwrap();
        assert!(*stored.delivery.body() == body, "{shown}: the body is unchanged");
        assert_eq!(stored.delivery.envelope().header("content-type"), Some("application/json"));
        assert_eq!(stored.record.outcome, Outcome::SetAside, "{shown}");
        assert!(stored.record.reason.starts_with(reason), "{shown}: {}", stored.record.reason);
        assert_eq!((stored.record.size, stored.record.events), (body.len() as u64, 0));

        let again = intake::record(&ledger, &deliveries::services(), &stored.delivery).await.unwrap();
        assert_eq!((again.verdict, again.delivery, again.events), (Verdict::SetAside, Some(id), 0));
    }
    // None has events, and none is left to be finished.
    let items = functions.items().await;
    assert_eq!(items.len(), count);
    assert!(items.iter().all(|item| item.text("sk") == Some("DELIVERY")));
    assert!(ledger.unfinished(jiff::Timestamp::MAX, 1000).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_with_unexpected_fields_are_recorded() {
    let functions = DirectFunctions::start().await;
    let (function, ledger) = (functions.quicklysign_callback().await, functions.ledger());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let very_deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("\"{}\"", "x".repeat(400_000));
    let extras = ["{}", "1e999999", r#""\u0000""#, r#""\ud800""#, &deep, &very_deep, &long];
    for (number, extra) in extras.into_iter().enumerate() {
        let shown = &extra[..extra.len().min(20)];
        let key = format!("extra-{number}");
        let body = format!(
            r#"{{"entity_key":"{key}","callback_event":"{shown_as}","extra":{extra}}}"#,
            shown_as = "\u{e4}\\u0000\\n"
        );
        let answer = call(&function, quicklysign::request(PATH_TOKEN, &body)).await;
        assert_eq!(
            (answer.status, &answer.body),
            (200, &answer_with_delivery(&answer, "recorded", 1, "ok")),
            "{shown}"
        );
        let timeline = functions.timeline(&pack(&key)).await;
        let [event] = timeline.events.as_slice() else { panic!("{shown}: {:?}", timeline.events) };
        assert_eq!(event.name, "\u{e4}\0\n");
        // Fields that are too large or unusual to be shown are still in the delivery.
        let stored = ledger.delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert!(stored.delivery.body() == body.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_event_names_of_maximum_length_are_recorded() {
    let functions = DirectFunctions::start().await;
    let function = functions.quicklysign_callback().await;
    let (name, key) = ("n".repeat(200), "k".repeat(200));
    let answer = call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body(&name, &key))).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    assert_eq!(functions.timeline(&pack(&key)).await.events[0].name, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_around_the_inline_limit_and_up_to_the_maximum_are_stored_unchanged() {
    let functions = DirectFunctions::start().await;
    let (function, ledger) = (function(&functions, &[]).await, functions.ledger());
    let body = quicklysign::body("document_updated", "sizes");
    for (size, in_bucket) in [(8 * 1024, false), (8 * 1024 + 1, true), (4_500_000, true)] {
        let body = format!("{body}{}", " ".repeat(size - body.len()));
        // A form arrives as base64, which needs the most of Lambda's limit.
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = loop {
            let answer =
                call(&function, gateway_request(Route::Quicklysign, PATH_TOKEN, None, &form, body.as_bytes())).await;
            // On a busy machine, the largest may take longer than a callback's 20 seconds. A sender would send it again.
            if answer.status != 503 {
                break answer;
            }
        };
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{size}");
        let stored = ledger.delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert!(stored.delivery.body() == body.as_bytes(), "{size}");
        let key = functions.keys().await.into_iter().find(|key| key.ends_with(answer.delivery()));
        assert_eq!(key.is_some(), in_bucket, "{size}");
        if let Some(key) = key {
            assert!(key.starts_with("deliveries/quicklysign/20"), "{key}");
            assert!(functions.object(&key).await == body.as_bytes());
        }
    }
}

/// All items without the time at which a delivery was last finished.
async fn items_without_times(functions: &DirectFunctions) -> Vec<String> {
    let shown = |item: Item| {
        let mut attributes = item.into_attributes();
        attributes.remove("finished_at");
        let mut attributes: Vec<_> = attributes.into_iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        attributes.sort();
        attributes.join(", ")
    };
    let mut items: Vec<String> = functions.items().await.into_iter().map(shown).collect();
    items.sort();
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_a_delivery_twice_changes_nothing() {
    let functions = DirectFunctions::start().await;
    let (function, ledger) = (functions.quicklysign_callback().await, functions.ledger());
    for event in ["final_document_generated", "document_status_changed", "document_updated"] {
        let answer = call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body(event, "again"))).await;
        assert_eq!((answer.status, &answer.body), (200, &answer_with_delivery(&answer, "recorded", 1, "ok")));
        let id = answer.delivery().parse().unwrap();
        let before = items_without_times(&functions).await;
        for _ in 0..3 {
            let stored = ledger.delivery(&id).await.unwrap().unwrap();
            let again = intake::record(&ledger, &deliveries::services(), &stored.delivery).await.unwrap();
            // It isn't a duplicate of itself: it is the first delivery of its event.
            assert_eq!((again.verdict, again.delivery.as_ref(), again.events), (Verdict::Recorded, Some(&id), 1));
            assert_eq!(stored.record.outcome, Outcome::Recorded);
        }
        assert_eq!(items_without_times(&functions).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_headers_needed_for_a_replay_are_stored() {
    let functions = DirectFunctions::start().await;
    let function = functions.quicklysign_callback().await;
    let secret = "do-not-keep-this";
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("authorization", secret),
        ("cookie", secret),
        ("x-forwarded-for", secret),
        ("user-agent", secret),
    ];
    let body = quicklysign::body("document_updated", "headers");
    let answer =
        call(&function, gateway_request(Route::Quicklysign, PATH_TOKEN, None, &headers, body.as_bytes())).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
    let stored = functions.items_text().await;
    assert!(!stored.contains(secret) && !stored.contains(PATH_TOKEN), "{stored}");
    assert!(stored.contains("charset=utf-8"));
}
