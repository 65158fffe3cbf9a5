//! Random and hostile requests over HTTP: no answer is 5xx, which a panic would be too, nothing unproven is recorded, and
//! answers repeat nothing of the request.

use countersign::domain::Route;
use end_to_end::{LocalStack, Stored, raw_http::exchange};
use http::StatusCode;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

const CASES: usize = 60;

/// Bodies that are difficult for parsers.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let chosen: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"\xff\xfe\0".to_vec(),
        b"[".repeat(100_000),
        br#"{"entity_key":"a#b","callback_event":"final_document_generated"}"#.to_vec(),
        br#"{"entity_key":"../../x","callback_event":"x"}"#.to_vec(),
        br#"{"entity_key":1e999,"callback_event":{}}"#.to_vec(),
        br#"{"entity_key":"\ud800","callback_event":"x"}"#.to_vec(),
        b"data=%5B%5D&signed=AAAA".to_vec(),
        b"data=1&data=2&signed=%".to_vec(),
        b"json_signed={}&uuid=..%2F&event=signed".to_vec(),
        b"&".repeat(5_000),
        b"--X\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n".to_vec(),
        br#"{"event_type":"rs.completed","metadata":{"token":null},"data":[]}"#.to_vec(),
    ];
    prop_oneof![
        prop::sample::select(chosen),
        prop::collection::vec(any::<u8>(), 0..300),
        "[\\[\\]{}\":,a-z0-9\\\\ ]{0,200}".prop_map(String::into_bytes),
        "[a-z=&%+;0-9]{0,200}".prop_map(String::into_bytes),
    ]
}

fn content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=X",
            "multipart/form-data; boundary=",
            "multipart/form-data",
            "text/plain; charset=utf-7",
            "",
        ])
        .prop_map(str::to_owned),
        "[!-~]{0,80}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("event=signed".to_owned()), "[A-Za-z0-9%&=+;:/?@.,_~!*()-]{0,60}"]
}

/// Sends a request unchanged. Returns the status and the whole answer.
async fn raw(stack: &LocalStack, request: &[u8]) -> (StatusCode, String) {
    let answer = String::from_utf8(exchange(&stack.endpoints.http, request).await).expect("text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {answer:?}")), answer)
}

fn request(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         x-signed: c2lnbmVk\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_a_wrong_token_are_answered_4xx_and_nothing_is_recorded() {
    let stack = LocalStack::start().await;
    let before = (stack.items_without_rejections().await.len(), stack.keys().await);
    let mut runner = TestRunner::new(Config::default());
    let strategy = ("[A-Za-z0-9%&=+;:@.,_~!*()-]{1,40}", content_type(), query(), body());
    for route in Route::ALL {
        for _ in 0..CASES {
            let (token, content_type, query, body) = strategy.new_tree(&mut runner).expect("a request").current();
            let path = format!("{}?{query}", route.path().replace("{token}", &token));
            let (status, answer) = raw(&stack, &request(&path, &content_type, &body)).await;
            assert!(status.is_client_error(), "{path}: {answer}");
            assert!(token.len() < 12 || !answer.contains(&token), "{path}: {answer}");
        }
    }
    assert_eq!((stack.items_without_rejections().await.len(), stack.keys().await), before, "nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_with_the_right_path_token_is_answered_5xx() {
    let stack = LocalStack::start().await;
    let mut runner = TestRunner::new(Config::default());
    let strategy = (content_type(), query(), body());
    let mut acknowledged = 0;
    for route in Route::ALL {
        let url = stack.callback_url(route).expect("a path token");
        let path = url.trim_start_matches(&stack.endpoints.http);
        for _ in 0..CASES {
            let (content_type, query, body) = strategy.new_tree(&mut runner).expect("a request").current();
            let (status, answer) = raw(&stack, &request(&format!("{path}?{query}"), &content_type, &body)).await;
            assert!(!status.is_server_error(), "{route:?} {content_type:?} {body:?}: {answer}");
            if route == Route::Quicklysign {
                // The token is the only proof, so nothing is rejected.
                assert_eq!(status, 200, "{content_type:?} {body:?}: {answer}");
                acknowledged += 1;
            }
        }
    }
    let items = stack.items().await;
    let deliveries = items.iter().filter(|item| item.text("outcome").is_some()).count();
    assert!(deliveries >= acknowledged, "acknowledged requests are stored: {deliveries} of {acknowledged}");
    assert!(items.iter().all(|item| item.text("outcome") != Some("accepted")), "nothing is left unfinished");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_paths_and_broken_requests_are_rejected_by_the_gateway() {
    let stack = LocalStack::start().await;
    let before = stack.items_without_rejections().await.len();
    let url = stack.callback_url(Route::Quicklysign).expect("a path token");
    let path = url.trim_start_matches(&stack.endpoints.http);
    let large = vec![b' '; 4_600_000];
    for (sent, status) in [
        (format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes(), 405),
        (format!("PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").into_bytes(), 405),
        (request(&format!("{path}/x"), "application/json", b"{}"), 404),
        (request("/callbacks/quicklysign/", "application/json", b"{}"), 404),
        (request("/callbacks/../callbacks/quicklysign/x/y", "application/json", b"{}"), 404),
        (request("/callbacks/quicklysign/%2e%2e%2f%00%ff", "application/json", b"{}"), 401),
        (request("/", "application/json", b"{}"), 403),
        (request(path, "application/json", &large), 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n".to_vec(), 400),
        (format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n").into_bytes(), 400),
    ] {
        let (answered, answer) = raw(&stack, &sent).await;
        let head = String::from_utf8_lossy(&sent[..sent.len().min(60)]).into_owned();
        assert_eq!(answered, status, "{head:?}: {answer}");
    }
    assert_eq!(stack.items_without_rejections().await.len(), before, "nothing is recorded");
}
