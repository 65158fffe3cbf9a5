use crate::simulator::client::Server;

const PACK: &str = "/quicklysign/v1/document_packs/a-Pack_1";
const FILE: &str = "/quicklysign/serve_pdf/a-Pack_1/0";

#[tokio::test]
async fn requests_are_recorded_without_their_secrets() {
    let server = Server::start().await;
    server.send("GET", PACK, &["access_token: s3cret"], "").await;
    server.send("POST", FILE, &["Authorization: Bearer s3cret"], "s3cret").await;
    let query = "client_id=id&client_secret=s3cret&entity_key=x";
    server.get(&format!("/quicklysign/v1/webhooks?{query}")).await;
    let requests = server.simulator.requests();
    let seen: Vec<_> = requests.iter().map(|it| (it.method.as_str(), it.path.as_str(), it.credentials)).collect();
    let hooks = "/quicklysign/v1/webhooks";
    assert_eq!(seen, [("GET", PACK, true), ("POST", FILE, true), ("GET", hooks, false)]);
    assert_eq!(requests[2].query("entity_key"), Some("x"));
    assert!(requests[0].headers.contains(&"access_token".to_owned()));
    assert!(!format!("{requests:?}").contains("s3cret"));
    assert_eq!(server.simulator.requests_to("/quicklysign/v1/").len(), 2);
    server.simulator.clear_requests();
    assert_eq!(server.simulator.requests(), []);
}

#[tokio::test]
async fn the_scripted_number_of_requests_fails() {
    let server = Server::start().await;
    server.simulator.fail_next(2, "/quicklysign/v1/document_packs", 503);
    server.simulator.fail_next(1, "/quicklysign", 429);
    assert_eq!(server.get("/legalesign/api/v1/document/").await.header("retry-after"), "");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let reply = server.get(PACK).await;
        seen.push((reply.code(), reply.header("retry-after").to_owned()));
    }
    let expected = [(503, "7"), (503, "7"), (429, "7"), (401, "")];
    assert_eq!(seen, expected.map(|(code, after)| (code, after.to_owned())));
}

#[tokio::test]
async fn undocumented_routes_are_not_found() {
    let server = Server::start().await;
    for path in ["/", "/quicklysign/v2/document_packs/x", "/files/nothing"] {
        assert_eq!(server.get(path).await.code(), 404, "{path}");
    }
}
