use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request as Asked, State},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::*;
use crate::{
    outbound::{Timeouts, UrlPolicy},
    settings::{SecretSource, Settings},
};

/// A service that answers by path, and remembers what it was asked.
#[derive(Clone, Default)]
struct Service {
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn knows(self, path: &str, answer: Value) -> Self {
        self.says(path, 200, &answer.to_string())
    }

    fn says(self, path: &str, status: u16, body: &str) -> Self {
        self.answers.lock().unwrap().insert(format!("/sandbox/ext/v3/{path}"), (status, body.to_owned()));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn api(&self) -> Api {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sandbox", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let variables = HashMap::from([
            ("TABLE_NAME", "t"),
            ("ARCHIVE_BUCKET", "b"),
            ("ALLOW_INSECURE_DOWNLOADS", "true"),
            ("SIGNEASY_API_URL", &url),
            ("SIGNEASY_API_PATH", "ext/v3"),
            ("SIGNEASY_API", r#"{"access_token": "bearer-s3cret"}"#),
        ]);
        let settings = Settings::read(|name| variables.get(name).map(ToString::to_string)).unwrap();
        assert!(matches!(settings.provider(Provider::Signeasy).api, SecretSource::Inline(_)));
        let config = aws_config::SdkConfig::builder().behavior_version(crate::aws::behavior_version()).build();
        let client = Client::new(UrlPolicy::new(settings.download_hosts.clone(), true), Timeouts::default());
        Api::new(&client, &settings, &Aws::new(&config, true))
    }

    async fn inspect(&self, told: &Told) -> Result<Inspection, Obstacle> {
        self.api().await.inspect_told(&document("7"), told).await
    }
}

async fn answer(State(service): State<Service>, request: Asked) -> Response {
    let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path().to_owned();
    service.asked.lock().unwrap().push(path.trim_start_matches("/sandbox/ext/v3/").to_owned());
    if token.as_deref() != Some("Bearer bearer-s3cret") {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let answers = service.answers.lock().unwrap();
    let (status, body) = answers.get(&path).cloned().unwrap_or((404, "{}".to_owned()));
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("location", "https://elsewhere.example/x"), ("retry-after", "17")], body).into_response()
}

fn document(id: &str) -> Subject {
    Subject { provider: Provider::Signeasy, kind: SubjectKind::Document, id: SubjectId::parse(id).unwrap() }
}

fn told(file: Option<&str>) -> Told {
    let file = file.map(|id| SubjectId::parse(id).unwrap());
    Told { what: What::Request { file }, request: None, clues: Vec::new(), waits_because: None }
}

fn signed_alone(checksum: Option<&str>) -> Told {
    let checksum = checksum.map(str::to_owned);
    let what = What::SignedAlone { version: checksum.clone().unwrap_or_else(|| "1504619243".to_owned()), checksum };
    Told { what, ..told(None) }
}

fn complete() -> Value {
    json!({"id": 7, "status": "complete", "recipients": [{"recipient_id": 1, "status": "finalized"}]})
}

fn wanted(inspection: &Inspection) -> Vec<(Role, &str, &str)> {
    inspection
        .documents
        .iter()
        .map(|wanted| {
            assert_eq!(wanted.document, "7");
            assert!(wanted.credential.is_some());
            let (_, path) = wanted.url.split_once("/sandbox/ext/v3/").unwrap();
            (wanted.role, path, wanted.version.as_str())
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
    wanted(inspection).into_iter().map(|(_, path, _)| path.to_owned()).collect()
}

#[tokio::test]
async fn a_complete_request_has_a_merged_pdf_and_a_certificate() {
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": "22342821", "status": "complete"}));
    let inspection = service.inspect(&told(None)).await.unwrap();
    assert_eq!((inspection.status, inspection.obstacle.as_ref()), (Some(Kind::Completed), None));
    assert_eq!(paths(&inspection), pdfs("22342821"));
    let roles: Vec<_> = wanted(&inspection).into_iter().map(|(role, _, version)| (role, version)).collect();
    assert_eq!(roles, [(Role::Document, "22342821"), (Role::Certificate, "22342821")]);
    let [(link, status)] = inspection.signers.as_slice() else { panic!("{:?}", inspection.signers) };
    assert_eq!((link.signer.id.as_str(), *status), ("1", Some(Kind::Signed)));
}

#[tokio::test]
async fn the_api_is_right_where_a_callback_says_otherwise() {
    let service = Service::default()
        .knows("rs/envelope/7", complete())
        .knows("rs/envelope/signed/pending/7", json!({"id": 22_342_821}));
    assert_eq!(paths(&service.inspect(&told(Some("99"))).await.unwrap()), pdfs("22342821"));
}

#[tokio::test]
async fn what_the_callback_told_is_used_where_the_api_does_not_say() {
    // The request is known, its file isn't yet by the request's id.
    let service = Service::default().knows("rs/envelope/7", complete()).says("rs/envelope/signed/pending/7", 400, "{}");
    assert_eq!(paths(&service.inspect(&told(Some("99"))).await.unwrap()), pdfs("99"));
    // Only the file is known.
    let service = Service::default().knows("rs/envelope/signed/7", complete());
    let inspection = service.inspect(&told(Some("7"))).await.unwrap();
    assert_eq!((inspection.status, paths(&inspection)), (Some(Kind::Completed), pdfs("7").to_vec()));
}

#[tokio::test]
async fn a_file_that_was_joined_is_asked_for_by_its_request() {
    let service =
        Service::default().knows("rs/envelope/5", complete()).knows("rs/envelope/signed/pending/5", json!({"id": "7"}));
    let told = Told { request: Some(SubjectId::parse("5").unwrap()), ..told(Some("7")) };
    assert_eq!(paths(&service.inspect(&told).await.unwrap()), pdfs("7"));
    assert_eq!(service.asked(), ["rs/envelope/5", "rs/envelope/signed/pending/5"]);
}

#[tokio::test]
async fn what_is_not_complete_has_no_documents() {
    let declined = json!({"status": "complete", "recipients": [{"recipient_id": 1, "status": "declined"}]});
    for (answer, reason, ended, status) in [
        (json!({"status": "incomplete"}), "not_complete", false, Kind::Sent),
        (json!({"status": "recipient_declined"}), "api_says_declined", true, Kind::Declined),
        (json!({"status": "canceled"}), "api_says_voided", true, Kind::Voided),
        (json!({"status": "expired"}), "api_says_expired", true, Kind::Expired),
        (declined, "api_says_declined", true, Kind::Declined),
    ] {
        let inspection = Service::default().knows("rs/envelope/7", answer).inspect(&told(Some("99"))).await.unwrap();
        let expected = Obstacle::NotComplete { reason: reason.to_owned(), ended };
        assert_eq!((inspection.status, inspection.obstacle.as_ref()), (Some(status), Some(&expected)));
        assert!(inspection.documents.is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_not_ready() {
    for status in [400, 404] {
        let service =
            Service::default().knows("rs/envelope/7", complete()).says("rs/envelope/signed/pending/7", status, "{}");
        let inspection = service.inspect(&told(None)).await.unwrap();
        let expected = Obstacle::NotReady { reason: "no_signed_file".to_owned(), after: None };
        assert_eq!(inspection.obstacle, Some(expected));
        assert_eq!(inspection.status, Some(Kind::Completed));
    }
}

#[tokio::test]
async fn what_nothing_knows_is_asked_about_once_more_and_is_foreign_then() {
    for told in [|| told(None), || told(Some("7")), || told(Some("99")), || signed_alone(None)] {
        let first = Service::default().inspect(&told()).await.unwrap_err();
        let expected = Obstacle::NotReady { reason: "not_known_yet".to_owned(), after: Some(SECOND_LOOK) };
        assert_eq!(first, expected);
        let again = Told { waits_because: Some("not_known_yet".to_owned()), ..told() };
        let second = Service::default().inspect(&again).await.unwrap_err();
        assert_eq!(second, Obstacle::Foreign { reason: "api_http_404".to_owned() });
    }
}

#[tokio::test]
async fn a_document_signed_alone_is_confirmed_by_being_there() {
    let checksum = "ea".repeat(32);
    let found = Service::default().says("me/signed/7/download", 200, "%PDF-1.4");
    let elsewhere = Service::default().says("me/signed/7/download", 302, "");
    let large = Service::default().says("me/signed/7/download", 200, &"x".repeat(MAX_PROBE + 1));
    for service in [found, elsewhere, large] {
        let inspection = service.inspect(&signed_alone(Some(&checksum))).await.unwrap();
        assert_eq!((inspection.status, inspection.obstacle.as_ref()), (Some(Kind::Completed), None));
        let [document, certificate] = inspection.documents.as_slice() else { panic!("{inspection:?}") };
        assert_eq!(paths(&inspection), ["me/signed/7/download", "me/signed/7/certificate"]);
        assert_eq!((document.sha256.as_ref(), certificate.sha256.as_ref()), (Some(&checksum), None));
        assert_eq!((document.version.as_str(), certificate.role), (checksum.as_str(), Role::Certificate));
        assert_eq!(service.asked(), ["me/signed/7/download"]);
    }
}

#[tokio::test]
async fn other_answers_are_no_answers() {
    let failed = |reason: &str| Obstacle::failed(reason);
    for (status, body, expected) in [
        (200, "<html>", failed("api_not_json")),
        (200, "[]", failed("api_unexpected_answer")),
        (302, "", failed("api_unexpected_answer")),
        (401, "{}", failed("api_http_401")),
        (500, "{}", failed("api_http_500")),
        (
            429,
            "{}",
            Obstacle::NotReady { reason: "api_http_429".to_owned(), after: Some(SignedDuration::from_secs(17)) },
        ),
    ] {
        let service = Service::default().says("rs/envelope/7", status, body);
        assert_eq!(service.inspect(&told(None)).await.unwrap_err(), expected, "{status} {body}");
    }
    let forbidden = Service::default().says("rs/envelope/7", 403, "{}").says("rs/envelope/signed/pending/7", 403, "{}");
    let again = Told { waits_because: Some("not_known_yet".to_owned()), ..told(None) };
    assert_eq!(forbidden.inspect(&again).await.unwrap_err(), Obstacle::Foreign { reason: "api_http_403".to_owned() });
}

#[tokio::test]
async fn only_documents_are_asked_for() {
    let signer = Subject { kind: SubjectKind::Signer, ..document("7") };
    let answer = Service::default().api().await.inspect(&signer).await;
    assert_eq!(answer.unwrap_err(), Obstacle::failed("not_a_document"));
}

#[test]
fn an_empty_access_token_is_no_configuration() {
    let json = serde_json::from_value(json!({"access_token": ""})).unwrap();
    assert_eq!(ApiSecrets::from_json(json).err().unwrap(), "access_token is empty");
}
