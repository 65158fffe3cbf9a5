//! `countersign serve`: start, end, and other processes on the same folder.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
};

use serde_json::Value;

use crate::process::{Data, assert_keys, connect, post};

fn endpoints(data: &Data) -> Value {
    serde_json::from_str(&fs::read_to_string(data.file("endpoints.json")).unwrap()).unwrap()
}

#[test]
fn it_prints_one_line_when_ready_and_ends_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let data = Data::new();
        let serve = data.serve(&[]);
        let endpoints = endpoints(&data);
        assert_keys(&endpoints, &["pid", "http", "dynamodb", "s3", "eventbridge", "table", "bucket"]);
        assert_eq!(endpoints["http"], serve.http);
        assert_eq!(endpoints["pid"], serve.pid());
        for part in ["dynamodb", "s3", "eventbridge"] {
            assert!(endpoints[part].as_str().unwrap().starts_with("http://127.0.0.1:"), "{endpoints}");
        }
        // Every part is ready: an immediate callback is recorded, and its PDFs are archived.
        serve.quicklysign("final_document_generated", "at-once");
        data.archived("at-once");
        for route in ["dropbox-sign", "legalesign/batch", "legalesign/realtime", "quicklysign", "signeasy"] {
            serve.callback_url(&format!("/callbacks/{route}"));
        }
        assert_eq!(serve.signal(signal), (Some(0), String::new()), "{signal}");
        assert!(!data.file("endpoints.json").exists());
    }
}

#[test]
fn idle_connections_and_unfinished_requests_do_not_keep_it_from_ending() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let endpoints = endpoints(&data);
    let mut open = Vec::new();
    for part in ["http", "dynamodb", "s3", "eventbridge", "simulator"] {
        let url = endpoints[part].as_str().unwrap();
        open.push(connect(url, b""));
        open.push(connect(url, b"POST /"));
        open.push(connect(
            url,
            b"POST /callbacks/quicklysign/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        ));
    }
    // Once this is answered, those connections have been accepted.
    serve.quicklysign("document_updated", "afterwards");
    assert_eq!(serve.signal("TERM"), (Some(0), String::new()));
    drop(open);
}

#[test]
fn a_second_stack_on_the_same_folder_fails_and_the_first_keeps_running() {
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
fn a_port_in_use_is_an_error() {
    let data = Data::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    data.run(&["serve", "--port", &port]).assert_failed(1, &format!("port {port}"));
    data.run(&["serve", "--port", &port, "--json"]).assert_failed_json(1, "failed");
    assert!(!data.file("endpoints.json").exists());
    // Afterwards, another stack can use the folder.
    drop(taken);
    assert_eq!(data.serve(&[]).signal("TERM").0, Some(0));
}

#[test]
fn it_listens_on_the_given_port_and_is_the_default_command() {
    let data = Data::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let serve = data.serve(&["--port", &free]);
    assert_eq!(serve.http, format!("http://127.0.0.1:{free}"));
    let ran = data.run(&[]);
    ran.assert_failed(1, "already serves");
}

#[test]
fn the_answer_to_a_wrong_path_token_reveals_nothing() {
    let data = Data::new();
    let serve = data.serve(&[]);
    let (status, answer) = post(&format!("{}/callbacks/quicklysign/wrong-wrong-wrong", serve.http), "{}");
    assert_eq!(status, 401);
    let expected = serde_json::json!({"delivery": null, "outcome": "rejected", "events": 0, "reason": "unproven"});
    assert_eq!(answer, expected);
}

/// The test of the option itself needs a second loopback address, which only Linux has without configuration.
#[test]
fn containers_are_not_let_in_by_default() {
    let data = Data::new();
    let serve = data.serve(&["--manual"]);
    assert!(!data.file("sam-local.json").exists());
    assert!(!serve.stderr().contains("warning:"), "{}", serve.stderr());
    if cfg!(target_os = "linux") {
        for part in ["http", "dynamodb", "s3", "simulator"] {
            let url = endpoints(&data)[part].as_str().unwrap().replace("127.0.0.1", "127.0.0.2");
            assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err(), "{url}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn containers_reach_the_services_and_not_the_gateway() {
    use std::os::unix::fs::PermissionsExt;

    let data = Data::new();
    let serve = data.serve(&["--manual", "--containers", "127.0.0.2"]);
    let file = data.file("sam-local.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(serve.stderr().contains("warning:") && serve.stderr().contains("127.0.0.2"), "{}", serve.stderr());
    assert!(serve.stderr().contains(&format!("--env-vars {}", file.display())), "{}", serve.stderr());
    let variables = sam_variables(&data);
    let simulator = variables["LEGALESIGN_API_URL"].strip_suffix("/legalesign/api/v1").unwrap();
    assert_eq!(variables["QUICKLYSIGN_API_URL"], format!("{simulator}/quicklysign"));
    assert_eq!(variables["SIGNEASY_API_URL"], format!("{simulator}/signeasy"));
    assert_eq!(variables["DROPBOX_SIGN_API_URL"], format!("{simulator}/dropbox-sign/v3"));
    let aws =
        ["DYNAMODB", "S3", "EVENTBRIDGE"].map(|service| variables[&format!("AWS_ENDPOINT_URL_{service}")].as_str());
    for url in aws.into_iter().chain([simulator]) {
        assert!(url.starts_with("http://127.0.0.2:"), "{url}");
        // Any response shows that the service is reached.
        let mut answer = String::new();
        connect(url, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{url}: {answer}");
    }
    // The gateway, which also serves the console, stays on loopback. Webhooks call it there; containers can't reach it.
    assert_eq!(variables["QUICKLYSIGN_CALLBACK_URL"], format!("{}/callbacks/quicklysign/{{token}}", serve.http));
    let gateway = serve.http.replace("127.0.0.1", "127.0.0.2");
    assert!(TcpStream::connect(gateway.strip_prefix("http://").unwrap()).is_err());
    // Commands on this machine still use loopback. The file is removed when the stack ends.
    assert!(endpoints(&data)["dynamodb"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(serve.signal("TERM"), (Some(0), String::new()));
    assert!(!file.exists());
}

#[test]
fn the_environment_of_containers_has_the_throw_away_secrets_and_what_proves_the_events() {
    let data = Data::new();
    // A name needs nothing to listen, so this runs on every system.
    let serve = data.serve(&["--manual", "--containers", "host.docker.internal"]);
    let variables = sam_variables(&data);
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    let expected = [
        "ALLOW_INSECURE_DOWNLOADS",
        "ARCHIVE_BUCKET",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
        "AWS_ENDPOINT_URL_S3",
        "AWS_S3_FORCE_PATH_STYLE",
        "DROPBOX_SIGN_API",
        "DROPBOX_SIGN_API_URL",
        "DROPBOX_SIGN_PROOF",
        "EVENT_BUS",
        "LEGALESIGN_API",
        "LEGALESIGN_API_URL",
        "LEGALESIGN_PROOF",
        "QUICKLYSIGN_API",
        "QUICKLYSIGN_API_URL",
        "QUICKLYSIGN_CALLBACK_URL",
        "QUICKLYSIGN_PROOF",
        "SIGNEASY_API",
        "SIGNEASY_API_URL",
        "SIGNEASY_PROOF",
        "SIGNEASY_TOKEN",
        "TABLE_NAME",
        "TEMPORARY_BUCKET",
    ];
    assert_eq!(names, expected);
    assert_eq!(variables["ALLOW_INSECURE_DOWNLOADS"], "private");
    let endpoints = endpoints(&data);
    for part in ["dynamodb", "s3", "eventbridge"] {
        let variable = format!("AWS_ENDPOINT_URL_{}", part.to_uppercase());
        let url = endpoints[part].as_str().unwrap().replace("127.0.0.1", "host.docker.internal");
        assert_eq!(variables[&variable], url);
    }
    let secret = |name: &str| -> Value { serde_json::from_str(&variables[name]).unwrap() };
    for (provider, lists) in [
        ("dropbox-sign", &["url_tokens", "api_keys"][..]),
        ("legalesign", &["url_tokens", "certificates"]),
        ("quicklysign", &["url_tokens"]),
        ("signeasy", &["url_tokens", "tokens"]),
    ] {
        let file = fs::read_to_string(data.file(&format!("secrets/{provider}.json"))).unwrap();
        let own: Value = serde_json::from_str(&file).unwrap();
        let name = provider.to_uppercase().replace('-', "_");
        assert_eq!(secret(&format!("{name}_API")), own["api"]);
        let proof = secret(&format!("{name}_PROOF"));
        for list in lists {
            assert_eq!(proof[list][0], own["proof"][list][0], "{provider} {list}");
            assert_eq!(proof[list].as_array().unwrap().len(), 2, "{provider} {list}");
        }
        assert_eq!(proof["url_tokens"][1], "local-path-token");
    }
    // No function gets the key that the simulated Legalesign signs with.
    assert!(!fs::read_to_string(data.file("sam-local.json")).unwrap().contains("PRIVATE KEY"));
    serve.kill();
    // The next process that locks the folder removes what a killed stack left.
    assert!(data.file("sam-local.json").exists());
    data.json(&["documents"]);
    assert!(!data.file("sam-local.json").exists());
}

#[test]
fn secrets_that_were_given_are_not_copied_into_the_environment_of_containers() {
    let data = Data::new();
    let secrets = data.path().join("given");
    fs::create_dir(&secrets).unwrap();
    let given = r#"{"proof": {"url_tokens": ["a-real-path-token"]}, "api": {"access_token": "a-real-access-token"}}"#;
    fs::write(secrets.join("signeasy.json"), given).unwrap();
    let serve =
        data.serve(&["--manual", "--containers", "host.docker.internal", "--secrets", secrets.to_str().unwrap()]);
    let variables = sam_variables(&data);
    assert!(variables.keys().all(|name| !name.ends_with("_PROOF") && !name.ends_with("_API")), "{variables:?}");
    assert!(!fs::read_to_string(data.file("sam-local.json")).unwrap().contains("a-real-"));
    assert!(serve.stderr().contains("<P>_PROOF"), "{}", serve.stderr());
}

#[test]
fn an_address_that_is_open_to_a_network_or_not_of_this_machine_is_refused() {
    let data = Data::new();
    for host in ["0.0.0.0", "8.8.8.8", "example.com"] {
        data.run(&["serve", "--port", "0", "--containers", host]).assert_failed(2, "--containers");
    }
    // No machine has the network's own address.
    let ran = data.run(&["serve", "--port", "0", "--containers", "10.0.0.0"]);
    ran.assert_failed(1, "10.0.0.0");
    assert!(ran.stderr.contains("host.docker.internal"), "{ran:?}");
    assert!(!data.file("endpoints.json").exists() && !data.file("sam-local.json").exists());
}

fn sam_variables(data: &Data) -> BTreeMap<String, String> {
    let file = fs::read_to_string(data.file("sam-local.json")).unwrap();
    let mut environments: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&file).unwrap();
    let variables = environments.remove("Parameters").unwrap();
    assert!(environments.is_empty(), "{environments:?}");
    variables
}
