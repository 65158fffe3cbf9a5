//! Every event in `events/` gets the answer in `events/answers.json`. `.ci/full` checks the same for the release binaries
//! under Lambda's emulator.

use std::collections::BTreeSet;

use countersign::domain::Route;
use countersign_cli::stack::Functions;
use end_to_end::Answer;
use serde_json::{Value, json};

use super::{
    deployed::Deployed,
    functions::folders,
    routes,
    template::{Template, root},
};

/// The events of a function's folder: name, as in `answers.json`, and text.
pub fn of(folder: &str) -> Vec<(String, String)> {
    let files = std::fs::read_dir(root().join("events").join(folder)).expect("events");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let case = |file: &std::path::Path| format!("{folder}/{}", file.file_stem().expect("a name").display());
    files.iter().map(|file| (case(file), std::fs::read_to_string(file).expect("an event"))).collect()
}

fn answers() -> Value {
    let text = std::fs::read_to_string(root().join("events/answers.json")).expect("events/answers.json");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_event_has_an_answer_and_every_function_an_event() {
    let mut events = BTreeSet::new();
    for folder in folders().values() {
        let cases = of(folder);
        assert!(!cases.is_empty(), "{folder} has no events");
        events.extend(cases.into_iter().map(|(case, _)| case));
    }
    let answers = answers();
    let answered: BTreeSet<String> = answers.as_object().expect("answers").keys().cloned().collect();
    assert_eq!(events, answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_events_get_the_answers_in_answers_json() {
    let template = Template::read();
    let deployed = Deployed::start().await;
    let answers = answers();
    let mut differences = Vec::new();
    let folders = folders();
    for route in Route::ALL {
        let id = routes::function(route);
        // Another test checks that there is a folder for each.
        let Some(folder) = folders.get(id) else { continue };
        let functions = Functions::start(
            &deployed.settings(&template, id).expect("settings"),
            &deployed.aws,
            deployed.eventbridge().await,
        )
        .await;
        for (case, event) in of(folder) {
            let request = http_event::request(&event).expect("an event").0;
            let response = functions.call(route, request).await;
            let Answer { status, body, .. } = Answer::of_function(&response);
            let answer = json!({
                "status": status,
                "outcome": body["outcome"],
                "reason": body["reason"],
                "events": body["events"],
            });
            if answers.get(&case) != Some(&answer) {
                differences.push(format!("{case}: {answer}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
