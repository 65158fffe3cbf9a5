use serde_json::{Value, json};

use crate::simulator::client::{Reply, Server};

const KEY: &str = "Authorization: ApiKey user:s3cret";

async fn send(server: &Server, method: &str, path: &str, body: &Value) -> Reply {
    server.send(method, &format!("/legalesign/api/v1{path}"), &[KEY], &body.to_string()).await
}

async fn list(server: &Server) -> Vec<Value> {
    send(server, "GET", "/notifications/", &Value::Null).await.json()["objects"].as_array().unwrap().clone()
}

#[tokio::test]
async fn subscriptions_are_created_listed_and_deleted() {
    let server = Server::start().await;
    let words = [("all", 1), ("signed", 2), ("sent", 3), ("rejected", 4), ("realtime", 10)];
    let mut locations = Vec::new();
    for (word, _) in words {
        let body = json!({ "url": format!("https://example.com/{word}"), "notify": word });
        let reply = send(&server, "POST", "/subscribe/", &body).await;
        assert_eq!(reply.code(), 201);
        locations.push(reply.header("location").to_owned());
    }
    let subscriptions = list(&server).await;
    for ((word, number), subscription) in words.into_iter().zip(&subscriptions) {
        assert_eq!(
            (subscription["url"].as_str(), &subscription["notify_when"]),
            (Some(&*format!("https://example.com/{word}")), &number.into())
        );
    }
    assert_eq!(server.send("DELETE", &locations[0], &[KEY], "").await.code(), 200);
    assert_eq!(server.send("DELETE", &locations[0], &[KEY], "").await.code(), 404);
    for _ in 0..2 {
        let reply = send(&server, "POST", "/unsubscribe/", &json!({ "url": "https://example.com/sent" })).await;
        assert_eq!(reply.code(), 200);
        assert_eq!(list(&server).await.len(), 3);
    }
}

#[tokio::test]
async fn subscriptions_differ_by_filter_and_group() {
    let server = Server::start().await;
    for filter in ["document.*", "recipient.*"] {
        let body = json!({ "url": "https://example.com/", "notify": "realtime", "eventFilter": filter, "group": "a" });
        assert_eq!(send(&server, "POST", "/subscribe/", &body).await.code(), 201);
    }
    let other = json!({ "url": "https://example.com/", "group": "b" });
    send(&server, "POST", "/unsubscribe/", &other).await;
    assert_eq!(list(&server).await.len(), 2);
    let one = json!({ "url": "https://example.com/", "eventFilter": "recipient.*", "group": "a" });
    send(&server, "POST", "/unsubscribe/", &one).await;
    let left = list(&server).await;
    assert_eq!((left.len(), left[0]["event_filter"].as_str()), (1, Some("document.*")));
}

#[tokio::test]
async fn invalid_or_unauthorised_requests_are_rejected() {
    let server = Server::start().await;
    for body in [json!({}), json!({ "url": "https://example.com/", "notify": "weekly" })] {
        assert_eq!(send(&server, "POST", "/subscribe/", &body).await.code(), 400);
    }
    assert_eq!(send(&server, "POST", "/unsubscribe/", &json!([])).await.code(), 400);
    let routes =
        [("GET", "/notifications/"), ("POST", "/subscribe/"), ("POST", "/unsubscribe/"), ("DELETE", "/unsubscribe/1/")];
    for (method, path) in routes {
        let reply = server.send(method, &format!("/legalesign/api/v1{path}"), &[], "{}").await;
        assert_eq!(reply.code(), 401, "{path}");
    }
}
