//! Every file in `events/`, as `sam local invoke -e` would give it to the function, through the function's own handler.

use std::{collections::BTreeSet, fs, path::PathBuf};

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{
    delivery::Route,
    event::Kind,
    intake,
    ledger::{ArchiveState, Outcome},
    settings::{Problems, Settings},
    sweep::Swept,
};
use end_to_end::{
    Answer,
    bench::{self, Bench, failed, quicklysign_body},
};
use reconcile::Task;

/// The cases of `quicklysign-callback`, and what each is answered: all are proven.
const QUICKLYSIGN: [(&str, &str, &str); 9] = [
    ("audit_trail_updated", "recorded", "ok"),
    ("document_status_changed", "recorded", "ok"),
    ("document_updated", "recorded", "ok"),
    ("entity_updated", "recorded", "ok"),
    ("final_document_generated", "recorded", "ok"),
    ("large_body", "recorded", "ok"),
    ("signatory_updated", "recorded", "ok"),
    ("unknown_event_without_content_type", "recorded", "ok"),
    ("unreadable", "set_aside", "unreadable"),
];

/// The cases of `v1-batch`, and what each is answered.
const V1_BATCH: [(&str, u16, &str, &str); 13] = [
    ("a_hundred_entries", 200, "recorded", "ok"),
    ("empty", 200, "recorded", "ok"),
    ("every_status", 200, "recorded", "ok"),
    ("multipart", 200, "recorded", "ok"),
    ("not_an_array", 200, "set_aside", "unreadable"),
    ("numbers_and_unpadded_times", 200, "recorded", "ok"),
    ("one_entry_unreadable", 200, "recorded", "ok"),
    ("other_key_order", 200, "recorded", "ok"),
    ("signed_and_completed", 200, "recorded", "ok"),
    ("utf8_and_an_unknown_name", 200, "recorded", "ok"),
    ("without_signature", 400, "rejected", "malformed"),
    ("wrapped_signature", 200, "recorded", "ok"),
    ("wrong_signature", 401, "rejected", "unproven"),
];

/// The cases of `v1-realtime`, and what each is answered.
const V1_REALTIME: [(&str, u16, &str, &str); 19] = [
    ("form_rejected", 200, "recorded", "ok"),
    ("form_sent", 200, "recorded", "ok"),
    ("form_signed", 200, "recorded", "ok"),
    ("form_without_event", 200, "recorded", "ok"),
    ("signed_form_rejected", 200, "recorded", "ok"),
    ("signed_form_sent", 200, "recorded", "ok"),
    ("signed_form_signed", 200, "recorded", "ok"),
    ("signed_form_wrong_signature", 401, "rejected", "unproven"),
    ("webhook_bare_finalPdfCreated", 200, "recorded", "ok"),
    ("webhook_document_created", 200, "recorded", "ok"),
    ("webhook_document_finalPdfCreated", 200, "recorded", "ok"),
    ("webhook_document_rejected", 200, "recorded", "ok"),
    ("webhook_forty_recipients", 200, "recorded", "ok"),
    ("webhook_recipient_bounced", 200, "recorded", "ok"),
    ("webhook_recipient_completed", 200, "recorded", "ok"),
    ("webhook_recipient_emailOpened", 200, "recorded", "ok"),
    ("webhook_recipient_rejected", 200, "recorded", "ok"),
    ("webhook_recipient_visiting", 200, "recorded", "ok"),
    ("webhook_unreadable", 200, "set_aside", "unreadable"),
];

/// The cases of `final-document`, and the messages that each gives back.
const FINAL_DOCUMENT: [(&str, &[&str]); 3] = [
    ("batch_with_a_bad_message", &["059f36b4-87a3-44ab-83d2-661970000001", "059f36b4-87a3-44ab-83d2-661970000002"]),
    ("due", &[]),
    ("nothing_due", &[]),
];

/// The cases of `reconcile`.
const RECONCILE: [&str; 1] = ["sweep"];

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "events"].iter().collect()
}

fn read(function: &str, case: &str) -> String {
    let file = folder().join(function).join(format!("{case}.json"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The only pack that the events for `final-document` are about.
fn due_pack() -> countersign::subject::Subject {
    let event: SqsEvent = serde_json::from_str(&read("final-document", "due")).unwrap();
    let body: serde_json::Value = serde_json::from_str(event.records[0].body.as_deref().unwrap()).unwrap();
    body["pk"].as_str().unwrap().parse().unwrap()
}

#[test]
fn every_file_is_the_case_of_a_test() {
    let names = |folder: PathBuf, are_folders: bool| -> BTreeSet<String> {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let entries = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir() == are_folders);
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    // A folder that isn't here yet wants its own test below.
    let tested: [(&str, Vec<&str>); 5] = [
        ("final-document", FINAL_DOCUMENT.iter().map(|(case, _)| *case).collect()),
        ("quicklysign-callback", QUICKLYSIGN.iter().map(|(case, ..)| *case).collect()),
        ("reconcile", RECONCILE.to_vec()),
        ("v1-batch", V1_BATCH.iter().map(|(case, ..)| *case).collect()),
        ("v1-realtime", V1_REALTIME.iter().map(|(case, ..)| *case).collect()),
    ];
    // SignEasy's and the subscriptions' have test files of their own.
    let mut folders = names(folder(), true);
    folders.retain(|name| !["signeasy-callback", "quicklysign-subscribe"].contains(&name.as_str()));
    assert_eq!(folders, tested.iter().map(|(function, _)| (*function).to_owned()).collect());
    for (function, cases) in tested {
        let files: BTreeSet<String> = cases.into_iter().map(|case| format!("{case}.json")).collect();
        assert_eq!(names(folder().join(function), false), files, "{function}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quicklysign_callbacks_are_answered_as_they_should_be() {
    for (case, outcome, reason) in QUICKLYSIGN {
        let bench = Bench::start().await;
        let event = read("quicklysign-callback", case);
        let request = lambda_http::request::from_str(&event).unwrap();
        let sent = String::from_utf8(request.body().as_ref().to_vec()).unwrap();
        let answer = bench::answer(bench.quicklysign().await.handle(request).await);
        assert_eq!(answer.verdict(), (200, outcome, reason), "{case}");

        // The bytes are kept as they came, and the event says which pack it is about.
        let delivery = bench.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert!(delivery.delivery.body() == sent.as_bytes(), "{case}");
        assert_eq!(delivery.delivery.route(), Route::Quicklysign);
        let documents = bench.ledger().documents(None, None, None, 10).await.unwrap().documents;
        if outcome == "set_aside" {
            assert_eq!((delivery.record.outcome, documents.len()), (Outcome::SetAside, 0), "{case}");
            continue;
        }
        assert_eq!((delivery.record.outcome, delivery.record.events), (Outcome::Recorded, 1), "{case}");
        let said: serde_json::Value = serde_json::from_str(&sent).unwrap();
        let [document] = documents.as_slice() else { panic!("{case}: {documents:?}") };
        assert_eq!((document.id.as_str(), document.events), (said["entity_key"].as_str().unwrap(), 1), "{case}");
        let timeline = bench.timeline(&end_to_end::pack(&document.id)).await;
        assert_eq!(timeline.events[0].name, said["callback_event"].as_str().unwrap(), "{case}");
        assert_eq!(timeline.events[0].payload, said, "{case}");
        let is_final = case == "final_document_generated";
        assert_eq!(document.status, is_final.then_some(Kind::Completed), "{case}");
    }
}

/// The settings that `sam local invoke --env-vars` gives a function, over the usual ones.
fn legalesign_settings(bench: &Bench, function: &str) -> Result<Settings, Problems> {
    let environments = fs::read_to_string(folder().join("env.json")).unwrap();
    let environments: serde_json::Value = serde_json::from_str(&environments).unwrap();
    let variables = environments[function].as_object().unwrap().iter();
    let variables: Vec<_> = variables.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    bench.settings_with(&variables)
}

fn request(function: &str, case: &str) -> lambda_http::Request {
    lambda_http::request::from_str(&read(function, case)).unwrap()
}

async fn events(bench: &Bench) -> usize {
    let items = bench.items().await;
    items.iter().filter(|item| item.text("sk").is_some_and(|sort| sort.starts_with("EVENT#"))).count()
}

/// Checks what a case was answered, and what was stored of it.
async fn check(bench: &Bench, case: &str, answer: &Answer, expected: (u16, &str, &str)) {
    assert_eq!(answer.verdict(), expected, "{case}");
    if answer.status != 200 {
        assert_eq!(bench.items().await, [], "{case}");
        return;
    }
    let delivery = bench.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(delivery.record.outcome.as_str(), expected.1, "{case}");
    assert_eq!(answer.body["events"], delivery.record.events, "{case}");
    assert_eq!(answer.body["events"], events(bench).await, "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn legalesign_s_batches_are_answered_as_they_should_be_and_a_second_time_as_duplicates() {
    for (case, status, outcome, reason) in V1_BATCH {
        let bench = Bench::start().await;
        let function = v1_batch::Function::start(legalesign_settings(&bench, "V1Batch"), &bench.aws).await;
        let answer = bench::answer(function.handle(request("v1-batch", case)).await);
        check(&bench, case, &answer, (status, outcome, reason)).await;
        let again = bench::answer(function.handle(request("v1-batch", case)).await);
        // One without any event brings nothing that could be known.
        let is_duplicate = outcome == "recorded" && answer.body["events"] != 0;
        let expected = if is_duplicate { (200, "duplicate", "duplicate") } else { (status, outcome, reason) };
        check(&bench, case, &again, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn legalesign_s_realtime_posts_are_answered_as_they_should_be_and_a_second_time_as_duplicates() {
    for (case, status, outcome, reason) in V1_REALTIME {
        let bench = Bench::start().await;
        let function = v1_realtime::Function::start(legalesign_settings(&bench, "V1Realtime"), &bench.aws).await;
        let answer = bench::answer(function.handle(request("v1-realtime", case)).await);
        check(&bench, case, &answer, (status, outcome, reason)).await;
        let again = bench::answer(function.handle(request("v1-realtime", case)).await);
        let expected = if outcome == "recorded" { (200, "duplicate", "duplicate") } else { (status, outcome, reason) };
        check(&bench, case, &again, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_orders_are_done_and_what_is_no_order_is_given_back() {
    for (case, given_back) in FINAL_DOCUMENT {
        let bench = Bench::start().await;
        let ledger = bench.ledger();
        let pack = due_pack();
        let delivery =
            bench::delivery(Route::Quicklysign, quicklysign_body("final_document_generated", pack.id.as_str()));
        ledger.accept(&delivery).await.unwrap();
        intake::record(&ledger, &delivery).await.unwrap();
        let event: SqsEvent = serde_json::from_str(&read("final-document", case)).unwrap();
        let answer = bench.final_document().handle(event).await;
        assert_eq!(failed(&answer), given_back, "{case}");
        let archived = bench.timeline(&pack).await;
        let state = archived.document.archive.unwrap().state;
        if case == "nothing_due" {
            assert_eq!((state, archived.pdfs.len()), (ArchiveState::Due, 0), "{case}: it is about another pack");
        } else {
            assert!(state == ArchiveState::Archived && !archived.pdfs.is_empty(), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_s_event_is_a_sweep() {
    let bench = Bench::start().await;
    for case in RECONCILE {
        let task: Task = serde_json::from_str(&read("reconcile", case)).unwrap();
        let function = reconcile::Function::start(Ok(bench.settings()), &bench.aws);
        assert_eq!(function.handle(task).await.unwrap(), Swept::default(), "{case}");
    }
}
