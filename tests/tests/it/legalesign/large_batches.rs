//! Batches of any size in one invocation, and a DynamoDB that is throttled or rejects them.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::StreamSpecification;
use axum::extract::Request;
use countersign::{
    aws::Aws,
    domain::{Kind, Outcome},
    intake::Receiver,
    ledger::{ArchiveState, Ledger},
    providers::{
        Endpoint,
        legalesign::{BATCH, Legalesign, REALTIME},
    },
    sweep::Sweep,
};
use countersign_cli::{
    simulator::legalesign::posts::{self, GROUP, Post},
    stack::{self, STORAGE, TABLE},
};
use end_to_end::{
    LocalStack, Stored,
    legalesign::{self, document, signer, status},
};
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Finishes the one accepted delivery, as the schedule does a little later. A busy machine may need several runs: each
/// continues where the one before stopped.
async fn finish(stack: &LocalStack, aws: &Aws) {
    let sweep = Sweep::new(&stack.settings, aws);
    for _ in 0..100 {
        let later = Timestamp::now() + SignedDuration::from_mins(2);
        let swept = sweep.run(later).await.unwrap();
        assert_eq!(swept.recorded + swept.still_unfinished, 1, "{swept:?}");
        if swept.recorded == 1 {
            return;
        }
    }
    panic!("the sweep doesn't finish the delivery");
}

/// The stack's clients, but with an empty DynamoDB in memory and without a stream. The stack's own makes each item
/// durable by itself and reads the whole stream at each write, which takes minutes for this many items.
async fn in_memory(stack: &LocalStack) -> Aws {
    let database = dynoxide::Database::memory().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let key = stack.endpoints.key();
    tokio::spawn(stack::dynamodb::endpoint::serve(listener, database, key.clone(), std::future::pending()));
    let aws = stack::clients(&url, &stack.endpoints.s3, &key).await;
    stack::dynamodb::create_table(&aws.dynamodb, TABLE).await.unwrap();
    let no_stream = StreamSpecification::builder().stream_enabled(false).build().unwrap();
    aws.dynamodb.update_table().table_name(TABLE).stream_specification(no_stream).send().await.unwrap();
    aws
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_2000_entries_is_recorded() {
    entries_in_one_batch(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes in an unoptimised build: .ci/full runs it"]
async fn a_batch_of_20000_entries_is_recorded() {
    entries_in_one_batch(20_000).await;
}

/// Posts a batch of this many entries twice, and checks everything that is stored.
async fn entries_in_one_batch(count: usize) {
    let subjects = count / 20;
    let stack = LocalStack::start().await;
    let aws = in_memory(&stack).await;
    let ledger = Ledger::new(&aws, STORAGE);
    let codes = [4, 5, 10, 15, 20, 30, 35, 39, 40, 50];
    let entries: Vec<Value> = (0..count)
        .map(|n| {
            let (subject, step) = (n % subjects, n / subjects);
            let time = format!("2018-03-20T07:{:02}:{:02}", step, subject % 60);
            status("signer", &format!("5b1e7d90-2c48-4b6f-a7e3-1d8c9f{subject:06}"), codes[step % 10], &time)
        })
        .collect();
    // With the spaces of the documentation's samples.
    let data = json!(entries).to_string().replace("\",\"", "\", \"").replace("\":\"", "\": \"").replace("},{", "}, {");
    let post = posts::batch(&legalesign::signing_key(&stack.secrets), &data).unwrap();
    assert!((205..225).contains(&(post.body.len() / count)), "4.1 to 4.5 MB at 20,000: {} bytes", post.body.len());
    for redelivered in [false, true] {
        let (status, answer) = handle(&stack, &aws, &BATCH, post.clone()).await;
        assert_eq!((status, &answer["events"]), (200, &json!(count)), "{answer:?}");
        let accepted = answer["outcome"] == "accepted";
        if accepted {
            // On a slow machine the function runs out of time, and the sweep finishes it.
            finish(&stack, &aws).await;
        }
        let stored = ledger.delivery(&answer["delivery"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((stored.record.events, stored.record.size), (count as u64, post.body.len() as u64));
        let outcome = if redelivered { Outcome::Duplicate } else { Outcome::Recorded };
        assert!(stored.record.outcome == outcome || accepted, "{:?}", stored.record.outcome);
    }
    for subject in 0..subjects {
        let id = format!("5b1e7d90-2c48-4b6f-a7e3-1d8c9f{subject:06}");
        let timeline = ledger.timeline(&signer(&id)).await.unwrap().unwrap();
        assert_eq!((timeline.events.len(), timeline.document.status), (count / subjects, Some(Kind::Signed)));
        assert!(timeline.events.iter().all(|event| event.deliveries == 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_batches_of_hundreds_count_every_delivery() {
    let stack = LocalStack::start().await;
    let entries = entries(300);
    let post = |range: std::ops::Range<usize>| {
        let entries = [&entries[range.clone()], &entries[range]].concat();
        posts::batch(&legalesign::signing_key(&stack.secrets), &json!(entries).to_string()).unwrap()
    };
    for (range, outcome) in [(0..200, "recorded"), (100..300, "recorded"), (0..300, "duplicate")] {
        let expected = 2 * range.len();
        let answer = stack.post_legalesign(post(range)).await;
        if answer.body["outcome"] == "accepted" {
            finish(&stack, &stack.aws).await;
        } else {
            assert_eq!(answer.body["outcome"], outcome);
        }
        assert_eq!(answer.body["events"], expected, "each entry counts, repeated ones too");
    }
    for n in (0..300).step_by(7) {
        let subject = if n == 0 { document("x0") } else { signer(&format!("x{n}")) };
        let timeline = stack.timeline(&subject).await;
        let [event] = timeline.events.as_slice() else { panic!("{:?}", timeline.events) };
        assert_eq!(event.deliveries, if (100..200).contains(&n) { 3 } else { 2 }, "{n}");
    }
}

/// A proxy between a function and the embedded DynamoDB, which answers some calls itself.
struct DynamoDbProxy {
    url: String,
}

type Answers = Arc<dyn Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync>;

impl DynamoDbProxy {
    /// `answers` is called with an operation and its JSON. If it gives no answer, the call is forwarded.
    async fn start(stack: &LocalStack, answers: Answers) -> Self {
        let dynamodb = stack.endpoints.dynamodb.clone();
        let handle = move |request: Request| {
            let (answers, dynamodb) = (Arc::clone(&answers), dynamodb.clone());
            async move {
                let (mut head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 26).await.unwrap();
                let operation = head.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
                let json: Value = serde_json::from_slice(&body).unwrap();
                if let Some((status, answer)) = answers(&operation, &json) {
                    let status = StatusCode::from_u16(status).unwrap();
                    return (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string());
                }
                head.uri = dynamodb.parse().unwrap();
                let (policy, _) = countersign::outbound::UrlPolicy::only_host_of(&dynamodb, true).unwrap();
                let client = countersign::outbound::Client::new(policy, countersign::outbound::Timeouts::default());
                let request = http::Request::from_parts(head, body);
                let response = client.call(request, 1 << 26).await.unwrap();
                let text = String::from_utf8(response.body().to_vec()).unwrap();
                (response.status(), [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], text)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(handle)).await });
        Self { url }
    }

    /// Calls a function, whose DynamoDB is behind this proxy, with a post. Returns the answer's status and JSON.
    async fn handle(&self, stack: &LocalStack, endpoint: &Endpoint, post: Post) -> (u16, Value) {
        let aws = stack::clients(&self.url, &stack.endpoints.s3, &stack.endpoints.key()).await;
        handle(stack, &aws, endpoint, post).await
    }
}

/// Calls a function, which has these clients, with a post. Returns the answer's status and JSON.
async fn handle(stack: &LocalStack, aws: &Aws, endpoint: &Endpoint, post: Post) -> (u16, Value) {
    let receiver = Receiver::new(endpoint, Legalesign::new, Ok(stack.settings.clone()), aws);
    let url = stack.callback_url(post.route).unwrap();
    let url = format!("{url}?{}", post.query.unwrap_or_default());
    let request =
        post.headers.iter().fold(http::Request::post(url), |request, (name, value)| request.header(*name, value));
    let request = request.body(post.body).unwrap();
    let response = receiver.handle(request).await;
    (response.status().as_u16(), serde_json::from_str(response.body()).unwrap())
}

fn entries(number: usize) -> Vec<Value> {
    let time = "2018-03-20T07:09:52";
    (0..number).map(|n| status(if n == 0 { "document" } else { "signer" }, &format!("x{n}"), 30, time)).collect()
}

fn batch(stack: &LocalStack, number: usize) -> Post {
    posts::batch(&legalesign::signing_key(&stack.secrets), &json!(entries(number)).to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn unprocessed_items_and_throttled_batches_are_retried() {
    let stack = LocalStack::start().await;
    let calls: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let counted = Arc::clone(&calls);
    let answers: Answers = Arc::new(move |operation, json| {
        let mut calls = counted.try_lock().ok()?;
        let call = calls.entry(operation.to_owned()).or_default();
        *call += 1;
        match (operation, *call) {
            // The first call processes nothing, some more are throttled, and then calls are forwarded.
            ("BatchExecuteStatement", 1) => {
                let throttled = json!({"Error": {"Code": "ThrottlingError", "Message": "slower"}});
                let responses = vec![throttled; json["Statements"].as_array()?.len()];
                Some((200, json!({"Responses": responses})))
            }
            ("BatchGetItem", 1) => {
                Some((200, json!({"Responses": {}, "UnprocessedKeys": json["RequestItems"].clone()})))
            }
            ("BatchExecuteStatement" | "BatchGetItem", 2..=5) => {
                let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
                Some((400, json!({"__type": code, "message": "slower"})))
            }
            _ => None,
        }
    });
    let proxy = DynamoDbProxy::start(&stack, answers).await;
    let (status, answer) = proxy.handle(&stack, &BATCH, batch(&stack, 40)).await;
    assert_eq!((status, &answer["outcome"], &answer["events"]), (200, &json!("recorded"), &json!(40)));
    assert!(calls.lock().await["BatchExecuteStatement"] > 2);
    assert_eq!(stack.items().await.iter().filter(|item| item.text("sk").unwrap().starts_with("EVENT#")).count(), 40);
}

/// An error that the SDK doesn't retry, for calls that contain this text.
fn reject(json: &Value, what: &str) -> Option<(u16, Value)> {
    let code = "com.amazonaws.dynamodb.v20120810#ValidationException";
    json.to_string().contains(what).then(|| (400, json!({"__type": code, "message": "no"})))
}

/// A stack whose archive jobs stay due: a worker would finish recording the delivery that requested its job, before the
/// sweep does.
async fn without_a_worker() -> LocalStack {
    LocalStack::start_with(|options| options.piped = false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_batch_is_acknowledged_and_finished_by_the_sweep() {
    for (number, what) in [(2, "EVENT#"), (40, "EVENT#"), (40, "STATE"), (40, "ARCHIVE"), (40, "finished_at")] {
        let stack = without_a_worker().await;
        let proxy = DynamoDbProxy::start(&stack, Arc::new(move |_, json| reject(json, what))).await;
        let (status, answer) = proxy.handle(&stack, &BATCH, batch(&stack, number)).await;
        let verdict = (status, answer["outcome"].as_str().unwrap(), answer["reason"].as_str().unwrap());
        assert_eq!(verdict, (200, "accepted", "out_of_time"), "{what}");
        assert_eq!(answer["events"], number);
        let id = answer["delivery"].as_str().unwrap().parse().unwrap();
        let ledger = stack.ledger();
        let outcome = async || ledger.delivery(&id).await.unwrap().unwrap().record.outcome;
        assert_eq!(outcome().await, Outcome::Accepted);
        finish(&stack, &stack.aws).await;
        assert_eq!(outcome().await, Outcome::Recorded, "{what}: not a duplicate of itself");
        let stack = stack.restart(|_| {}).await;
        let timeline = stack.wait_for_archive(&document("x0"), &[ArchiveState::Archived]).await;
        assert_eq!((timeline.events.len(), timeline.events[0].deliveries), (1, 1));
        for n in 1..number {
            assert_eq!(stack.timeline(&signer(&format!("x{n}"))).await.events.len(), 1, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_dynamodb_rejects_is_spooled_in_the_bucket() {
    // The certificate is stored first, so that every stored delivery can be verified.
    for what in ["CERT#", "DELIVERY#"] {
        let stack = LocalStack::start().await;
        let proxy = DynamoDbProxy::start(&stack, Arc::new(move |_, json| reject(json, what))).await;
        let (status, answer) = proxy.handle(&stack, &BATCH, batch(&stack, 2)).await;
        let verdict = (status, answer["outcome"].as_str().unwrap(), answer["reason"].as_str().unwrap());
        assert_eq!(verdict, (200, "accepted", "out_of_time"), "{what}");
        assert!(stack.items().await.iter().all(|item| item.text("pk").unwrap().starts_with("CERT#")), "{what}");
        assert_eq!(stack.keys().await, [format!("pending/{}", answer["delivery"].as_str().unwrap())]);
        let sweep = Sweep::new(&stack.settings, &stack.aws);
        let swept = sweep.run(Timestamp::now() + SignedDuration::from_mins(2)).await.unwrap();
        assert_eq!((swept.taken_in, swept.still_unfinished), (1, 0), "{swept:?}");
        assert_eq!(stack.timeline(&document("x0")).await.events.len(), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_realtime_callback_is_acknowledged_and_finished_by_the_sweep() {
    let stack = without_a_worker().await;
    let proxy = DynamoDbProxy::start(&stack, Arc::new(|_, json| reject(json, "EVENT#"))).await;
    let (status, answer) = proxy.handle(&stack, &REALTIME, posts::form("d", GROUP).with_event("signed")).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("accepted")));
    finish(&stack, &stack.aws).await;
    assert_eq!(stack.timeline(&document("d")).await.document.status, Some(Kind::Completed));
}
