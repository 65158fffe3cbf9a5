//! A small HTTP client for the simulator's tests. It makes one request per connection, so that a test can see how the
//! server ended the connection.

use std::time::Duration;

use countersign::domain::Provider;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Credentials, Simulator, serve};

/// A simulator that listens on loopback.
pub(super) struct Server {
    pub simulator: Simulator,
    pub host: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body is complete: as long as its `Content-Length`, or with the end of its chunked encoding.
    pub whole: bool,
}

impl Server {
    pub async fn start() -> Self {
        let credentials = Credentials::new([
            (Provider::DropboxSign, json!({ "api_key": "sign-s3cret" })),
            (Provider::Legalesign, json!({ "username": "user", "secret": "s3cret" })),
            (Provider::Quicklysign, json!({ "client_id": "id", "client_secret": "client-s3cret", "api_key": "key" })),
            (Provider::Signeasy, json!({ "access_token": "bearer-s3cret" })),
        ]);
        let simulator = Simulator::new(credentials.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, simulator.clone(), async {
            stopped.await.unwrap();
        }));
        Self { simulator, host, stop: Some(stop), task }
    }

    /// Shuts the server down, and waits until it has ended.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Sends a GET request without body and additional headers.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Sends a request. `headers` are whole lines.
    pub async fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let stream = self.open(method, path, headers, body).await;
        receive(stream, usize::MAX).await
    }

    /// Sends a request without reading the response.
    pub async fn open(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        let path = path.strip_prefix(&format!("http://{}", self.host)).unwrap_or(path);
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

impl Reply {
    /// The status as a number.
    pub fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Reads until the connection ends or `limit` bytes have arrived. A test fails after a minute if neither happens,
/// instead of hanging.
pub(super) async fn receive(mut stream: TcpStream, limit: usize) -> Reply {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let reading = async {
        while bytes.len() < limit {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(size) => bytes.extend_from_slice(&buffer[..size]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the end of the response");
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of the headers");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = http::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let body = &bytes[end + 4..];
    let (body, whole) = match headers.get("content-length") {
        Some(length) => (body.to_vec(), length.to_str().unwrap() == body.len().to_string()),
        None => chunks(body),
    };
    Reply { status, headers, body, whole }
}

fn chunks(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        let rest = &raw[end + 2..];
        if size == 0 || rest.len() < size + 2 {
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            return (body, size == 0);
        }
        body.extend_from_slice(&rest[..size]);
        raw = &rest[size + 2..];
    }
}
