//! Every file in `events/`, as `sam local invoke -e` would give it to the function, through the function's own handler.

use std::{collections::BTreeSet, fs, path::PathBuf};

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{
    delivery::Route,
    event::Kind,
    intake,
    ledger::{ArchiveState, Outcome},
    sweep::Swept,
};
use end_to_end::bench::{self, Bench, failed, quicklysign_body};
use reconcile::Task;

/// The cases of `quicklysign-callback`, and what each is answered: all are proven.
const QUICKLYSIGN: [(&str, &str, &str); 8] = [
    ("audit_trail_updated", "recorded", "ok"),
    ("document_status_changed", "recorded", "ok"),
    ("document_updated", "recorded", "ok"),
    ("entity_updated", "recorded", "ok"),
    ("final_document_generated", "recorded", "ok"),
    ("signatory_updated", "recorded", "ok"),
    ("unknown_event_without_content_type", "recorded", "ok"),
    ("unreadable", "set_aside", "unreadable"),
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
    let tested: [(&str, Vec<&str>); 3] = [
        ("final-document", FINAL_DOCUMENT.iter().map(|(case, _)| *case).collect()),
        ("quicklysign-callback", QUICKLYSIGN.iter().map(|(case, ..)| *case).collect()),
        ("reconcile", RECONCILE.to_vec()),
    ];
    assert_eq!(names(folder(), true), tested.iter().map(|(function, _)| (*function).to_owned()).collect());
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
