//! A real browser for tests: headless Chromium, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>) by
//! ChromeDriver.
//!
//! The protocol is JSON over HTTP. Only a dozen of its calls are used, which needs no crate.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use bytes::Bytes;
use countersign::outbound::{Client, Timeouts, UrlPolicy};
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PATIENCE;

/// If this variable is `required`, a missing browser is a failure instead of a reason to skip.
const BROWSER: &str = "COUNTERSIGN_BROWSER";

/// Longest response, in bytes. Some are screenshots.
const MAX_RESPONSE: usize = 64 * 1024 * 1024;

/// A browser with a fresh profile and one window.
pub struct Browser {
    client: Client,
    session: String,
    driver: Child,
    _profile: TempDir,
}

/// The driver and the browser, if both are installed.
fn installed() -> Option<(PathBuf, PathBuf)> {
    let path = std::env::var_os("PATH")?;
    let find = |names: &[&str]| {
        std::env::split_paths(&path)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)).collect::<Vec<_>>())
            .find(|file| file.is_file())
    };
    Some((find(&["chromedriver"])?, find(&["chromium", "chromium-browser", "google-chrome"])?))
}

impl Browser {
    /// Starts a browser. `None`, and a message on standard error, if none is installed.
    pub async fn start() -> Option<Self> {
        let Some((driver, browser)) = installed() else {
            assert!(
                std::env::var(BROWSER).as_deref() != Ok("required"),
                "no chromium and chromedriver in PATH, and {BROWSER}=required"
            );
            // Written directly, since libtest captures the output of `eprintln!`.
            drop(writeln!(std::io::stderr(), "SKIPPED: no chromium and chromedriver in PATH"));
            return None;
        };
        Some(Self::launch(&driver, &browser).await)
    }

    async fn launch(driver: &Path, browser: &Path) -> Self {
        let profile = TempDir::new().expect("a folder");
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a driver");
        let mut lines = BufReader::new(driver.stdout.take().expect("the driver's output")).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("a line");
            line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        // Later output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let base = format!("http://127.0.0.1:{}", port.expect("the driver's port"));
        let (policy, _) = UrlPolicy::only_host_of(&base, true).expect("a URL");
        let mut this =
            Self { client: Client::new(policy, Timeouts::default()), session: base.clone(), driver, _profile: profile };
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            // Without coloured edges of letters, screenshots are half the size.
            "--disable-lcd-text".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--user-data-dir={}", this._profile.path().display()),
        ];
        let options = json!({"binary": browser, "args": arguments});
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = this.call(Method::POST, "/session", &capabilities).await;
        this.session = format!("{base}/session/{}", session["sessionId"].as_str().expect("a session"));
        this
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let has_body = method == Method::POST;
        let request = Request::builder().method(method).uri(format!("{}{path}", self.session));
        let body = if has_body { Bytes::from(body.to_string()) } else { Bytes::new() };
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        let response = self.client.call(request, MAX_RESPONSE).await.expect("the driver's response");
        let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
        assert!(response.status().is_success(), "{path}: {}", answer["value"]);
        answer["value"].clone()
    }

    /// Opens a URL, and waits until the page is loaded.
    pub async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({"url": url})).await;
    }

    /// Runs a function body in the page. Returns its return value; for a promise, the value it resolves to.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.call(Method::POST, "/execute/sync", &json!({"script": script, "args": arguments})).await
    }

    /// Waits until an expression in the page is true, and returns its value.
    pub async fn wait_for(&self, expression: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let value = self.run(&format!("return {expression};"), &[]).await;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if Instant::now() >= until {
                let page = self.run("return document.documentElement.outerHTML", &[]).await;
                panic!("not true in time: {expression}\n{page}");
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Presses keys one after the other. `\u{E004}` is Tab, `\u{E007}` Enter.
    pub async fn press(&self, keys: &str) {
        let actions = keys
            .chars()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]);
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions.collect::<Vec<_>>()}]});
        self.call(Method::POST, "/actions", &actions).await;
    }

    /// Clicks the first element that a selector finds.
    pub async fn click(&self, selector: &str) {
        let found = self.call(Method::POST, "/element", &json!({"using": "css selector", "value": selector})).await;
        let element = found.as_object().and_then(|element| element.values().next()).and_then(Value::as_str);
        let path = format!("/element/{}/click", element.expect("an element"));
        self.call(Method::POST, &path, &json!({})).await;
    }

    /// Emulates a screen of this size and colour scheme.
    pub async fn screen(&self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        for (command, parameters) in
            [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", media)]
        {
            self.call(Method::POST, "/goog/cdp/execute", &json!({"cmd": command, "params": parameters})).await;
        }
    }

    /// The entries in the browser's log since the last call: script errors, failed loads, violated policies.
    pub async fn log_entries(&self) -> Vec<String> {
        let entries = self.call(Method::POST, "/se/log", &json!({"type": "browser"})).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    /// The visible part of the page, as PNG in base64.
    pub async fn screenshot(&self) -> String {
        let image = self.call(Method::GET, "/screenshot", &Value::Null).await;
        image.as_str().expect("a image").to_owned()
    }

    /// Ends the browser and its driver.
    pub async fn close(self) {
        self.call(Method::DELETE, "", &Value::Null).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends the browser too. An error means that it has ended already.
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
