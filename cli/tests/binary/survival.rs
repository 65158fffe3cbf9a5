//! A callback that was answered 200 is stored, whatever happens to the process afterwards.

use serde_json::Value;

use crate::process::{Data, assert_pdf};

/// The names and deliveries of a timeline's events.
fn events(timeline: &Value) -> Vec<(String, String)> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let events = timeline["events"].as_array().unwrap().iter();
    events.map(|event| (text(event, "name"), text(event, "delivery"))).collect()
}

#[test]
fn the_timeline_is_the_same_with_a_stack_without_one_and_after_kill_9() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let first = serve.quicklysign("document_updated", "kept");
    let expected = vec![("document_updated".to_owned(), first["delivery"].as_str().unwrap().to_owned())];
    assert_eq!(events(&data.timeline("kept")), expected, "while it runs");
    let second = serve.quicklysign("signatory_updated", "kept");
    serve.kill();
    let mut expected = expected;
    expected.push(("signatory_updated".to_owned(), second["delivery"].as_str().unwrap().to_owned()));
    // The endpoints that the killed process left behind are ignored.
    assert!(data.file("endpoints.json").exists());
    assert_eq!(events(&data.timeline("kept")), expected, "after kill -9, with no stack");

    let serve = data.serve(&[]);
    assert_eq!(events(&data.timeline("kept")), expected, "after a restart");
    assert_eq!(serve.signal("TERM").0, Some(0));
    assert_eq!(events(&data.timeline("kept")), expected, "after an orderly end");
}

#[test]
fn pdfs_are_archived_even_if_the_process_is_killed_right_after_the_answer() {
    let data = Data::new();
    // Killed while it enqueues the job, queries the API, downloads, or stores a PDF.
    for (pack, pause) in [("at-once", 0), ("soon", 30), ("later", 150), ("much-later", 500)] {
        let serve = data.serve(&[]);
        serve.quicklysign("final_document_generated", pack);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        serve.kill();
    }
    let serve = data.serve(&[]);
    for pack in ["at-once", "soon", "later", "much-later"] {
        let timeline = data.archived(pack);
        assert_eq!(timeline["events"].as_array().unwrap().len(), 1, "{timeline:#}");
        let pdfs = timeline["pdfs"].as_array().unwrap();
        assert!(!pdfs.is_empty() && timeline["document"]["pdfs"] == pdfs.len(), "{timeline:#}");
        pdfs.iter().for_each(assert_pdf);
        // A PDF that was stored but not recorded is stored again, as another rendering: one of them is current.
        let current = pdfs.iter().filter(|pdf| pdf["current"] == true).map(|pdf| &pdf["document"]);
        let documents: std::collections::BTreeSet<_> = pdfs.iter().map(|pdf| pdf["document"].to_string()).collect();
        assert_eq!(current.count(), documents.len(), "{timeline:#}");
    }
    assert_eq!(serve.signal("TERM").0, Some(0));
}

#[test]
fn commands_on_a_folder_without_a_stack_wait_for_each_other() {
    let data = Data::new();
    let serve = data.serve(&[]);
    serve.quicklysign("document_updated", "shared");
    assert_eq!(serve.signal("TERM").0, Some(0));
    std::thread::scope(|scope| {
        let commands: Vec<_> = (0..4).map(|_| scope.spawn(|| data.json(&["documents"]))).collect();
        for command in commands {
            assert_eq!(command.join().unwrap()["documents"].as_array().unwrap().len(), 1);
        }
    });
}
