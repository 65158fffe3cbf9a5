//! Permissions: each function's role allows exactly what the function calls.
//!
//! The calls are recorded, not listed: every function is started as deployed, with clients that record each call, and is
//! called with everything in `events/`, in every size, and more. A call that the role doesn't allow fails the test, and so does an unused
//! permission. To make sure that no call is missed, every SDK operation in the source must have been recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    path::Path,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{
    aws::Aws,
    domain::{Proven, Route},
    ledger::{ArchiveState, PARTITION_KEY},
};
use countersign_cli::{
    simulator::{legalesign::posts, signing::SigningKey},
    stack::{BUCKET, Functions, Key, TEMPORARY_BUCKET, clients},
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
    deployed::Deployed,
    events,
    functions::folders,
    routes,
    template::{Parameters, Template, root},
};

/// Calls that AWS itself makes with a function's role: for logs, traces, reading the queue or the stream, encryption.
const DONE_BY_AWS: [&str; 8] = [
    "logs:",
    "xray:",
    "sqs:",
    "kms:",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

/// Operations that no function calls: `countersign forget` lists every version of an object, and asks for its lock.
const BY_OPERATORS: [&str; 2] = ["ListObjectVersions", "GetObjectRetention"];

/// A statement that no call needs, but S3's answer to a GET of a missing object.
const FOR_MISSING_OBJECTS: &str = "NoticeMissingBodies";

/// Age of a delivery that the sweep takes up.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// An IAM action and its resource, named as in the template: `Table.Arn`, `ArchiveBucket.Arn/<key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub action: String,
    pub resource: String,
    /// The partition keys of the items that it reads or writes, as `dynamodb:LeadingKeys` has them. None for a query.
    pub leading_keys: BTreeSet<String>,
}

/// Records the calls of one function's clients.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<BTreeSet<Call>>>);

impl Recorder {
    pub fn clients(&self, aws: &Aws) -> Aws {
        Aws {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(
                aws.dynamodb.config().to_builder().interceptor(self.clone()).build(),
            ),
            s3: aws_sdk_s3::Client::from_conf(aws.s3.config().to_builder().interceptor(self.clone()).build()).into(),
            secrets: aws_sdk_secretsmanager::Client::from_conf(
                aws.secrets.config().to_builder().interceptor(self.clone()).build(),
            )
            .into(),
        }
    }

    fn eventbridge(&self, client: &aws_sdk_eventbridge::Client) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    pub fn calls(&self) -> BTreeSet<Call> {
        self.0.lock().unwrap().clone()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().expect("an operation").name();
        let request = context.request();
        let (action, resource) = match operation {
            "GetSecretValue" => ("secretsmanager:GetSecretValue".to_owned(), text(&body(request)["SecretId"])),
            "ListObjectsV2" => ("s3:ListBucket".to_owned(), place(request)),
            "ListObjectVersions" => ("s3:ListBucketVersions".to_owned(), place(request)),
            "PutObject" | "GetObject" | "DeleteObject" | "GetObjectRetention" => {
                (format!("s3:{operation}"), place(request))
            }
            "PutEvents" => ("events:PutEvents".to_owned(), "EventBus.Arn".to_owned()),
            operation => {
                let index =
                    body(request)["IndexName"].as_str().map_or_else(String::new, |name| format!("/index/{name}"));
                (format!("dynamodb:{}", action_of(operation)), format!("Table.Arn{index}"))
            }
        };
        let leading_keys = if action.starts_with("dynamodb:") { leading_keys(&body(request)) } else { BTreeSet::new() };
        self.0.lock().unwrap().insert(Call { action, resource, leading_keys });
        Ok(())
    }
}

/// The IAM action of an operation, without the service. IAM has an action for each kind of statement, and every statement
/// here is an INSERT.
fn action_of(operation: &str) -> &str {
    match operation {
        "BatchExecuteStatement" => "PartiQLInsert",
        operation => operation,
    }
}

/// The bucket or object of a request, as a resource.
fn place(request: &aws_smithy_runtime_api::http::Request) -> String {
    let path = request.uri().split_once("://").and_then(|(_, rest)| rest.split_once('/')).expect("a path").1;
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let (bucket, rest) = path.find('/').map_or((path, ""), |slash| path.split_at(slash));
    match bucket {
        BUCKET => format!("ArchiveBucket.Arn{rest}"),
        TEMPORARY_BUCKET => format!("TemporaryBucket.Arn{rest}"),
        other => panic!("unknown bucket {other}"),
    }
}

/// The partition keys of a request to DynamoDB for items.
fn leading_keys(request: &Value) -> BTreeSet<String> {
    let batches = request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
    let written = batches.clone().filter_map(Value::as_array).flatten().map(|write| &write["PutRequest"]["Item"]);
    let read = batches.filter_map(|batch| batch["Keys"].as_array()).flatten();
    let inserted = request["Statements"].as_array().into_iter().flatten().filter_map(|insert| {
        let (_, fields) = insert["Statement"].as_str()?.split_once("VALUE {")?;
        let place = fields.split(", ").position(|field| field.starts_with(&format!("'{PARTITION_KEY}'")))?;
        insert["Parameters"][place]["S"].as_str()
    });
    let items = [&request["Key"], &request["Item"]].into_iter().chain(written).chain(read);
    let keys = items.filter_map(|item| item[PARTITION_KEY]["S"].as_str()).chain(inserted);
    keys.map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn body(request: &aws_smithy_runtime_api::http::Request) -> Value {
    serde_json::from_slice(request.body().bytes().expect("a body in memory")).expect("JSON")
}

/// Whether callbacks are sent as they are in `events/`, or larger than a body that is stored in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    AsIs,
    Large,
}

/// The calls of each function, with callbacks of every size. Each size has a table of its own: otherwise the large ones
/// would only be duplicates.
async fn record_calls(template: &Template) -> BTreeMap<String, BTreeSet<Call>> {
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
/// is another member of the JSON, or another field of the form.
fn in_size(event: &str, size: Size) -> Value {
    let event: Value = serde_json::from_str(event).expect("JSON");
    let body = body_of(&event);
    if size == Size::AsIs || body.starts_with("--") {
        return event;
    }
    let padding = "x".repeat(10_000);
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

/// A statement of a policy: actions, the resources on which they are allowed, and the partition keys to which
/// `dynamodb:LeadingKeys` restricts them.
pub struct Statement {
    pub sid: String,
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    pub leading_keys: Option<Vec<String>>,
}

impl Statement {
    pub fn allows(&self, call: &Call) -> bool {
        let allows_key = |key: &String| {
            self.leading_keys.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| fits(pattern, key)))
        };
        self.actions.contains(&call.action)
            && self.resources.iter().any(|glob| fits(glob, &call.resource))
            && call.leading_keys.iter().all(allows_key)
    }
}

/// The patterns of a statement's only supported condition.
pub fn leading_keys_of(statement: &Value) -> Option<Vec<String>> {
    let condition = statement.get("Condition")?;
    let patterns = &condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    assert_eq!(*condition, json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns}}));
    Some(texts(patterns))
}

/// Whether a resource matches a pattern, which may end with an asterisk.
fn fits(pattern: &str, resource: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == resource, |prefix| resource.starts_with(prefix))
}

/// The statements of a function's role that allow the function's own calls.
fn statements(template: &Template, function: &str) -> Vec<Statement> {
    let resolve = |value: &Value| template.resolve(value, &Parameters::default());
    let role = resolve(&template.resource(&format!("{function}Role")).value["Properties"]);
    let shared = role["ManagedPolicyArns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| resolve(template.resource(name.as_str().expect("a name")).property("/PolicyDocument")));
    let own = role["Policies"].as_array().into_iter().flatten().map(|policy| policy["PolicyDocument"].clone());
    let mut statements = Vec::new();
    for document in shared.chain(own) {
        for statement in document["Statement"].as_array().expect("statements") {
            assert_eq!(statement["Effect"], "Allow");
            let mut allowed = Statement {
                sid: text(&statement["Sid"]),
                actions: texts(&statement["Action"]),
                resources: texts(&statement["Resource"]),
                leading_keys: None,
            };
            let by_aws = |action: &String| DONE_BY_AWS.iter().any(|call| action.starts_with(call));
            if !allowed.actions.iter().all(by_aws) && allowed.sid != FOR_MISSING_OBJECTS {
                assert!(!allowed.actions.iter().any(|action| action.contains('*')), "{function}: {}", allowed.sid);
                allowed.leading_keys = leading_keys_of(statement);
                statements.push(allowed);
            }
        }
    }
    statements
}

pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect(),
        other => panic!("{other}"),
    }
}

/// Every AWS SDK operation called in a folder of source code, by the SDK's name.
fn called_in_the_source(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            called_in_the_source(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source: String = std::fs::read_to_string(&path).expect("source").split_whitespace().collect();
            for client in [".dynamodb.", ".s3.", "client."] {
                for (start, _) in source.match_indices(client) {
                    let rest = &source[start + client.len()..];
                    let Some(end) = rest.find("()") else { continue };
                    let method = &rest[..end];
                    let is_name = method.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                    if is_name && method.contains('_') {
                        found.insert(method.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect());
                    }
                }
            }
        }
    }
}

/// Allowed actions and resources that weren't used.
pub fn unused(who: &str, statements: &[Statement], calls: &BTreeSet<Call>) -> Vec<String> {
    let mut unused = Vec::new();
    for Statement { sid, actions, resources, leading_keys } in statements {
        let used = |action: &String| {
            calls.iter().any(|call| call.action == *action && resources.iter().any(|glob| fits(glob, &call.resource)))
        };
        let by_action = || calls.iter().filter(|call| actions.contains(&call.action));
        let needed = |glob: &String| by_action().any(|call| fits(glob, &call.resource));
        let has_key = |glob: &String| by_action().any(|call| call.leading_keys.iter().any(|key| fits(glob, key)));
        let actions = actions.iter().filter(|action| !used(action));
        let resources = resources.iter().filter(|glob| !needed(glob));
        let keys = leading_keys.iter().flatten().filter(|glob| !has_key(glob));
        let all = actions.chain(resources).chain(keys);
        unused.extend(all.map(|what| format!("{who}, {sid}: {what} isn't used")));
    }
    unused
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_allow_exactly_what_functions_call() {
    let template = Template::read();
    let recorded = Box::pin(record_calls(&template)).await;
    let mut problems = Vec::new();
    for (function, calls) in &recorded {
        let statements = statements(&template, function);
        for call in calls {
            if !statements.iter().any(|statement| statement.allows(call)) {
                problems.push(format!("{function} may not do {call:?}"));
            }
        }
        problems.extend(unused(function, &statements, calls));
    }
    assert!(problems.is_empty(), "{problems:#?}");

    let seen: BTreeSet<&str> =
        recorded.values().flatten().filter_map(|call| Some(call.action.split_once(':')?.1)).collect();
    let mut in_source = BTreeSet::new();
    called_in_the_source(&root().join("shared/src"), &mut in_source);
    assert!(in_source.len() > 4, "{in_source:?}");
    let is_seen =
        |operation: &&String| seen.contains(action_of(operation)) || BY_OPERATORS.contains(&operation.as_str());
    let unseen: Vec<_> = in_source.iter().filter(|operation| !is_seen(operation)).collect();
    assert!(unseen.is_empty(), "{unseen:?} was never called in this test: its permissions can't be checked");
}

/// The trust policies: a service may assume a role only for this account's own pipe or schedule.
#[test]
fn roles_can_only_be_assumed_by_their_service() {
    let template = Template::read();
    let mut services = BTreeMap::new();
    for role in template.resources("AWS::IAM::Role") {
        let trust = role.property("/AssumeRolePolicyDocument/Statement/0");
        let service = trust["Principal"]["Service"].as_str().expect("a service");
        if service != "lambda.amazonaws.com" {
            assert!(trust["Condition"]["StringEquals"]["aws:SourceAccount"].is_object(), "{}", role.id);
            assert!(trust["Condition"]["ArnEquals"]["aws:SourceArn"].is_object(), "{}", role.id);
        }
        services.insert(role.id.to_owned(), service);
    }
    assert_eq!(
        (services["ArchivePipeRole"], services["ScheduleRole"]),
        ("pipes.amazonaws.com", "scheduler.amazonaws.com")
    );
    for function in folders().keys() {
        assert_eq!(services[&format!("{function}Role")], "lambda.amazonaws.com");
    }
}
