//! The limits of API Gateway and Lambda, which the local gateway has too: requests over them don't reach a function.

use countersign::domain::Route;
use end_to_end::{Answer, LocalStack, Stored, raw_http::exchange};
use http::Method;

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

/// Sends an empty JSON object to a path.
async fn send(stack: &LocalStack, method: Method, path: &str) -> Answer {
    let headers = [("content-type", "application/json")];
    stack.send(method, &format!("{}{path}", stack.endpoints.http), &headers, "{}").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_posted_is_answered_405_whether_or_not_the_token_is_right() {
    let stack = LocalStack::start().await;
    for route in Route::ALL {
        let right = stack.callback_url(route).unwrap();
        let right = right.trim_start_matches(&stack.endpoints.http);
        let wrong = route.path().replace("{token}", "a-wrong-path-token");
        for path in [right, &wrong, "/callbacks/another/a-token"] {
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
                let answer = send(&stack, method.clone(), path).await;
                assert_eq!(answer.verdict(), (405, "rejected", "not_posted"), "{method} {path}");
            }
            assert_eq!(send(&stack, Method::HEAD, path).await.status, 405, "{path}");
        }
    }
    assert!(stack.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_url_with_a_slash_at_its_end_is_the_same_callback() {
    let stack = LocalStack::start().await;
    for route in Route::ALL {
        let url = stack.callback_url(route).unwrap();
        let path = url.trim_start_matches(&stack.endpoints.http);
        let expected = send(&stack, Method::POST, path).await;
        for slashes in ["/", "//"] {
            let answer = send(&stack, Method::POST, &format!("{path}{slashes}")).await;
            assert_eq!((answer.verdict(), answer.status != 404), (expected.verdict(), true), "{route:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_to_unknown_paths_are_answered_404_and_nothing_is_stored() {
    let stack = LocalStack::start().await;
    let right = stack.callback_url(Route::Quicklysign).unwrap();
    let token = right.rsplit('/').next().unwrap();
    for path in [
        "/callbacks/quicklysign".to_owned(),
        "/callbacks/quicklysign/".to_owned(),
        "/callbacks/quicklysign//".to_owned(),
        format!("/callbacks/quicklysign//{token}"),
        format!("/callbacks/quicklysign/more/{token}"),
        format!("/callbacks/Quicklysign/{token}"),
        format!("/callbacks/another/{token}"),
        format!("/callbacks/legalesign/realtime/one/more/{token}"),
    ] {
        let answer = send(&stack, Method::POST, &path).await;
        assert_eq!(answer.verdict(), (404, "rejected", "unknown_path"), "{path}");
    }
    for path in ["/callbacks".to_owned(), "/".to_owned(), format!("//callbacks/quicklysign/{token}")] {
        let answer = send(&stack, Method::POST, &path).await;
        assert!([403, 404].contains(&answer.status), "{path} reaches no function");
    }
    assert!(stack.items().await.is_empty());
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
