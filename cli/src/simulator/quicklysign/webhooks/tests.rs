use serde_json::json;

use crate::simulator::client::{Reply, Server};

const CLIENT: &str = "client_id=id&client_secret=client-s3cret";

const HOOKS: &str = "/quicklysign/v1/webhooks";

async fn create(server: &Server, secret: &str, entity: &str) -> Reply {
    let webhook = json!({ "entity_key": entity, "callback": "https://example.com/hook" });
    let body = json!({ "client_id": "id", "client_secret": secret, "webhook": webhook });
    server.send("POST", HOOKS, &[], &body.to_string()).await
}

async fn created(server: &Server, entity: &str) -> String {
    let webhook = create(server, "client-s3cret", entity).await.json()["data"]["webhook"].clone();
    assert_eq!(webhook["entity_key"], entity);
    assert_eq!(webhook["callback"], "https://example.com/hook");
    webhook["key"].as_str().unwrap().to_owned()
}

async fn count(server: &Server, query: &str) -> usize {
    let list = server.get(&format!("{HOOKS}?{CLIENT}{query}")).await.json();
    list["data"]["webhooks"].as_array().unwrap().len()
}

#[tokio::test]
async fn webhooks_are_created_and_listed() {
    let server = Server::start().await;
    let keys = [created(&server, "one").await, created(&server, "one").await, created(&server, "two").await];
    assert_ne!(keys[0], keys[1]);
    assert_eq!((count(&server, "").await, count(&server, "&entity_key=one").await), (3, 2));
    for spelling in ["webhook", "webhooks"] {
        let one = server.get(&format!("/quicklysign/v1/{spelling}/{}?{CLIENT}", keys[2])).await;
        assert_eq!(one.json()["data"]["webhook"]["key"], keys[2]);
    }
}

#[tokio::test]
async fn webhooks_are_deleted_by_key_or_entity_in_both_spellings() {
    let server = Server::start().await;
    for spelling in ["webhook", "webhooks"] {
        let key = created(&server, "one").await;
        let (one, all) = (format!("/quicklysign/v1/{spelling}/{key}"), format!("/quicklysign/v1/{spelling}"));
        assert_eq!(server.send("DELETE", &format!("{one}?{CLIENT}"), &[], "").await.code(), 200);
        assert_eq!(server.send("DELETE", &format!("{one}?{CLIENT}"), &[], "").await.code(), 404);
        created(&server, "one").await;
        created(&server, "two").await;
        assert_eq!(server.send("DELETE", &format!("{all}?{CLIENT}"), &[], "").await.code(), 400);
        let entity = format!("{all}?{CLIENT}&entity_key=one");
        assert_eq!(server.send("DELETE", &entity, &[], "").await.code(), 200);
        assert_eq!(count(&server, "").await, 1);
        assert_eq!(server.send("DELETE", &format!("{all}?{CLIENT}&entity_key=two"), &[], "").await.code(), 200);
    }
}

#[tokio::test]
async fn every_webhook_call_requires_the_client_credentials() {
    let server = Server::start().await;
    let key = created(&server, "one").await;
    assert_eq!(create(&server, "wrong", "one").await.code(), 401);
    let wrong = "client_id=id&client_secret=wrong&entity_key=one";
    for query in ["", wrong] {
        let one = format!("{HOOKS}/{key}?{query}");
        let logs = format!("/quicklysign/v1/webhook_callback_logs?{query}");
        for path in [&format!("{HOOKS}?{query}"), &one, &logs] {
            assert_eq!(server.get(path).await.code(), 401, "{path}");
        }
        assert_eq!(server.send("DELETE", &one, &[], "").await.code(), 401);
    }
    assert_eq!(server.send("DELETE", &format!("{HOOKS}?{wrong}"), &[], "").await.code(), 401);
    assert_eq!(count(&server, "").await, 1);
}

#[tokio::test]
async fn an_invalid_webhook_is_rejected() {
    let server = Server::start().await;
    assert_eq!(create(&server, "client-s3cret", "no id").await.code(), 400);
    assert_eq!(server.send("POST", HOOKS, &[], "{}").await.code(), 400);
    assert_eq!(count(&server, "").await, 0);
}

#[tokio::test]
async fn callbacks_are_logged_for_each_webhook_of_the_pack() {
    let server = Server::start().await;
    let (first, _second) = (created(&server, "one").await, created(&server, "one").await);
    server.simulator.log_callback("one", "final_document_generated", 200);
    server.simulator.log_callback("two", "final_document_generated", 200);
    let logs = async |query: &str| {
        let path = format!("/quicklysign/v1/webhook_callback_logs?{CLIENT}&{query}");
        server.get(&path).await.json()["data"]["webhook_callback_logs"].as_array().unwrap().clone()
    };
    assert_eq!(logs("entity_key=one").await.len(), 2);
    assert_eq!(logs("entity_key=two").await.len(), 0);
    let first_logs = logs(&format!("webhook_key={first}")).await;
    assert_eq!(first_logs.len(), 1);
    assert_eq!(first_logs[0]["callback_event"], "final_document_generated");
    assert_eq!(first_logs[0]["log"], "Successful call to url https://example.com/hook . Received 200 response");
}
