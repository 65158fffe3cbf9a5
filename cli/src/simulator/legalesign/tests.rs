use aws_lc_rs::digest;
use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::client::{Reply, Server};
use crate::simulator::paper::hex;
use crate::simulator::pdf::tests::check;
use crate::simulator::{Answer, Download, Part, Promise, Status};

const API: &str = "/legalesign/api/v1";
const KEY: &str = "Authorization: ApiKey user:s3cret";
const ID: &str = "d0c-1";

async fn get(server: &Server, path: &str) -> Reply {
    server.send("GET", &format!("{API}{path}"), &[KEY], "").await
}

async fn document(server: &Server) -> Value {
    get(server, &format!("/document/{ID}/")).await.json()
}

/// Downloads the PDF through its short-lived location.
async fn final_pdf(server: &Server) -> Reply {
    let reply = get(server, &format!("/pdf/{ID}/")).await;
    assert_eq!(reply.code(), 302);
    server.get(reply.header("location")).await
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[tokio::test]
async fn an_unscripted_document_is_signed_and_has_a_stable_hash() {
    let server = Server::start().await;
    let body = document(&server).await;
    assert_eq!((body["status"].as_u64(), body["download_final"].as_bool()), (Some(30), Some(true)));
    assert_eq!((body["uuid"].as_str(), body["group"].as_str()), (Some(ID), Some("/api/v1/group/simulator/")));
    assert_eq!(body["signers"][1][6], 40);
    assert_eq!(body["signer_objects"][1]["uuid"].as_str().unwrap().len(), 26);
    let (first, second) = (final_pdf(&server).await, final_pdf(&server).await);
    check(&first.body);
    assert_eq!(first.body, second.body);
    assert_eq!(body["hash_value"], sha256(&first.body));
    let other = Server::start().await;
    assert_eq!(document(&other).await["hash_value"], body["hash_value"]);
}

#[tokio::test]
async fn a_new_version_has_another_hash_and_a_later_time() {
    let server = Server::start().await;
    let before = document(&server).await;
    server.simulator.document(ID).regenerate();
    let after = document(&server).await;
    assert_ne!(before["hash_value"], after["hash_value"]);
    assert!(before["modified"].as_str() < after["modified"].as_str());
    assert_eq!(after["hash_value"], sha256(&final_pdf(&server).await.body));
}

#[tokio::test]
async fn hash_value_can_be_wrong_missing_or_of_a_large_file() {
    let server = Server::start().await;
    let script = server.simulator.document(ID);
    script.promise(Promise::Wrong);
    assert_ne!(document(&server).await["hash_value"], sha256(&final_pdf(&server).await.body));
    script.promise(Promise::Missing);
    assert_eq!(document(&server).await["hash_value"], Value::Null);
    script.promise(Promise::Right).size(300_000);
    let large = final_pdf(&server).await.body;
    assert_eq!((large.len(), document(&server).await["hash_value"].as_str()), (300_000, Some(&*sha256(&large))));
}

#[tokio::test]
async fn every_route_requires_the_key() {
    let server = Server::start().await;
    let paths = [
        "/document/?group=x",
        "/document/a/",
        "/document/a/auditlog/",
        "/status/a/",
        "/pdf/a/",
        "/signer/a/rejection/",
    ];
    for path in paths {
        for headers in [&[][..], &["Authorization: ApiKey user:wrong"], &["Authorization: Bearer s3cret"]] {
            let reply = server.send("GET", &format!("{API}{path}"), headers, "").await;
            assert_eq!(reply.code(), 401, "{path}");
        }
        assert_ne!(get(&server, path).await.code(), 401, "{path}");
    }
    // All of Legalesign's paths end in a slash.
    assert_eq!(get(&server, "/document/a").await.code(), 404);
}

#[tokio::test]
async fn a_short_lived_location_rejects_the_key() {
    let server = Server::start().await;
    let reply = get(&server, &format!("/pdf/{ID}/")).await;
    let location = reply.header("location").to_owned();
    assert!(location.starts_with(&format!("http://{}/files/", server.host)));
    assert_eq!(server.send("GET", &location, &[KEY], "").await.code(), 400);
    check(&server.get(&location).await.body);
    server.simulator.expire_tokens();
    assert_eq!(server.get(&location).await.code(), 404);
}

#[tokio::test]
async fn the_pdf_can_be_inline_dearchiving_or_redirected() {
    let server = Server::start().await;
    let script = server.simulator.document(ID);
    let pdf = format!("/pdf/{ID}/");
    script.inline(true);
    check(&get(&server, &pdf).await.body);
    script.inline(false).download(Download::Dearchiving);
    assert_eq!(get(&server, &pdf).await.code(), 201);
    assert_eq!(document(&server).await["archived"], true);
    script.download(Download::Redirect("https://files.example.org/x.pdf".into()));
    assert_eq!(get(&server, &pdf).await.header("location"), "https://files.example.org/x.pdf");
    script.download(Download::Truncated);
    assert!(!final_pdf(&server).await.whole);
}

#[tokio::test]
async fn an_unfinished_document_has_only_a_draft() {
    let server = Server::start().await;
    let script = server.simulator.document(ID);
    let finished = final_pdf(&server).await.body;
    let codes = [
        (Status::Setup, 10, 4),
        (Status::Awaiting, 10, 20),
        (Status::Filled, 20, 35),
        (Status::Voided, 40, 10),
        (Status::Expired, 40, 10),
        (Status::Declined, 50, 60),
    ];
    for (status, code, signer) in codes {
        script.status(status);
        let body = document(&server).await;
        assert_eq!((body["status"].as_u64(), body["signers"][1][6].as_u64()), (Some(code), Some(signer)));
        assert_eq!((&body["download_final"], &body["hash_value"]), (&Value::Bool(false), &Value::Null));
    }
    script.status(Status::Complete).ready(false);
    let body = get(&server, &format!("/status/{ID}/")).await.json();
    assert_eq!((body["status"].as_u64(), body["download_final"].as_bool()), (Some(30), Some(false)));
    assert_ne!(final_pdf(&server).await.body, finished);
}

#[tokio::test]
async fn audit_logs_differ_in_every_download() {
    let server = Server::start().await;
    let path = format!("/document/{ID}/auditlog/");
    let (first, second) = (get(&server, &path).await.body, get(&server, &path).await.body);
    check(&first);
    assert_ne!(first, second);
    server.simulator.document(ID).download_of(Part::Record, Download::Html);
    assert!(get(&server, &path).await.header("content-type").starts_with("text/html"));
    check(&final_pdf(&server).await.body);
}

#[tokio::test]
async fn declining_signers_have_a_reason() {
    let server = Server::start().await;
    let body = get(&server, "/signer/s1/rejection/").await.json();
    assert!(!body["reason"].as_str().unwrap().is_empty());
    server.simulator.reject("s1", "Too dear");
    let body = get(&server, "/signer/s1/rejection/").await.json();
    assert_eq!((body["status"].as_u64(), body["reason"].as_str()), (Some(60), Some("Too dear")));
}

#[tokio::test]
async fn the_api_responds_as_scripted() {
    let server = Server::start().await;
    let script = server.simulator.document(ID);
    let path = format!("/status/{ID}/");
    for (answer, code) in [(Answer::Unknown, 404), (Answer::Unauthorised, 401), (Answer::Status(500), 500)] {
        script.answer(answer);
        assert_eq!(get(&server, &path).await.code(), code);
    }
    script.recover().next_answer(Answer::RateLimited { retry_after: 60 });
    let reply = get(&server, &path).await;
    assert_eq!((reply.code(), reply.header("retry-after")), (429, "60"));
    assert_eq!(get(&server, &path).await.code(), 200);
    assert_eq!(get(&server, "/status/a.b/").await.code(), 404);
}

async fn list(server: &Server, query: &str) -> (Vec<String>, Value) {
    let reply = get(server, &format!("/document/?{query}")).await;
    assert_eq!(reply.code(), 200, "{query}");
    let objects = reply.json()["objects"].as_array().unwrap().clone();
    let ids = objects.into_iter().map(|object| object["uuid"].as_str().unwrap().to_owned());
    (ids.collect(), reply.json()["meta"].clone())
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let server = Server::start().await;
    let start: Timestamp = "2025-03-01T10:00:00Z".parse().unwrap();
    for number in 0..45 {
        let minutes = jiff::SignedDuration::from_mins(number);
        server.simulator.document(&format!("d{number:02}")).group("sales").modified(start + minutes);
    }
    server.simulator.document("d44").status(Status::Declined);
    server.simulator.document("elsewhere").group("other");
    server.simulator.document("gone").group("sales").answer(Answer::Unknown);
    document(&server).await;

    let (ids, meta) = list(&server, "group=sales&cache=1").await;
    assert_eq!((ids.len(), meta["total_count"].as_u64(), meta["limit"].as_u64()), (20, Some(45), Some(20)));
    assert_eq!(meta["next"], "/api/v1/document/?group=sales&limit=20&offset=20");
    let (ids, meta) = list(&server, "group=/api/v1/group/sales/&limit=20&offset=40").await;
    assert_eq!((ids.len(), &meta["next"]), (5, &Value::Null));
    assert_eq!(meta["previous"], "/api/v1/document/?group=sales&limit=20&offset=20");
    for after in ["2025-03-01T10:42:00", "2025-03-01T10:42:00Z"] {
        assert_eq!(list(&server, &format!("group=sales&modified_gt={after}")).await.0, ["d43", "d44"]);
    }
    assert_eq!(list(&server, "group=sales&created_gt=2025-02-28T10:43:00").await.0, ["d44"]);
    assert_eq!(list(&server, "group=sales&status=50").await.0, ["d44"]);
    assert_eq!(list(&server, "group=none").await.0, [""; 0]);
}

#[tokio::test]
async fn a_list_request_without_group_or_with_an_invalid_filter_is_rejected() {
    let server = Server::start().await;
    for query in ["", "group=a&modified_gt=yesterday", "group=a&limit=x", "group=a&offset=-1", "group=a&status=x"] {
        let reply = get(&server, &format!("/document/?{query}")).await;
        assert_eq!((reply.code(), reply.body.is_empty()), (400, false), "{query}");
    }
}

#[tokio::test]
async fn the_default_group_can_be_set() {
    let server = Server::start().await;
    server.simulator.set_group("demo");
    assert_eq!(document(&server).await["group"], "/api/v1/group/demo/");
}
