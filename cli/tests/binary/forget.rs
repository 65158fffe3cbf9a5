//! `forget`: what it erases, what it keeps, and its output.

use serde_json::{Value, json};

use crate::process::{Data, assert_keys, assert_time};

#[test]
fn personal_data_is_erased_and_what_is_kept_is_listed() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let triggered = data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "my-pack"]);
    serve.quicklysign("document_updated", "other");
    data.archived("my-pack");
    let forgotten = data.json(&["forget", "quicklysign", "my-pack"]);
    let keys = ["subjects", "forgotten_at", "events", "deliveries", "shared_deliveries", "objects", "kept_objects"];
    assert_keys(&forgotten, &keys);
    let subject = json!({"provider": "quicklysign", "kind": "document_pack", "id": "my-pack"});
    assert_eq!((&forgotten["subjects"], &forgotten["events"]), (&json!([subject]), &json!(1)));
    assert_eq!(forgotten["deliveries"], json!([triggered["delivery"]]));
    assert_eq!((&forgotten["shared_deliveries"], &forgotten["kept_objects"]), (&json!([]), &json!([])));
    assert!(forgotten["objects"].as_array().unwrap().len() > 1, "{forgotten:#}");
    assert_time(&forgotten["forgotten_at"]);

    let timeline = data.timeline("my-pack");
    assert_eq!(
        (&timeline["document"]["status"], &timeline["events"][0]["payload"]),
        (&json!("completed"), &Value::Null)
    );
    assert_ne!(data.timeline("other")["events"][0]["payload"], Value::Null);
    let delivery = triggered["delivery"].as_str().unwrap();
    let replayed = data.run(&["replay", delivery, "--json"]);
    assert_eq!((replayed.code, &replayed.json()["replayed"][0]["problem"]), (Some(1), &json!("forgotten")));

    let again = data.run(&["forget", "quicklysign", "my-pack"]);
    assert!(again.code == Some(0) && again.stdout.starts_with("quicklysign my-pack is erased"), "{again:?}");
    assert!(again.stdout.contains("point-in-time recovery"), "{again:?}");
}

#[test]
fn an_unknown_subject_is_not_found() {
    let data = Data::new();
    for id in ["unheard-of", "not/an/id"] {
        data.run(&["forget", "quicklysign", id]).assert_failed(3, &format!("{id} is unknown"));
        data.run(&["forget", "quicklysign", id, "--json"]).assert_failed_json(3, "not_found");
    }
}
