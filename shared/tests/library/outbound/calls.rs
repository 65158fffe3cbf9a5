//! Requests to APIs.

use super::server::{Names, PATIENT, Server, client, policy, redirect_to, reply};
use bytes::Bytes;
use countersign::outbound::{Client, HostPatterns, OutboundError};
use http::{Method, Request, StatusCode};

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

async fn call(url: &str, limit: usize) -> Result<http::Response<Bytes>, OutboundError> {
    client(PATIENT, Names::default()).call(get(url), limit).await
}

async fn call_code(url: &str, limit: usize) -> &'static str {
    call(url, limit).await.map_or_else(|error| error.code(), |_| "ok")
}

#[tokio::test]
async fn every_status_is_returned_with_headers_and_body() {
    for status in
        ["200 OK", "201 Created", "400 Bad Request", "401 Unauthorized", "404 Not Found", "429 Slow", "503 Down"]
    {
        let answer = reply(status, "retry-after: 7\r\nx-note: caf\u{e9}\r\n", "{\"a\":1}");
        let server = Server::that_sends(answer).await;
        let response = call(&server.url("files.example", "/v1"), 100).await.unwrap();
        assert_eq!(response.status().as_str(), &status[..3]);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.body(), "{\"a\":1}");
    }
}

#[tokio::test]
async fn api_calls_do_not_follow_redirects() {
    let server = Server::with_routes(&[("/v1", redirect_to("/v2"))]).await;
    let response = call(&server.url("files.example", "/v1"), 100).await.unwrap();
    assert_eq!((response.status(), &response.headers()["location"]), (StatusCode::FOUND, &"/v2".parse().unwrap()));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn method_headers_query_and_body_are_sent() {
    let server = Server::that_sends(reply("200 OK", "", "")).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri(server.url("files.example", "/v1/webhooks?client_id=1&a=b%20c"))
        .header("authorization", "Bearer token")
        .header("content-type", "application/json")
        .header("host", "evil.example")
        .header("accept-encoding", "gzip")
        .body(Bytes::from_static(b"{\"b\":2}"))
        .unwrap();
    client(PATIENT, Names::default()).call(request, 100).await.unwrap();
    let requests = server.requests();
    let request = requests.first().unwrap();
    assert!(request.starts_with("POST /v1/webhooks?client_id=1&a=b%20c HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"b\":2}"), "{request}");
    for line in [
        "authorization: bearer token",
        "content-type: application/json",
        "content-length: 7",
        "accept-encoding: identity",
        &format!("host: files.example:{}", server.port),
        &format!("user-agent: countersign/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
    assert!(!request.contains("evil") && !request.contains("gzip"), "{request}");
}

#[tokio::test]
async fn call_bodies_over_the_limit_are_rejected() {
    let server = Server::that_sends(reply("200 OK", "", "0123456789")).await;
    assert_eq!(call_code(&server.url("files.example", "/"), 10).await, "ok");
    assert_eq!(call_code(&server.url("files.example", "/"), 9).await, "too_large");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
    let server = Server::that_sends(chunked).await;
    assert_eq!(call_code(&server.url("files.example", "/"), 10).await, "ok");
    assert_eq!(call_code(&server.url("files.example", "/"), 9).await, "too_large");
}

#[tokio::test]
async fn answers_without_a_body_are_complete() {
    let server = Server::that_sends("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(call(&server.url("files.example", "/"), 0).await.unwrap().status(), StatusCode::NO_CONTENT);
    let server = Server::that_sends("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
    let head = Request::head(server.url("files.example", "/")).body(Bytes::new()).unwrap();
    let response = client(PATIENT, Names::default()).call(head, 10).await.unwrap();
    assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn calls_are_checked_like_downloads() {
    for (url, expected) in [
        ("http://evil.example/", "host_not_allowed"),
        ("http://169.254.169.254/", "address_not_public"),
        ("http://user@files.example/", "user_info_not_allowed"),
        ("ftp://files.example/", "not_https"),
        ("/v1/document", "malformed_url"),
    ] {
        assert_eq!(call_code(url, 10).await, expected, "{url}");
    }
    let deployed = Client::with_resolver(policy("files.example", false), PATIENT, Names::default());
    let code = async |url| deployed.call(get(url), 10).await.unwrap_err().code();
    assert_eq!(code("http://files.example/").await, "not_https");
    assert_eq!(code("https://files.example:8443/").await, "port_not_allowed");
    assert_eq!(code("https://files.example/").await, "address_not_public");
}

#[tokio::test]
async fn a_client_can_be_reused_for_other_hosts() {
    let server = Server::that_sends(reply("200 OK", "", "x")).await;
    let client = client(PATIENT, Names::default());
    let other = client.with_hosts(HostPatterns::parse("other.example").unwrap());
    let code = async |client: &Client, host| match client.call(get(&server.url(host, "/")), 10).await {
        Ok(_) => "ok",
        Err(error) => error.code(),
    };
    assert_eq!(code(&client, "files.example").await, "ok");
    assert_eq!(code(&client, "other.example").await, "host_not_allowed");
    assert_eq!(code(&other, "other.example").await, "ok");
    assert_eq!(code(&other, "files.example").await, "host_not_allowed");
}
