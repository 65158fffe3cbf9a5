//! Calls every function as deployed, with everything in `events/`, in every size, and more.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
};

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{
    aws::Aws,
    domain::{Proven, Route},
    ledger::ArchiveState,
};
use countersign_cli::{
    simulator::{legalesign::posts, signing::SigningKey},
    stack::{Functions, Key, clients},
};
use end_to_end::{
    Stored, from_now,
    harness::{deliveries, requests::queue_message},
};
use final_document::TIME_LIMIT;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    super::{deployed::Deployed, events, functions::folders, routes, template::Template},
    recorder::{Call, Recorder},
};

/// Age of a delivery that the sweep takes up.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Whether callbacks are sent as they are in `events/`, or larger than a body that is stored in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    AsIs,
    Large,
}

/// The calls of each function, with callbacks of every size. Each size has a table of its own: otherwise the large ones
/// would only be duplicates.
pub async fn record_calls(template: &Template) -> BTreeMap<String, BTreeSet<Call>> {
    let recorders: BTreeMap<String, Recorder> = folders().into_keys().map(|id| (id, Recorder::default())).collect();
    for size in [Size::AsIs, Size::Large] {
        Box::pin(call_everything(template, size, &recorders)).await;
    }
    recorders.into_iter().map(|(id, recorder)| (id, recorder.calls())).collect()
}

/// Calls every function with every event, in a deployment of its own.
async fn call_everything(template: &Template, size: Size, recorders: &BTreeMap<String, Recorder>) {
    let deployed = Deployed::start().await;
    let folders = folders();
    let start = async |id: &str| {
        let settings = deployed.settings(template, id).expect("settings");
        let eventbridge = recorders[id].eventbridge(&deployed.eventbridge().await);
        Box::pin(Functions::start(&settings, &recorders[id].clients(&deployed.aws), eventbridge)).await
    };
    for route in Route::ALL {
        let id = routes::function(route);
        // Another test checks that there is a folder for each.
        let Some(folder) = folders.get(id) else { continue };
        let functions = start(id).await;
        for (case, event) in events::of(folder) {
            let event = in_size(&event, size);
            send(&functions, route, &event).await;
            let mut without_path_token = event.clone();
            without_path_token["rawPath"] = route.path().replace("{token}", "wrong-path-token").into();
            assert_eq!(send(&functions, route, &without_path_token).await, 401, "{case}");
            // `events/` has wrong signatures, but no wrong token in a body.
            let wrong_token = body_of(&event).replace("biggerthan12chars", "wrong");
            if wrong_token != body_of(&event) {
                assert_eq!(send(&functions, route, &with_body(&event, &wrong_token)).await, 401, "{case}");
            }
        }
    }

    if size == Size::AsIs {
        Box::pin(spool(template, &deployed, recorders)).await;
    }
    let subscribe = "QuicklysignSubscribe";
    let settings = deployed.settings(template, subscribe);
    let subscriber = quicklysign_subscribe::Function::start(settings, &recorders[subscribe].clients(&deployed.aws));
    for (case, event) in events::of("quicklysign-subscribe") {
        subscriber.handle(serde_json::from_str(&event).expect("an event")).await.expect(&case);
    }

    // For the sweep: unfinished deliveries, small and large, with few and with many events.
    let ledger = deployed.ledger();
    let event = json!({"entity_key": "unfinished", "callback_event": "document_updated"});
    let small = deliveries::delivery_at(from_now(-HOUR), Route::Quicklysign, event.to_string());
    for delivery in [small, large_batch()] {
        ledger.accept(&delivery).await.expect("accepted");
    }
    ledger.spool(&large_batch()).await.expect("put");
    let worker = start("FinalDocument").await.final_document;
    for (_, event) in events::of("final-document") {
        worker.handle(serde_json::from_str(&event).expect("an event"), TIME_LIMIT).await;
    }
    for job in ledger.jobs(ArchiveState::Due, None, 1000).await.expect("jobs") {
        worker.handle(queue_message(&job.subject), TIME_LIMIT).await;
    }
    let reconcile = start("Reconcile").await.reconcile;
    for (_, event) in events::of("reconcile") {
        reconcile.handle(serde_json::from_str(&event).expect("an event"), TIME_LIMIT).await.expect("done");
    }
    let publish = start("Publish").await.publish;
    for (case, event) in events::of("publish") {
        let response = publish.handle(serde_json::from_str(&event).expect("an event")).await;
        assert!(response.batch_item_failures.is_empty(), "{case}");
    }
}

/// Sends every event while DynamoDB denies every call, so that what isn't sent again is spooled.
async fn spool(template: &Template, deployed: &Deployed, recorders: &BTreeMap<String, Recorder>) {
    let denied = (StatusCode::BAD_REQUEST, r#"{"__type":"AccessDeniedException"}"#);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut server = JoinSet::new();
    let router = axum::Router::new().fallback(move || ready(denied));
    server.spawn(async move { axum::serve(listener, router).await.expect("a server") });
    let key = Key::generate().expect("a key");
    let aws = Aws { dynamodb: clients(&url, &url, &key).await.dynamodb, ..deployed.aws.clone() };
    for route in Route::ALL {
        let id = routes::function(route);
        let settings = deployed.settings(template, id).expect("settings");
        let eventbridge = deployed.eventbridge().await;
        let functions = Box::pin(Functions::start(&settings, &recorders[id].clients(&aws), eventbridge)).await;
        for (_, event) in events::of(&folders()[id]) {
            send(&functions, route, &serde_json::from_str(&event).expect("JSON")).await;
        }
    }
}

/// In a box, because the futures of a debug build are large.
async fn send(functions: &Functions, route: Route, event: &Value) -> u16 {
    let request = http_event::request(&event.to_string()).expect("an event").0;
    Box::pin(functions.call(route, request)).await.status().as_u16()
}

/// A callback's event, whose body is larger than those that are stored in the table if it should be `Large`. The padding
/// is another member of the JSON, another field of the form, or before the first part of a multipart form.
fn in_size(event: &str, size: Size) -> Value {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let body = body_of(&event);
    if size == Size::AsIs {
        return event;
    }
    let padding = "x".repeat(10_000);
    if body.starts_with("--") {
        return with_body(&event, &format!("{padding}\r\n{body}"));
    }
    let body = match body.strip_prefix('{') {
        Some(members) => format!("{{\"more\":\"{padding}\",{members}"),
        None => format!("{body}&more={padding}"),
    };
    with_body(&event, &body)
}

fn body_of(event: &Value) -> String {
    let body = event["body"].as_str().expect("a body").to_owned();
    if event["isBase64Encoded"] != true {
        return body;
    }
    String::from_utf8(BASE64_STANDARD.decode(body).expect("base64")).expect("a text")
}

fn with_body(event: &Value, body: &str) -> Value {
    let mut event = event.clone();
    event["isBase64Encoded"] = false.into();
    event["body"] = body.into();
    event
}

/// A batch with a hundred entries.
pub fn large_batch() -> Proven {
    let entry = |number| {
        json!({
            "timestamp": "2018-03-20T07:09:52",
            "name": "status",
            "value": "10",
            "resource_uri": format!("/api/v1/signer/unfinished-{number}/"),
        })
    };
    let entries: Vec<Value> = (0..100).map(entry).collect();
    let key = SigningKey::generate().expect("a key");
    let post = posts::batch(&key, &Value::from(entries).to_string()).expect("a signature");
    deliveries::signed_batch(from_now(-HOUR), post.body, &key.certificate())
}
