use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::{
    domain::{Candidate, Candidates, CorrelationKey, DeliveryId, History, KnownWebhook},
    outbound::{HostPatterns, Timeouts, UrlPolicy},
};

/// A service that responds by path and records the paths of its requests.
#[derive(Clone, Default)]
struct Service {
    responses: Arc<Mutex<HashMap<String, (u16, String)>>>,
    requested: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn knows(self, path: &str, response: Value) -> Self {
        self.responds(path, 200, &response.to_string())
    }

    fn responds(self, path: &str, status: u16, body: &str) -> Self {
        self.responses.lock().unwrap().insert(format!("/sandbox/ext/v3/{path}"), (status, body.to_owned()));
        self
    }

    fn requested(&self) -> Vec<String> {
        self.requested.lock().unwrap().clone()
    }

    async fn api(&self) -> Api {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sandbox", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let variables = HashMap::from([
            ("TABLE_NAME", "t"),
            ("ARCHIVE_BUCKET", "b"),
            ("TEMPORARY_BUCKET", "t"),
            ("SIGNEASY_API_URL", &url),
            ("SIGNEASY_API", r#"{"access_token": "bearer-s3cret"}"#),
        ]);
        let settings = crate::providers::settings(|name| variables.get(name).map(ToString::to_string)).unwrap();
        let config = aws_config::SdkConfig::builder().behavior_version(crate::aws::behavior_version()).build();
        Api::new(settings.service(Provider::Signeasy), "ext/v3", &Aws::new(&config, true))
    }

    async fn inspect(&self, completion: &Completion) -> Result<Inspection, Unavailable> {
        let api = self.api().await;
        api.inspect_completion(&client(), &document("7"), completion, &RequestsOfKey(&[])).await
    }
}

/// The ids of the requests that were seen with any correlation key. Nothing else is stored.
struct RequestsOfKey(&'static [&'static str]);

#[async_trait]
impl Known for RequestsOfKey {
    async fn history(&self, _: &Subject) -> Result<Option<History>, LedgerError> {
        Ok(None)
    }

    async fn body(&self, _: &DeliveryId) -> Result<Option<Bytes>, LedgerError> {
        Ok(None)
    }

    async fn candidates(&self, _: &CorrelationKey) -> Result<Candidates, LedgerError> {
        let candidate = |id: &&str| Candidate { id: SubjectId::parse(*id).unwrap(), mark: None };
        Ok(Candidates { requests: self.0.iter().map(candidate).collect(), files: Vec::new() })
    }

    async fn event_counts(&self, _: &Subject) -> Result<BTreeMap<String, u64>, LedgerError> {
        Ok(BTreeMap::new())
    }

    async fn webhook(&self, _: Provider, _: &SubjectId) -> Result<Option<KnownWebhook>, LedgerError> {
        Ok(None)
    }
}

fn client() -> Client {
    Client::new(UrlPolicy::new(HostPatterns::default(), true), Timeouts::default())
}

async fn respond(State(service): State<Service>, request: Request) -> Response {
    let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path().to_owned();
    service.requested.lock().unwrap().push(path.trim_start_matches("/sandbox/ext/v3/").to_owned());
    if token.as_deref() != Some("Bearer bearer-s3cret") {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let responses = service.responses.lock().unwrap();
    let (status, body) = responses.get(&path).cloned().unwrap_or((404, "{}".to_owned()));
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("location", "https://elsewhere.example/x"), ("retry-after", "17")], body).into_response()
}

fn document(id: &str) -> Subject {
    Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id: SubjectId::parse(id).unwrap() }
}

fn request(file: Option<&str>) -> Completion {
    let file = file.map(|id| SubjectId::parse(id).unwrap());
    Completion { completed: Completed::Request { file }, request: None, keys: Vec::new() }
}

fn signed_alone(checksum: Option<&str>) -> Completion {
    let checksum = checksum.map(str::to_owned);
    let version = checksum.clone().unwrap_or_else(|| "1504619243".to_owned());
    Completion { completed: Completed::SignedAlone { version, checksum, name: None }, ..request(None) }
}

fn complete() -> Value {
    json!({"id": 7, "status": "complete", "recipients": [{"recipient_id": 1, "status": "finalized"}]})
}

fn documents(inspection: &Inspection) -> Vec<(Role, &str, &str)> {
    inspection
        .documents
        .iter()
        .map(|document| {
            assert_eq!(document.document, "7");
            assert!(document.credential.is_some());
            let (_, path) = document.url.split_once("/sandbox/ext/v3/").unwrap();
            (document.role, path, document.version.as_str())
        })
        .collect()
}

fn pdfs(file: &str) -> [String; 2] {
    [
        format!("signed/{file}/download?type=merged&include_certificate=false"),
        format!("rs/envelope/signed/{file}/certificate"),
    ]
}

fn paths(inspection: &Inspection) -> Vec<String> {
    documents(inspection).into_iter().map(|(_, path, _)| path.to_owned()).collect()
}

#[tokio::test]
async fn a_complete_request_has_a_merged_pdf_and_a_certificate() {
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": "22342821", "status": "complete"}));
    let inspection = service.inspect(&request(None)).await.unwrap();
    assert_eq!((inspection.status, inspection.unavailable.as_ref()), (Some(Kind::Completed), None));
    assert_eq!(paths(&inspection), pdfs("22342821"));
    let roles: Vec<_> = documents(&inspection).into_iter().map(|(role, _, version)| (role, version)).collect();
    assert_eq!(roles, [(Role::Document, "22342821"), (Role::Certificate, "22342821")]);
    let [(link, status)] = inspection.signers.as_slice() else { panic!("{:?}", inspection.signers) };
    assert_eq!((link.signer.id.as_str(), *status), ("1", Some(Kind::Signed)));
}

#[tokio::test]
async fn the_api_overrides_the_file_id_of_a_callback() {
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": 22_342_821}));
    assert_eq!(paths(&service.inspect(&request(Some("99"))).await.unwrap()), pdfs("22342821"));
}

#[tokio::test]
async fn the_file_id_of_a_callback_is_used_if_the_api_does_not_report_one() {
    // The request is known, its file isn't yet by the request's id.
    let service =
        Service::default().knows("rs/envelope/7", complete()).responds("rs/envelope/signed/pending/7", 400, "{}");
    assert_eq!(paths(&service.inspect(&request(Some("99"))).await.unwrap()), pdfs("99"));
    // Only the file is known.
    let service = Service::default().knows("rs/envelope/signed/7", complete());
    let inspection = service.inspect(&request(Some("7"))).await.unwrap();
    assert_eq!((inspection.status, paths(&inspection)), (Some(Kind::Completed), pdfs("7").to_vec()));
}

#[tokio::test]
async fn a_request_that_only_has_the_id_of_the_file_is_ignored() {
    let other = json!({"id": 7, "status": "incomplete"});
    let file = json!({"id": 7, "status": "complete", "name": "The file"});
    for pending in [Some(json!({"id": "99", "status": "complete"})), None] {
        let mut service =
            Service::default().knows("rs/envelope/7", other.clone()).knows("rs/envelope/signed/7", file.clone());
        if let Some(pending) = &pending {
            service = service.knows("rs/envelope/signed/pending/7", pending.clone());
        }
        let inspection = service.inspect(&request(Some("7"))).await.unwrap();
        assert_eq!((inspection.status, inspection.unavailable.as_ref()), (Some(Kind::Completed), None), "{pending:?}");
        assert_eq!(paths(&inspection), pdfs("7"));
        assert_eq!(inspection.documents[0].file_name, FileName::new("The file", Role::Document));
    }
}

#[tokio::test]
async fn a_file_of_which_the_api_knows_only_another_request_is_not_archived() {
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": "99", "status": "complete"}));
    let unavailable = service.inspect(&request(Some("7"))).await.unwrap_err();
    assert_eq!(unavailable, Unavailable::failed("api_names_another_file"));
    // The request and its file may have the same id.
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": "7", "status": "complete"}));
    assert_eq!(paths(&service.inspect(&request(Some("7"))).await.unwrap()), pdfs("7"));
}

#[tokio::test]
async fn a_joined_file_is_looked_up_by_its_request() {
    let service =
        Service::default().knows("rs/envelope/5", complete()).knows("rs/envelope/signed/pending/5", json!({"id": "7"}));
    let completion = Completion { request: Some(SubjectId::parse("5").unwrap()), ..request(Some("7")) };
    let inspection = service.inspect(&completion).await.unwrap();
    assert_eq!((paths(&inspection), inspection.request), (pdfs("7").to_vec(), None));
    assert_eq!(service.requested(), ["rs/envelope/5", "rs/envelope/signed/pending/5"]);
}

#[tokio::test]
async fn the_request_of_a_file_is_found_among_those_with_the_same_key() {
    let service = Service::default()
        .knows("rs/envelope/4", complete())
        .knows("rs/envelope/signed/pending/4", json!({"id": "6"}))
        .knows("rs/envelope/5", complete())
        .knows("rs/envelope/signed/pending/5", json!({"id": "7"}));
    let key = CorrelationKey { provider: Provider::Signeasy, key: "recipient#1".to_owned(), mark: None };
    let completion = Completion { keys: vec![key], ..request(Some("7")) };
    let api = service.api().await;
    let inspect =
        async |requests| api.inspect_completion(&client(), &document("7"), &completion, &RequestsOfKey(requests)).await;
    let inspection = inspect(&["4", "5", "7"]).await.unwrap();
    assert_eq!((paths(&inspection), inspection.request), (pdfs("7").to_vec(), SubjectId::parse("5").ok()));
    let looked_up: Vec<_> = service.requested().into_iter().filter(|path| !path.contains("pending")).collect();
    assert_eq!(looked_up, ["rs/envelope/7", "rs/envelope/4", "rs/envelope/5"]);
    let unknown = Unavailable::Unknown { reason: "api_http_404".to_owned() };
    assert_eq!(inspect(&["4"]).await.unwrap_err(), unknown);
}

#[tokio::test]
async fn an_incomplete_request_has_no_final_documents() {
    let declined = json!({"status": "complete", "recipients": [{"recipient_id": 1, "status": "declined"}]});
    for (response, reason, ended, status) in [
        (json!({"status": "incomplete"}), "not_complete", false, Kind::Sent),
        (json!({"status": "recipient_declined"}), "api_says_declined", true, Kind::Declined),
        (json!({"status": "canceled"}), "api_says_voided", true, Kind::Voided),
        (json!({"status": "expired"}), "api_says_expired", true, Kind::Expired),
        (declined, "api_says_declined", true, Kind::Declined),
    ] {
        let inspection =
            Service::default().knows("rs/envelope/7", response).inspect(&request(Some("99"))).await.unwrap();
        let expected = Unavailable::NotComplete { reason: reason.to_owned(), ended };
        assert_eq!((inspection.status, inspection.unavailable.as_ref()), (Some(status), Some(&expected)));
        assert!(inspection.documents.is_empty());
    }
}

#[tokio::test]
async fn a_complete_request_without_a_signed_file_is_not_ready() {
    for status in [400, 404] {
        let service = Service::default().knows("rs/envelope/7", complete()).responds(
            "rs/envelope/signed/pending/7",
            status,
            "{}",
        );
        let inspection = service.inspect(&request(None)).await.unwrap();
        let expected = Unavailable::NotReady { reason: "no_signed_file".to_owned(), after: None };
        assert_eq!(inspection.unavailable, Some(expected));
        assert_eq!(inspection.status, Some(Kind::Completed));
    }
}

#[tokio::test]
async fn an_id_that_no_endpoint_knows_is_unknown() {
    for completion in [request(None), request(Some("7")), request(Some("99")), signed_alone(None)] {
        let unknown = Unavailable::Unknown { reason: "api_http_404".to_owned() };
        assert_eq!(Service::default().inspect(&completion).await.unwrap_err(), unknown);
    }
}

#[tokio::test]
async fn only_404_of_all_endpoints_says_that_a_document_is_unknown() {
    let denied = |reason: &str| Unavailable::Denied { reason: reason.to_owned() };
    for (envelope, pending, expected) in [
        (400, 400, Unavailable::failed("api_http_400")),
        (404, 410, Unavailable::failed("api_http_410")),
        (410, 404, Unavailable::failed("api_http_410")),
        (403, 404, denied("api_http_403")),
        (400, 403, denied("api_http_403")),
        (404, 401, denied("api_http_401")),
    ] {
        let pending_path = "rs/envelope/signed/pending/7";
        let service =
            Service::default().responds("rs/envelope/7", envelope, "{}").responds(pending_path, pending, "{}");
        assert_eq!(service.inspect(&request(None)).await.unwrap_err(), expected, "{envelope} {pending}");
    }
    let service = Service::default().responds("me/signed/7/download", 403, "{}");
    assert_eq!(service.inspect(&signed_alone(None)).await.unwrap_err(), denied("api_http_403"));
}

#[tokio::test]
async fn a_document_signed_alone_is_complete_if_its_pdf_exists() {
    let checksum = "ea".repeat(32);
    let found = Service::default().responds("me/signed/7/download", 200, "%PDF-1.4");
    let elsewhere = Service::default().responds("me/signed/7/download", 302, "");
    let large = Service::default().responds("me/signed/7/download", 200, &"x".repeat(MAX_PROBE + 1));
    for service in [found, elsewhere, large] {
        let inspection = service.inspect(&signed_alone(Some(&checksum))).await.unwrap();
        assert_eq!((inspection.status, inspection.unavailable.as_ref()), (Some(Kind::Completed), None));
        let [document, certificate] = inspection.documents.as_slice() else { panic!("{inspection:?}") };
        assert_eq!(paths(&inspection), ["me/signed/7/download", "me/signed/7/certificate"]);
        assert_eq!((document.sha256.as_ref(), certificate.sha256.as_ref()), (Some(&checksum), None));
        assert_eq!((document.version.as_str(), certificate.role), (checksum.as_str(), Role::Certificate));
        assert_eq!(service.requested(), ["me/signed/7/download"]);
    }
}

#[tokio::test]
async fn each_error_status_and_malformed_response_has_its_reason() {
    let failed = |reason: &str| Unavailable::failed(reason);
    for (status, body, expected) in [
        (200, "<html>", failed("api_not_json")),
        (200, "[]", failed("api_unexpected_answer")),
        (302, "", failed("api_unexpected_answer")),
        (401, "{}", Unavailable::Denied { reason: "api_http_401".to_owned() }),
        (500, "{}", failed("api_http_500")),
        (429, "{}", Unavailable::RateLimited { after: Some(SignedDuration::from_secs(17)) }),
    ] {
        let service = Service::default().responds("rs/envelope/7", status, body);
        assert_eq!(service.inspect(&request(None)).await.unwrap_err(), expected, "{status} {body}");
    }
}

#[tokio::test]
async fn only_documents_can_be_inspected() {
    let signer = Subject { kind: SubjectKind::Signer, ..document("7") };
    let inspection = Service::default().api().await.inspect(&client(), &signer, &RequestsOfKey(&[])).await;
    assert_eq!(inspection.unwrap_err(), Unavailable::failed("not_a_document"));
}

#[test]
fn an_empty_access_token_is_rejected() {
    let json = serde_json::from_value(json!({"access_token": ""})).unwrap();
    assert_eq!(ApiSecrets::from_json(json).err().unwrap(), "access_token is empty");
}
