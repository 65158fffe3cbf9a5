//! Runs the binary, and speaks HTTP by hand.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Generous timeout for what takes a second: CI machines are shared.
const PATIENCE: Duration = Duration::from_secs(300);

/// A data folder, deleted when dropped.
pub struct Data(tempfile::TempDir);

impl Data {
    /// A folder that doesn't exist yet, in a temporary folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The temporary folder, which is also the working directory of commands.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A command on the data folder. It inherits only `PATH` from this process's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.arg("--data").arg(self.path().join("data")).args(arguments);
        command
    }

    /// The same without `--data`.
    pub fn command_without_data(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.args(arguments);
        command
    }

    fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).current_dir(self.path());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Runs a command with `--json`, which must succeed, and returns its output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.json()
    }

    /// Starts the local stack on a free port, and waits until it is ready.
    pub fn serve(&self, more: &[&str]) -> Serve {
        Serve::start(self, more)
    }

    /// A file in the data folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join("data").join(name)
    }

    /// The timeline of a pack.
    pub fn timeline(&self, pack: &str) -> Value {
        self.json(&["timeline", "quicklysign", pack])
    }

    /// Waits until a pack is archived, and returns its timeline.
    pub fn archived(&self, pack: &str) -> Value {
        wait_for(|| {
            let timeline = self.timeline(pack);
            if timeline["document"]["archive"]["state"] == "archived" { Ok(timeline) } else { Err(timeline) }
        })
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Standard output, which must be one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that it failed with this exit code, and an error with this text on standard error.
    pub fn assert_failed(&self, exit: i32, text: &str) {
        assert_eq!(self.code, Some(exit), "{self:?}");
        assert!(self.stdout.is_empty() && self.stderr.contains(text), "{self:?}");
    }

    /// Checks that it failed with this exit code, and an error with this code as the only JSON document on standard output.
    pub fn assert_failed_json(&self, exit: i32, code: &str) {
        assert_eq!(self.code, Some(exit), "{self:?}");
        let json = self.json();
        assert_eq!(json["error"]["code"], code, "{self:?}");
        assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{self:?}");
        assert_eq!(json.as_object().unwrap().len(), 1, "{self:?}");
    }
}

/// A running stack, killed when dropped.
pub struct Serve {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
    /// URL of its gateway.
    pub http: String,
}

impl Serve {
    fn start(data: &Data, more: &[&str]) -> Self {
        let stderr = data.path().join("stderr");
        let free: &[&str] = if more.contains(&"--port") { &[] } else { &["--port", "0"] };
        let mut command = data.command(&[&["serve"], free, more].concat());
        command.stdout(Stdio::piped()).stderr(File::create(&stderr).unwrap());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut serve = Self { child, stdout, stderr, http: String::new() };
        let mut line = String::new();
        serve.stdout.read_line(&mut line).unwrap();
        let url = line.strip_suffix('\n').and_then(|line| line.strip_prefix("listening on http://127.0.0.1:"));
        let port = url.unwrap_or_else(|| panic!("{line:?} {}", serve.stderr()));
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{line}");
        serve.http = format!("http://127.0.0.1:{port}");
        serve
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The printed callback URL of a route.
    pub fn callback_url(&self, route: &str) -> String {
        let stderr = self.stderr();
        let urls = stderr.lines().filter_map(|line| line.strip_prefix("callback URL: "));
        let prefix = format!("{}{route}/", self.http);
        urls.into_iter().find(|url| url.starts_with(&prefix)).unwrap_or_else(|| panic!("{route}: {stderr}")).to_owned()
    }

    /// Posts a QuicklySign callback, which must be recorded.
    pub fn quicklysign(&self, event: &str, pack: &str) -> Value {
        let body = serde_json::json!({"entity_type": "Document", "entity_key": pack, "callback_event": event});
        let (status, answer) = post(&self.callback_url("/callbacks/quicklysign"), &body.to_string());
        assert_eq!((status, answer["outcome"].as_str()), (200, Some("recorded")), "{answer}");
        answer
    }

    /// Sends it a signal and waits until it has ended. Returns the exit code and the rest of its standard output.
    pub fn signal(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "the process doesn't end: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Calls `attempt` until it succeeds.
pub fn wait_for<T, E: std::fmt::Debug>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(problem) => assert!(Instant::now() < until, "no success in time: {problem:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Opens a connection to the host of a URL, and sends these bytes.
pub fn connect(url: &str, bytes: &[u8]) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Posts JSON as a service would. Returns the status and the JSON of the answer.
pub fn post(url: &str, body: &str) -> (u16, Value) {
    post_with_headers(url, &[], body)
}

/// The same with more headers.
pub fn post_with_headers(url: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    connect(url, request.as_bytes()).read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// Checks that an object has these keys; it may have more.
pub fn assert_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{value} isn't an object"));
    for key in keys {
        assert!(object.contains_key(*key), "{key} is missing: {value:#}");
    }
}

/// Checks the keys of a document.
pub fn assert_document(document: &Value) {
    assert_keys(
        document,
        &[
            "provider",
            "kind",
            "id",
            "status",
            "trust",
            "confirmed_at",
            "occurred_at",
            "updated_at",
            "events",
            "conflict",
            "archive",
            "pdfs",
        ],
    );
    assert!(document["events"].is_u64() && document["pdfs"].is_u64() && document["conflict"].is_boolean());
    if !document["archive"].is_null() {
        assert_keys(&document["archive"], &["state", "reason", "attempts"]);
    }
    for time in ["confirmed_at", "occurred_at", "updated_at"] {
        if !document[time].is_null() {
            assert_time(&document[time]);
        }
    }
}

/// Checks the keys of a PDF.
pub fn assert_pdf(pdf: &Value) {
    assert_keys(pdf, &["provider", "subject", "document", "role", "key", "size", "sha256", "archived_at", "current"]);
    assert!(["document", "certificate", "audit_log"].contains(&pdf["role"].as_str().unwrap()), "{pdf}");
    assert!(pdf["size"].is_u64() && pdf["current"].is_boolean());
    assert_time(&pdf["archived_at"]);
}

/// Checks that a value is an RFC 3339 timestamp.
pub fn assert_time(time: &Value) {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} isn't a time"));
    assert!(text.parse::<jiff::Timestamp>().is_ok() && text.contains('T'), "{text}");
}
