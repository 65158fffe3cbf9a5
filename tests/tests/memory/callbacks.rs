//! A SignEasy callback takes memory in proportion to its size, however its JSON is nested, before and after its token is
//! looked at. It is the one service whose proof is inside the body, so anyone with the path token makes it parse JSON.

use countersign::{
    aws::Aws,
    domain::{Provider, Route},
};
use end_to_end::{
    Embedded,
    harness::{PATH_TOKEN, requests::gateway_request, throw_away_secrets},
    signeasy::TOKEN,
};
use serde_json::json;

use crate::{measured, on_one_thread, peak_kib};

/// Just below the maximum size of a body (`MAX_BODY_BYTES`).
const SIZE: usize = 4_300_000;

/// Two copies of the body are the test's and the request's. The others are a long text on its way into the stored body, or
/// the values of a body, whose number is limited (`MAX_VALUES` in `lossless_json.rs`): without that limit, two million
/// arrays would take 200 MB.
const LIMIT_KIB: u64 = 6 * SIZE as u64 / 1024;

/// Set in the function's process: the token, what the body consists of, and the expected status.
const CALLBACK: &str = "COUNTERSIGN_TEST_CALLBACK";

const TEST: &str = "callbacks::memory_is_proportional_to_the_size_of_a_callback_however_it_is_nested";

#[test]
fn memory_is_proportional_to_the_size_of_a_callback_however_it_is_nested() {
    match std::env::var(CALLBACK) {
        Ok(callback) => on_one_thread(receive(&callback)),
        Err(_) => tokio::runtime::Runtime::new().unwrap().block_on(measure()),
    }
}

/// The function: answers one callback, and prints by how much the peak memory of its process grew.
async fn receive(callback: &str) {
    let [token, shape, status] = callback.split(' ').collect::<Vec<_>>()[..] else { panic!("{callback}") };
    let settings = countersign::providers::settings_from_env();
    let function = signeasy_callback::Function::start(settings, &Aws::from_env().await).await;
    // What the first callback costs isn't this one's: connections, the secret.
    function.handle(gateway_request(Route::Signeasy, PATH_TOKEN, None, &[], b"{}")).await;

    let before = peak_kib();
    let request = gateway_request(Route::Signeasy, PATH_TOKEN, None, &[], body(shape, token).as_bytes());
    assert_eq!(function.handle(request).await.status().as_str(), status, "{shape}");
    println!("PEAK: {}", peak_kib() - before);
}

/// A body of [`SIZE`] bytes. The token is at its end, so that everything else is read first.
fn body(shape: &str, token: &str) -> String {
    let (open, close) = match shape {
        "deep" => ("[".repeat(60), "]".repeat(60)),
        "flat" => ("1".to_owned(), String::new()),
        "members" => (r#"{"a":1"#.to_owned(), "}".to_owned()),
        "texts" => (r#""\u0061""#.to_owned(), String::new()),
        "one_text" => (format!("\"{}", "a".repeat(SIZE - 200)), "\"".to_owned()),
        other => panic!("{other}"),
    };
    let item = open + &close;
    let end = format!(r#"],"metadata":{{"event_type":"rs.viewed","token":"{token}"}}}}"#);
    // Nothing else is allocated, so that the peak is the callback's.
    let mut body = String::with_capacity(SIZE);
    body.push_str(r#"{"data":[0"#);
    while body.len() + 1 + item.len() + end.len() <= SIZE {
        body.push(',');
        body.push_str(&item);
    }
    body.push_str(&end);
    body
}

async fn measure() {
    let mut secrets = throw_away_secrets();
    secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN], "tokens": [TOKEN]}));
    let embedded = Embedded::start(secrets).await;
    let wrong = "a-wrong-token-a-wrong-token-a-wrong-token";
    for (token, shape, status) in [
        (wrong, "deep", "401"),
        (wrong, "flat", "401"),
        (wrong, "members", "401"),
        (wrong, "texts", "401"),
        (wrong, "one_text", "401"),
        (TOKEN, "deep", "400"),
        (TOKEN, "flat", "400"),
        (TOKEN, "members", "400"),
        (TOKEN, "texts", "400"),
        (TOKEN, "one_text", "200"),
    ] {
        let peak = measured(&embedded, TEST, CALLBACK, &format!("{token} {shape} {status}")).await;
        println!("{shape} {status}: {peak} KiB");
        assert!(peak < LIMIT_KIB, "{shape} {status}: {peak} KiB");
    }
}
