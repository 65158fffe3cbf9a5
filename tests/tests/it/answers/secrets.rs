//! Secrets in a simulated Secrets Manager: a function recovers by itself once its secret exists.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse};
use countersign::aws::Aws;
use countersign_cli::stack::clients;
use end_to_end::{DirectFunctions, harness::PATH_TOKEN, quicklysign};
use quicklysign_callback::Function;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::call;

/// Timeout. The function tries again every few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Secrets Manager for one secret.
#[derive(Clone, Default)]
struct SecretsManager {
    secret: Arc<Mutex<Option<String>>>,
    calls: Arc<AtomicUsize>,
}

impl SecretsManager {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(get_secret_value).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    fn set(&self, secret: &Value) {
        *self.secret.lock().unwrap() = Some(secret.to_string());
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn get_secret_value(State(secrets): State<SecretsManager>, request: Bytes) -> impl IntoResponse {
    secrets.calls.fetch_add(1, Ordering::SeqCst);
    let request: Value = serde_json::from_slice(&request).unwrap();
    assert_eq!(request["SecretId"], "quicklysign-proof");
    let secret = secrets.secret.lock().unwrap().clone();
    match secret {
        Some(secret) => (StatusCode::OK, Json(json!({"Name": "quicklysign-proof", "SecretString": secret}))),
        None => {
            let missing = json!({"__type": "ResourceNotFoundException", "Message": "there is no such secret"});
            (StatusCode::BAD_REQUEST, Json(missing))
        }
    }
}

async fn started(functions: &DirectFunctions, secrets: &SecretsManager) -> Function {
    let url = secrets.serve().await;
    let aws = Aws { secrets: clients(&url, &url, &functions.key).await.secrets, ..functions.aws.clone() };
    let settings =
        functions.settings_with(&[("QUICKLYSIGN_PROOF", ""), ("QUICKLYSIGN_PROOF_SECRET_ID", "quicklysign-proof")]);
    Function::start(settings, &aws).await
}

fn request() -> http::Request<bytes::Bytes> {
    quicklysign::request(PATH_TOKEN, quicklysign::body("document_updated", "secrets"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_recovers_when_its_missing_secret_is_created() {
    let (functions, secrets) = (DirectFunctions::start().await, SecretsManager::default());
    let function = started(&functions, &secrets).await;
    for unfit in [None, Some(json!({"url_tokens": ["short"]}))] {
        unfit.iter().for_each(|secret| secrets.set(secret));
        assert_eq!(call(&function, request()).await.verdict(), (503, "unavailable", "not_configured"));
    }
    secrets.set(&json!({"url_tokens": [PATH_TOKEN]}));
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = call(&function, request()).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
        assert!(Instant::now() < until, "the function didn't recover");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // From now on it is cached.
    let calls = secrets.calls();
    assert_eq!(call(&function, request()).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(secrets.calls(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wrong_tokens_do_not_cause_calls_to_secrets_manager() {
    let (functions, secrets) = (DirectFunctions::start().await, SecretsManager::default());
    secrets.set(&json!({"url_tokens": [PATH_TOKEN]}));
    let function = started(&functions, &secrets).await;
    assert_eq!(secrets.calls(), 1, "the secret is read when the function starts");
    let wrong = (0..50).map(|n| quicklysign::request(&format!("a-wrong-token-{n}"), "{}"));
    for answer in futures::future::join_all(wrong.map(|request| call(&function, request))).await {
        assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
    }
    // One more call if this took over a minute.
    assert!(secrets.calls() <= 2, "{}", secrets.calls());
}
