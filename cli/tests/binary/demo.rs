//! `countersign demo`.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    pdf,
    process::{Data, assert_document, assert_keys, assert_pdf},
};

fn sha256(bytes: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn array<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name}: {value:#}"))
}

#[test]
fn the_result_lists_every_callback_document_and_pdf() {
    let data = Data::new();
    let demo = data.json(&["demo"]);
    assert_keys(&demo, &["ok", "deliveries", "events", "documents", "pdfs", "published", "failures", "seconds"]);
    assert_eq!((&demo["ok"], array(&demo, "failures").len()), (&Value::Bool(true), 0), "{demo:#}");
    assert!(demo["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    let mut events = 0;
    for delivery in array(&demo, "deliveries") {
        assert_keys(delivery, &["case", "provider", "http_status", "delivery", "outcome", "events", "reason"]);
        assert_eq!((&delivery["http_status"], &delivery["reason"]), (&200.into(), &"ok".into()), "{delivery}");
        events += delivery["events"].as_u64().unwrap();
    }
    let cases: BTreeSet<&str> =
        array(&demo, "deliveries").iter().map(|delivery| delivery["case"].as_str().unwrap()).collect();
    // Every callback in QuicklySign's documentation is included.
    for case in ["document_updated", "signatory_updated", "audit_trail_updated", "final_document_generated"] {
        assert!(cases.contains(case), "{cases:?}");
    }
    // The same event in several deliveries counts once. Only the API reports the completion of a Dropbox Sign request.
    let events = events + 1;
    let recorded = demo["events"].as_u64().unwrap();
    assert!(recorded > 0 && recorded <= events, "{recorded} of {events}");
    let documents = array(&demo, "documents");
    assert!(documents.iter().any(|document| document["status"] == "completed"), "{demo:#}");
    for document in documents {
        assert_document(document);
        let state = &document["archive"]["state"];
        assert!(state.is_null() || state == "archived" || state == "foreign", "{document:#}");
    }
    let pdfs = array(&demo, "pdfs");
    for provider in ["dropbox-sign", "legalesign", "quicklysign", "signeasy"] {
        assert!(pdfs.iter().any(|pdf| pdf["provider"] == provider), "{provider}: {demo:#}");
    }
    for exported in pdfs {
        assert_pdf(exported);
        let bytes = fs::read(data.path().join(exported["file"].as_str().unwrap())).unwrap();
        assert_eq!(
            (bytes.len() as u64, sha256(&bytes)),
            (exported["size"].as_u64().unwrap(), exported["sha256"].as_str().unwrap().to_owned())
        );
        pdf::assert_opens(&bytes);
    }
    let published = array(&demo, "published");
    for event in published {
        assert_keys(event, &["source", "detail-type", "time", "detail"]);
    }
    let archived = published.iter().filter(|event| event["detail-type"] == "document.archived");
    let named = archived.flat_map(|event| array(&event["detail"], "pdfs")).map(|pdf| pdf["sha256"].as_str().unwrap());
    let expected: BTreeSet<&str> = pdfs.iter().map(|pdf| pdf["sha256"].as_str().unwrap()).collect();
    assert_eq!(named.collect::<BTreeSet<_>>(), expected, "events name every archived PDF");
}

#[test]
fn it_prints_the_paths_of_the_pdfs_and_can_run_again() {
    let data = Data::new();
    let mut files = BTreeSet::new();
    for _ in 0..2 {
        let ran = data.run(&["demo"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.is_empty(), "{ran:?}");
        let last = ran.stdout.lines().next_back().unwrap();
        assert!(last.starts_with("ok: ") && last.contains("PDFs archived"), "{last}");
        files = ran.stdout.lines().filter_map(|line| line.strip_prefix("open ")).map(str::to_owned).collect();
        assert!(!files.is_empty(), "{ran:?}");
    }
    for file in files {
        pdf::assert_opens(&fs::read(data.path().join(&file)).unwrap());
    }
    // It doesn't touch the data of the default stack.
    assert_eq!(data.json(&["documents"])["documents"], Value::Array(Vec::new()));
}
