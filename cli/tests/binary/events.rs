//! `countersign events` and `countersign serve --forward-to`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::process::{Data, connect, wait_for};

/// Puts an event on the stack's bus by the protocol of EventBridge.
fn put(data: &Data, id: &str, detail_type: &str) {
    let endpoints: Value = serde_json::from_str(&fs::read_to_string(data.file("endpoints.json")).unwrap()).unwrap();
    let detail = json!({"id": id, "provider": "signeasy", "subject": {"kind": "document", "id": "d"}, "pdfs": []});
    let entry = json!({
        "EventBusName": "countersign", "Source": "countersign", "DetailType": detail_type, "Detail": detail.to_string(),
    });
    let body = json!({"Entries": [entry]}).to_string();
    let key = endpoints["access_key_id"].as_str().unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AWSEvents.PutEvents\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/today\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    connect(endpoints["eventbridge"].as_str().unwrap(), request.as_bytes()).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"FailedEntryCount\":0"), "{answer}");
}

/// The ids of listed events.
fn ids(listed: &Value) -> Vec<&str> {
    listed["events"].as_array().unwrap().iter().map(|event| event["detail"]["id"].as_str().unwrap()).collect()
}

/// Starts a receiver that answers one request with 204. Returns its URL and its request's head.
fn receiver() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let head: Vec<String> =
            BufReader::new(&stream).lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        head.join("\n")
    });
    (url, received)
}

#[test]
fn events_are_listed_while_a_stack_runs_and_after_it_was_killed() {
    let data = Data::new();
    assert_eq!(data.run(&["events"]).stdout, "no events\n");
    let serve = data.serve(&[]);
    for (id, detail_type) in [("a", "document.sent"), ("b", "document.signed"), ("c", "document.signed")] {
        put(&data, id, detail_type);
    }
    assert_eq!(ids(&data.json(&["events"])), ["c", "b", "a"]);
    serve.kill();
    let first = data.json(&["events", "--limit", "2"]);
    assert_eq!(ids(&first), ["c", "b"]);
    assert_eq!(first["events"][0]["detail-type"], "document.signed");
    assert_eq!(first["events"][0]["source"], "countersign");
    assert_eq!(ids(&data.json(&["events", "--after", first["next"].as_str().unwrap()])), ["a"]);
    assert_eq!(ids(&data.json(&["events", "--type", "document.signed", "--limit", "9"])), ["c", "b"]);
    assert!(ids(&data.json(&["events", "--provider", "legalesign"])).is_empty());
    let text = data.run(&["events"]).stdout;
    assert!(text.contains("document.sent") && text.contains("signeasy"), "{text}");
}

#[test]
fn followed_events_are_printed_one_per_line_until_sigterm() {
    let data = Data::new();
    let serve = data.serve(&[]);
    put(&data, "a", "document.sent");
    let mut command = data.command(&["events", "--follow", "--json"]);
    let mut follow = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["detail"]["id"], "a");
    put(&data, "b", "document.signed");
    let event = next();
    assert_eq!((event["detail"]["id"].as_str(), event["detail-type"].as_str()), (Some("b"), Some("document.signed")));
    drop(serve);
    assert!(Command::new("kill").arg(follow.id().to_string()).status().unwrap().success());
    assert_eq!(follow.wait().unwrap().code(), Some(0));
}

#[test]
fn the_webhook_secret_is_printed_once_and_its_file_is_private() {
    let data = Data::new();
    let (url, received) = receiver();
    let serve = data.serve(&["--forward-to", &url]);
    let secret = fs::read_to_string(data.file("webhook-secret")).unwrap();
    let printed = format!("webhook secret: {}\n", secret.trim());
    assert!(secret.starts_with("whsec_") && serve.stderr().contains(&printed), "{}", serve.stderr());
    put(&data, "a", "document.sent");
    let head = received.join().unwrap();
    assert!(head.contains("webhook-id: a") && head.contains("webhook-signature: v1,"), "{head}");
    let forwards = wait_for(|| {
        let forwards = data.json(&["events"])["forwards"].clone();
        if forwards[0]["waiting"] == 0 { Ok(forwards) } else { Err(forwards) }
    });
    assert_eq!(forwards[0]["state"], "forwarding");
    drop(serve);
    let serve = data.serve(&["--forward-to", &url]);
    assert!(!serve.stderr().contains("whsec_"), "{}", serve.stderr());
    #[cfg(unix)]
    {
        let metadata = fs::metadata(data.file("webhook-secret")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
    }
}

#[test]
fn events_of_a_deployed_stack_are_somewhere_else() {
    let data = Data::new();
    let ran = data.command_without_data(&["events", "--stack", "prod"]);
    crate::process::Ran::of(ran).assert_failed(2, "docs/events.md");
}
