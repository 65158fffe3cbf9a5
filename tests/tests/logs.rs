//! The functions' log: lines that name the outcome, metrics as CloudWatch reads them, and nothing confidential.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use countersign::{
    domain::{Provider, Route},
    ledger::ArchiveState,
    telemetry::{JsonLines, METRICS},
};
use countersign_cli::simulator::Download;
use end_to_end::{LocalStack, pack};
use serde_json::{Value, json};
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

type Written = Arc<Mutex<Vec<String>>>;

/// The log belongs to the process, so only one test runs at a time.
static ONE_TEST: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Everything that is logged in this process.
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

fn own_lines(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line["location"].as_str().is_some_and(|place| place.starts_with("countersign::")))
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_name_the_outcome_and_contain_nothing_of_the_request() {
    let _alone = ONE_TEST.lock().await;
    let written = written();
    written.lock().unwrap().clear();
    let stack = LocalStack::start().await;
    let recorded = stack.post_quicklysign("final_document_generated", "logged").await;
    stack.wait_for_archive(&pack("logged"), &[ArchiveState::Archived]).await;
    let unreadable = stack.post(Route::Quicklysign, "application/json", r#"{"secret-word": "secret-value"}"#).await;
    let rejected_url = stack.endpoints.http.clone() + "/callbacks/quicklysign/a-wrong-path-token?query=secret-query";
    let headers = [("authorization", "secret-header"), ("user-agent", "secret-agent")];
    stack.post_to(&rejected_url, &headers, r#"{"entity_key": "person@example.com"}"#).await;
    let unknown_url = stack.endpoints.http.clone() + "/callbacks/secret-service/a-wrong-path-token";
    stack.post_to(&unknown_url, &headers, r#"{"entity_key": "person@example.com"}"#).await;
    let large = vec![b' '; 4_500_001];
    stack.post(Route::Quicklysign, "application/json", large).await;
    stack.functions.reconcile.handle(reconcile::Task::Sweep, reconcile::TIME_LIMIT).await.unwrap();

    let text = written.lock().unwrap().concat();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("one JSON object per line")).collect();
    let line_of = |message: &str| {
        let found: Vec<&Value> = own_lines(&lines).filter(|line| line["message"] == message).collect();
        assert_eq!(found.len(), 1, "{message}: {found:?}");
        found[0]
    };
    let line = line_of("recorded");
    assert_eq!((&line["correlation_id"], &line["provider"]), (&json!(recorded.delivery()), &json!("quicklysign")));
    assert_eq!((&line["Recorded"], &line["Proven"]), (&json!(1), &json!(1)));
    let line = line_of("set_aside");
    assert_eq!((&line["correlation_id"], &line["SetAside"]), (&json!(unreadable.delivery()), &json!(1)));
    assert_eq!(
        (&line_of("archived")["provider"], &line_of("archived")["subject"]),
        (&json!("quicklysign"), &json!("logged"))
    );
    assert_eq!(line_of("deliveries_swept")["UnfinishedDeliveries"], 0);
    let line = line_of("callback_path_unknown");
    assert_eq!(line["CallbackPathsUnknown"], 1);
    assert_eq!(line.get("provider"), None);
    let jobs = line_of("jobs_swept");
    assert_eq!((&jobs["OldestDueArchive"], &jobs["OldestWaitingArchive"]), (&json!(0), &json!(0)));
    let rejections: Vec<_> = own_lines(&lines).filter(|line| line["message"] == "refused").collect();
    let reasons: Vec<_> = rejections.iter().map(|line| (line["reason"].as_str(), line["provider"].as_str())).collect();
    assert_eq!(reasons, [(Some("unproven"), Some("quicklysign")), (Some("too_large"), Some("quicklysign"))]);
    assert!(rejections.iter().all(|line| line["Refused"] == 1 && line["Proven"] == 0));

    for line in lines.iter().filter(|line| line.get("_aws").is_some()) {
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics") {
            let name = metric["Name"].as_str().expect("a name");
            assert!(METRICS.iter().any(|known| known.name == name) && line[name].is_number(), "{line}");
        }
    }

    let mut forbidden: Vec<String> =
        ["a-wrong-path-token", "secret-", "example.com", "/callbacks/", "callback_event", "serve_pdf"]
            .map(str::to_owned)
            .into();
    for provider in Provider::ALL {
        let (proof, api) = stack.secrets.of(provider);
        strings(proof, &mut forbidden);
        strings(api, &mut forbidden);
    }
    for secret in forbidden {
        assert!(!text.contains(&secret), "{secret} is in the log: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_signature_within_a_pdf_is_a_metric_without_names() {
    let _alone = ONE_TEST.lock().await;
    let written = written();
    written.lock().unwrap().clear();
    let stack = LocalStack::start().await;
    let broken = Bytes::from_static(include_bytes!("../pdf-signatures/files/bytes-changed.pdf"));
    stack.simulator.pack("broken").documents(1).download(Download::Bytes(broken));
    stack.post_quicklysign("final_document_generated", "broken").await;
    stack.wait_for_archive(&pack("broken"), &[ArchiveState::Archived]).await;
    let text = written.lock().unwrap().concat();
    let line = text.lines().find(|line| line.contains("pdf_signature_broken")).expect("a line");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["BrokenPdfSignatures"], 1);
    assert_eq!((&line["subject"], &line["reason"]), (&json!("broken"), &json!("digest_mismatch")));
    for name in ["Ada Example", "Test root", "Signature1"] {
        assert!(!text.contains(name), "{name} is in the log");
    }
}

/// The texts in a secret that are long enough to be confidential. A user name isn't.
fn strings(secret: &Value, found: &mut Vec<String>) {
    match secret {
        Value::String(text) if text.len() > 8 => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => members.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}
