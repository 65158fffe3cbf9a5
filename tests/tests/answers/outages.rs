//! What can't be taken for now, through no fault of the sender's: it is told to come again, and nothing is half stored.

use countersign::{aws::Aws, settings::Settings};
use end_to_end::{
    Answer,
    bench::{Bench, TOKEN, quicklysign_body, quicklysign_request, unreachable},
};
use quicklysign_callback::Function;

use super::{assert_nothing_is_stored, call, function, nothing_kept, start};

/// Larger than what stands in a delivery's item.
fn large_body(pack: &str) -> String {
    quicklysign_body(&"x".repeat(100), pack) + &" ".repeat(10_000)
}

fn assert_come_again(answer: Answer, reason: &str) {
    assert_eq!((answer.status, answer.body), (503, nothing_kept("unavailable", reason)));
    let seconds: u32 = answer.headers["retry-after"].parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
}

async fn with(aws: &Aws, settings: Settings) -> Function {
    Function::start(Ok(settings), aws).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_out_of_reach_is_unavailable() {
    let bench = Bench::start().await;
    let aws = Aws { s3: bench.aws.s3.clone(), ..unreachable().await };
    let function = with(&aws, bench.settings()).await;
    assert_come_again(call(&function, quicklysign_request(TOKEN, quicklysign_body("x", "a"))).await, "unavailable");
    // Also when the body is there already: without its item it is nobody's.
    assert_come_again(call(&function, quicklysign_request(TOKEN, large_body("a"))).await, "unavailable");
    assert_eq!(bench.items().await, []);
    // Who can't prove anything isn't told of it.
    let answer = call(&function, quicklysign_request("the-wrong-token", "{}")).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_unavailable() {
    let bench = Bench::start().await;
    let function = function(&bench, &[("TABLE_NAME", "another-table")]).await;
    assert_come_again(call(&function, quicklysign_request(TOKEN, quicklysign_body("x", "a"))).await, "unavailable");
    assert_nothing_is_stored(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_out_of_reach_is_unavailable_for_large_bodies_alone() {
    let bench = Bench::start().await;
    let function = with(&bench.without_s3().await, bench.settings()).await;
    assert_come_again(call(&function, quicklysign_request(TOKEN, large_body("a"))).await, "unavailable");
    assert_nothing_is_stored(&bench).await;
    let answer = call(&function, quicklysign_request(TOKEN, quicklysign_body("x", "a"))).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_or_secrets_that_are_missing_or_unfit_are_not_configured() {
    let bench = Bench::start().await;
    let unfit = [
        ("TABLE_NAME", ""),
        ("ARCHIVE_BUCKET", ""),
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
        // One that is too short isn't passed over: somebody believes that it protects something.
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": ["local-path-token", "short"]}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": "local-path-token"}"#),
        ("QUICKLYSIGN_PROOF", r#"{"url_tokens": [null]}"#),
    ];
    for (name, value) in unfit {
        let function = function(&bench, &[(name, value)]).await;
        for token in [TOKEN, "eleven-char", "x", ""] {
            let answer = call(&function, quicklysign_request(token, quicklysign_body("x", "a"))).await;
            assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"), "{name}={value} {token}");
            assert_come_again(answer, "not_configured");
        }
    }
    assert_nothing_is_stored(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_service_lacks_is_no_problem_here() {
    let bench = Bench::start().await;
    let changes = [("SIGNEASY_PROOF", "{"), ("LEGALESIGN_PROOF", ""), ("QUICKLYSIGN_API", "")];
    let function = start(&bench, bench.settings_with(&changes)).await;
    let answer = call(&function, quicklysign_request(TOKEN, quicklysign_body("x", "a"))).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}
