//! Requests that the SDK can't send: PUTs signed by hand, whose bodies don't match their headers.

use aws_lc_rs::{digest, hmac};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::checksum::hex;
use super::*;

/// A signed PUT. The signature doesn't cover the body and the additional `headers`.
struct Put<'a> {
    key: &'a str,
    /// `x-amz-content-sha256`
    content: &'a str,
    headers: &'a str,
    length: usize,
    body: &'a str,
}

impl Put<'_> {
    /// See <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    fn request(&self, address: SocketAddr) -> String {
        let Self { content, .. } = self;
        let path = format!("/{BUCKET}/{}", self.key);
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = &time[..8];
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "PUT\n{path}\n\nhost:{address}\nx-amz-content-sha256:{content}\nx-amz-date:{time}\n\n{signed}\n{content}"
        );
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
        let key = [day, "us-east-1", "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, text| mac(&key, text));
        let signature = hex(&mac(&key, &to_sign));
        format!(
            "PUT {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
             x-amz-content-sha256: {content}\r\nx-amz-date: {time}\r\n{}\
             authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed}, \
             Signature={signature}\r\n\r\n{}",
            self.length, self.headers, self.body
        )
    }

    /// The whole response.
    async fn send(&self, server: &Server) -> String {
        exchange(server.address, &self.request(server.address)).await
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

fn is(response: &str, status: u16, code: &str) {
    let starts = response.starts_with(&format!("HTTP/1.1 {status} "));
    assert!(starts && response.contains(&format!("<Code>{code}</Code>")), "{response}");
}

async fn assert_nothing_is_stored(server: &Server) {
    assert!(server.keys().await.is_empty());
    assert_eq!(server.temporary_files(), 0);
}

fn sha256_hex(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

#[tokio::test]
async fn a_body_is_accepted_only_if_it_matches_the_signed_hash() {
    let server = Server::start().await;
    let send = async |signed: &str| {
        let put = Put { key: "key", content: &sha256_hex(signed), headers: "", length: 5, body: "hello" };
        put.send(&server).await
    };
    is(&send("other").await, 400, "IncompleteBody");
    assert_nothing_is_stored(&server).await;

    let taken = send("hello").await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    assert_eq!(server.get("key").await, b"hello");
}

#[tokio::test]
async fn a_chunked_body_is_accepted_only_with_a_correct_trailer() {
    let server = Server::start().await;
    let send = async |length, trailer: &str| {
        let body = format!("5\r\nhello\r\n0\r\n{trailer}\r\n");
        let put = Put {
            key: "key",
            content: "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            headers: &format!("x-amz-trailer: x-amz-checksum-sha256\r\nx-amz-decoded-content-length: {length}\r\n"),
            length: body.len(),
            body: &body,
        };
        put.send(&server).await
    };
    let wrong = format!("x-amz-checksum-sha256:{}\r\n", sha256(b"other"));
    is(&send(5, &wrong).await, 400, "BadDigest");
    is(&send(5, "").await, 400, "InvalidRequest");
    let right = format!("x-amz-checksum-sha256:{}\r\n", sha256(b"hello"));
    is(&send(6, &right).await, 400, "IncompleteBody");
    assert_nothing_is_stored(&server).await;

    let taken = send(5, &right).await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    assert_eq!(server.get("key").await, b"hello");
}

#[tokio::test]
async fn a_client_that_disconnects_leaves_nothing() {
    let server = Server::start().await;
    let put = Put { key: "key", content: "UNSIGNED-PAYLOAD", headers: "", length: 1000, body: "the beginning" };
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = put.request(server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // Ends when the server has closed the connection.
    stream.read_to_end(&mut Vec::new()).await.ok();
    drop(stream);

    let folder = server.stop().await;
    assert_eq!(fs::read_dir(folder.path().join("temporary")).unwrap().count(), 0);
    assert_nothing_is_stored(&Server::open(folder).await).await;
}

#[tokio::test]
async fn an_unsigned_request_is_rejected() {
    let server = Server::start().await;
    server.put("key", b"text").await;
    let request = format!("GET /{BUCKET}/key HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", server.address);
    is(&exchange(server.address, &request).await, 403, "AccessDenied");
}
