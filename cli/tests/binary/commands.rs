//! The output of commands: JSON with pinned keys for programs, tables for people.

use serde_json::{Value, json};

use crate::process::{Data, assert_document, assert_keys, assert_pdf, assert_time};

#[test]
fn a_triggered_callback_is_recorded_listed_and_archived() {
    let data = Data::new();
    let _serve = data.serve(&[]);
    let triggered = data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "my-pack"]);
    assert_keys(&triggered, &["http_status", "delivery", "outcome", "events", "reason", "id"]);
    assert_eq!((&triggered["http_status"], &triggered["outcome"]), (&json!(200), &json!("recorded")));
    assert_eq!(
        (&triggered["events"], &triggered["reason"], &triggered["id"]),
        (&json!(1), &json!("ok"), &json!("my-pack"))
    );
    // Without an id, the callback is about a new pack.
    let other = data.json(&["trigger", "quicklysign", "never_heard_of"]);
    assert_eq!(other["outcome"], "recorded");
    let other = other["id"].as_str().unwrap().to_owned();
    assert_ne!(other, "my-pack");

    let timeline = data.archived("my-pack");
    assert_keys(&timeline, &["document", "events", "signers", "pdfs"]);
    assert_document(&timeline["document"]);
    let event = &timeline["events"][0];
    let keys =
        ["id", "kind", "name", "value", "subject", "occurred_at", "time_source", "received_at", "trust", "source"];
    assert_keys(event, &keys);
    assert_keys(event, &["delivery", "deliveries", "payload"]);
    assert_eq!(event["subject"], json!({"kind": "document_pack", "id": "my-pack"}));
    assert_eq!((&event["kind"], &event["time_source"]), (&json!("completed"), &json!("received")));
    assert_eq!((&event["trust"], &event["source"]), (&json!("token"), &json!("callback")));
    assert_eq!((&event["delivery"], &event["deliveries"]), (&triggered["delivery"], &json!(1)));
    assert_eq!(event["payload"]["callback_event"], "final_document_generated");
    assert_time(&event["occurred_at"]);
    assert_time(&event["received_at"]);
    let pdfs = timeline["pdfs"].as_array().unwrap();
    assert!(pdfs.len() > 1, "a pack has several documents");
    pdfs.iter().for_each(assert_pdf);

    let all = data.json(&["documents"]);
    assert_keys(&all, &["documents", "next"]);
    let documents = all["documents"].as_array().unwrap();
    documents.iter().for_each(assert_document);
    let ids: Vec<&str> = documents.iter().map(|document| document["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&"my-pack") && ids.contains(&other.as_str()), "{ids:?}");
    let ids = |arguments: &[&str]| {
        let documents = data.json(&[&["documents"], arguments].concat());
        let documents = documents["documents"].as_array().unwrap().iter();
        documents.map(|document| document["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--status", "completed"]), ["my-pack"]);
    assert_eq!(ids(&["--provider", "quicklysign", "--status", "completed"]), ["my-pack"]);
    assert_eq!(ids(&["--provider", "signeasy"]), [""; 0]);
    assert_eq!(ids(&["--status", "declined"]), [""; 0]);

    // One page at a time.
    let first = data.json(&["documents", "--limit", "1"]);
    let next = first["next"].as_str().unwrap();
    let second = data.json(&["documents", "--limit", "1", "--after", next]);
    assert_eq!((second["documents"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    assert_ne!(first["documents"][0]["id"], second["documents"][0]["id"]);
}

#[test]
fn the_default_output_is_tables() {
    let data = Data::new();
    let output = |arguments: &[&str]| {
        let ran = data.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.is_empty(), "{ran:?}");
        ran.stdout
    };
    assert_eq!(output(&["documents"]), "no documents\n");
    assert_eq!(output(&["archive", "list"]), "no archive jobs\n");
    let _serve = data.serve(&[]);
    let triggered = output(&["trigger", "quicklysign", "final_document_generated", "--id", "for-people"]);
    assert_eq!(triggered, "quicklysign final_document_generated for-people: 200 recorded\n");
    data.archived("for-people");
    for (arguments, columns) in [
        (&["documents"][..], ["provider", "status", "for-people", "completed", "archived"]),
        (
            &["timeline", "quicklysign", "for-people"],
            ["occurred", "delivery", "for-people", "sha256", "final_document_g"],
        ),
        (&["archive", "list"], ["state", "attempts", "for-people", "quicklysign", "archived"]),
    ] {
        let text = output(arguments);
        assert!(text.contains('┌') && text.contains('└'), "{text}");
        for column in columns {
            assert!(text.contains(column), "{column} is missing:\n{text}");
        }
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
    let reconciled = output(&["reconcile"]);
    assert!(
        reconciled.starts_with("deliveries: 0 recorded, 0 still unfinished; archive jobs: 0 made due\n"),
        "{reconciled}"
    );
    for word in ["missed", "dropbox-sign", "legalesign", "quicklysign", "signeasy"] {
        assert!(reconciled.contains(word), "{word} is missing:\n{reconciled}");
    }
}

#[test]
fn control_characters_from_a_service_do_not_reach_the_terminal() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let name = "red\u{1b}[31m\u{7}\u{9b}2J\r\nnew line\u{202e}";
    serve.quicklysign(name, "terminal");
    for arguments in [&["timeline", "quicklysign", "terminal"][..], &["documents"]] {
        let text = data.run(arguments).stdout;
        let steering = text.chars().filter(|c| c.is_control() && *c != '\n').collect::<Vec<_>>();
        assert!(steering.is_empty() && !text.contains("\u{202e}"), "{steering:?} in {text:?}");
    }
    // In JSON, the text is unchanged.
    assert_eq!(data.timeline("terminal")["events"][0]["name"], name);
    let triggered = data.run(&["trigger", "quicklysign", name, "--id", "terminal"]);
    assert!(!triggered.stdout.contains('\u{1b}'), "{triggered:?}");
}

#[test]
fn an_unknown_id_is_not_found_with_exit_code_3() {
    let data = Data::new();
    for arguments in [
        &["timeline", "quicklysign", "unheard-of"][..],
        &["timeline", "signeasy", "unheard-of", "--kind", "document"],
        &["timeline", "quicklysign", "not/an/id"],
        &["archive", "retry", "quicklysign", "unheard-of"],
        &["verify", "0190b6c8-0000-7000-8000-000000000000"],
    ] {
        let ran = data.run(arguments);
        assert!(ran.code == Some(3) && ran.stdout.is_empty() && ran.stderr.contains("not_found"), "{ran:?}");
        data.run(&[arguments, &["--json"]].concat()).assert_failed_json(3, "not_found");
        // The position of --json doesn't matter.
        data.run(&[&["--json"], arguments].concat()).assert_failed_json(3, "not_found");
    }
}

#[test]
fn trigger_fails_without_a_running_stack() {
    let data = Data::new();
    for _ in 0..2 {
        data.run(&["trigger", "quicklysign", "document_updated"]).assert_failed(1, "no stack runs on");
        data.run(&["trigger", "quicklysign", "document_updated", "--json"]).assert_failed_json(1, "no_stack");
        // The same once the folder exists.
        data.json(&["documents"]);
    }
}

#[test]
fn a_rejected_callback_is_a_failure_that_shows_the_answer() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let url = format!("{}/callbacks/quicklysign/some-other-token", serve.http);
    let rejected = data.run(&["trigger", "quicklysign", "document_updated", "--to", &url, "--json"]);
    assert_eq!(rejected.code, Some(1), "{rejected:?}");
    let answer = rejected.json();
    assert_eq!((&answer["http_status"], &answer["outcome"]), (&json!(401), &json!("rejected")));
    assert_eq!((&answer["delivery"], &answer["reason"]), (&Value::Null, &json!("unproven")));
    data.run(&["trigger", "quicklysign", "x", "--to", "not a url", "--json"]).assert_failed_json(1, "bad_url");
    data.run(&["trigger", "quicklysign", "x", "--to", "http://127.0.0.1:1/", "--json"])
        .assert_failed_json(1, "connect_failed");
}

#[test]
fn an_archive_job_is_listed_and_retried() {
    let data = Data::new();
    let _serve = data.serve(&[]);
    data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "retried"]);
    data.archived("retried");
    let listed = data.json(&["archive", "list", "--state", "archived"]);
    let job = &listed["orders"][0];
    assert_eq!(job["subject"], json!({"provider": "quicklysign", "kind": "document_pack", "id": "retried"}));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("archived"), &json!(0)));
    assert_eq!(data.json(&["archive", "list", "--state", "failed"])["orders"], json!([]));
    assert_eq!(data.json(&["archive", "retry", "quicklysign", "retried"])["state"], "due");
    data.archived("retried");
    let swept = data.json(&["reconcile"]);
    assert_keys(&swept, &["recorded", "taken_in", "still_unfinished", "made_due", "oldest_due_seconds", "queried"]);
    assert_eq!((&swept["recorded"], &swept["made_due"]), (&json!(0), &json!(0)));
    for service in ["dropbox-sign", "legalesign", "quicklysign", "signeasy"] {
        assert_keys(&swept["queried"][service], &["queried", "recorded", "missed", "maybe_late", "stopped"]);
    }
}
