//! Quarantined requests on the console: shown as text, with advice, and replayed by a button once they can be proven.

use countersign::{
    domain::{Provider, Route},
    ledger::QuarantineRecord,
    replay::Replay,
    time,
};
use end_to_end::{LocalStack, harness::PATH_TOKEN, signeasy};
use serde_json::json;

use super::{get, post};

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</pre><script>alert(2)</script>";
const NEW_TOKEN: &str = "the-token-that-was-just-changed";

/// Posts a callback with the right path token and a body token that isn't configured. Returns its quarantine record.
async fn quarantine(stack: &LocalStack) -> QuarantineRecord {
    let body = signeasy::changed("rs_viewed_v2", |body| {
        body["metadata"]["token"] = json!(NEW_TOKEN);
        body["data"]["message"] = json!(HOSTILE);
    });
    assert_eq!(stack.post_signeasy(&body).await.verdict(), (401, "rejected", "unproven"));
    let mut kept = stack.ledger().quarantine_list(None, None, 10).await.expect("the ledger");
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_request_is_shown_as_text_with_advice() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let empty = get(&stack, "/quarantine").await;
    assert!(empty.status == 200 && empty.text().contains("Nothing is in quarantine."), "{}", empty.text());
    assert!(!get(&stack, "/").await.text().contains("data-state=\"quarantined\" data-some"));
    let record = quarantine(&stack).await;
    let guessed = stack
        .callback_url(Route::Quicklysign)
        .expect("a URL")
        .replace(&stack.secrets.url_token(Provider::Quicklysign).expect("a token"), "a-guessed-path-token");
    stack.post_to(&guessed, &[("content-type", "application/json")], HOSTILE).await;

    let overview = get(&stack, "/").await.text();
    assert!(overview.contains("data-state=\"quarantined\" data-some><b>1</b>"), "{overview}");
    let list = get(&stack, "/quarantine").await.text();
    assert!(list.contains(&format!("<tr id=\"quarantined-{}\">", record.id)), "{list}");
    assert!(list.contains("token_wrong") && list.contains(&format!("href=\"/quarantine/{}\"", record.id)), "{list}");
    assert!(list.contains("<details class=\"ring\" id=\"ring-quicklysign\">") && list.contains("path_token"), "{list}");
    assert!(!list.contains("id=\"ring-signeasy\"") && !list.contains("a-guessed-path-token"), "{list}");
    let others = get(&stack, "/quarantine?provider=legalesign").await.text();
    assert!(others.contains("Nothing is in quarantine.") && !others.contains("ring-quicklysign"), "{others}");

    let page = get(&stack, &format!("/quarantine/{}", record.id)).await.text();
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    assert!(!page.contains("<img src=x") && !page.contains("<script>"), "{page}");
    assert!(page.contains("content-type") && page.contains("application/json"), "{page}");
    assert!(page.contains("add it to <code>tokens</code>"), "{page}");
    assert!(page.contains("action=\"/quarantine/replay\"") && !page.contains("can't replay it"), "{page}");
    assert!(!page.contains(NEW_TOKEN) && !page.contains(signeasy::TOKEN), "a token is on the page: {page}");
    for path in ["/quarantine/0190b6c8-0000-7000-8000-000000000000", "/quarantine/%3Cimg%20src=x%3E"] {
        let missing = get(&stack, path).await;
        assert!(missing.status == 404 && !missing.text().contains("<img src=x"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_kept_body_has_no_replay_button() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let malformed = "{\"metadata\": {\"token\": \"unreadable in this body\"";
    assert_eq!(stack.post_signeasy_bytes(malformed).await.verdict(), (400, "rejected", "malformed"));
    let kept = stack.ledger().quarantine_list(None, None, 10).await.expect("the ledger").remove(0);
    assert_eq!(kept.sha256, None);
    for path in ["/quarantine".to_owned(), format!("/quarantine/{}", kept.id)] {
        let text = get(&stack, &path).await.text();
        assert!(text.contains("not_json") && !text.contains("action=\"/quarantine/replay\""), "{path}: {text}");
    }
    let token = get(&stack, "/trigger").await.field("form_token");
    let answer = post(&stack, "/quarantine/replay", &format!("form_token={token}&id={}", kept.id)).await;
    assert!(answer.status == 409 && answer.text().contains("body_not_kept"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_accepts_a_quarantined_request_only_once_it_can_be_proven() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let id = quarantine(&stack).await.id;
    let token = get(&stack, "/quarantine").await.field("form_token");
    let answer = post(&stack, "/quarantine/replay", &format!("form_token={token}&id={id}")).await;
    assert!(answer.status == 409 && answer.text().contains("token_wrong"), "{}", answer.text());
    for wrong in ["", "not-an-id", "0190b6c8-0000-7000-8000-000000000000"] {
        let answer = post(&stack, "/quarantine/replay", &format!("form_token={token}&id={wrong}")).await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
    assert_eq!(stack.ledger().delivery_record(&id).await.expect("the ledger").map(|record| record.id), None);

    let stack = stack
        .restart(|options| {
            let proof = json!({"url_tokens": [PATH_TOKEN], "tokens": [NEW_TOKEN, signeasy::TOKEN]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    let token = get(&stack, "/quarantine").await.field("form_token");
    let answer = post(&stack, "/quarantine/replay", &format!("form_token={token}&id={id}")).await;
    let location = answer.headers.get("location").cloned();
    assert_eq!((answer.status, location), (303, Some(format!("/deliveries/{id}"))));
    assert!(get(&stack, &format!("/deliveries/{id}")).await.text().contains("recorded"));
    assert!(get(&stack, "/quarantine").await.text().contains("Nothing is in quarantine."));
    assert!(!get(&stack, "/").await.text().contains("data-state=\"quarantined\" data-some"));
    let page = get(&stack, &format!("/quarantine/{id}")).await.text();
    assert!(page.contains("<dt>Replayed</dt>") && !page.contains("action=\"/quarantine/replay\""), "{page}");

    // Only requests count that were not recorded and have not expired.
    let since = time::now().checked_sub(countersign::ledger::QUARANTINED_FOR).expect("a time");
    assert_eq!(stack.ledger().count_quarantined(since, 10).await.expect("the ledger"), 0);
    let again = quarantine_another(&stack).await;
    assert_eq!(stack.ledger().count_quarantined(since, 10).await.expect("the ledger"), 1);
    assert_eq!(stack.ledger().count_quarantined(time::now(), 10).await.expect("the ledger"), 0);
    let replay = Replay::new(&stack.settings, &stack.aws);
    assert_eq!(replay.rejected(&again.id).await.expect("the ledger").expect("kept").outcome, "quarantined");
}

async fn quarantine_another(stack: &LocalStack) -> QuarantineRecord {
    let body = signeasy::changed("rs_viewed_v2", |body| body["metadata"]["token"] = json!("another-wrong-token"));
    stack.post_signeasy(&body).await;
    stack.ledger().quarantine_list(None, None, 10).await.expect("the ledger").remove(0)
}
