//! `countersign console`, `deliveries` and `completions`, as a person runs them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

fn countersign(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::null());
    // Nothing of the machine's own AWS configuration.
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

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Sends a request for a page, and gives the answer.
fn get(port: &str, path: &str, cookie: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_console_over_a_folder_wants_the_key_that_it_prints() {
    let data = tempfile::tempdir().unwrap();
    let mut console = Running(countersign(data.path(), &["console"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(console.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on http://127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
    let (port, path) = url.split_once('/').unwrap();
    let path = format!("/{path}");
    assert!(path.starts_with("/?key="), "{line}");
    assert!(get(port, "/", "").starts_with("HTTP/1.1 401"));
    let admitted = get(port, &path, "");
    assert!(admitted.starts_with("HTTP/1.1 303"), "{admitted}");
    let cookie = admitted.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let page = get(port, "/", cookie.split(';').next().unwrap());
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("read-only"), "{page}");
    let ended = Command::new("kill").arg(console.0.id().to_string()).status().unwrap();
    assert!(ended.success() && console.0.wait().unwrap().success(), "told to end, it ends well");
}

#[test]
fn what_is_missing_for_a_deployed_stack_is_said() {
    let data = tempfile::tempdir().unwrap();
    let no_region = run(data.path(), &["console", "--stack", "prod", "--json"]);
    assert_eq!(no_region.status.code(), Some(1));
    assert_eq!(json_of(&no_region)["error"]["code"], "no_region");
    let no_credentials = run(data.path(), &["console", "--stack", "prod", "--region", "eu-west-1", "--json"]);
    assert_eq!(json_of(&no_credentials)["error"]["code"], "no_credentials", "{no_credentials:?}");
    for arguments in [&["console", "--table", "t"][..], &["console", "--stack", "s", "--table", "t", "--bucket", "b"]] {
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
fn every_shell_gets_its_completions() {
    let data = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(data.path(), &["completions", shell]);
        let text = String::from_utf8(script.stdout).unwrap();
        assert!(script.status.success() && text.contains("deliveries") && text.contains("countersign"), "{shell}");
    }
    assert_eq!(run(data.path(), &["completions", "cmd"]).status.code(), Some(2));
}
