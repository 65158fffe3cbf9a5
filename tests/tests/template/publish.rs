//! The event bus in the template: what `publish` reads, what consumers may do, and which events are mailed.

use std::collections::BTreeSet;

use countersign::{
    domain::{Provider, Route, Trust},
    ledger::{JobOutcome, SORT_KEY},
    publish::{Detail, DetailType, EventSubject, EventSubjectKind, PublishedEvent, SOURCE, VERSION},
    time,
};
use countersign_cli::stack::TABLE;
use end_to_end::{Stored, harness::deliveries, pack, quicklysign};
use serde_json::{Map, Value, json};

use super::{
    deployed::Deployed,
    permissions::HOUR,
    pipe::{matches, wire},
    template::{Parameters, Template},
};

/// The sort keys of the stored items that pass the stream's filter when they are written.
async fn passed(deployed: &Deployed, patterns: &[Value]) -> BTreeSet<String> {
    let items = deployed.aws.dynamodb.scan().table_name(TABLE).send().await.expect("a scan").items().to_vec();
    assert!(items.len() > 3, "there are other items");
    let mut passed = BTreeSet::new();
    for item in &items {
        let image: Map<String, Value> = item.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
        for name in ["INSERT", "MODIFY", "REMOVE"] {
            let record = json!({"eventName": name, "dynamodb": {"NewImage": image}});
            if patterns.iter().any(|pattern| matches(pattern, Some(&record))) {
                assert_ne!(name, "REMOVE");
                passed.insert(item[SORT_KEY].as_s().expect("a text").clone());
            }
        }
    }
    passed
}

#[tokio::test]
async fn the_stream_passes_the_items_that_events_come_from() {
    let template = Template::read();
    let stream = template.resource("Publish").property("/Events/Stream/Properties");
    let filters = stream["FilterCriteria"]["Filters"].as_array().expect("filters");
    let pattern = |filter: &Value| serde_json::from_str(filter["Pattern"].as_str().expect("a text")).expect("JSON");
    let patterns: Vec<Value> = filters.iter().map(pattern).collect();
    let deployed = Deployed::start().await;
    let ledger = deployed.ledger();
    let record = async |body: String| {
        let delivery = deliveries::delivery(Route::Quicklysign, body);
        ledger.accept(&delivery).await.expect("accepted");
        drop(countersign::intake::record(&ledger, &deliveries::services(), &delivery).await);
    };
    record(quicklysign::body("final_document_generated", "a")).await;
    assert_eq!(passed(&deployed, &patterns).await, ["STATE".to_owned()].into());
    record("no JSON".to_owned()).await;
    assert_eq!(passed(&deployed, &patterns).await, ["DELIVERY", "STATE"].map(str::to_owned).into());
    let outcomes = [
        (JobOutcome::Foreign { reason: "r".to_owned() }, false),
        (JobOutcome::Archived, true),
        (JobOutcome::Blocked { host: "host".to_owned() }, true),
        (JobOutcome::Failed { reason: "r".to_owned() }, true),
    ];
    for (outcome, passes) in outcomes {
        assert!(ledger.retry(&pack("a")).await.expect("the ledger"));
        let lease = ledger.lease(&pack("a"), HOUR).await.expect("the ledger").expect("it is due");
        assert!(!passed(&deployed, &patterns).await.contains("ARCHIVE"), "a leased job");
        ledger.complete(&lease, &outcome).await.expect("completed");
        assert_eq!(passed(&deployed, &patterns).await.contains("ARCHIVE"), passes, "{outcome:?}");
    }
}

#[test]
fn the_stream_delivers_again_what_is_not_published_for_almost_as_long_as_it_keeps_records() {
    let template = Template::read();
    let stream = template.resource("Publish").property("/Events/Stream/Properties");
    assert_eq!(template.resolve(&stream["Stream"], &Parameters::default()), "Table.StreamArn");
    assert_eq!(template.resource("Table").property("/StreamSpecification/StreamViewType"), "NEW_AND_OLD_IMAGES");
    assert_eq!(stream["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(stream["BisectBatchOnFunctionError"], true);
    let age = stream["MaximumRecordAgeInSeconds"].as_u64().expect("seconds");
    assert!((20 * 3600..24 * 3600).contains(&age), "{age}");
    assert_eq!(stream["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0], "PublishDeadLetters");
}

fn event(detail_type: DetailType, previous_trust: Option<Trust>) -> Value {
    let at = time::now();
    let detail = Detail {
        version: VERSION.to_owned(),
        id: "id".to_owned(),
        provider: Provider::Signeasy,
        subject: EventSubject { kind: EventSubjectKind::Document, id: "1".to_owned() },
        status: None,
        trust: None,
        previous_trust,
        confirmed_at: None,
        occurred_at: None,
        recorded_at: at,
        reason: None,
        pdfs: Vec::new(),
    };
    let mut event = serde_json::to_value(PublishedEvent { detail_type, time: at, detail }).expect("JSON");
    event["source"] = SOURCE.into();
    event
}

#[test]
fn each_mailed_event_has_one_mail_with_fields_that_exist() {
    let template = Template::read();
    let rules: Vec<_> = template.resources("AWS::Events::Rule").collect();
    assert_eq!(rules.len(), 3);
    let mut mailed = BTreeSet::new();
    for detail_type in DetailType::ALL {
        let mails =
            |event: &Value| rules.iter().filter(|rule| matches(rule.property("/EventPattern"), Some(event))).count();
        let (first, again) = (event(detail_type, None), event(detail_type, Some(Trust::Token)));
        assert!(mails(&first) <= 1, "{detail_type}");
        if mails(&first) == 1 {
            mailed.insert(detail_type.as_str());
            let is_status = !detail_type.as_str().contains("archive");
            assert_eq!(mails(&again), usize::from(!is_status), "{detail_type} is mailed twice");
        }
    }
    let expected = ["document.archive_blocked", "document.archive_failed", "document.completed", "document.declined"];
    assert_eq!(mailed, expected.into());
    let event = event(DetailType::DocumentCompleted, None);
    for rule in rules {
        let transformer = rule.property("/Targets/0/InputTransformer");
        let text = transformer["InputTemplate"].as_str().expect("a text");
        for line in text.lines() {
            assert!(line.starts_with('"') && line.ends_with('"') && line.len() < 256, "{}: {line}", rule.id);
        }
        for (name, path) in transformer["InputPathsMap"].as_object().expect("paths") {
            let pointer = path.as_str().expect("a path").replace("$.", "/").replace('.', "/");
            assert!(event.pointer(&pointer).is_some(), "{}: {path}", rule.id);
            assert!(text.contains(&format!("<{name}>")), "{}: {name}", rule.id);
        }
        assert_eq!(rule.value["Condition"], "HasNotifyEmail", "{}", rule.id);
    }
}

#[test]
fn consumers_may_only_put_rules_of_their_own_and_only_read_documents() {
    let template = Template::read();
    let statement = template.resource("EventBusPolicy").property("/Statement");
    assert_eq!(statement["Principal"], json!({"AWS": {"Ref": "ConsumerAccounts"}}));
    let creator = &statement["Condition"]["StringEqualsIfExists"]["events:creatorAccount"];
    assert_eq!(creator, "${aws:PrincipalAccount}");
    assert!(!statement["Action"].to_string().contains("events:PutEvents"), "consumers publish nothing");

    let read = template.resource("ReadDocuments").property("/PolicyDocument/Statement");
    let actions: BTreeSet<&str> = read
        .as_array()
        .expect("statements")
        .iter()
        .filter(|statement| statement["Action"].is_array() || statement["Action"].is_string())
        .flat_map(|statement| match &statement["Action"] {
            Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
            action => action.as_str().into_iter().collect(),
        })
        .collect();
    let expected = ["dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "s3:GetObjectVersion"];
    assert_eq!(actions, expected.into());
    for provider in Provider::ALL {
        let keys = read[0]["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"].to_string();
        assert!(keys.contains(&format!("\"{provider}#*\"")), "{keys}");
        assert!(read[2]["Resource"].to_string().contains(&format!("/{provider}/*")), "{}", read[2]["Resource"]);
    }
}
