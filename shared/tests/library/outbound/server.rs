//! A TCP server that sends any bytes at any time, and a resolver with given answers.

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use countersign::outbound::{Client, Download, Fetched, HostPatterns, OutboundError, Timeouts, UrlPolicy};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on a free port. Each connection serves one request and is then closed.
pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Reads a request (its head, and as much body as `Content-Length` says), records it, and calls `answer`.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(String, TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (noted, answer) = (noted.clone(), answer.clone());
                tokio::spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        noted.lock().unwrap().push(request.clone());
                        answer(request, stream).await;
                    }
                });
            }
        });
        Self { port, requests }
    }

    /// Answers each path with fixed bytes, everything else with 404.
    pub async fn with_routes(routes: &[(&str, String)]) -> Self {
        let routes: HashMap<String, String> =
            routes.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
        Self::start(move |request, mut stream| {
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = routes.get(&path).cloned().unwrap_or_else(|| reply("404 Not Found", "", ""));
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await
    }

    /// Sends fixed bytes, then closes.
    pub async fn that_sends(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, mut stream| {
            let bytes = bytes.clone();
            async move {
                let _ = stream.write_all(&bytes).await;
            }
        })
        .await
    }

    /// Sends fixed bytes, then keeps the connection open without sending more.
    pub async fn that_hangs_after(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, mut stream| {
            let bytes = bytes.clone();
            async move {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
        })
        .await
    }

    /// Sends `start`, then `piece` repeatedly, with a pause in between, until the client has gone.
    pub async fn that_repeats(start: &str, piece: impl Into<Vec<u8>>, pause: Duration) -> Self {
        let (start, piece) = (start.as_bytes().to_vec(), piece.into());
        Self::start(move |_, mut stream| {
            let (start, piece) = (start.clone(), piece.clone());
            async move {
                let mut sent = stream.write_all(&start).await;
                while sent.is_ok() {
                    tokio::time::sleep(pause).await;
                    sent = stream.write_all(&piece).await;
                }
            }
        })
        .await
    }

    /// The requests so far, heads in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

/// A complete response. `headers` are whole lines.
pub fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

pub fn redirect_to(location: &str) -> String {
    reply("302 Found", &format!("location: {location}\r\n"), "")
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let ended = stream.read_buf(&mut bytes).await.ok()? == 0;
        // 0x16 is the first byte of TLS.
        if ended || bytes.first() == Some(&0x16) {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let (line, headers) = text.split_once("\r\n")?;
    let headers = headers.to_ascii_lowercase();
    let length = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    Some(format!("{line}\r\n{headers}{}", String::from_utf8_lossy(&bytes[head..])))
}

/// A resolver with given answers for some names: each is used once, the last one repeatedly. Other names that end in
/// `.example` are 127.0.0.1; all others don't exist.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>>);

impl Names {
    pub fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), answers.iter().map(parse).collect());
        self
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let mut names = self.0.lock().unwrap();
        let answer = match names.get_mut(name) {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None if name.ends_with(".example") => Some(vec![IpAddr::from([127, 0, 0, 1])]),
            None => None,
        };
        DnsFuture::ready(answer.ok_or_else(|| ResolveDnsError::new("no such name")))
    }
}

/// Long enough for any machine: timeouts that a test doesn't mean to reach.
pub const LONG: Duration = Duration::from_secs(30);

/// Timeouts that a test means to reach.
pub const SHORT: Duration = Duration::from_millis(150);

pub const PATIENT: Timeouts = Timeouts { connect: LONG, first_byte: LONG, stall: LONG, total: LONG };

pub const ALLOWED: &str = "files.example,*.store.example,127.0.0.1,[::1]";

/// A client that may use plain HTTP, any port and loopback, like the local stack's.
pub fn client(timeouts: Timeouts, names: Names) -> Client {
    Client::with_resolver(policy(ALLOWED, true), timeouts, names)
}

/// A client with long timeouts.
pub fn patient() -> Client {
    client(PATIENT, Names::default())
}

pub fn policy(hosts: &str, insecure: bool) -> UrlPolicy {
    UrlPolicy::new(HostPatterns::parse(hosts).unwrap(), insecure)
}

pub fn empty_file() -> File {
    File::from_std(tempfile::tempfile().unwrap())
}

/// Downloads at most 1 MB, without a credential, into a file that is dropped.
pub async fn fetch(client: &Client, url: &str) -> Result<Fetched, OutboundError> {
    client.download(&Download::new(url, 1_000_000), &mut empty_file()).await
}

pub async fn fetch_code(client: &Client, url: &str) -> &'static str {
    match fetch(client, url).await {
        Ok(Fetched::Document(_)) => "document",
        Ok(Fetched::NoDocument(_)) => "no document",
        Err(error) => error.code(),
    }
}
