use countersign::domain::Provider;

use crate::simulator::{Credentials, SERVICES, callbacks, client::Server};

const PACK: &str = "/quicklysign/v1/document_packs/a-Pack_1";
const FILE: &str = "/quicklysign/serve_pdf/a-Pack_1/0";

#[test]
fn the_list_has_every_service_in_order_with_events_and_a_demo() {
    assert_eq!(SERVICES.map(|service| service.provider()), Provider::ALL);
    for service in SERVICES {
        assert!(!service.events().is_empty(), "{}", service.provider());
        let routes = service.demo().into_iter().map(|case| case.route.provider());
        assert!(routes.clone().count() > 0 && routes.clone().all(|provider| provider == service.provider()));
    }
}

#[test]
fn every_offered_event_can_be_made_with_a_throw_away_secret() {
    for service in SERVICES {
        let secret = service.throw_away_secret().unwrap();
        assert!(service.can_prove(&secret), "{}", service.provider());
        assert!(Credentials::new([(service.provider(), secret["api"].clone())]).is_ok(), "{}", service.provider());
        for event in service.events() {
            let id = service.new_id().unwrap();
            let post = service.callback(event.name, &id, &callbacks::Options::default(), &secret).unwrap();
            assert_eq!(post.route.provider(), service.provider(), "{event:?}");
        }
    }
}

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
