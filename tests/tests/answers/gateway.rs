//! The gateway's own limits, as API Gateway and Lambda have them: what they refuse never reaches a function.

use bytes::Bytes;
use countersign::delivery::Route;
use end_to_end::{World, client_of};
use http::{Method, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BINARY: &str = "application/octet-stream";

#[tokio::test(flavor = "multi_thread")]
async fn what_api_gateway_or_lambda_does_not_take_is_413() {
    let world = World::start().await;
    // Over API Gateway's 10 MB.
    let answer = world.post(Route::Quicklysign, BINARY, vec![b'x'; 10 * 1024 * 1024 + 1]).await;
    assert_eq!(answer.status, 413);
    // Under it, and still over Lambda's 6 MiB once it is an event: base64 takes a third more, JSON's escapes twice.
    let answer = world.post(Route::Quicklysign, BINARY, vec![b'x'; 4_800_000]).await;
    assert_eq!(answer.status, 413);
    let answer = world.post(Route::Quicklysign, "application/json", vec![b'"'; 3_200_000]).await;
    assert_eq!(answer.status, 413);
    assert!(world.believed().await.is_empty() && world.keys().await.is_empty());
    // Under both, and over what the function takes, which says so itself.
    let answer = world.post(Route::Quicklysign, BINARY, vec![b'x'; 4_500_001]).await;
    assert_eq!(answer.verdict(), (413, "rejected", "too_large"));
    assert!(world.believed().await.is_empty() && world.keys().await.is_empty());
    loop {
        let answer = world.post(Route::Quicklysign, BINARY, vec![b'x'; 4_500_000]).await;
        // So much takes its time on a busy machine, and a callback has only 20 seconds; a sender would come again.
        if answer.status != 503 {
            assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_or_path_is_404() {
    let world = World::start().await;
    let right = world.stack.callback_url(Route::Quicklysign).unwrap();
    let base = &world.stack.endpoints.http;
    let client = client_of(base);
    let ask = async |method: Method, url: &str| {
        let request = Request::builder().method(method).uri(url).body(Bytes::from_static(b"{}")).unwrap();
        client.call(request, 1 << 20).await.unwrap().status().as_u16()
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        assert_eq!(ask(method.clone(), &right).await, 404, "{method}");
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
        assert_eq!(ask(Method::POST, &format!("{base}{path}")).await, 404, "{path}");
    }
    assert!(world.items().await.is_empty());
    assert_eq!(ask(Method::POST, &right).await, 200);
}

/// Sends `head` with an empty JSON object, byte by byte as it is, and gives the first line of the answer.
async fn raw(world: &World, head: &str) -> String {
    let address = world.stack.endpoints.http.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}content-length: 2\r\nconnection: close\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or("no answer at all").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_say_nonsense_are_answered_like_any_others() {
    let world = World::start().await;
    let url = world.stack.callback_url(Route::Quicklysign).unwrap();
    let path = url.strip_prefix(&world.stack.endpoints.http).unwrap();
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
                let answered = raw(&world, &format!("POST {path}{query} HTTP/1.1\r\n{headers}")).await;
                assert!(answered == answer || answered.starts_with("HTTP/1.1 400"), "{query} {headers:?}: {answered}");
            }
        }
        // API Gateway has no such name, and what it has is all that a function ever sees.
        for host in ["a b", "[", "a:b:c", ":", "%", "a/b?c#d", "<>", "\u{e4}"] {
            let answered = raw(&world, &format!("POST {path} HTTP/1.1\r\nhost: {host}\r\n")).await;
            assert!(answered == answer || answered.starts_with("HTTP/1.1 400"), "{host}: {answered}");
        }
    }
}
