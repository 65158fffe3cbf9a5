//! `countersign serve`: how it starts, how it ends, and who else may use its folder.

use std::{fs, net::TcpListener};

use serde_json::Value;

use crate::process::{Data, assert_keys, connect, post};

fn endpoints(data: &Data) -> Value {
    serde_json::from_str(&fs::read_to_string(data.file("endpoints.json")).unwrap()).unwrap()
}

#[test]
fn it_says_one_line_when_it_is_ready_and_ends_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let data = Data::new();
        let serve = data.serve(&[]);
        let endpoints = endpoints(&data);
        assert_keys(&endpoints, &["pid", "http", "dynamodb", "s3", "table", "bucket"]);
        assert_eq!(endpoints["http"], serve.http);
        assert_eq!(endpoints["pid"], serve.pid());
        for part in ["dynamodb", "s3"] {
            assert!(endpoints[part].as_str().unwrap().starts_with("http://127.0.0.1:"), "{endpoints}");
        }
        // Every part is ready: what comes at once is recorded, and its PDFs are archived.
        serve.quicklysign("final_document_generated", "at-once");
        data.archived("at-once");
        for route in ["legalesign/batch", "legalesign/realtime", "quicklysign", "signeasy"] {
            serve.callback_url(&format!("/callbacks/{route}"));
        }
        assert_eq!(serve.signal(signal), (Some(0), String::new()), "{signal}");
        assert!(!data.file("endpoints.json").exists());
    }
}

#[test]
fn connections_that_say_nothing_or_only_half_do_not_keep_it_from_ending() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let endpoints = endpoints(&data);
    let mut open = Vec::new();
    for part in ["http", "dynamodb", "s3", "simulator"] {
        let url = endpoints[part].as_str().unwrap();
        open.push(connect(url, b""));
        open.push(connect(url, b"POST /"));
        open.push(connect(
            url,
            b"POST /callbacks/quicklysign/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        ));
    }
    // They have been taken in once this has been answered.
    serve.quicklysign("document_updated", "afterwards");
    assert_eq!(serve.signal("TERM"), (Some(0), String::new()));
    drop(open);
}

#[test]
fn a_second_one_on_the_same_folder_is_told_so_and_the_first_goes_on() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let second = data.run(&["serve", "--port", "0"]);
    second.assert_failed(1, "already serves");
    assert!(second.stderr.contains(&serve.http), "{second:?}");
    data.run(&["serve", "--port", "0", "--json"]).assert_failed_json(1, "in_use");
    assert_eq!(endpoints(&data)["http"], serve.http);
    serve.quicklysign("document_updated", "still-there");
    assert_eq!(serve.signal("TERM").0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let data = Data::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    data.run(&["serve", "--port", &port]).assert_failed(1, &format!("port {port}"));
    data.run(&["serve", "--port", &port, "--json"]).assert_failed_json(1, "failed");
    assert!(!data.file("endpoints.json").exists());
    // The folder is free again, and so is the port, for whoever comes first.
    drop(taken);
    assert_eq!(data.serve(&[]).signal("TERM").0, Some(0));
}

#[test]
fn the_given_port_is_taken_and_serve_is_what_happens_without_a_command() {
    let data = Data::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let serve = data.serve(&["--port", &free]);
    assert_eq!(serve.http, format!("http://127.0.0.1:{free}"));
    let ran = data.run(&[]);
    ran.assert_failed(1, "already serves");
}

#[test]
fn the_answer_to_a_stranger_says_nothing() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let (status, answer) = post(&format!("{}/callbacks/quicklysign/wrong-wrong-wrong", serve.http), "{}");
    assert_eq!(status, 401);
    let expected = serde_json::json!({"delivery": null, "outcome": "rejected", "events": 0, "reason": "unproven"});
    assert_eq!(answer, expected);
}
