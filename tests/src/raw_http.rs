//! HTTP by hand, for requests that a well-behaved client doesn't send.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// A response.
#[derive(Debug)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The headers, lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a hidden field in the page.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let text = self.text();
        let after = text.split_once(&format!("name=\"{name}\" value=\"")).expect("the field").1;
        after.split('"').next().expect("its end").to_owned()
    }
}

/// Sends a request with exactly these headers (`Host` is one of them), and reads until the connection is closed.
pub async fn send(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> RawAnswer {
    let answer = exchange(base, &request(method, path, headers, body)).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the head's end");
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().expect("a number");
    let headers = lines.filter_map(|line| line.split_once(": "));
    RawAnswer {
        status,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: answer[end + 4..].to_vec(),
    }
}

/// Sends these bytes, and returns everything that is received until the connection is closed.
pub async fn exchange(base: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = send_bytes(base, request).await;
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time").expect("an answer");
    answer
}

/// Sends a request like [`send`], and leaves reading to the caller.
pub async fn open(base: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    send_bytes(base, &request(method, path, headers, body)).await
}

async fn send_bytes(base: &str, request: &[u8]) -> TcpStream {
    let address = base.strip_prefix("http://").expect("an http URL");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request).await.expect("sent");
    stream
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    request.push_str(&format!("\r\n{body}"));
    request.into_bytes()
}

/// Reads from a stream until the text occurs. Returns everything that was read.
pub async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    loop {
        let so_far = String::from_utf8_lossy(&read).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
        let more = timeout(PATIENCE, stream.read_buf(&mut read)).await;
        let more = more.unwrap_or_else(|_| panic!("{text} was not received: {so_far}")).expect("more");
        assert!(more > 0, "closed before {text} was received: {so_far}");
    }
}
