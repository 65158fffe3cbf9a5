//! `countersign webhooks`, as a person runs it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A command in an environment that has nothing of the machine's own.
fn countersign(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env_clear().stdin(Stdio::null()).arg("--data").arg(data).args(arguments);
    command
}

/// A running stack; it ends with the test, however that ends.
struct Stack {
    process: Child,
    data: TempDir,
}

impl Stack {
    fn start() -> Self {
        let data = TempDir::new().unwrap();
        let mut process = countersign(data.path(), &["serve", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        Self { process, data }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        countersign(self.data.path(), arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        json_of(&self.run(&[&["--json"], arguments].concat()))
    }

    fn file(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.data.path().join(name)).unwrap()).unwrap()
    }

    /// Everything that must not be printed.
    fn secrets(&self) -> [String; 3] {
        let secrets = self.file("secrets/quicklysign.json");
        [&secrets["proof"]["url_tokens"][0], &secrets["api"]["client_secret"], &secrets["api"]["api_key"]]
            .map(|secret| secret.as_str().unwrap().to_owned())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn json_of(output: &Output) -> (i32, Value) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), json)
}

#[test]
fn a_webhook_is_created_shown_and_deleted_without_printing_a_secret() {
    let stack = Stack::start();
    let (code, created) = stack.json(&["webhooks", "create", "--entity-key", "pack"]);
    assert_eq!((code, &created["created"], &created["replaced"]), (0, &json!(true), &json!(0)));
    let webhook = &created["webhook"];
    let masked = webhook["callback"].as_str().unwrap();
    assert!(masked.starts_with("http://127.0.0.1:") && masked.ends_with("/callbacks/quicklysign/***"), "{masked}");
    let key = webhook["key"].as_str().unwrap();

    let (_, again) = stack.json(&["webhooks", "create", "--entity-key", "pack"]);
    assert_eq!((&again["created"], &again["webhook"]["key"]), (&json!(false), &json!(key)));
    let (_, list) = stack.json(&["webhooks", "list", "--entity-key", "pack"]);
    assert_eq!(list, json!({"webhooks": [webhook]}));
    assert_eq!(stack.json(&["webhooks", "list"]).1, list);
    assert_eq!(stack.json(&["webhooks", "list", "--entity-key", "other"]).1, json!({"webhooks": []}));
    assert_eq!(stack.json(&["webhooks", "get", key]).1, json!({"webhook": webhook}));
    assert_eq!(stack.json(&["webhooks", "logs"]), (0, json!({"logs": []})));

    // Callbacks under it are known to be ours, and others aren't.
    for (webhook_key, note) in [(key, Value::Null), ("another", json!("unknown_subscription"))] {
        let trigger = ["trigger", "quicklysign", "entity_updated", "--id", "pack", "--webhook-key", webhook_key];
        let (code, answer) = stack.json(&trigger);
        assert_eq!((code, &answer["outcome"]), (0, &json!("recorded")));
        let (_, timeline) = stack.json(&["timeline", "quicklysign", "pack"]);
        let events = timeline["events"].as_array().unwrap();
        assert_eq!(events.last().unwrap()["note"], note);
    }
    let timeline = stack.run(&["timeline", "quicklysign", "pack"]);
    assert!(String::from_utf8_lossy(&timeline.stdout).contains(": unknown_subscription"), "{timeline:?}");

    for command in
        [&["webhooks", "list"][..], &["webhooks", "get", key], &["webhooks", "create", "--entity-key", "two"]]
    {
        let output = stack.run(command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("***"), "{text}");
        assert!(!stack.secrets().iter().any(|secret| text.contains(secret)), "{text}");
    }
    assert_eq!(stack.json(&["webhooks", "delete", key]), (0, json!({"deleted": {"key": key}})));
    let (code, gone) = stack.json(&["webhooks", "delete", key]);
    assert_eq!((code, &gone["error"]["code"]), (3, &json!("not_found")));
    assert_eq!(stack.json(&["webhooks", "get", key]).0, 3);
    let deleted = stack.json(&["webhooks", "delete", "--entity-key", "two"]);
    assert_eq!(deleted, (0, json!({"deleted": {"entity_key": "two"}})));
    assert_eq!(stack.json(&["webhooks", "list"]).1, json!({"webhooks": []}));
}

#[test]
fn credentials_in_the_environment_override_those_of_the_stack() {
    let stack = Stack::start();
    let api = stack.file("endpoints.json")["apis"]["quicklysign"].clone();
    let elsewhere = TempDir::new().unwrap();
    let run = |secret: &Value, more: &[(&str, &str)], arguments: &[&str]| {
        let mut command = countersign(elsewhere.path(), &[&["--json"], arguments].concat());
        command.env("QUICKLYSIGN_API", secret.to_string()).env("QUICKLYSIGN_API_URL", api.as_str().unwrap());
        command.env("ALLOW_INSECURE_DOWNLOADS", "true").envs(more.iter().copied());
        let output = command.output().unwrap();
        let text = format!("{output:?}");
        assert!(!text.contains("a-path-token-of-production"), "{text}");
        json_of(&output)
    };
    let mut secret = stack.file("secrets/quicklysign.json")["api"].clone();
    assert_eq!(run(&secret, &[], &["webhooks", "list"]), (0, json!({"webhooks": []})));

    // The token comes from the proof, and replaces `{token}` in the URL from the stack's outputs.
    let url = "https://abc.execute-api.eu-west-1.amazonaws.com/callbacks/quicklysign/{token}";
    let proof = ("QUICKLYSIGN_PROOF", r#"{"url_tokens": ["a-path-token-of-production"]}"#);
    let create = ["webhooks", "create", "--entity-key", "pack", "--callback", url];
    let (code, created) = run(&secret, &[proof], &create);
    assert_eq!((code, &created["webhook"]["callback"]), (0, &json!(url.replace("{token}", "***"))));
    let setting = ("QUICKLYSIGN_CALLBACK_URL", url);
    let (_, again) = run(&secret, &[proof, setting], &["webhooks", "create", "--entity-key", "pack"]);
    assert_eq!((&again["created"], &again["webhook"]), (&json!(false), &created["webhook"]));
    let (code, no_token) = run(&secret, &[], &create);
    assert_eq!((code, &no_token["error"]["code"]), (1, &json!("not_configured")));
    let (code, no_url) = run(&secret, &[proof], &["webhooks", "create", "--entity-key", "pack"]);
    assert_eq!((code, &no_url["error"]["code"]), (1, &json!("not_configured")));
    let plain = ["webhooks", "create", "--entity-key", "pack", "--callback", "http://x.example/{token}"];
    assert_eq!(run(&secret, &[proof], &plain).0, 2, "the token would travel in clear text");

    secret["client_secret"] = json!("a-path-token-of-production");
    let (code, failed) = run(&secret, &[], &["webhooks", "list"]);
    assert_eq!((code, &failed["error"]["code"]), (1, &json!("unauthorised")));
    let message = "QuicklySign's API answered 401: unauthorised: client_id or client_secret is wrong";
    assert_eq!(failed["error"]["message"], message);
}

#[test]
fn a_missing_account_and_wrong_arguments_are_reported() {
    let data = TempDir::new().unwrap();
    let run =
        |arguments: &[&str]| json_of(&countersign(data.path(), &[&["--json"], arguments].concat()).output().unwrap());
    let (code, output) = run(&["webhooks", "list"]);
    assert_eq!((code, &output["error"]["code"]), (1, &json!("not_configured")));
    for arguments in [
        &["webhooks", "delete"][..],
        &["webhooks", "delete", "key", "--entity-key", "pack"],
        &["webhooks", "get", "no key"],
        &["webhooks", "create"],
        &["webhooks", "create", "--entity-key", "../x"],
        &["webhooks", "logs", "--entity-key", "a", "--webhook-key", "b"],
    ] {
        let (code, output) = run(arguments);
        assert_eq!((code, &output["error"]["code"]), (2, &json!("usage")), "{arguments:?}");
    }
}
