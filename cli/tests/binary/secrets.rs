//! `serve --secrets DIR`, and the throw-away secrets of a folder.

use std::fs;

use serde_json::json;

use crate::process::{Data, post};

const BODY: &str = r#"{"entity_key": "secret-pack", "callback_event": "document_updated"}"#;

#[test]
fn given_secrets_are_used_and_never_printed() {
    let data = Data::new();
    let folder = data.path().join("given");
    fs::create_dir(&folder).unwrap();
    let secret = json!({
        "proof": {"url_tokens": ["my-own-path-token", "my-next-path-token"]},
        "api": {"client_id": "my-id", "client_secret": "my-client-secret", "api_key": "my-key"},
    });
    fs::write(folder.join("quicklysign.json"), secret.to_string()).unwrap();
    let serve = data.serve(&["--secrets", folder.to_str().unwrap()]);
    for (token, status) in [("my-own-path-token", 200), ("my-next-path-token", 200), ("not-my-path-token", 401)] {
        let (answered, answer) = post(&format!("{}/callbacks/quicklysign/{token}", serve.http), BODY);
        assert_eq!(answered, status, "{answer}");
    }
    // The simulator accepts these API credentials, so the archive works.
    let triggered = data.json(&["trigger", "quicklysign", "final_document_generated", "--id", "secret-pack"]);
    assert_eq!(triggered["outcome"], "recorded");
    data.archived("secret-pack");
    // There are none for this service.
    let (status, answer) = post(&format!("{}/callbacks/legalesign/batch/my-own-path-token", serve.http), "");
    assert_eq!((status, &answer["reason"]), (503, &"not_configured".into()));
    let stderr = serve.stderr();
    for secret in ["my-own-path-token", "my-next-path-token", "my-client-secret", "my-key", "callback URL"] {
        assert!(!stderr.contains(secret), "{stderr}");
    }
    assert!(!data.file("secrets").exists(), "no secrets were generated");
    assert_eq!(serve.signal("TERM").0, Some(0));
}

#[test]
fn throw_away_secrets_persist_and_are_readable_only_by_their_owner() {
    let data = Data::new();
    let first = data.serve(&[]).callback_url("/callbacks/quicklysign");
    let second = data.serve(&[]).callback_url("/callbacks/quicklysign");
    let token = |url: &str| url.rsplit('/').next().map(str::to_owned);
    assert_eq!(token(&first), token(&second));
    assert!(token(&first).is_some_and(|token| token.len() >= 12));
    let another = Data::new();
    assert_ne!(token(&first), token(&another.serve(&[]).callback_url("/callbacks/quicklysign")));
    #[cfg(unix)]
    for entry in fs::read_dir(data.file("secrets")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}

#[test]
fn the_error_for_unreadable_secrets_contains_no_secret() {
    let data = Data::new();
    data.run(&["serve", "--port", "0", "--secrets", "nowhere"]).assert_failed(1, "nowhere");
    let folder = data.path().join("given");
    fs::create_dir(&folder).unwrap();
    for text in ["{\"proof\": hush-hush-hush}", "{\"api\": {\"client_id\": \"hush-hush-hush\", \"client_secret\": 1}}"]
    {
        fs::write(folder.join("quicklysign.json"), text).unwrap();
        let ran = data.run(&["serve", "--port", "0", "--secrets", "given"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("hush-hush"), "{ran:?}");
    }
}
