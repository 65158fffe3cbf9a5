//! `docs/events/examples/`: one event of each type, as a rule's target receives it.

use std::{collections::BTreeSet, fs};

use countersign::publish::{DetailType, PublishedEvent};
use serde_json::{Value, json};

use super::schema::{Schema, folder};

/// The examples, by the name of their file.
fn examples() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder().join("examples")).expect("examples").map(|file| file.expect("a file").path());
    let example = |file: std::path::PathBuf| {
        let text = fs::read_to_string(&file).expect("text");
        (
            file.file_stem().expect("a name").to_str().expect("text").to_owned(),
            serde_json::from_str(&text).expect("JSON"),
        )
    };
    files.map(example).collect()
}

#[test]
fn there_is_a_valid_example_of_each_type() {
    let schema = Schema::read();
    let mut names = BTreeSet::new();
    for (name, example) in examples() {
        schema.check_event(&example);
        assert_eq!(example["detail-type"], name);
        assert_eq!(example["time"], example["detail"]["recorded_at"]);
        // The code reads and writes the same.
        let event: PublishedEvent = serde_json::from_value(example.clone()).expect("an event");
        let written = serde_json::to_value(&event).expect("JSON");
        assert_eq!(written["detail"], example["detail"], "{name}");
        schema.check_webhook(&json!({"type": name, "timestamp": example["time"], "data": example["detail"]}));
        names.insert(name);
    }
    assert_eq!(names, DetailType::ALL.iter().map(ToString::to_string).collect());
}

#[test]
fn the_schema_refuses_what_no_event_is() {
    let schema = Schema::read();
    for (name, example) in examples() {
        for field in example["detail"].as_object().expect("an object").keys() {
            let mut without = example.clone();
            without["detail"].as_object_mut().expect("an object").remove(field);
            assert!(!schema.allows(&without), "{name} without {field}");
        }
        for (pointer, value) in [
            ("/detail-type", json!("document.unknown")),
            ("/source", json!("another")),
            ("/time", json!("yesterday")),
            ("/detail/version", json!("2")),
            ("/detail/id", json!("1")),
            ("/detail/provider", json!("another")),
            ("/detail/subject/kind", json!("another")),
            ("/detail/subject/id", json!("a/b")),
            ("/detail/status", json!("another")),
            ("/detail/recorded_at", Value::Null),
            ("/detail/pdfs", json!([{}])),
        ] {
            let mut wrong = example.clone();
            *wrong.pointer_mut(pointer).expect("a field") = value;
            assert!(!schema.allows(&wrong), "{name} with another {pointer}");
        }
    }
}
