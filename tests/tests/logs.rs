//! What the functions log while callbacks come in: lines that say what happened, metrics that CloudWatch takes, and
//! nothing that must not be read by whoever may read logs.

use std::sync::{Arc, Mutex, OnceLock};

use countersign::{
    delivery::Route,
    ledger::ArchiveState,
    provider::Provider,
    telemetry::{JsonLines, METRICS},
};
use end_to_end::{World, pack};
use serde_json::{Value, json};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

type Written = Arc<Mutex<Vec<String>>>;

/// All that is logged in this process. One test at a time looks at it.
fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let written = Written::default();
        let sink = Arc::clone(&written);
        let lines = JsonLines::new("stack".to_owned(), None, move |line: &str| {
            sink.lock().unwrap().push(line.to_owned());
        });
        tracing_subscriber::registry().with(lines).with(LevelFilter::INFO).init();
        written
    })
}

fn ours(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line["location"].as_str().is_some_and(|place| place.starts_with("countersign::")))
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_say_what_happened_and_repeat_nothing_of_the_request() {
    let written = written();
    let world = World::start().await;
    let recorded = world.quicklysign("final_document_generated", "logged").await;
    world.archive_is(&pack("logged"), &[ArchiveState::Archived]).await;
    let unreadable = world.post(Route::Quicklysign, "application/json", r#"{"secret-word": "secret-value"}"#).await;
    let refused = world.stack.endpoints.http.clone() + "/callbacks/quicklysign/a-wrong-path-token?query=secret-query";
    let headers = [("authorization", "secret-header"), ("user-agent", "secret-agent")];
    world.post_to(&refused, &headers, r#"{"entity_key": "somebody@example.com"}"#).await;
    let large = vec![b' '; 4_500_001];
    world.post(Route::Quicklysign, "application/json", large).await;
    world.stack.functions.reconcile.handle(reconcile::Task::Sweep).await.unwrap();

    let text = written.lock().unwrap().concat();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
    let said = |message: &str| {
        let found: Vec<&Value> = ours(&lines).filter(|line| line["message"] == message).collect();
        assert_eq!(found.len(), 1, "{message}: {found:?}");
        found[0]
    };
    let line = said("recorded");
    assert_eq!((&line["correlation_id"], &line["provider"]), (&json!(recorded.delivery()), &json!("quicklysign")));
    assert_eq!(line["Recorded"], 1);
    let line = said("set_aside");
    assert_eq!((&line["correlation_id"], &line["SetAside"]), (&json!(unreadable.delivery()), &json!(1)));
    assert_eq!(
        (&said("archived")["provider"], &said("archived")["subject"]),
        (&json!("quicklysign"), &json!("logged"))
    );
    assert_eq!((&said("swept")["UnfinishedDeliveries"], &said("swept")["OldestDueArchive"]), (&json!(0), &json!(0)));
    let refusals: Vec<_> = ours(&lines).filter(|line| line["message"] == "refused").collect();
    let reasons: Vec<_> = refusals.iter().map(|line| (line["reason"].as_str(), line["provider"].as_str())).collect();
    assert_eq!(reasons, [(Some("unproven"), Some("quicklysign")), (Some("too_large"), Some("quicklysign"))]);
    assert!(refusals.iter().all(|line| line["Refused"] == 1));

    for line in lines.iter().filter(|line| line.get("_aws").is_some()) {
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics") {
            let name = metric["Name"].as_str().expect("a name");
            assert!(METRICS.iter().any(|known| known.name == name) && line[name].is_number(), "{line}");
        }
    }

    let mut unspeakable: Vec<String> =
        ["a-wrong-path-token", "secret-", "example.com", "/callbacks/", "callback_event", "serve_pdf"]
            .map(str::to_owned)
            .into();
    for provider in Provider::ALL {
        let (proof, api) = world.stack.secrets.of(provider);
        strings(proof, &mut unspeakable);
        strings(api, &mut unspeakable);
    }
    for secret in unspeakable {
        assert!(!text.contains(&secret), "{secret} is in the log: {text}");
    }
}

/// The texts in a secret that tell something; a short one like a user's name says nothing.
fn strings(secret: &Value, found: &mut Vec<String>) {
    match secret {
        Value::String(text) if text.len() > 8 => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => members.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}
