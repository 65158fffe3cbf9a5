//! The API's answers, as a server on loopback gives them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::Request, response::IntoResponse};
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::{
    event::Kind,
    outbound::{Timeouts, UrlPolicy},
    provider::Provider,
    settings::SecretSource,
    subject::SubjectId,
};

/// What a server answers next, and what it was asked.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<VecDeque<(u16, HeaderMap, String)>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(&self) -> Api {
        let server = self.clone();
        let answer = move |request: Request| {
            let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let asked = (request.uri().path().to_owned(), authorization.unwrap_or_default().to_owned());
            server.asked.lock().unwrap().push(asked);
            let (status, headers, body) = server.answers.lock().unwrap().pop_front().expect("one question too many");
            async move { (StatusCode::from_u16(status).unwrap(), headers, body).into_response() }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let (policy, base) = UrlPolicy::only_host_of(&base, true).unwrap();
        let secrets = SecretSource::Inline(r#"{"username":"someone","secret":"hush"}"#.into());
        Api::new(&Client::new(policy, Timeouts::default()), &base, Cached::new(secrets, None))
    }

    fn answers(self, status: u16, body: &str) -> Self {
        self.answers.lock().unwrap().push_back((status, HeaderMap::new(), body.to_owned()));
        self
    }
}

fn subject(kind: SubjectKind) -> Subject {
    Subject { provider: Provider::Legalesign, kind, id: SubjectId::parse("d1").unwrap() }
}

/// What the API makes of this answer.
async fn inspect(status: u16, body: &str) -> Result<Inspection, Obstacle> {
    Server::default().answers(status, body).start().await.inspect(&subject(SubjectKind::Document)).await
}

fn document(changes: &Value) -> String {
    let mut document = json!({
        "uuid": "d1", "status": 30, "download_final": true, "hash_value": "ab".repeat(32),
        "group": "/api/v1/group/your-group/",
        "signers": [["/api/v1/signer/s1/", "A", "Person", "a@example.com", "", true, 40, 0], ["/api/v1/signer/s2/"], [], 1],
        "signer_objects": [
            {"uuid": "s2", "resource_uri": "/api/v1/signer/s2/", "status": "60"}, {"uuid": "s3", "status": 10}, {"uuid": 3},
        ],
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.to_string()
}

#[tokio::test]
async fn a_final_document_and_its_audit_log() {
    let server = Server::default().answers(200, &document(&json!({})));
    let api = server.start().await;
    let inspection = api.inspect(&subject(SubjectKind::Document)).await.unwrap();
    assert_eq!(*server.asked.lock().unwrap(), [("/api/v1/document/d1/".to_owned(), "ApiKey someone:hush".to_owned())]);
    assert_eq!((inspection.status, inspection.group.as_deref()), (Some(Kind::Completed), Some("your-group")));
    assert_eq!(inspection.obstacle, None);
    let hash = "ab".repeat(32);
    let wanted: Vec<_> = inspection
        .documents
        .iter()
        .map(|wanted| {
            let path = wanted.url.strip_prefix(api.base.as_str()).unwrap();
            assert!(wanted.credential.is_some() && wanted.version == hash && wanted.document == "d1");
            (wanted.role, path, wanted.sha256.as_deref())
        })
        .collect();
    let expected = [(Role::Document, "/pdf/d1/", Some(&*hash)), (Role::AuditLog, "/document/d1/auditlog/", None)];
    assert_eq!(wanted, expected);
    let signers: Vec<_> = inspection
        .signers
        .iter()
        .map(|(link, status)| (link.signer.partition(), link.document.partition(), *status))
        .collect();
    let signer = |id, status| (format!("legalesign#signer#{id}"), "legalesign#document#d1".to_owned(), Some(status));
    assert_eq!(signers, [signer("s1", Kind::Signed), signer("s2", Kind::Declined), signer("s3", Kind::Sent)]);
}

#[tokio::test]
async fn a_hash_that_is_none_cannot_be_compared_but_tells_versions_apart() {
    for (hash, version, sha256) in [
        (json!("md5:1"), "md5:1", None),
        (json!(null), "", None),
        (json!(""), "", None),
        (json!("AB".repeat(32)), &*"AB".repeat(32), Some("AB".repeat(32))),
    ] {
        let inspection = inspect(200, &document(&json!({"hash_value": hash}))).await.unwrap();
        assert_eq!((inspection.documents[0].version.as_str(), &inspection.documents[0].sha256), (version, &sha256));
    }
}

#[tokio::test]
async fn before_the_final_pdf_is_there() {
    let not_complete = |reason: &str, ended| Obstacle::NotComplete { reason: reason.to_owned(), ended };
    let no_pdf = || Obstacle::NotReady { reason: "no_final_document".to_owned(), after: None };
    for (changes, status, obstacle) in [
        (json!({"status": 10}), Some(Kind::Sent), not_complete("not_complete", false)),
        (json!({"status": 20}), None, not_complete("not_complete", false)),
        (json!({"status": 30}), Some(Kind::Completed), no_pdf()),
        (json!({"status": "30"}), Some(Kind::Completed), no_pdf()),
        (json!({"status": 40}), Some(Kind::Removed), not_complete("document_removed", true)),
        (json!({"status": 50}), Some(Kind::Declined), not_complete("document_declined", true)),
        (json!({"status": null}), None, not_complete("not_complete", false)),
        (json!({"download_final": null}), Some(Kind::Completed), no_pdf()),
        (json!({"download_final": "yes"}), Some(Kind::Completed), no_pdf()),
    ] {
        let mut changes = changes;
        if changes["download_final"].is_null() && changes.get("download_final").is_none() {
            changes["download_final"] = json!(false);
        }
        let inspection = inspect(200, &document(&changes)).await.unwrap();
        assert_eq!((inspection.status, inspection.obstacle), (status, Some(obstacle)), "{changes}");
        assert!(inspection.documents.is_empty() && inspection.signers.len() == 3, "{changes}");
    }
}

#[tokio::test]
async fn answers_without_a_document_are_told_apart() {
    let failed = |reason: &str| Obstacle::Failed { reason: reason.to_owned() };
    let foreign = |reason: &str| Obstacle::Foreign { reason: reason.to_owned() };
    for (status, body, obstacle) in [
        (401, "", failed("api_http_401")),
        (403, "", foreign("api_http_403")),
        (404, "not found", foreign("api_http_404")),
        (429, "", Obstacle::NotReady { reason: "api_http_429".to_owned(), after: None }),
        (302, "", failed("api_http_302")),
        (500, "", failed("api_http_500")),
        (200, "<!doctype html>", failed("api_not_json")),
        (200, "[]", failed("api_unexpected_answer")),
    ] {
        assert_eq!(inspect(status, body).await.unwrap_err(), obstacle, "{status} {body}");
    }
}

#[tokio::test]
async fn a_busy_api_says_when() {
    let server = Server::default();
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static("77"))]);
    server.answers.lock().unwrap().push_back((429, headers, String::new()));
    let obstacle = server.start().await.inspect(&subject(SubjectKind::Document)).await.unwrap_err();
    let after = Some(SignedDuration::from_secs(77));
    assert_eq!(obstacle, Obstacle::NotReady { reason: "api_http_429".to_owned(), after });
}

#[tokio::test]
async fn only_documents_have_pdfs() {
    let obstacle = Server::default().start().await.inspect(&subject(SubjectKind::Signer)).await.unwrap_err();
    assert_eq!(obstacle, Obstacle::failed("not_a_document"));
}
