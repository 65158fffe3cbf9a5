//! Secrets in Secrets Manager, which is played here: a function recovers by itself once the secret is there.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse};
use countersign::aws::Aws;
use end_to_end::bench::{Bench, TOKEN, at, quicklysign_body, quicklysign_request};
use quicklysign_callback::Function;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::call;

/// The function asks again every few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Secrets Manager with room for one secret.
#[derive(Clone, Default)]
struct SecretsManager {
    secret: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
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

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn get_secret_value(State(secrets): State<SecretsManager>, request: Bytes) -> impl IntoResponse {
    secrets.asked.fetch_add(1, Ordering::SeqCst);
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

async fn started(bench: &Bench, secrets: &SecretsManager) -> Function {
    let aws = Aws { secrets: at(&secrets.serve().await).await.secrets, ..bench.aws.clone() };
    let settings =
        bench.settings_with(&[("QUICKLYSIGN_PROOF", ""), ("QUICKLYSIGN_PROOF_SECRET_ID", "quicklysign-proof")]);
    Function::start(settings, &aws).await
}

fn request() -> lambda_http::Request {
    quicklysign_request(TOKEN, quicklysign_body("document_updated", "secrets"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_its_secret_recovers_when_it_is_there() {
    let (bench, secrets) = (Bench::start().await, SecretsManager::default());
    let function = started(&bench, &secrets).await;
    for unfit in [None, Some(json!({"url_tokens": ["short"]}))] {
        unfit.iter().for_each(|secret| secrets.set(secret));
        assert_eq!(call(&function, request()).await.verdict(), (503, "unavailable", "not_configured"));
    }
    secrets.set(&json!({"url_tokens": [TOKEN]}));
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = call(&function, request()).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
        assert!(Instant::now() < until, "it never recovered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // From here on the cache has it.
    let asked = secrets.asked();
    assert_eq!(call(&function, request()).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(secrets.asked(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_tokens_does_not_become_one_of_paid_calls() {
    let (bench, secrets) = (Bench::start().await, SecretsManager::default());
    secrets.set(&json!({"url_tokens": [TOKEN]}));
    let function = started(&bench, &secrets).await;
    assert_eq!(secrets.asked(), 1, "it is read while the function starts");
    let wrong = (0..50).map(|n| quicklysign_request(&format!("a-wrong-token-{n}"), "{}"));
    for answer in futures::future::join_all(wrong.map(|request| call(&function, request))).await {
        assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
    }
    // One more, if this took over a minute.
    assert!(secrets.asked() <= 2, "{}", secrets.asked());
}
