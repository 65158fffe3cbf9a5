//! Every file in `events/`, given to the function's handler as `sam local invoke -e` does: what is stored, also if it is
//! sent again. The expected answers are in `events/answers.json`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{
    domain::{Kind, Outcome, Route, Subject},
    intake,
    ledger::ArchiveState,
    settings::Settings,
};
use countersign_cli::stack::Functions;
use end_to_end::{
    Answer, DirectFunctions, Stored,
    harness::{deliveries, requests::failed_messages},
    pack, quicklysign,
};
use reconcile::Task;
use serde_json::Value;

/// The folders of callback events.
const CALLBACKS: [(Route, &str); 5] = [
    (Route::DropboxSign, "dropbox-sign-callback"),
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

/// The events of a function, by case.
fn cases(function: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder().join(function)).unwrap().map(|file| file.unwrap().file_name());
    let names = files.map(|file| file.into_string().unwrap());
    names
        .map(|file| (file.strip_suffix(".json").expect("JSON").to_owned(), read(&format!("{function}/{file}"))))
        .collect()
}

/// Settings with the proofs of all callbacks, as `sam local invoke --env-vars` sets them.
fn settings(functions: &DirectFunctions) -> Settings {
    let environments = read_json("env.json");
    let variables = environments.as_object().unwrap().values().flat_map(|function| function.as_object().unwrap());
    let variables = variables.filter(|(name, _)| !name.ends_with("_API"));
    let variables: Vec<_> = variables.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    functions.settings_with(&variables).unwrap()
}

#[test]
fn every_folder_of_events_is_tested() {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let tested = CALLBACKS.iter().map(|(_, function)| *function);
    let tested = tested.chain(["final-document", "publish", "quicklysign-subscribe", "reconcile"]).map(str::to_owned);
    assert_eq!(folders, tested.collect());
}

async fn stored(functions: &DirectFunctions) -> (usize, usize) {
    (functions.items_without_rejections().await.len(), functions.keys().await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_callback_event_is_stored_unchanged_and_recognised_when_sent_again() {
    let functions = DirectFunctions::start().await;
    let callbacks = Functions::start(&settings(&functions), &functions.aws, functions.eventbridge().await).await;
    let (answers, ledger) = (read_json("answers.json"), functions.ledger());
    for (route, function) in CALLBACKS {
        for (case, event) in cases(function) {
            let case = format!("{function}/{case}");
            let expected_answer = &answers[&case];
            let before = stored(&functions).await;
            for time in 1..=2 {
                let request = http_event::request(&event).unwrap().0;
                let sent = request.body().to_vec();
                let answer = Answer::of_function(&callbacks.call(route, request).await);
                assert_eq!(answer.body["events"], expected_answer["events"], "{case}");
                // An event that another case has already recorded is a duplicate, even when sent for the first time.
                let is_known = matches!(expected_answer["outcome"].as_str(), Some("recorded" | "duplicate"));
                let expected = if !is_known {
                    (expected_answer["status"].as_u64(), expected_answer["outcome"].as_str())
                } else if time == 2 && route != Route::Quicklysign && expected_answer["events"] != 0 {
                    (Some(200), Some("duplicate"))
                } else {
                    assert!(["recorded", "duplicate"].contains(&answer.verdict().1), "{case}");
                    (Some(200), answer.body["outcome"].as_str())
                };
                assert_eq!((Some(answer.status.into()), answer.body["outcome"].as_str()), expected, "{case}");
                if answer.status != 200 {
                    assert_eq!((stored(&functions).await, &answer.body["delivery"]), (before, &Value::Null), "{case}");
                    continue;
                }
                let delivery = ledger.delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
                assert_eq!(delivery.delivery.route(), route, "{case}");
                assert_eq!(Some(delivery.record.outcome.as_str()), answer.body["outcome"].as_str(), "{case}");
                assert_eq!(answer.body["events"], delivery.record.events, "{case}");
                // SignEasy's bodies contain a token, which is removed.
                assert!(route == Route::Signeasy || delivery.delivery.body() == &sent, "{case}");
            }
        }
    }
    // All documents can be listed.
    let documents = ledger.documents(None, None, None, 1000).await.unwrap();
    assert!(documents.documents.len() > 10 && documents.next.is_none());
    let secret = "myloooooooongtokenbiggerthan12chars";
    assert!(read("env.json").contains(secret) && !functions.items_text().await.contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_events_are_recorded_with_their_pack_name_and_payload() {
    let functions = DirectFunctions::start().await;
    let function = quicklysign_callback::Function::start(Ok(settings(&functions)), &functions.aws).await;
    for (case, event) in cases("quicklysign-callback") {
        let request = http_event::request(&event).unwrap().0;
        let sent = request.body().to_vec();
        let answer = Answer::of_function(&function.handle(request).await);
        let delivery = functions.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        if case == "unreadable" {
            assert_eq!(delivery.record.outcome, Outcome::SetAside);
            continue;
        }
        let payload: Value = serde_json::from_slice(&sent).unwrap();
        let timeline = functions.timeline_with_payloads(&pack(payload["entity_key"].as_str().unwrap())).await;
        let event = timeline.events.iter().find(|event| event.delivery.as_deref() == Some(answer.delivery())).unwrap();
        assert_eq!(event.name, payload["callback_event"].as_str().unwrap(), "{case}");
        assert_eq!(event.payload, payload, "{case}");
        let is_final = event.name == "final_document_generated";
        assert_eq!(event.kind == Kind::Completed, is_final, "{case}");
        assert!(!is_final || timeline.document.status == Some(Kind::Completed), "{case}");
    }
}

/// The pack in the events for `final-document`.
fn due_pack() -> Subject {
    let event: SqsEvent = serde_json::from_str(&read("final-document/due.json")).unwrap();
    let body: Value = serde_json::from_str(event.records[0].body.as_deref().unwrap()).unwrap();
    body["pk"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn final_document_does_due_jobs_and_returns_other_messages() {
    let answers = read_json("answers.json");
    for (case, event) in cases("final-document") {
        let functions = DirectFunctions::start().await;
        let (ledger, pack) = (functions.ledger(), due_pack());
        let body = quicklysign::body("final_document_generated", pack.id.as_str());
        let delivery = deliveries::delivery(Route::Quicklysign, body);
        ledger.accept(&delivery).await.unwrap();
        intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
        let event: SqsEvent = serde_json::from_str(&event).unwrap();
        let is_about_pack =
            event.records.iter().any(|record| record.body.as_ref().is_some_and(|body| body.contains(pack.id.as_str())));
        let answer = functions.final_document().handle(event, final_document::TIME_LIMIT).await;
        let returned = answers[format!("final-document/{case}")]["batchItemFailures"].as_array().unwrap().iter();
        let returned: Vec<&str> = returned.map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
        assert_eq!(failed_messages(&answer), returned, "{case}");
        let timeline = functions.timeline(&pack).await;
        let state = timeline.document.archive.unwrap().state;
        let expected = if is_about_pack { ArchiveState::Archived } else { ArchiveState::Due };
        assert_eq!((state, timeline.pdfs.is_empty()), (expected, !is_about_pack), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_events_do_nothing_on_an_empty_table() {
    let functions = DirectFunctions::start().await;
    let answers = read_json("answers.json");
    for (case, event) in cases("reconcile") {
        let task: Task = serde_json::from_str(&event).unwrap();
        let function = reconcile::Function::start(Ok(functions.settings()), &functions.aws);
        let done = serde_json::to_value(function.handle(task, reconcile::TIME_LIMIT).await.unwrap()).unwrap();
        // The other results depend on what is stored and on the services.
        assert!(done.get("signeasy").is_none_or(|service| service["queried"] == 0), "{case}: {done}");
        for (name, value) in answers[format!("reconcile/{case}")].as_object().unwrap() {
            assert_eq!(&done[name], value, "{case}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_subscribe_creates_one_webhook_per_pack() {
    let functions = DirectFunctions::start().await;
    let answers = read_json("answers.json");
    let url = [("QUICKLYSIGN_CALLBACK_URL", "https://callbacks.example.com/callbacks/quicklysign/{token}")];
    let function = quicklysign_subscribe::Function::start(functions.settings_with(&url), &functions.aws);
    // In the order of their names: the second one repeats the first.
    for (case, event) in cases("quicklysign-subscribe") {
        let subscribed = function.handle(serde_json::from_str(&event).unwrap()).await.unwrap();
        let subscribed = serde_json::to_value(&subscribed).unwrap();
        for (name, value) in answers[format!("quicklysign-subscribe/{case}")].as_object().unwrap() {
            assert_eq!(&subscribed[name], value, "{case}: {name}");
        }
    }
}
