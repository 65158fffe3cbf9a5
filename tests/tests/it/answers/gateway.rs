//! The limits of API Gateway and Lambda, which the local gateway has too: requests over them don't reach a function.

use bytes::Bytes;
use countersign::domain::Route;
use end_to_end::{LocalStack, Stored, harness::client_of, raw_http::exchange};
use http::{Method, Request};

const BINARY: &str = "application/octet-stream";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limits_of_api_gateway_lambda_or_the_function_are_answered_413() {
    let stack = LocalStack::start().await;
    // Over API Gateway's 10 MB.
    let answer = stack.post(Route::Quicklysign, BINARY, vec![b'x'; 10 * 1024 * 1024 + 1]).await;
    assert_eq!(answer.status, 413);
    // Under it, but over Lambda's 6 MiB as an event: base64 takes a third more, JSON's escapes twice as much.
    let answer = stack.post(Route::Quicklysign, BINARY, vec![b'x'; 4_800_000]).await;
    assert_eq!(answer.status, 413);
    let answer = stack.post(Route::Quicklysign, "application/json", vec![b'"'; 3_200_000]).await;
    assert_eq!(answer.status, 413);
    assert!(stack.items_without_rejections().await.is_empty() && stack.keys().await.is_empty());
    // Under both, and over the function's own limit.
    let answer = stack.post(Route::Quicklysign, BINARY, vec![b'x'; 4_500_001]).await;
    assert_eq!(answer.verdict(), (413, "rejected", "too_large"));
    assert!(stack.items_without_rejections().await.is_empty() && stack.keys().await.is_empty());
    loop {
        let answer = stack.post(Route::Quicklysign, BINARY, vec![b'x'; 4_500_000]).await;
        // On a busy machine, this may take longer than a callback's 20 seconds. A sender would send it again.
        if answer.status != 503 {
            assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_paths_are_answered_404() {
    let stack = LocalStack::start().await;
    let right = stack.callback_url(Route::Quicklysign).unwrap();
    let base = &stack.endpoints.http;
    let client = client_of(base);
    let status = async |method: Method, url: &str| {
        let request = Request::builder().method(method).uri(url).body(Bytes::from_static(b"{}")).unwrap();
        client.call(request, 1 << 20).await.unwrap().status().as_u16()
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        assert_eq!(status(method.clone(), &right).await, 404, "{method}");
    }
    let token = right.rsplit('/').next().unwrap();
    for path in [
        "/callbacks".to_owned(),
        "/callbacks/quicklysign".to_owned(),
        "/callbacks/quicklysign/".to_owned(),
        format!("/callbacks/quicklysign/{token}/"),
        format!("/callbacks/quicklysign/more/{token}"),
        format!("/callbacks/Quicklysign/{token}"),
        format!("//callbacks/quicklysign/{token}"),
        format!("/callbacks/another/{token}"),
    ] {
        assert_eq!(status(Method::POST, &format!("{base}{path}")).await, 404, "{path}");
    }
    assert!(stack.items().await.is_empty());
    assert_eq!(status(Method::POST, &right).await, 200);
}

/// Sends `head`, unchanged, with an empty JSON object. Returns the first line of the answer.
async fn first_line(stack: &LocalStack, head: &str) -> String {
    let request = format!("{head}content-length: 2\r\nconnection: close\r\n\r\n{{}}");
    let answer = exchange(&stack.endpoints.http, request.as_bytes()).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or("no answer").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_headers_do_not_change_the_answer() {
    let stack = LocalStack::start().await;
    let url = stack.callback_url(Route::Quicklysign).unwrap();
    let path = url.strip_prefix(&stack.endpoints.http).unwrap();
    for (path, answer) in
        [(path, "HTTP/1.1 200 OK"), ("/callbacks/quicklysign/wrong-wrong", "HTTP/1.1 401 Unauthorized")]
    {
        for headers in [
            "host: localhost\r\nx-forwarded-proto: ://\r\n",
            "host: localhost\r\nx-forwarded-proto: data:text/plain,\r\n",
            "host: localhost\r\nx-forwarded-proto: https, http\r\n",
            "host: localhost\r\ncookie: \"; =;;\r\ncontent-type: ;;;\r\n",
            "host: localhost\r\ncontent-type: \x7f\r\n",
            "host: localhost\r\nx-any: \u{e4}\r\n",
        ] {
            for query in ["", "?", "?event=%ff%00", "?a=%", "?{}|^`\"'"] {
                let answered = first_line(&stack, &format!("POST {path}{query} HTTP/1.1\r\n{headers}")).await;
                assert!(answered == answer || answered.starts_with("HTTP/1.1 400"), "{query} {headers:?}: {answered}");
            }
        }
        // API Gateway has no such host name, and a function only sees the gateway's own.
        for host in ["a b", "[", "a:b:c", ":", "%", "a/b?c#d", "<>", "\u{e4}"] {
            let answered = first_line(&stack, &format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n")).await;
            assert!(answered == answer || answered.starts_with("HTTP/1.1 400"), "{host}: {answered}");
        }
    }
}
