use serde_json::{Value, json};

use crate::simulator::client::{Reply, Server};
use crate::simulator::pdf::tests::check;
use crate::simulator::{Answer, Status};

const PACK: &str = "/quicklysign/v1/document_packs/a-Pack_1";

async fn token(server: &Server) -> String {
    let body = json!({ "client_id": "id", "client_secret": "client-s3cret", "api_key": "key" }).to_string();
    let reply = server.send("POST", "/quicklysign/v1/access_tokens", &[], &body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["status"]["status_code"], 200);
    format!("access_token: {}", reply.json()["data"]["access_token"].as_str().unwrap())
}

async fn pack(server: &Server) -> Reply {
    let token = token(server).await;
    server.send("GET", PACK, &[&token], "").await
}

/// The documents of the pack.
async fn documents(server: &Server) -> Vec<Value> {
    let reply = pack(server).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["data"]["document_pack"]["documents"].as_array().unwrap().clone()
}

/// Downloads the first document's PDF.
async fn download(server: &Server) -> Reply {
    let documents = documents(server).await;
    server.get(documents[0]["serve_pdf_url"].as_str().unwrap()).await
}

fn error(reply: &Reply) -> (u64, String) {
    let status = &reply.json()["status"];
    (status["status_code"].as_u64().unwrap(), status["errors"][0]["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_unscripted_pack_is_complete_and_has_several_valid_pdfs() {
    let server = Server::start().await;
    let documents = documents(&server).await;
    assert!((2..=3).contains(&documents.len()));
    let mut keys = std::collections::BTreeSet::new();
    for document in &documents {
        assert_eq!(document["status"], "complete");
        assert!(document["date_updated"].as_i64().unwrap() > 1_700_000_000_000);
        assert!(!document["document_name"].as_str().unwrap().is_empty());
        keys.insert(document["key"].as_str().unwrap().to_owned());
        let pdf = server.get(document["serve_pdf_url"].as_str().unwrap()).await;
        assert_eq!((pdf.code(), pdf.header("content-type"), pdf.whole), (200, "application/pdf", true));
        check(&pdf.body);
    }
    assert_eq!(keys.len(), documents.len());
    server.stop().await;
}

#[tokio::test]
async fn only_renderings_differ_after_a_restart() {
    let (one, other) = (Server::start().await, Server::start().await);
    let (mut before, mut after) = (documents(&one).await, documents(&other).await);
    for document in before.iter_mut().chain(&mut after) {
        // The port differs.
        document["serve_pdf_url"].take();
    }
    assert_eq!(before, after);
    let (first, second) = (download(&one).await.body, download(&one).await.body);
    assert_ne!(first, second);
}

#[tokio::test]
async fn wrong_credentials_get_no_token_and_no_pack() {
    let server = Server::start().await;
    let body = json!({ "client_id": "id", "client_secret": "wrong", "api_key": "key" }).to_string();
    let reply = server.send("POST", "/quicklysign/v1/access_tokens", &[], &body).await;
    assert_eq!((reply.code(), error(&reply)), (401, (401, "unauthorised".into())));
    let reply = server.send("POST", "/quicklysign/v1/access_tokens", &[], "client_id=id").await;
    assert_eq!((reply.code(), error(&reply)), (400, (400, "bad_request".into())));
    for headers in [&[][..], &["access_token: wrong"][..]] {
        let reply = server.send("GET", PACK, headers, "").await;
        assert_eq!((reply.code(), error(&reply)), (401, (401, "invalid_access_token".into())));
    }
}

#[tokio::test]
async fn tokens_expire_as_scripted() {
    let server = Server::start().await;
    server.simulator.tokens_last(2);
    let token = token(&server).await;
    for expected in [200, 200, 401] {
        assert_eq!(server.send("GET", PACK, &[&token], "").await.status, expected);
    }
    let fresh = self::token(&server).await;
    server.simulator.expire_tokens();
    assert_eq!(server.send("GET", PACK, &[&fresh], "").await.status, 401);
}

#[tokio::test]
async fn fifty_documents_come_in_pages() {
    let server = Server::start().await;
    server.simulator.pack("a-Pack_1").documents(50).page_size(20);
    let token = token(&server).await;
    let mut next = Some(PACK.to_owned());
    let mut sizes = Vec::new();
    let mut urls = std::collections::BTreeSet::new();
    while let Some(path) = next {
        let page = server.send("GET", &path, &[&token], "").await.json();
        let documents = page["data"]["document_pack"]["documents"].as_array().unwrap().clone();
        sizes.push(documents.len());
        urls.extend(documents.into_iter().map(|document| document["serve_pdf_url"].as_str().unwrap().to_owned()));
        next = page["pagination"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!((sizes, urls.len()), (vec![20, 20, 10], 50));
    let last = server.get("/quicklysign/serve_pdf/a-Pack_1/49").await;
    check(&last.body);
    assert_eq!(server.get("/quicklysign/serve_pdf/a-Pack_1/50").await.status, 404);
}

#[tokio::test]
async fn a_new_version_has_another_marker() {
    let server = Server::start().await;
    let markers = |documents: Vec<Value>| -> Vec<i64> {
        documents.iter().map(|document| document["date_updated"].as_i64().unwrap()).collect()
    };
    let before = markers(documents(&server).await);
    server.simulator.pack("a-Pack_1").regenerate();
    let after = markers(documents(&server).await);
    assert!(before.iter().zip(&after).all(|(before, after)| before < after));
    server.simulator.pack("a-Pack_1").regenerate_document(1);
    let last = markers(documents(&server).await);
    assert_eq!(last[0], after[0]);
    assert!(last[1] > after[1]);
}

#[tokio::test]
async fn an_unfinished_pack_has_its_status_and_no_pdfs() {
    let server = Server::start().await;
    let words = [
        (Status::Setup, "setup"),
        (Status::Awaiting, "awaiting_signatures"),
        (Status::Failed, "conversion_error"),
        (Status::Complete, "complete"),
    ];
    for (status, word) in words {
        server.simulator.pack("a-Pack_1").status(status);
        assert_eq!(documents(&server).await[0]["status"], word);
    }
    server.simulator.pack("a-Pack_1").ready(false);
    assert_eq!(documents(&server).await[0]["serve_pdf_url"], Value::Null);
    assert_eq!(server.get("/quicklysign/serve_pdf/a-Pack_1/0").await.status, 404);
}

#[tokio::test]
async fn the_api_responds_as_scripted() {
    let server = Server::start().await;
    let script = server.simulator.pack("a-Pack_1");
    script.answer(Answer::Unknown);
    let reply = pack(&server).await;
    assert_eq!((reply.code(), error(&reply).0), (404, 404));
    script.answer(Answer::Unauthorised);
    assert_eq!(pack(&server).await.status, 401);
    script.answer(Answer::RateLimited { retry_after: 30 });
    let reply = pack(&server).await;
    assert_eq!((reply.code(), reply.header("retry-after")), (429, "30"));
    for status in [500, 401] {
        script.answer(Answer::Envelope(status));
        let reply = pack(&server).await;
        assert_eq!((reply.code(), error(&reply).0), (200, u64::from(status)));
    }
    script.answer(Answer::Json("{\"status\": ".into()));
    assert_eq!(pack(&server).await.body, b"{\"status\": ");
    script.answer(Answer::Unknown).next_answer(Answer::Status(500));
    assert_eq!(pack(&server).await.status, 500);
    assert_eq!(pack(&server).await.status, 404);
    script.recover();
    assert_eq!(pack(&server).await.status, 200);
}

#[tokio::test]
async fn malformed_ids_are_unknown_and_errors_have_http_200_on_request() {
    let server = Server::start().await;
    let token = token(&server).await;
    let long = "a".repeat(201);
    for id in ["a%20b", "a.b", "%2e%2e%2fx", &long] {
        let path = format!("/quicklysign/v1/document_packs/{id}");
        assert_eq!(server.send("GET", &path, &[&token], "").await.status, 404, "{id}");
    }
    let path = "/quicklysign/v1/document_packs/a.b?always_use_http_status_code_200=true";
    let reply = server.send("GET", path, &[&token], "").await;
    assert_eq!((reply.code(), error(&reply).0), (200, 404));
}

#[tokio::test]
async fn the_pdf_url_can_be_scripted() {
    let server = Server::start().await;
    let script = server.simulator.pack("a-Pack_1");
    script.serve_pdf_url("https://files.example.org/{n}.pdf").nested_under(&["packs", "children"]);
    let data = pack(&server).await.json()["data"].clone();
    assert_eq!(data["packs"]["children"][1]["serve_pdf_url"], "https://files.example.org/1.pdf");
    server.simulator.set_base_url("https://simulator.example/");
    server.simulator.pack("other");
    let token = token(&server).await;
    let other = server.send("GET", "/quicklysign/v1/document_packs/other", &[&token], "").await.json();
    let url = &other["data"]["document_pack"]["documents"][0]["serve_pdf_url"];
    assert_eq!(url, "https://simulator.example/quicklysign/serve_pdf/other/0");
}

#[tokio::test]
async fn pdfs_can_require_the_token() {
    let server = Server::start().await;
    server.simulator.pack("a-Pack_1").protected(true);
    assert_eq!(download(&server).await.status, 401);
    let token = token(&server).await;
    check(&server.send("GET", "/quicklysign/serve_pdf/a-Pack_1/0", &[&token], "").await.body);
}
