//! Outages: the answer tells the sender to send again, and nothing is half stored.

use countersign::{aws::Aws, settings::Settings};
use end_to_end::{
    Answer, DirectFunctions, Stored,
    harness::{PATH_TOKEN, unreachable_aws},
    quicklysign,
};
use quicklysign_callback::Function;

use super::{answer_without_delivery, assert_nothing_is_stored, call, function, start};

/// Too large for a delivery's item.
fn large_body(pack: &str) -> String {
    quicklysign::body(&"x".repeat(100), pack) + &" ".repeat(10_000)
}

fn assert_send_again(answer: Answer, reason: &str) {
    assert_eq!((answer.status, answer.body), (503, answer_without_delivery("unavailable", reason)));
    let seconds: u32 = answer.headers["retry-after"].parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
}

async fn with(aws: &Aws, settings: Settings) -> Function {
    Function::start(Ok(settings), aws).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_dynamodb_is_answered_503() {
    let functions = DirectFunctions::start().await;
    let aws = Aws { s3: functions.aws.s3.clone(), ..unreachable_aws().await };
    let function = with(&aws, functions.settings()).await;
    assert_send_again(
        call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body("x", "a"))).await,
        "unavailable",
    );
    // Also if the body is in the bucket already: without its item it isn't a delivery.
    assert_send_again(call(&function, quicklysign::request(PATH_TOKEN, large_body("a"))).await, "unavailable");
    assert_eq!(functions.items().await, []);
    // A sender without proof gets the same answer as always.
    let answer = call(&function, quicklysign::request("the-wrong-token", "{}")).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_answered_503() {
    let functions = DirectFunctions::start().await;
    let function = function(&functions, &[("TABLE_NAME", "another-table")]).await;
    assert_send_again(
        call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body("x", "a"))).await,
        "unavailable",
    );
    assert_nothing_is_stored(&functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_s3_is_answered_503_for_large_bodies_only() {
    let functions = DirectFunctions::start().await;
    let function = with(&functions.aws_without_s3().await, functions.settings()).await;
    assert_send_again(call(&function, quicklysign::request(PATH_TOKEN, large_body("a"))).await, "unavailable");
    assert_nothing_is_stored(&functions).await;
    let answer = call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body("x", "a"))).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_or_invalid_settings_and_secrets_are_answered_not_configured() {
    let functions = DirectFunctions::start().await;
    let unfit = [
        ("TABLE_NAME", ""),
        ("ARCHIVE_BUCKET", ""),
        ("TEMPORARY_BUCKET", ""),
        ("MAX_BODY_BYTES", "many"),
        ("QUICKLYSIGN_API_URL", "not a url"),
        ("DOWNLOAD_HOSTS", "https://*"),
        ("QUICKLYSIGN_PROOF", ""),
        ("QUICKLYSIGN_PROOF", "{"),
        ("QUICKLYSIGN_PROOF", "local-path-token"),
        ("QUICKLYSIGN_PROOF", "null"),
        ("QUICKLYSIGN_PROOF", "{}"),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": []}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": [""]}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": ["eleven-char"]}"#),
        // A token that is too short isn't skipped: the operator relies on it.
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": ["local-path-token", "short"]}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": "local-path-token"}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": [null]}"#),
    ];
    for (name, value) in unfit {
        let function = function(&functions, &[(name, value)]).await;
        for token in [PATH_TOKEN, "eleven-char", "x"] {
            let answer = call(&function, quicklysign::request(token, quicklysign::body("x", "a"))).await;
            assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"), "{name}={value} {token}");
            assert_send_again(answer, "not_configured");
        }
    }
    assert_nothing_is_stored(&functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_in_use_is_answered_404_and_stores_nothing() {
    let functions = DirectFunctions::start().await;
    for proof in ["", r#"{"url_tokens": ["local-path-token"]}"#] {
        let changes = [("PROVIDERS", "legalesign, signeasy"), ("QUICKLYSIGN_PROOF", proof)];
        let function = start(&functions, functions.settings_with(&changes)).await;
        for token in [PATH_TOKEN, "x"] {
            let answer = call(&function, quicklysign::request(token, quicklysign::body("x", "a"))).await;
            assert_eq!((answer.status, answer.body), (404, answer_without_delivery("rejected", "not_in_use")));
        }
    }
    assert_nothing_is_stored(&functions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_secrets_of_other_services_do_not_matter() {
    let functions = DirectFunctions::start().await;
    let changes = [("SIGNEASY_PROOF", "{"), ("LEGALESIGN_PROOF", ""), ("QUICKLYSIGN_API", "")];
    let function = start(&functions, functions.settings_with(&changes)).await;
    let answer = call(&function, quicklysign::request(PATH_TOKEN, quicklysign::body("x", "a"))).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}
