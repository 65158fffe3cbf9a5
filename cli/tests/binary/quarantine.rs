//! `quarantine` and `replay`: rejected requests, and verifying and recording deliveries again.

use serde_json::{Value, json};

use crate::process::{Data, Serve, assert_keys, assert_time, post};

const UNKNOWN: &str = "0190b6c8-0000-7000-8000-000000000000";

/// Sends a batch with an invalid signature, and a guessed path token. Both are rejected. Returns the batch's id.
fn send_rejected(data: &Data, serve: &Serve) -> String {
    // As long as a signature by the throw-away key, in base64.
    let signature = "A".repeat(342);
    let form = format!("data=%5B%5D&signed={signature}%3D%3D");
    let (status, answer) = post(&serve.callback_url("/callbacks/legalesign/batch"), &form);
    assert_eq!((status, &answer["delivery"]), (401, &Value::Null), "{answer}");
    let (status, _) = post(&format!("{}/callbacks/quicklysign/a-guessed-path-token", serve.http), "{}");
    assert_eq!(status, 401);
    data.json(&["quarantine", "list"])["quarantine"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn rejected_requests_are_listed_and_shown() {
    let data = Data::new();
    let empty = data.run(&["quarantine", "list"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), "no requests in quarantine\n"));
    assert_eq!(data.json(&["quarantine", "list"]), json!({"quarantine": [], "refused": []}));
    let serve = data.serve(&[]);
    let id = send_rejected(&data, &serve);

    let list = data.json(&["quarantine", "list"]);
    let [kept] = list["quarantine"].as_array().unwrap().as_slice() else { panic!("{list:#}") };
    let keys = ["id", "provider", "route", "received_at", "reason", "cause", "size", "sha256", "token", "expires_at"];
    assert_keys(kept, &keys);
    assert_eq!((&kept["provider"], &kept["reason"]), (&json!("legalesign"), &json!("unproven")));
    assert_eq!((&kept["cause"], &kept["taken_in_at"]), (&json!("signature_mismatch"), &Value::Null));
    assert_time(&kept["received_at"]);
    assert_time(&kept["expires_at"]);
    let [guess] = list["refused"].as_array().unwrap().as_slice() else { panic!("{list:#}") };
    assert_keys(guess, &["at", "route", "cause", "size", "refused"]);
    assert_eq!((&guess["cause"], &guess["refused"], &guess["size"]), (&json!("path_token"), &json!(1), &json!(2)));
    for (provider, sizes) in [("legalesign", (1, 0)), ("quicklysign", (0, 1)), ("signeasy", (0, 0))] {
        let list = data.json(&["quarantine", "list", "--provider", provider]);
        let size = |name: &str| list[name].as_array().unwrap().len();
        assert_eq!((size("quarantine"), size("refused")), sizes, "{provider}");
    }
    let table = data.run(&["quarantine", "list"]);
    for word in ["┌", "signature_mismatch", "rejected without a valid path token", "path_token", "quarantine show"] {
        assert!(table.stdout.contains(word), "{word} is missing:\n{}", table.stdout);
    }

    let shown = data.json(&["quarantine", "show", &id]);
    assert_keys(&shown, &["quarantined", "headers", "event", "next"]);
    assert_eq!((&shown["quarantined"], shown.get("body")), (kept, None));
    assert_eq!(shown["headers"]["content-type"], "application/json");
    assert!(shown["next"].as_str().unwrap().contains("certificates"), "{shown:#}");
    let with_body = data.json(&["quarantine", "show", &id, "--body"]);
    assert!(with_body["body"].as_str().unwrap().starts_with("data=%5B%5D&signed=AAA"), "{with_body:#}");
    let text = data.run(&["quarantine", "show", &id]).stdout;
    for word in [&id, "signature_mismatch", "header    content-type: application/json", "next      If the service"] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
    assert!(text.contains(&format!("countersign replay --quarantined {id}")) && !text.contains("AAAA"), "{text}");
    data.run(&["quarantine", "show", UNKNOWN]).assert_failed(3, "countersign quarantine list");
    data.run(&["quarantine", "show", UNKNOWN, "--json"]).assert_failed_json(3, "not_found");
}

#[test]
fn a_request_that_still_fails_to_verify_is_a_failure_only_if_named() {
    let data = Data::new();
    assert_eq!(data.json(&["replay", "--quarantined"]), json!({"replayed": []}));
    let serve = data.serve(&[]);
    let id = send_rejected(&data, &serve);
    let expected = json!({"replayed": [{
        "delivery": id, "before": "quarantined", "outcome": "quarantined", "events": 0, "problem": "signature_mismatch",
    }]});
    assert_eq!(data.json(&["replay", "--quarantined"]), expected);
    assert_eq!(data.json(&["replay", "--quarantined", "--provider", "signeasy"]), json!({"replayed": []}));
    let named = data.run(&["replay", "--quarantined", &id, "--json"]);
    assert_eq!((named.code, named.json()), (Some(1), expected));
    let table = data.run(&["replay", "--quarantined", &id]);
    assert!(
        table.code == Some(1) && table.stdout.contains("signature_mismatch") && table.stderr.is_empty(),
        "{table:?}"
    );
    // Each error points to the other form of the command.
    data.run(&["replay", &id]).assert_failed(3, "replay it with --quarantined");
    let answer = serve.quicklysign("document_updated", "p");
    let stored = answer["delivery"].as_str().unwrap();
    data.run(&["replay", "--quarantined", stored]).assert_failed(3, "replay it without --quarantined");
    data.run(&["replay", "--quarantined", UNKNOWN]).assert_failed(3, "countersign quarantine list");
    data.run(&["replay", UNKNOWN, "--json"]).assert_failed_json(3, "not_found");
}

#[test]
fn replaying_stored_deliveries_changes_nothing() {
    let data = Data::new();
    assert_eq!(data.run(&["replay", "--provider", "quicklysign"]).stdout, "nothing to replay\n");
    let serve = data.serve(&[]);
    let id = |answer: Value| answer["delivery"].as_str().unwrap().to_owned();
    let first = id(serve.quicklysign("document_updated", "p"));
    let second = id(serve.quicklysign("signatory_updated", "p"));
    let before = data.timeline("p");
    let replayed = |arguments: &[&str]| {
        let replayed = data.json(&[&["replay"], arguments].concat());
        let replayed = replayed["replayed"].as_array().unwrap().iter();
        replayed.map(|one| one["delivery"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = [first.clone(), second.clone()];
    assert_eq!(replayed(&["--provider", "quicklysign"]), both);
    let yesterday = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).to_string();
    for since in [yesterday.as_str(), "2001-01-01T00:00:00Z"] {
        assert_eq!(replayed(&["--since", since]), both, "{since}");
    }
    assert_eq!(replayed(&["--since", "2101-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(replayed(&["--provider", "signeasy"]), [""; 0]);
    assert_eq!(replayed(&[&second]), both[1..]);
    let one = &data.json(&["replay", &first])["replayed"][0];
    let expected = json!({
        "delivery": first, "before": "recorded", "outcome": "recorded", "events": 1, "problem": null,
    });
    assert_eq!(*one, expected);
    let table = data.run(&["replay", &first]);
    assert!(table.code == Some(0) && table.stdout.contains("recorded") && table.stderr.is_empty(), "{table:?}");
    assert_eq!(data.timeline("p"), before, "a replay changed what was there");
}
