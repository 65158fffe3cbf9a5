//! Legalesign's callbacks from the command line, and the verification of their signatures.

use std::fs;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::process::{Data, assert_keys, assert_pdf, assert_time, post_with_headers, wait_for};

fn archived(data: &Data, id: &str) -> Value {
    wait_for(|| {
        let timeline = data.json(&["timeline", "legalesign", id]);
        if timeline["document"]["archive"]["state"] == "archived" { Ok(timeline) } else { Err(timeline) }
    })
}

#[test]
fn every_callback_can_be_triggered_and_the_signed_ones_verified_offline() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let mut signed = Vec::new();
    for (event, status, trust, is_archived) in [
        ("batch", "completed", "signature", true),
        ("signed", "completed", "token", true),
        ("sent", "sent", "token", false),
        ("rejected", "declined", "token", false),
        ("realtime", "completed", "token", true),
    ] {
        let triggered = data.json(&["trigger", "legalesign", event, "--id", event]);
        assert_eq!((&triggered["http_status"], &triggered["outcome"]), (&json!(200), &json!("recorded")), "{event}");
        let timeline = if is_archived { archived(&data, event) } else { data.json(&["timeline", "legalesign", event]) };
        assert_eq!((&timeline["document"]["status"], &timeline["document"]["trust"]), (&json!(status), &json!(trust)));
        let delivery = triggered["delivery"].as_str().unwrap().to_owned();
        if is_archived {
            let pdfs = timeline["pdfs"].as_array().unwrap();
            pdfs.iter().for_each(assert_pdf);
            let roles: Vec<_> = pdfs.iter().map(|pdf| pdf["role"].as_str().unwrap()).collect();
            assert_eq!(roles, ["audit_log", "document"]);
            let signers = timeline["signers"].as_array().unwrap();
            assert!(signers.len() == 2 && signers.iter().all(|signer| signer["status"] == "signed"), "{signers:?}");
        }
        // The URL names the event and isn't signed, but the document is.
        if event != "realtime" {
            signed.push(delivery);
        } else {
            data.run(&["verify", &delivery, "--json"]).assert_failed_json(1, "not_signed");
        }
    }
    data.run(&["trigger", "legalesign", "signer", "--json"]).assert_failed_json(1, "unknown_event");

    let verified: Vec<Value> = signed.iter().map(|delivery| data.json(&["verify", delivery])).collect();
    for verification in &verified {
        assert_keys(verification, &["delivery", "received_at", "route", "size", "sha256", "certificate"]);
        assert_keys(&verification["certificate"], &["fingerprint", "known_since", "not_before", "not_after"]);
        assert_time(&verification["certificate"]["known_since"]);
        // All have the same certificate, which is known since the first delivery.
        assert_eq!(verification["certificate"], verified[0]["certificate"]);
    }
    assert_eq!(verified[0]["certificate"]["known_since"], verified[0]["received_at"]);
    // Verifying needs neither the stack nor its secrets.
    assert_eq!(serve.signal("TERM").0, Some(0));
    fs::remove_dir_all(data.file("secrets")).unwrap();
    let again: Vec<Value> = signed.iter().map(|delivery| data.json(&["verify", delivery])).collect();
    assert_eq!(again, verified);
    let ran = data.run(&["verify", &signed[0]]);
    assert!(ran.code == Some(0) && ran.stdout.ends_with("ok: the signature matches the stored bytes\n"), "{ran:?}");
}

#[test]
fn a_batch_can_be_triggered_only_with_throw_away_secrets() {
    let data = Data::new();
    let secrets = data.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    let proof = json!({"proof": {"url_tokens": ["my-own-path-token"]}, "api": {"username": "u", "secret": "s"}});
    fs::write(secrets.join("legalesign.json"), proof.to_string()).unwrap();
    let _serve = data.serve(&["--secrets", "secrets"]);
    data.run(&["trigger", "legalesign", "batch", "--json"]).assert_failed_json(1, "no_signing_key");
    let triggered = data.json(&["trigger", "legalesign", "sent", "--id", "d"]);
    assert_eq!(triggered["outcome"], "recorded", "a form is accepted without a signature");
    assert_eq!(data.json(&["timeline", "legalesign", "d"])["document"]["trust"], "token");
}

#[test]
fn a_probe_finds_the_form_of_the_hmac_from_stored_deliveries() {
    let data = Data::new();
    let secrets = data.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    let proof = json!({"url_tokens": ["my-own-path-token"], "hmac_secrets": ["the-hmac-secret"]});
    let secret = json!({"proof": proof, "api": {"username": "u", "secret": "s"}});
    fs::write(secrets.join("legalesign.json"), secret.to_string()).unwrap();
    let serve = data.serve(&["--secrets", "secrets"]);
    let probe = ["probe", "legalesign", "--secrets", "secrets"];
    assert_eq!(data.run(&probe).stdout, "None of 0 deliveries carries such a proof.\n");

    let url = format!("{}/callbacks/legalesign/realtime/my-own-path-token", serve.http);
    let post = |id: &str, hmac: Option<&str>| {
        let body = json!({"version": "1", "id": id, "object": "document", "event": "created", "data": {"uuid": id}});
        let body = body.to_string();
        let key = hmac.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        let in_hex = |code: hmac::Tag| code.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let code = key.map(|key| in_hex(hmac::sign(&key, body.as_bytes())));
        let headers: Vec<_> = code.iter().map(|code| ("X-Hmac-Sha256", code.as_str())).collect();
        assert_eq!(post_with_headers(&url, &headers, &body).1["outcome"], "recorded");
    };
    post("without", None);
    post("one", Some("the-hmac-secret"));
    post("two", Some("the-hmac-secret"));
    let probed = data.json(&probe);
    assert_eq!(
        (&probed["setting"], &probed["form"], &probed["with_proof"], &probed["without_proof"]),
        (&json!("LEGALESIGN_REALTIME_HMAC_FORM"), &json!("hex-text"), &json!(2), &json!(1))
    );
    assert_eq!((&probed["forms"]["hex-text"], &probed["forms"]["base64-text"]), (&json!(2), &json!(0)));
    let shown = data.run(&probe);
    assert!(shown.stdout.ends_with("set LEGALESIGN_REALTIME_HMAC_FORM=hex-text\n"), "{shown:?}");
    assert!(!shown.stdout.contains("the-hmac-secret"));

    // One of another secret: no form holds for all.
    post("other", Some("another-secret"));
    let ran = data.run(&probe);
    assert!(ran.code == Some(1) && ran.stdout.contains("2 of 3"), "{ran:?}");
}

#[test]
fn a_probe_needs_a_secret_and_a_service_whose_proof_is_unclear() {
    let data = Data::new();
    let _serve = data.serve(&[]);
    data.json(&["trigger", "quicklysign", "final_document_generated"]);
    data.run(&["probe", "quicklysign", "--json"]).assert_failed_json(1, "nothing_to_probe");
    data.json(&["trigger", "legalesign", "sent"]);
    data.run(&["probe", "legalesign", "--json"]).assert_failed_json(1, "not_configured");
}
