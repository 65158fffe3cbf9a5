use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::{info_span, subscriber::with_default};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// The lines that are logged while `log` runs.
fn lines(log: impl FnOnce()) -> Vec<Value> {
    let written = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&written);
    let function = Function { name: "function".to_owned(), version: "3".to_owned() };
    let layer = JsonLines::new("stack".to_owned(), Some(function), move |line: &str| {
        sink.lock().unwrap().push_str(line);
    });
    with_default(tracing_subscriber::registry().with(layer), log);
    let written = written.lock().unwrap();
    written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_has_the_keys_of_powertools() {
    let lines = lines(|| {
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let invocation = info_span!("Lambda runtime invoke", requestId = "request-1", xrayTraceId = trace);
        let _in_invocation = invocation.enter();
        let delivery = info_span!("delivery", delivery = %"delivery-1", provider = "signeasy");
        let _in_delivery = delivery.enter();
        tracing::warn!(event = "something", size = 7_u64, good = true, "quoted" = ?"a\nb");
    });
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let timestamp = line["timestamp"].as_str().unwrap();
    assert_eq!(time(timestamp), timestamp);
    let expected = json!({
        "level": "WARN",
        "timestamp": timestamp,
        "message": "something",
        "location": "countersign::telemetry::tests",
        "service": "stack",
        "function_name": "function",
        "function_version": "3",
        "version": env!("CARGO_PKG_VERSION"),
        "cold_start": true,
        "function_request_id": "request-1",
        "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793",
        "correlation_id": "delivery-1",
        "provider": "signeasy",
        "size": 7,
        "good": true,
        "quoted": "\"a\\nb\"",
    });
    let mut line = line.clone();
    // Only a build for a deployment names its commit.
    line.as_object_mut().unwrap().remove("commit");
    assert_eq!(line, expected);
}

fn time(text: &str) -> String {
    crate::time::format(text.parse().unwrap())
}

#[test]
fn only_the_start_and_the_first_invocation_are_cold() {
    let lines = lines(|| {
        tracing::info!(event = "starting");
        for request in ["1", "2", "3"] {
            let invocation = info_span!("Lambda runtime invoke", requestId = request);
            let _in_invocation = invocation.enter();
            // Every line of the first invocation is cold.
            tracing::info!(event = "a");
            tracing::info!(event = "b");
        }
    });
    let cold: Vec<bool> = lines.iter().map(|line| line["cold_start"].as_bool().unwrap()).collect();
    assert_eq!(cold, [true, true, true, false, false, false, false]);
}

#[test]
fn event_fields_override_span_fields_and_late_records_are_included() {
    let lines = lines(|| {
        let span = info_span!("span", provider = "legalesign", delivery = tracing::field::Empty);
        let _in_span = span.enter();
        span.record("delivery", "later");
        tracing::info!(event = "e", provider = "signeasy");
    });
    assert_eq!((&lines[0]["provider"], &lines[0]["correlation_id"]), (&json!("signeasy"), &json!("later")));
}

#[test]
fn the_message_is_the_text_or_else_the_source_location() {
    let lines = lines(|| {
        tracing::error!("a text");
        tracing::error!(code = 7);
    });
    assert_eq!(lines[0]["message"], "a text");
    assert!(lines[1]["message"].as_str().unwrap().starts_with("event "), "{}", lines[1]);
}

#[test]
fn a_line_with_metrics_is_an_embedded_metric() {
    let lines = lines(|| {
        tracing::info!(event = "swept", metric.OldestDueArchive = 90_u64, metric.UnfinishedDeliveries = 0_u64);
        tracing::info!(event = "refused", provider = "signeasy", metric.Refused = 1);
        tracing::info!(event = "none", metric.Refused = None::<u64>);
    });
    let at = |line: &Value| line["_aws"]["Timestamp"].as_i64().unwrap();
    assert_eq!((&lines[0]["OldestDueArchive"], &lines[0]["UnfinishedDeliveries"]), (&json!(90), &json!(0)));
    assert_eq!(
        lines[0]["_aws"],
        json!({"Timestamp": at(&lines[0]), "CloudWatchMetrics": [{
            "Namespace": "Countersign",
            "Dimensions": [["service"]],
            "Metrics": [
                {"Name": "OldestDueArchive", "Unit": "Seconds"},
                {"Name": "UnfinishedDeliveries", "Unit": "Count"},
            ],
        }]})
    );
    assert_eq!(lines[1]["Refused"], 1);
    let directive = &lines[1]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Dimensions"], json!([["service"], ["service", "provider"]]));
    // CloudWatch drops a metric unless each of its dimensions is a string member of the line.
    for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
        assert!(lines[1][dimension.as_str().unwrap()].is_string(), "{dimension}");
    }
    assert!(lines[2].get("_aws").is_none() && lines[2].get("Refused").is_none(), "{}", lines[2]);
}

#[test]
fn unknown_metrics_and_non_numbers_are_not_embedded() {
    let lines = lines(|| {
        tracing::info!(event = "e", metric.NotAMetric = 1);
        tracing::info!(event = "e", metric.Refused = "many");
    });
    assert!(lines.iter().all(|line| line.get("_aws").is_none()), "{lines:?}");
}
