//! The ports of the local stack's parts are for programs that know the key of this start, and not for web pages.

use end_to_end::{LocalStack, raw_http::send};

const LIST_TABLES: (&str, &str) = ("x-amz-target", "DynamoDB_20120810.ListTables");
const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.0");

fn host_of(url: &str) -> (&str, &str) {
    ("host", url.strip_prefix("http://").expect("an http URL"))
}

#[tokio::test(flavor = "multi_thread")]
async fn web_pages_are_refused_at_every_port() {
    let stack = LocalStack::start().await;
    let endpoints = &stack.endpoints;
    let credential =
        format!("AWS4-HMAC-SHA256 Credential={}/20261122/eu-west-1/dynamodb/aws4_request", endpoints.access_key_id);
    let signed = ("authorization", credential.as_str());
    for url in [&endpoints.dynamodb, &endpoints.s3, &endpoints.eventbridge, &endpoints.simulator] {
        for page in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")] {
            let host = if page.0 == "host" { page } else { host_of(url) };
            let mut headers = vec![host, signed, LIST_TABLES, JSON];
            headers.extend((page != host).then_some(page));
            for method in ["POST", "GET", "OPTIONS"] {
                let answer = send(url, method, "/", &headers, "{}").await;
                assert_eq!(answer.status, 403, "{url} {method} {page:?}");
                assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{url} {method}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_refused() {
    let stack = LocalStack::start().await;
    let dynamodb = &stack.endpoints.dynamodb;
    let with = async |id: &str| {
        let credential = format!("AWS4-HMAC-SHA256 Credential={id}/20261122/eu-west-1/dynamodb/aws4_request");
        let headers = [host_of(dynamodb), ("authorization", &credential), LIST_TABLES, JSON];
        send(dynamodb, "POST", "/", &headers, "{}").await.status
    };
    assert_eq!(with(&stack.endpoints.access_key_id).await, 200);
    assert_eq!(with("countersign").await, 403);
    let before = stack.endpoints.access_key_id.clone();
    let stack = stack.restart(|_| {}).await;
    assert_ne!(stack.endpoints.access_key_id, before, "each start makes its own");
}
