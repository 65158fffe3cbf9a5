//! Every file in `events/`, as `sam local invoke -e` would give it to the function, through the function's own handler:
//! what is stored of each, and what comes of it when it is sent again. The answers are those of `events/answers.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{
    delivery::Route,
    event::Kind,
    intake,
    ledger::{ArchiveState, Outcome},
    settings::Settings,
    subject::Subject,
};
use countersign_cli::stack::Functions;
use end_to_end::{
    bench::{self, Bench, failed, quicklysign_body},
    pack,
};
use reconcile::Task;
use serde_json::Value;

/// The folders of callbacks.
const CALLBACKS: [(Route, &str); 4] = [
    (Route::LegalesignBatch, "v1-batch"),
    (Route::LegalesignRealtime, "v1-realtime"),
    (Route::Quicklysign, "quicklysign-callback"),
    (Route::Signeasy, "signeasy-callback"),
];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "events"].iter().collect()
}

fn read(file: &str) -> String {
    let path = folder().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_json(file: &str) -> Value {
    serde_json::from_str(&read(file)).unwrap()
}

/// The cases of a function, by name, and the event of each.
fn cases(function: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder().join(function)).unwrap().map(|file| file.unwrap().file_name());
    let names = files.map(|file| file.into_string().unwrap());
    names
        .map(|file| (file.strip_suffix(".json").expect("JSON").to_owned(), read(&format!("{function}/{file}"))))
        .collect()
}

/// What proves all callbacks, as `sam local invoke --env-vars` sets it.
fn settings(bench: &Bench) -> Settings {
    let environments = read_json("env.json");
    let variables = environments.as_object().unwrap().values().flat_map(|function| function.as_object().unwrap());
    let variables = variables.filter(|(name, _)| !name.ends_with("_API"));
    let variables: Vec<_> = variables.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    bench.settings_with(&variables).unwrap()
}

#[test]
fn every_folder_has_its_test_here() {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let there: BTreeSet<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let tested = CALLBACKS.iter().map(|(_, function)| *function);
    let tested = tested.chain(["final-document", "quicklysign-subscribe", "reconcile"]).map(str::to_owned);
    assert_eq!(there, tested.collect());
}

async fn stored(bench: &Bench) -> (usize, usize) {
    (bench.believed().await.len(), bench.keys().await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_kept_whole_and_known_again() {
    let bench = Bench::start().await;
    let settings = settings(&bench);
    let functions = Functions::start(&settings, &bench.aws).await;
    let (answers, ledger) = (read_json("answers.json"), bench.ledger());
    for (route, function) in CALLBACKS {
        for (case, event) in cases(function) {
            let case = format!("{function}/{case}");
            let said = &answers[&case];
            let before = stored(&bench).await;
            for time in 1..=2 {
                let request = lambda_http::request::from_str(&event).unwrap();
                let sent = request.body().as_ref().to_vec();
                let answer = bench::answer(functions.call(route, request).await);
                assert_eq!(answer.body["events"], said["events"], "{case}");
                // What is known from another case is a duplicate already the first time.
                let is_known = matches!(said["outcome"].as_str(), Some("recorded" | "duplicate"));
                let expected = if !is_known {
                    (said["status"].as_u64(), said["outcome"].as_str())
                } else if time == 2 && route != Route::Quicklysign && said["events"] != 0 {
                    (Some(200), Some("duplicate"))
                } else {
                    assert!(["recorded", "duplicate"].contains(&answer.verdict().1), "{case}");
                    (Some(200), answer.body["outcome"].as_str())
                };
                assert_eq!((Some(answer.status.into()), answer.body["outcome"].as_str()), expected, "{case}");
                if answer.status != 200 {
                    assert_eq!((stored(&bench).await, &answer.body["delivery"]), (before, &Value::Null), "{case}");
                    continue;
                }
                let delivery = ledger.delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
                assert_eq!(delivery.delivery.route(), route, "{case}");
                assert_eq!(Some(delivery.record.outcome.as_str()), answer.body["outcome"].as_str(), "{case}");
                assert_eq!(answer.body["events"], delivery.record.events, "{case}");
                // SignEasy's carry a secret, which is taken out.
                assert!(route == Route::Signeasy || delivery.delivery.body() == &sent, "{case}");
            }
        }
    }
    // Whatever was in them, it can be listed and shown.
    let documents = ledger.documents(None, None, None, 1000).await.unwrap();
    assert!(documents.documents.len() > 10 && documents.next.is_none());
    let secret = "myloooooooongtokenbiggerthan12chars";
    assert!(read("env.json").contains(secret) && !format!("{:?}", bench.items().await).contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_s_name_the_pack_and_what_happened_to_it() {
    let bench = Bench::start().await;
    let function = quicklysign_callback::Function::start(Ok(settings(&bench)), &bench.aws).await;
    for (case, event) in cases("quicklysign-callback") {
        let request = lambda_http::request::from_str(&event).unwrap();
        let sent = request.body().as_ref().to_vec();
        let answer = bench::answer(function.handle(request).await);
        let delivery = bench.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        if case == "unreadable" {
            assert_eq!(delivery.record.outcome, Outcome::SetAside);
            continue;
        }
        let said: Value = serde_json::from_slice(&sent).unwrap();
        let timeline = bench.timeline(&pack(said["entity_key"].as_str().unwrap())).await;
        let event = timeline.events.iter().find(|event| event.delivery.as_deref() == Some(answer.delivery())).unwrap();
        assert_eq!(event.name, said["callback_event"].as_str().unwrap(), "{case}");
        // A large payload is the delivery's alone to keep.
        assert!(event.payload == said || event.payload.is_null() && sent.len() > 8 * 1024, "{case}");
        let is_final = event.name == "final_document_generated";
        assert_eq!(event.kind == Kind::Completed, is_final, "{case}");
        assert!(!is_final || timeline.document.status == Some(Kind::Completed), "{case}");
    }
}

/// The pack that the events for `final-document` are about.
fn due_pack() -> Subject {
    let event: SqsEvent = serde_json::from_str(&read("final-document/due.json")).unwrap();
    let body: Value = serde_json::from_str(event.records[0].body.as_deref().unwrap()).unwrap();
    body["pk"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_orders_are_done_and_what_is_no_order_is_given_back() {
    let answers = read_json("answers.json");
    for (case, event) in cases("final-document") {
        let bench = Bench::start().await;
        let (ledger, pack) = (bench.ledger(), due_pack());
        let body = quicklysign_body("final_document_generated", pack.id.as_str());
        let delivery = bench::delivery(Route::Quicklysign, body);
        ledger.accept(&delivery).await.unwrap();
        intake::record(&ledger, &delivery).await.unwrap();
        let event: SqsEvent = serde_json::from_str(&event).unwrap();
        let is_about_it =
            event.records.iter().any(|record| record.body.as_ref().is_some_and(|body| body.contains(pack.id.as_str())));
        let answer = bench.final_document().handle(event).await;
        let given_back = answers[format!("final-document/{case}")]["batchItemFailures"].as_array().unwrap().iter();
        let given_back: Vec<&str> = given_back.map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
        assert_eq!(failed(&answer), given_back, "{case}");
        let timeline = bench.timeline(&pack).await;
        let state = timeline.document.archive.unwrap().state;
        let expected = if is_about_it { ArchiveState::Archived } else { ArchiveState::Due };
        assert_eq!((state, timeline.pdfs.is_empty()), (expected, !is_about_it), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedules_events_are_tasks_and_with_nothing_stored_nothing_is_to_do() {
    let bench = Bench::start().await;
    let answers = read_json("answers.json");
    for (case, event) in cases("reconcile") {
        let task: Task = serde_json::from_str(&event).unwrap();
        let function = reconcile::Function::start(Ok(bench.settings()), &bench.aws);
        let done = serde_json::to_value(function.handle(task).await.unwrap()).unwrap();
        // What asking comes to depends on what is stored and what the services know.
        assert!(done.get("signeasy").is_none_or(|asked| asked["asked"] == 0), "{case}: {done}");
        for (name, value) in answers[format!("reconcile/{case}")].as_object().unwrap() {
            assert_eq!(&done[name], value, "{case}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_subscribed_to_once() {
    let bench = Bench::start().await;
    let answers = read_json("answers.json");
    let url = [("QUICKLYSIGN_CALLBACK_URL", "https://callbacks.example.com/callbacks/quicklysign/{token}")];
    let function = quicklysign_subscribe::Function::start(bench.settings_with(&url), &bench.aws);
    // In the order of their names: the second is the first one again.
    for (case, event) in cases("quicklysign-subscribe") {
        let subscribed = function.handle(serde_json::from_str(&event).unwrap()).await.unwrap();
        let subscribed = serde_json::to_value(&subscribed).unwrap();
        for (name, value) in answers[format!("quicklysign-subscribe/{case}")].as_object().unwrap() {
            assert_eq!(&subscribed[name], value, "{case}: {name}");
        }
    }
}
