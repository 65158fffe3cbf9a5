//! The API's responses, from a server on loopback.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::Request, response::IntoResponse};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{Kind, SubjectId},
    outbound::{HostPatterns, Timeouts, UrlPolicy},
};

/// A server's next responses, and the paths and credentials of its requests.
#[derive(Clone, Default)]
struct Server {
    responses: Arc<Mutex<VecDeque<(u16, HeaderMap, String)>>>,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start(&self) -> Api {
        let server = self.clone();
        let respond = move |request: Request| {
            let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let path_and_credential = (request.uri().path().to_owned(), authorization.unwrap_or_default().to_owned());
            server.requests.lock().unwrap().push(path_and_credential);
            let (status, headers, body) = server.responses.lock().unwrap().pop_front().expect("one request too many");
            async move { (StatusCode::from_u16(status).unwrap(), headers, body).into_response() }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
        let settings = crate::providers::settings(|name| match name {
            "TABLE_NAME" | "ARCHIVE_BUCKET" | "TEMPORARY_BUCKET" => Some("name".to_owned()),
            "LEGALESIGN_API_URL" => Some(base.clone()),
            "LEGALESIGN_API" => Some(r#"{"username":"someone","secret":"hush"}"#.to_owned()),
            _ => None,
        });
        let config = aws_config::SdkConfig::builder().behavior_version(crate::aws::behavior_version()).build();
        Api::new(settings.unwrap().service(Provider::Legalesign), &Aws::new(&config, true), TimeZone::UTC)
    }

    async fn inspect(&self, kind: SubjectKind) -> Result<Inspection, Unavailable> {
        self.start().await.inspect(&client(), &subject(kind)).await
    }

    fn responds(self, status: u16, body: &str) -> Self {
        self.responses.lock().unwrap().push_back((status, HeaderMap::new(), body.to_owned()));
        self
    }
}

fn client() -> Client {
    Client::new(UrlPolicy::new(HostPatterns::default(), true), Timeouts::default())
}

fn subject(kind: SubjectKind) -> Subject {
    Subject { provider: Provider::Legalesign, kind, id: SubjectId::parse("d1").unwrap() }
}

/// Inspects a document whose response is this.
async fn inspect(status: u16, body: &str) -> Result<Inspection, Unavailable> {
    Server::default().responds(status, body).inspect(SubjectKind::Document).await
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
async fn a_final_document_has_a_pdf_and_an_audit_log() {
    let server = Server::default().responds(200, &document(&json!({})));
    let api = server.start().await;
    let inspection = api.inspect(&client(), &subject(SubjectKind::Document)).await.unwrap();
    assert_eq!(
        *server.requests.lock().unwrap(),
        [("/api/v1/document/d1/".to_owned(), "ApiKey someone:hush".to_owned())]
    );
    assert_eq!((inspection.status, inspection.group.as_deref()), (Some(Kind::Completed), Some("your-group")));
    assert_eq!(inspection.unavailable, None);
    let hash = "ab".repeat(32);
    let base = api.http.url("");
    let documents: Vec<_> = inspection
        .documents
        .iter()
        .map(|document| {
            let path = document.url.strip_prefix(base.trim_end_matches('/')).unwrap();
            assert!(document.credential.is_some() && document.version == hash && document.document == "d1");
            assert_eq!(document.deferral, Some(DEARCHIVING));
            (document.role, path, document.sha256.as_deref())
        })
        .collect();
    let expected = [(Role::Document, "/pdf/d1/", Some(&*hash)), (Role::AuditLog, "/document/d1/auditlog/", None)];
    assert_eq!(documents, expected);
    let signers: Vec<_> = inspection
        .signers
        .iter()
        .map(|(link, status)| (link.signer.partition(), link.document.partition(), *status))
        .collect();
    let signer = |id, status| (format!("legalesign#signer#{id}"), "legalesign#document#d1".to_owned(), Some(status));
    assert_eq!(signers, [signer("s1", Kind::Signed), signer("s2", Kind::Declined), signer("s3", Kind::Sent)]);
}

#[tokio::test]
async fn a_hash_value_that_is_not_a_sha256_only_marks_the_version() {
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
async fn without_a_final_pdf_there_are_no_final_documents() {
    let not_complete = |reason: &str, ended| Unavailable::NotComplete { reason: reason.to_owned(), ended };
    let no_pdf = || Unavailable::NotReady { reason: "no_final_document".to_owned(), after: None };
    for (changes, status, unavailable) in [
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
        assert_eq!((inspection.status, inspection.unavailable), (status, Some(unavailable)), "{changes}");
        assert!(inspection.documents.is_empty() && inspection.signers.len() == 3, "{changes}");
    }
}

#[tokio::test]
async fn each_error_status_and_malformed_response_has_its_reason() {
    let failed = |reason: &str| Unavailable::Failed { reason: reason.to_owned() };
    let foreign = |reason: &str| Unavailable::Foreign { reason: reason.to_owned() };
    let denied = |reason: &str| Unavailable::Denied { reason: reason.to_owned() };
    for (status, body, unavailable) in [
        (401, "", denied("api_http_401")),
        (403, "", denied("api_http_403")),
        (404, "not found", foreign("api_http_404")),
        (429, "", Unavailable::RateLimited { after: None }),
        (302, "", failed("api_http_302")),
        (500, "", failed("api_http_500")),
        (200, "<!doctype html>", failed("api_not_json")),
        (200, "[]", failed("api_unexpected_answer")),
    ] {
        assert_eq!(inspect(status, body).await.unwrap_err(), unavailable, "{status} {body}");
    }
}

#[tokio::test]
async fn a_rate_limit_has_the_pause_of_retry_after() {
    let server = Server::default();
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static("77"))]);
    server.responses.lock().unwrap().push_back((429, headers, String::new()));
    let unavailable = server.inspect(SubjectKind::Document).await.unwrap_err();
    assert_eq!(unavailable, Unavailable::RateLimited { after: Some(SignedDuration::from_secs(77)) });
    assert_eq!(unavailable.reason(), "api_http_429");
}

#[tokio::test]
async fn a_signer_cannot_be_inspected() {
    let unavailable = Server::default().inspect(SubjectKind::Signer).await.unwrap_err();
    assert_eq!(unavailable, Unavailable::failed("not_a_document"));
}
