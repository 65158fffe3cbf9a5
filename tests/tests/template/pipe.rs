//! The pipe's filter against real items: of all that the ledger writes, only archive orders that are due and that nobody
//! has claimed are handed over.

use countersign::{
    delivery::{Envelope, OwnProof, Proven, Route, Unproven},
    ledger::{ArchiveState, CurrentVersion, Ledger, OrderOutcome},
    provider::Provider,
    subject::{Subject, SubjectKind},
    time,
    token::Tokens,
};
use countersign_cli::stack::TABLE;
use end_to_end::subject;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{bench::Bench, template::Template};

const CLAIM: SignedDuration = SignedDuration::from_mins(16);

/// A QuicklySign delivery that asks for the final documents of a pack.
fn delivery(pack: &str) -> Proven {
    let token = SecretString::from("a-path-token");
    let tokens = Tokens::new(std::slice::from_ref(&token)).expect("a token");
    let body = json!({"entity_key": pack, "callback_event": "final_document_generated"}).to_string();
    let request = Unproven::new(Route::Quicklysign, token, Envelope::default(), body.into(), time::now());
    request.address(&tokens).ok().expect("the right token").prove(OwnProof::PathTokenOnly)
}

async fn complete(ledger: &Ledger, pack: &str) -> Subject {
    let delivery = delivery(pack);
    ledger.accept(&delivery).await.expect("accepted");
    countersign::intake::record(ledger, &delivery).await.expect("recorded");
    subject(Provider::Quicklysign, SubjectKind::DocumentPack, pack)
}

/// The keys of the stored items that the filter lets through, as the message's text.
async fn handed_over(bench: &Bench, pattern: &Value) -> Vec<String> {
    let items = bench.aws.dynamodb.scan().table_name(TABLE).send().await.expect("a scan").items().to_vec();
    assert!(items.len() > 3, "there are other items than orders");
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
async fn only_orders_that_are_due_and_unclaimed_are_handed_over() {
    let template = Template::read();
    let pattern = template.resource("ArchivePipe").property("/SourceParameters/FilterCriteria/Filters/0/Pattern");
    let pattern: Value = serde_json::from_str(pattern.as_str().expect("a text")).expect("JSON");
    let bench = Bench::start().await;
    let ledger = bench.ledger();

    let due = complete(&ledger, "due").await;
    assert_eq!(handed_over(&bench, &pattern).await, [due.partition()], "a new order");
    let claim = ledger.claim(&due, CLAIM).await.expect("the ledger").expect("it is due");
    assert_eq!(handed_over(&bench, &pattern).await, [""; 0], "a claimed order");
    let version = CurrentVersion { version: "1".to_owned(), sha256: "0".repeat(64) };
    ledger.note_version(&due, "document#document", &version).await.expect("noted");
    assert_eq!(handed_over(&bench, &pattern).await, [""; 0], "progress on a claimed order");
    complete(&ledger, "due").await;
    assert_eq!(handed_over(&bench, &pattern).await, [""; 0], "asked for again while it is claimed");
    ledger.settle(&claim, &OrderOutcome::Archived).await.expect("settled");
    assert_eq!(handed_over(&bench, &pattern).await, [due.partition()], "given up for having been asked for again");

    let outcomes = [
        OrderOutcome::Archived,
        OrderOutcome::Waiting { not_before: time::now(), reason: "r".to_owned(), failed: true },
        OrderOutcome::Blocked { host: "host".to_owned() },
        OrderOutcome::Failed { reason: "r".to_owned() },
        OrderOutcome::Foreign { reason: "r".to_owned() },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let subject = complete(&ledger, &format!("settled-{number}")).await;
        let claim = ledger.claim(&subject, CLAIM).await.expect("the ledger").expect("it is due");
        ledger.settle(&claim, &outcome).await.expect("settled");
        assert_eq!(handed_over(&bench, &pattern).await, [due.partition()], "{outcome:?}");
    }
    let mut settled = Vec::new();
    for state in ArchiveState::ALL.into_iter().filter(|state| *state != ArchiveState::Due) {
        let orders = ledger.orders(state, None, 10).await.expect("orders");
        assert_eq!(orders.len(), 1, "{state:?}");
        settled.extend(orders);
    }
    for order in settled {
        let state = order.state;
        assert!(ledger.wake(&order).await.expect("the ledger"));
        let mut expected = [due.partition(), order.subject.partition()];
        expected.sort();
        assert_eq!(handed_over(&bench, &pattern).await, expected, "{state:?}, due again");
        let claim = ledger.claim(&order.subject, CLAIM).await.expect("the ledger").expect("it is due");
        ledger.settle(&claim, &OrderOutcome::Archived).await.expect("settled");
    }
}

#[test]
fn the_message_is_what_the_worker_reads() {
    let template = Template::read();
    let written = template.resource("ArchivePipe").property("/TargetParameters/InputTemplate");
    let key = r#""quicklysign#document_pack#a""#;
    let message = written.as_str().expect("a text").replace("<$.dynamodb.NewImage.pk.S>", key);
    let message: Value = serde_json::from_str(&message).expect("JSON");
    assert_eq!(message, json!({"pk": "quicklysign#document_pack#a"}));
}

/// What EventBridge does with a pattern of this sort: objects are looked into, and of an array's members one must fit.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html>
fn matches(pattern: &Value, event: Option<&Value>) -> bool {
    match pattern {
        Value::Object(members) => {
            members.iter().all(|(name, inner)| matches(inner, event.and_then(|event| event.get(name))))
        }
        Value::Array(allowed) => allowed.iter().any(|allowed| match allowed {
            Value::Object(operator) => {
                assert!(operator.len() == 1 && operator.contains_key("exists"), "{operator:?} is not known here");
                operator["exists"].as_bool() == Some(event.is_some())
            }
            literal => event == Some(literal),
        }),
        other => panic!("{other} is no pattern"),
    }
}

/// An attribute as streams write it; of those that the filter could look at, only texts occur.
fn wire(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
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
fn the_matcher_itself_tells_apart() {
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
