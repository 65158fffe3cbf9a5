//! The commands `countersign console`, `deliveries` and `completions`, run as separate processes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

fn countersign(data: &Path, arguments: &[&str]) -> Command {
    let mut named: Vec<&str> = vec!["--data", data.to_str().unwrap()];
    named.extend(arguments);
    without_data(data, &named)
}

/// A command without `--data`, with `data` as the working directory and the folder of the AWS configuration.
fn without_data(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).stdin(Stdio::null()).current_dir(data);
    // Keeps the machine's own AWS configuration out.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("AWS_CONFIG_FILE", data.join("none")).env("AWS_SHARED_CREDENTIALS_FILE", data.join("none"));
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    countersign(data, arguments).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// A process that is killed when the test ends, also when it fails.
struct Running(Child);

impl Running {
    /// Starts a command that serves, waits until it is ready, and returns the URL that it prints.
    fn start(mut command: Command) -> (Self, String) {
        let mut this = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(this.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
        (this, url.to_owned())
    }

    /// Sends SIGTERM, and checks that the process exits successfully.
    fn end(mut self) {
        let sent = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(sent.success() && self.0.wait().unwrap().success(), "SIGTERM must end the process successfully");
    }
}

/// Opens the URL that a console printed. Returns its port, and the cookie that it sets.
fn admit(url: &str) -> (&str, String) {
    let (port, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    assert!(path.starts_with("?key="), "{url}");
    let admitted = get(port, &format!("/{path}"), "");
    assert!(admitted.starts_with("HTTP/1.1 303"), "{admitted}");
    let cookie = admitted.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    (port, cookie.split(';').next().unwrap().to_owned())
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Requests a page. Returns the whole response as text.
fn get(port: &str, path: &str, cookie: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn the_console_of_a_data_folder_requires_the_printed_key() {
    let data = tempfile::tempdir().unwrap();
    let (console, url) = Running::start(countersign(data.path(), &["console"]));
    let (port, cookie) = admit(&url);
    assert!(get(port, "/", "").starts_with("HTTP/1.1 401"));
    let page = get(port, "/", &cookie);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("read-only"), "{page}");
    console.end();
}

/// Starts a server that responds to every request like CloudFormation to DescribeStacks. Returns its URL.
fn cloudformation(outputs: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"StackName=prod") {
                let mut piece = [0; 1024];
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "no DescribeStacks: {}", String::from_utf8_lossy(&request));
                request.extend(&piece[..read]);
            }
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn the_console_finds_a_deployed_stack_by_its_name() {
    let data = tempfile::tempdir().unwrap();
    let (serving, _) = Running::start(countersign(data.path(), &["serve", "--port", "0"]));
    let endpoints: Value = serde_json::from_slice(&std::fs::read(data.path().join("endpoints.json")).unwrap()).unwrap();
    let text = |name: &str| endpoints[name].as_str().unwrap().to_owned();
    let sent = run(data.path(), &["trigger", "quicklysign", "document_updated", "--id", "deployed", "--json"]);
    let delivery = json_of(&sent)["delivery"].as_str().unwrap().to_owned();

    let output =
        |key, value: &str| format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>");
    let outputs = output("TableName", &text("table")) + &output("ArchiveBucketName", &text("bucket"))
        + &output("TemporaryBucketName", &text("temporary_bucket"));
    // The SDK's own variables redirect AWS calls to the local stack.
    let console = |cloudformation: &str, more: &[&str]| {
        let arguments = [&["console", "--stack", "prod", "--region", "eu-west-1"], more].concat();
        let mut command = without_data(data.path(), &arguments);
        command.env("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", text("dynamodb")).env("AWS_ENDPOINT_URL_S3", text("s3"));
        command.env("AWS_ACCESS_KEY_ID", text("access_key_id")).env("AWS_S3_FORCE_PATH_STYLE", "true");
        command.env("AWS_SECRET_ACCESS_KEY", text("secret_access_key"));
        command
    };
    let stack = cloudformation(&outputs);
    let (running, url) = Running::start(console(&stack, &[]));
    let (port, cookie) = admit(&url);
    let page = get(port, "/", &cookie);
    assert!(page.contains("stack prod · eu-west-1") && page.contains("read-only"), "{page}");
    assert!(page.contains(&delivery) && !page.contains("/trigger"), "{page}");
    running.end();
    let (running, url) = Running::start(console(&stack, &["--allow-retry"]));
    let (port, cookie) = admit(&url);
    assert!(!get(port, "/", &cookie).contains("read-only"));
    running.end();

    let other = cloudformation(&output("TableName", "t"));
    let foreign = console(&other, &["--json"]).output().unwrap();
    assert_eq!(json_of(&foreign)["error"]["code"], "not_countersign");
    let no_table = cloudformation(&outputs.replace(&text("table"), "no-such-table"));
    let no_table = console(&no_table, &["--json"]).output().unwrap();
    assert_eq!(json_of(&no_table)["error"]["code"], "unreadable");
    serving.end();
}

#[test]
fn missing_options_for_a_deployed_stack_are_errors() {
    let data = tempfile::tempdir().unwrap();
    let run = |data: &Path, arguments: &[&str]| without_data(data, arguments).output().unwrap();
    let no_region = run(data.path(), &["console", "--stack", "prod", "--json"]);
    assert_eq!(no_region.status.code(), Some(1));
    assert_eq!(json_of(&no_region)["error"]["code"], "no_region");
    let no_credentials = run(data.path(), &["console", "--stack", "prod", "--region", "eu-west-1", "--json"]);
    assert_eq!(json_of(&no_credentials)["error"]["code"], "no_credentials", "{no_credentials:?}");
    for arguments in [&["console", "--table", "t"][..], &["console", "--stack", "s", "--table", "t", "--bucket", "b", "--temporary-bucket", "c"]] {
        assert_eq!(run(data.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn deliveries_of_a_day_are_listed() {
    let data = tempfile::tempdir().unwrap();
    let none = run(data.path(), &["deliveries", "--json"]);
    assert_eq!((none.status.code(), json_of(&none)), (Some(0), json!({"deliveries": [], "next": null})));
    assert_eq!(run(data.path(), &["deliveries"]).stdout, b"no deliveries\n");
    for wrong in [["--day", "today"], ["--outcome", "lost"], ["--provider", "other"]] {
        assert_eq!(run(data.path(), &["deliveries", wrong[0], wrong[1]]).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn completions_exist_for_every_shell() {
    let data = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(data.path(), &["completions", shell]);
        let text = String::from_utf8(script.stdout).unwrap();
        assert!(script.status.success(), "{shell}");
        for word in ["countersign", "deliveries", "quarantine", "replay", "forget", "reconcile", "quarantined", "stack"]
        {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(data.path(), &["completions", "cmd"]).status.code(), Some(2));
}
