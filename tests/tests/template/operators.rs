//! The policies for operators in `docs/deploy.md`: each allows exactly what the command line and the console call.
//!
//! As for the functions' roles, the calls are recorded: everything that commands do with table and bucket is done here,
//! with clients that record each call.

use std::collections::{BTreeMap, BTreeSet};

use countersign::{
    domain::{Provider, Route},
    ledger::{ArchiveState, DeliveryFilter, Ledger},
    replay::{Replay, Selection},
    settings::Settings,
    time,
    verify::verify,
};
use countersign_cli::stack::{BUCKET, Functions, STORAGE};
use end_to_end::{Stored, from_now, harness::deliveries, pack};
use serde_json::{Value, json};

use super::{
    deployed::Deployed,
    events,
    functions::folders,
    permissions::{Call, FOR_MISSING_OBJECTS, HOUR, Recorder, Statement, large_batch, leading_keys_of, texts, unused},
    routes,
    template::{Template, root},
};

/// The heading of the section that has the policies as JSON: for reading, for retry and replay, and for erasure.
const HEADING: &str = "### What an operator's role needs";

/// The statements of each policy. The names of the placeholders are replaced by those of the template's resources.
fn policies() -> [Vec<Statement>; 3] {
    let text = std::fs::read_to_string(root().join("docs/deploy.md")).expect("docs/deploy.md");
    let (_, section) = text.split_once(HEADING).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```json").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let policies: Vec<Vec<Statement>> = blocks.map(statements).collect();
    policies.try_into().unwrap_or_else(|policies: Vec<_>| panic!("{} policies", policies.len()))
}

fn statements(block: &str) -> Vec<Statement> {
    let policy: Value = serde_json::from_str(block).expect("JSON");
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().expect("statements").iter();
    let statements = statements.map(|statement| Statement {
        sid: statement["Sid"].as_str().expect("a name").to_owned(),
        actions: texts(&statement["Action"]),
        resources: texts(&statement["Resource"]).iter().map(|resource| named(resource)).collect(),
        leading_keys: leading_keys_of(statement),
    });
    // CloudFormation is called without the SDK. Listing is for S3's answer to a GET of a missing object.
    let is_called = |statement: &Statement| {
        !statement.actions[0].starts_with("cloudformation:") && statement.sid != FOR_MISSING_OBJECTS
    };
    statements.filter(is_called).collect()
}

fn named(resource: &str) -> String {
    let table = "arn:aws:dynamodb:<region>:<account>:table/<TableName>";
    let bucket = "arn:aws:s3:::<ArchiveBucketName>";
    if let Some(rest) = resource.strip_prefix(table) {
        return format!("Table.Arn{rest}");
    }
    if let Some(rest) = resource.strip_prefix(bucket) {
        return format!("ArchiveBucket.Arn{rest}");
    }
    if let Some(rest) = resource.strip_prefix("arn:aws:s3:::<TemporaryBucketName>") {
        return format!("TemporaryBucket.Arn{rest}");
    }
    resource.trim_matches(['<', '>']).to_owned()
}

/// The settings of all functions together.
fn settings(template: &Template, deployed: &Deployed, signeasy_token: &str) -> Settings {
    let functions = template.functions().map(|function| deployed.environment(template, function.id));
    let mut environment: BTreeMap<String, String> = functions.flatten().collect();
    environment.insert("SIGNEASY_TOKEN".to_owned(), signeasy_token.to_owned());
    countersign::providers::settings(|name| environment.get(name).cloned()).expect("settings")
}

/// A SignEasy callback without the required token, too large to be stored in the table.
fn without_token() -> String {
    let (_, event) = events::of("signeasy-callback")
        .into_iter()
        .find(|(case, _)| case.ends_with("/rs_viewed_v2"))
        .expect("an event");
    let mut event: Value = serde_json::from_str(&event).expect("JSON");
    let mut body: Value = serde_json::from_str(event["body"].as_str().expect("a body")).expect("JSON");
    body["metadata"].as_object_mut().expect("metadata").remove("token");
    body["data"]["padding"] = "x".repeat(10_000).into();
    event["body"] = body.to_string().into();
    event.to_string()
}

/// Stores deliveries, documents and quarantined requests.
async fn fill(template: &Template, deployed: &Deployed) {
    let functions =
        Functions::start(&settings(template, deployed, "required"), &deployed.aws, deployed.eventbridge().await).await;
    let folders = folders();
    for route in Route::ALL {
        for (_, event) in events::of(&folders[routes::function(route)]) {
            functions.call(route, http_event::request(&event).expect("an event").0).await;
        }
    }
    let rejected = http_event::request(&without_token()).expect("an event").0;
    assert_eq!(functions.call(Route::Signeasy, rejected).await.status(), 401);
    let ledger = deployed.ledger();
    for id in ["to-be-erased", "other"] {
        let body = json!({"entity_key": id, "callback_event": "document_updated", "padding": "x".repeat(10_000)});
        let delivery = deliveries::delivery_at(from_now(-HOUR), Route::Quicklysign, body.to_string());
        ledger.accept(&delivery).await.expect("accepted");
    }
    let delivery = large_batch();
    ledger.accept(&delivery).await.expect("accepted");
    let subject = pack("to-be-erased");
    let key = format!("quicklysign/{}/document/hash.pdf", subject.id);
    deployed.put_object(&key, "%PDF-").await;
}

async fn read(deployed: &Deployed, recorder: &Recorder) {
    let aws = recorder.clients(&deployed.aws);
    let ledger = Ledger::new(&aws, STORAGE);
    ledger.count_jobs(ArchiveState::Failed, 1).await.expect("a count");
    ledger.count_quarantined(time::now(), 1).await.expect("a count");
    let documents = ledger.documents(None, None, None, 1000).await.expect("documents").documents;
    for document in &documents {
        let id = countersign::domain::SubjectId::parse(document.id.as_str()).expect("an id");
        let subject = countersign::domain::Subject { provider: document.provider, kind: document.kind, id };
        ledger.timeline(&subject).await.expect("a timeline").expect("known");
    }
    for state in ArchiveState::ALL {
        ledger.jobs(state, None, 10).await.expect("jobs");
    }
    let today = &time::format(time::now())[..10];
    ledger.deliveries_page(today, DeliveryFilter::default(), None, 10).await.expect("deliveries");
    ledger.unfinished_records(10).await.expect("deliveries");
    let since = Selection { since: Some(time::now()), provider: None };
    since.deliveries(&ledger).await.expect("deliveries");
    let mut proven = 0;
    for record in Selection::default().deliveries(&ledger).await.expect("deliveries") {
        ledger.delivery(&record.id).await.expect("a delivery");
        proven += usize::from(verify(&ledger, &deliveries::services(), &record.id).await.is_ok());
    }
    assert!(proven > 0, "no delivery could be verified");
    for kept in ledger.quarantine_list(None, None, 100).await.expect("quarantine") {
        ledger.quarantined(&kept.id).await.expect("a request");
    }
    ledger.rejected(Provider::Signeasy).await.expect("a ring");
    // As the console serves a PDF.
    let key = "quicklysign/to-be-erased/document/hash.pdf";
    aws.s3.get_object().bucket(BUCKET).key(key).send().await.expect("a PDF");
}

async fn retry_and_replay(template: &Template, deployed: &Deployed, recorder: &Recorder) {
    let aws = recorder.clients(&deployed.aws);
    let ledger = Ledger::new(&aws, STORAGE);
    let job = deployed.ledger().jobs(ArchiveState::Due, None, 1).await.expect("jobs").remove(0);
    assert!(ledger.retry(&job.subject).await.expect("a retry"));
    let replay = Replay::new(&settings(template, deployed, "if_present"), &aws);
    for id in replay.stored(Selection::default()).await.expect("deliveries") {
        replay.delivery(&id).await.expect("a replay");
    }
    let mut outcomes = BTreeSet::new();
    for id in replay.quarantined(Selection::default()).await.expect("quarantine") {
        outcomes.extend(replay.rejected(&id).await.expect("a replay").map(|replayed| replayed.outcome));
    }
    assert!(outcomes.contains("recorded") && outcomes.contains("quarantined"), "{outcomes:?}");
    // QuicklySign's only proof is the path token, so no request of it is quarantined, but a replay would read its secret.
    let quicklysign = settings(template, deployed, "if_present").service(Provider::Quicklysign).proof.clone();
    let countersign::settings::SecretSource::SecretsManager(id) = quicklysign else { panic!("no secret") };
    aws.secrets.get_secret_value().secret_id(id).send().await.expect("a secret");
}

async fn forget(deployed: &Deployed, recorder: &Recorder) {
    let ledger = Ledger::new(&recorder.clients(&deployed.aws), STORAGE);
    let id = pack("to-be-erased").id;
    let held = countersign::forget::held(&ledger, &deliveries::services(), Provider::Quicklysign, &id).await;
    assert_eq!(held.expect("the ledger"), []);
    let forgotten =
        countersign::forget::forget(&ledger, &deliveries::services(), Provider::Quicklysign, &id, time::now()).await;
    let forgotten = forgotten.expect("the ledger").expect("a known subject");
    assert_eq!((forgotten.objects.len(), forgotten.deliveries.len()), (2, 1), "{forgotten:?}");
}

/// The deployed bucket is versioned, so a version is deleted there instead of an object.
fn with_versions(calls: BTreeSet<Call>) -> BTreeSet<Call> {
    let name = |action: String| if action == "s3:DeleteObject" { "s3:DeleteObjectVersion".to_owned() } else { action };
    calls.into_iter().map(|call| Call { action: name(call.action), ..call }).collect()
}

/// Otherwise S3 answers 403 to a GET of a missing object, as if the operator had too few permissions.
#[test]
fn whoever_reads_objects_may_list_their_buckets() {
    let text = std::fs::read_to_string(root().join("docs/deploy.md")).expect("docs/deploy.md");
    let (_, section) = text.split_once(HEADING).expect("the heading");
    let block = section.split("```json").nth(1).and_then(|block| block.split("```").next()).expect("a policy");
    let policy: Value = serde_json::from_str(block).expect("JSON");
    let buckets = |action: &str| -> BTreeSet<String> {
        let all = policy["Statement"].as_array().expect("statements").iter();
        let allowing = all.filter(|statement| texts(&statement["Action"]).iter().any(|allowed| allowed == action));
        let resources = allowing.flat_map(|statement| texts(&statement["Resource"]));
        resources.map(|resource| resource.split('/').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(buckets("s3:GetObject").len(), 2);
    assert_eq!(buckets("s3:ListBucket"), buckets("s3:GetObject"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_policies_allow_exactly_what_the_commands_call() {
    let template = Template::read();
    let deployed = Deployed::start().await;
    fill(&template, &deployed).await;
    let [reading, replaying, erasing] = [(); 3].map(|()| Recorder::default());
    read(&deployed, &reading).await;
    retry_and_replay(&template, &deployed, &replaying).await;
    forget(&deployed, &erasing).await;
    let [to_read, to_replay, to_erase] = policies();
    let all = [
        ("to read", vec![&to_read], reading.calls()),
        ("to replay", vec![&to_replay, &to_read], replaying.calls()),
        ("to erase", vec![&to_erase, &to_read], with_versions(erasing.calls())),
    ];
    let mut problems = Vec::new();
    for (who, policies, calls) in all {
        let allows = |call: &&Call| policies.iter().copied().flatten().any(|statement| statement.allows(call));
        let denied = calls.iter().filter(|call| !allows(call));
        problems.extend(denied.map(|call| format!("{who}: {call:?} isn't allowed")));
        problems.extend(unused(who, policies[0], &calls));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
