//! The pipe's filter with real items: of everything that the ledger writes, only archive jobs that are due and not leased
//! pass.

use countersign::{
    domain::{Route, Subject},
    ledger::{ArchiveState, CurrentVersion, JobOutcome, Ledger},
    time,
};
use countersign_cli::stack::TABLE;
use end_to_end::{Stored, harness::deliveries, pack, quicklysign};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{deployed::Deployed, template::Template};

const LEASE: SignedDuration = SignedDuration::from_mins(16);

/// Records a callback that reports a pack's final documents.
async fn complete(ledger: &Ledger, id: &str) -> Subject {
    let body = quicklysign::body("final_document_generated", id);
    let delivery = deliveries::delivery(Route::Quicklysign, body);
    ledger.accept(&delivery).await.expect("accepted");
    countersign::intake::record(ledger, &deliveries::services(), &delivery).await.expect("recorded");
    pack(id)
}

/// The partition keys of the stored items that pass the filter.
async fn passed(deployed: &Deployed, pattern: &Value) -> Vec<String> {
    let items = deployed.aws.dynamodb.scan().table_name(TABLE).send().await.expect("a scan").items().to_vec();
    assert!(items.len() > 3, "there are other items than jobs");
    let images = items.into_iter().map(|item| {
        let image: Map<String, Value> = item.into_iter().map(|(name, value)| (name, wire(&value))).collect();
        json!({"eventName": "MODIFY", "dynamodb": {"NewImage": image}})
    });
    let mut passed: Vec<String> = images
        .filter(|event| matches(pattern, Some(event)))
        .map(|event| event["dynamodb"]["NewImage"]["pk"]["S"].as_str().expect("a key").to_owned())
        .collect();
    passed.sort();
    passed
}

#[tokio::test]
async fn the_pipe_passes_only_due_jobs_without_a_lease() {
    let template = Template::read();
    let pattern = template.resource("ArchivePipe").property("/SourceParameters/FilterCriteria/Filters/0/Pattern");
    let pattern: Value = serde_json::from_str(pattern.as_str().expect("a text")).expect("JSON");
    let deployed = Deployed::start().await;
    let ledger = deployed.ledger();

    let due = complete(&ledger, "due").await;
    assert_eq!(passed(&deployed, &pattern).await, [due.partition()], "a new job");
    let lease = ledger.lease(&due, LEASE).await.expect("the ledger").expect("it is due");
    assert_eq!(passed(&deployed, &pattern).await, [""; 0], "a leased job");
    let version = CurrentVersion { version: "1".to_owned(), sha256: "0".repeat(64) };
    ledger.note_version(&due, "document#document", &version).await.expect("noted");
    assert_eq!(passed(&deployed, &pattern).await, [""; 0], "progress of a leased job");
    complete(&ledger, "due").await;
    assert_eq!(passed(&deployed, &pattern).await, [""; 0], "enqueued again while it is leased");
    ledger.complete(&lease, &JobOutcome::Archived).await.expect("completed");
    assert_eq!(passed(&deployed, &pattern).await, [due.partition()], "due again after completion");

    let outcomes = [
        JobOutcome::Archived,
        JobOutcome::Waiting { not_before: time::now(), reason: "r".to_owned(), failed: true, second_look: false },
        JobOutcome::Blocked { host: "host".to_owned() },
        JobOutcome::Failed { reason: "r".to_owned() },
        JobOutcome::Foreign { reason: "r".to_owned() },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let subject = complete(&ledger, &format!("completed-{number}")).await;
        let lease = ledger.lease(&subject, LEASE).await.expect("the ledger").expect("it is due");
        ledger.complete(&lease, &outcome).await.expect("completed");
        assert_eq!(passed(&deployed, &pattern).await, [due.partition()], "{outcome:?}");
    }
    let mut completed = Vec::new();
    for state in ArchiveState::ALL.into_iter().filter(|state| *state != ArchiveState::Due) {
        let jobs = ledger.jobs(state, None, 10).await.expect("jobs");
        assert_eq!(jobs.len(), 1, "{state:?}");
        completed.extend(jobs);
    }
    for job in completed {
        let state = job.state;
        assert!(ledger.wake(&job).await.expect("the ledger"));
        let mut expected = [due.partition(), job.subject.partition()];
        expected.sort();
        assert_eq!(passed(&deployed, &pattern).await, expected, "{state:?}, due again");
        let lease = ledger.lease(&job.subject, LEASE).await.expect("the ledger").expect("it is due");
        ledger.complete(&lease, &JobOutcome::Archived).await.expect("completed");
    }
}

#[test]
fn the_pipes_message_has_the_format_that_the_worker_reads() {
    let template = Template::read();
    let written = template.resource("ArchivePipe").property("/TargetParameters/InputTemplate");
    let key = r#""quicklysign#document_pack#a""#;
    let message = written.as_str().expect("a text").replace("<$.dynamodb.NewImage.pk.S>", key);
    let message: Value = serde_json::from_str(&message).expect("JSON");
    assert_eq!(message, json!({"pk": "quicklysign#document_pack#a"}));
}

/// Whether an event matches a pattern as EventBridge interprets it: all members of an object must match, and one of an
/// array's values.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html>
pub fn matches(pattern: &Value, event: Option<&Value>) -> bool {
    match pattern {
        Value::Object(members) => {
            members.iter().all(|(name, inner)| matches(inner, event.and_then(|event| event.get(name))))
        }
        Value::Array(allowed) => allowed.iter().any(|allowed| match allowed {
            // A literal null matches a null, not a field that is missing.
            Value::Object(operator) => {
                assert!(operator.len() == 1 && operator.contains_key("exists"), "{operator:?} isn't supported here");
                operator["exists"].as_bool() == Some(event.is_some())
            }
            literal => event == Some(literal),
        }),
        other => panic!("{other} is not a pattern"),
    }
}

/// An attribute as streams write it. The filter only reads texts.
pub fn wire(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue as A;
    match value {
        A::S(text) => json!({"S": text}),
        A::N(number) => json!({"N": number}),
        A::Ss(texts) => json!({"SS": texts}),
        A::M(members) => {
            let members: Map<String, Value> = members.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
            json!({"M": members})
        }
        A::L(values) => json!({"L": values.iter().map(wire).collect::<Vec<_>>()}),
        A::Bool(value) => json!({"BOOL": value}),
        A::Null(_) => json!({"NULL": true}),
        A::B(_) => json!({"B": ""}),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pattern_matcher_distinguishes_events() {
    let pattern = json!({"a": {"b": ["x", "y"]}, "c": [{"exists": false}]});
    for (event, passes) in [
        (json!({"a": {"b": "x"}}), true),
        (json!({"a": {"b": "y"}, "d": 1}), true),
        (json!({"a": {"b": "z"}}), false),
        (json!({"a": "x"}), false),
        (json!({}), false),
        (json!({"a": {"b": "x"}, "c": null}), false),
    ] {
        assert_eq!(matches(&pattern, Some(&event)), passes, "{event}");
    }
}
