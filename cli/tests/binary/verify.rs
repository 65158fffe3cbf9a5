//! `verify` of several deliveries at once, and of PDFs.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Data, assert_keys, wait_for};

#[test]
fn all_or_selected_signed_deliveries_are_verified_at_once() {
    let data = Data::new();
    let none = data.run(&["verify", "--all"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no signed deliveries\n"));
    let _serve = data.serve(&[]);
    let trigger = |arguments: &[&str]| {
        let triggered = data.json(&[&["trigger"], arguments].concat());
        triggered["delivery"].as_str().unwrap().to_owned()
    };
    let signed = ["a", "b"].map(|id| trigger(&["legalesign", "batch", "--id", id]));
    let unsigned = trigger(&["quicklysign", "document_updated"]);

    let all = data.json(&["verify", "--all"]);
    assert_eq!((&all["verified"], &all["failed"]), (&json!(2), &json!(0)));
    let ids = |all: &Value| {
        let deliveries = all["deliveries"].as_array().unwrap().iter();
        deliveries.map(|one| one["delivery"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&all), signed);
    for one in all["deliveries"].as_array().unwrap() {
        assert_keys(one, &["delivery", "received_at", "route", "size", "sha256", "certificate", "problem"]);
        assert_eq!(one["problem"], Value::Null);
        let mut alone = data.json(&["verify", one["delivery"].as_str().unwrap()]);
        alone["problem"] = Value::Null;
        assert_eq!(*one, alone);
    }
    assert_eq!(ids(&data.json(&["verify", "--provider", "legalesign"])), signed);
    assert_eq!(ids(&data.json(&["verify", "--provider", "quicklysign"])), [""; 0]);
    let yesterday = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).to_string();
    for since in [yesterday.as_str(), "2001-01-01T00:00:00Z"] {
        assert_eq!(ids(&data.json(&["verify", "--since", since])), signed, "{since}");
    }
    assert_eq!(ids(&data.json(&["verify", "--since", "2101-01-01T00:00:00Z", "--provider", "legalesign"])), [""; 0]);
    let [first, second] = &signed;
    assert_eq!(ids(&data.json(&["verify", second, first])), [second.clone(), first.clone()]);

    let unknown = "0190b6c8-0000-7000-8000-000000000000";
    let some = data.run(&["verify", first, &unsigned, unknown, "--json"]);
    let json = some.json();
    assert_eq!((some.code, &json["verified"], &json["failed"]), (Some(1), &json!(1), &json!(2)), "{json:#}");
    let problems: Vec<&Value> = json["deliveries"].as_array().unwrap().iter().map(|one| &one["problem"]).collect();
    assert_eq!(problems, [&Value::Null, &json!("not_signed"), &json!("not_found")]);
    assert_keys(&json["deliveries"][1], &["delivery", "problem", "message"]);
    let table = data.run(&["verify", first, &unsigned]);
    assert!(table.code == Some(1) && table.stderr.is_empty(), "{table:?}");
    for word in ["┌", " ok ", "not_signed", "1 verified, 1 failed\n"] {
        assert!(table.stdout.contains(word), "{word} is missing:\n{}", table.stdout);
    }
}

/// A file of `tests/pdf-signatures`.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/pdf-signatures/files");
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_signatures_within_a_file_are_verified() {
    let data = Data::new();
    for (name, code, verdict, text) in [
        ("unsigned", 0, "none", "no signatures"),
        ("two-signatures", 0, "intact", "revision 2 of 3"),
        ("unknown-format", 0, "not_supported", "format"),
        ("bytes-changed", 1, "broken", "digest_mismatch"),
    ] {
        let pdf = file(&format!("{name}.pdf"));
        let ran = data.run(&["verify", "--pdf", &pdf, "--json"]);
        assert_eq!((ran.code, &ran.json()["verdict"]), (Some(code), &json!(verdict)), "{name}: {ran:?}");
        assert_keys(&ran.json(), &["pdf", "size", "sha256", "revisions", "signatures"]);
        let ran = data.run(&["verify", "--pdf", &pdf]);
        assert!(ran.code == Some(code) && ran.stdout.contains(text), "{name}: {ran:?}");
    }
    let chain = |arguments: &[&str]| {
        let json = data.json(&[&["verify", "--pdf", &file("rsa.pdf")], arguments].concat());
        json["signatures"][0]["chain"].clone()
    };
    assert_eq!(chain(&[]), json!("not_judged"));
    assert_eq!(chain(&["--roots", &file("root.pem")]), json!("trusted"));
    data.run(&["verify", "--pdf", &file("rsa.pdf"), "--roots", &file("rsa.pdf"), "--json"])
        .assert_failed_json(1, "invalid_roots");
    data.run(&["verify", "--pdf", &file("root.pem"), "--json"]).assert_failed_json(1, "not_a_pdf");
    data.run(&["verify", "--pdf", "no/such.pdf", "--json"]).assert_failed_json(3, "not_found");
    data.run(&["verify", "--pdf", "x", "--all"]).assert_failed(2, "cannot be used with");
}

#[test]
fn the_signatures_within_an_archived_pdf_are_verified_and_shown() {
    let data = Data::new();
    let serve = data.serve(&[]);
    data.json(&["trigger", "legalesign", "batch", "--id", "contract"]);
    let timeline = wait_for(|| {
        let timeline = data.json(&["timeline", "legalesign", "contract", "--kind", "document"]);
        let pdfs = timeline["pdfs"].as_array().unwrap().clone();
        pdfs.into_iter().find(|pdf| pdf["role"] == "document").ok_or(timeline)
    });
    assert_eq!(timeline["signatures"]["verdict"], "intact", "{timeline:#}");
    assert_eq!(timeline["signatures"]["signatures"][0]["kind"], "certification");
    let key = timeline["key"].as_str().unwrap();
    let verified = data.json(&["verify", "--pdf", key]);
    assert_eq!((&verified["verdict"], &verified["sha256"]), (&json!("intact"), &timeline["sha256"]));
    let shown = data.run(&["timeline", "legalesign", "contract"]).stdout;
    for word in ["signatures in contract document", "certification", "Countersign"] {
        assert!(shown.contains(word), "{word} is missing:\n{shown}");
    }
    drop(serve);
}
