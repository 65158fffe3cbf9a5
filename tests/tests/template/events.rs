//! `events/`: each is answered as `events/answers.json` says. The release binaries are held to the same answers, under
//! Lambda's emulator (`.ci/full`).

use std::collections::BTreeSet;

use countersign::delivery::Route;
use countersign_cli::stack::Functions;
use serde_json::{Value, json};

use super::{
    bench::Bench,
    functions::folders,
    routes,
    template::{Template, root},
};

/// Function folder and case, as in `answers.json`, and the event.
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
async fn callbacks_are_answered_as_said() {
    let template = Template::read();
    let bench = Bench::start().await;
    let answers = answers();
    let mut differences = Vec::new();
    let folders = folders();
    for route in Route::ALL {
        let id = routes::function(route);
        // That there is a folder for each is another test.
        let Some(folder) = folders.get(id) else { continue };
        let functions = Functions::start(&bench.settings(&template, id).expect("settings"), &bench.aws).await;
        for (case, event) in of(folder) {
            let request = lambda_http::request::from_str(&event).expect("an event");
            let response = functions.call(route, request).await;
            let body: Value = serde_json::from_str(response.body()).expect("JSON");
            let answer = json!({
                "status": response.status().as_u16(),
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
