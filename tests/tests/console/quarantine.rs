//! What was refused, on the console: shown as text, told what to do about, and taken in by a button once it is provable.

use countersign::{delivery::Route, ledger::QuarantineRecord, provider::Provider, replay::Replay, time};
use end_to_end::{World, signeasy};
use serde_json::json;

use super::{get, post};

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</pre><script>alert(2)</script>";
const TOMORROW: &str = "the-token-that-was-just-changed";

/// Has a callback refused that carries a right path token and another token than is configured.
async fn refused(world: &World) -> QuarantineRecord {
    let body = signeasy::changed("rs_viewed_v2", |body| {
        body["metadata"]["token"] = json!(TOMORROW);
        body["data"]["message"] = json!(HOSTILE);
    });
    assert_eq!(world.signeasy(&body).await.verdict(), (401, "rejected", "unproven"));
    let mut kept = world.ledger().quarantine_list(None, None, 10).await.expect("the ledger");
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_shown_as_text_with_what_to_do_about_it() {
    let world = World::signeasy_under("required").await;
    let empty = get(&world, "/quarantine").await;
    assert!(empty.status == 200 && empty.text().contains("Nothing is in quarantine."), "{}", empty.text());
    assert!(!get(&world, "/").await.text().contains("data-state=\"quarantined\" data-some"));
    let record = refused(&world).await;
    let guessed = world
        .stack
        .callback_url(Route::Quicklysign)
        .expect("a URL")
        .replace(&world.stack.secrets.url_token(Provider::Quicklysign).expect("a token"), "a-guessed-path-token");
    world.post_to(&guessed, &[("content-type", "application/json")], HOSTILE).await;

    let overview = get(&world, "/").await.text();
    assert!(overview.contains("data-state=\"quarantined\" data-some><b>1</b>"), "{overview}");
    let list = get(&world, "/quarantine").await.text();
    assert!(list.contains(&format!("<tr id=\"quarantined-{}\">", record.id)), "{list}");
    assert!(list.contains("token_wrong") && list.contains(&format!("href=\"/quarantine/{}\"", record.id)), "{list}");
    assert!(list.contains("<details class=\"ring\" id=\"ring-quicklysign\">") && list.contains("path_token"), "{list}");
    assert!(!list.contains("id=\"ring-signeasy\"") && !list.contains("a-guessed-path-token"), "{list}");
    let others = get(&world, "/quarantine?provider=legalesign").await.text();
    assert!(others.contains("Nothing is in quarantine.") && !others.contains("ring-quicklysign"), "{others}");

    let page = get(&world, &format!("/quarantine/{}", record.id)).await.text();
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;"), "{page}");
    assert!(!page.contains("<img src=x") && !page.contains("<script>"), "{page}");
    assert!(page.contains("content-type") && page.contains("application/json"), "{page}");
    assert!(page.contains("add it to <code>tokens</code>"), "{page}");
    assert!(page.contains("action=\"/quarantine/replay\"") && !page.contains("can't replay it"), "{page}");
    assert!(!page.contains(TOMORROW) && !page.contains(signeasy::TOKEN), "a token on the page: {page}");
    for path in ["/quarantine/0190b6c8-0000-7000-8000-000000000000", "/quarantine/%3Cimg%20src=x%3E"] {
        let nothing = get(&world, path).await;
        assert!(nothing.status == 404 && !nothing.text().contains("<img src=x"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_has_no_button() {
    let world = World::signeasy_under("required").await;
    let malformed = "{\"metadata\": {\"token\": \"one that nobody can find in here\"";
    assert_eq!(world.signeasy_bytes(malformed).await.verdict(), (400, "rejected", "malformed"));
    let kept = world.ledger().quarantine_list(None, None, 10).await.expect("the ledger").remove(0);
    assert_eq!(kept.sha256, None);
    for path in ["/quarantine".to_owned(), format!("/quarantine/{}", kept.id)] {
        let text = get(&world, &path).await.text();
        assert!(text.contains("not_json") && !text.contains("action=\"/quarantine/replay\""), "{path}: {text}");
    }
    let token = get(&world, "/trigger").await.field("form_token");
    let answer = post(&world, "/quarantine/replay", &format!("form_token={token}&id={}", kept.id)).await;
    assert!(answer.status == 409 && answer.text().contains("body_not_kept"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_takes_in_what_is_provable_by_now_and_nothing_else() {
    let world = World::signeasy_under("required").await;
    let id = refused(&world).await.id;
    let token = get(&world, "/quarantine").await.field("form_token");
    let answer = post(&world, "/quarantine/replay", &format!("form_token={token}&id={id}")).await;
    assert!(answer.status == 409 && answer.text().contains("token_wrong"), "{}", answer.text());
    for wrong in ["", "not-an-id", "0190b6c8-0000-7000-8000-000000000000"] {
        let answer = post(&world, "/quarantine/replay", &format!("form_token={token}&id={wrong}")).await;
        assert_eq!(answer.status, 404, "{wrong}");
    }
    assert_eq!(world.ledger().delivery_record(&id).await.expect("the ledger").map(|record| record.id), None);

    let world = world
        .restart(|options| {
            let proof = json!({"url_tokens": [signeasy::PATH_TOKEN], "tokens": [TOMORROW, signeasy::TOKEN]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    let token = get(&world, "/quarantine").await.field("form_token");
    let answer = post(&world, "/quarantine/replay", &format!("form_token={token}&id={id}")).await;
    let location = answer.headers.get("location").cloned();
    assert_eq!((answer.status, location), (303, Some(format!("/deliveries/{id}"))));
    assert!(get(&world, &format!("/deliveries/{id}")).await.text().contains("recorded"));
    assert!(get(&world, "/quarantine").await.text().contains("Nothing is in quarantine."));
    assert!(!get(&world, "/").await.text().contains("data-state=\"quarantined\" data-some"));
    let page = get(&world, &format!("/quarantine/{id}")).await.text();
    assert!(page.contains("Taken in") && !page.contains("action=\"/quarantine/replay\""), "{page}");

    // Only what wasn't taken in and hasn't expired counts.
    let since = time::now().checked_sub(countersign::ledger::QUARANTINED_FOR).expect("a time");
    assert_eq!(world.ledger().count_quarantined(since, 10).await.expect("the ledger"), 0);
    let again = refused_again(&world).await;
    assert_eq!(world.ledger().count_quarantined(since, 10).await.expect("the ledger"), 1);
    assert_eq!(world.ledger().count_quarantined(time::now(), 10).await.expect("the ledger"), 0);
    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    assert_eq!(replay.refused(&again.id).await.expect("the ledger").expect("kept").outcome, "quarantined");
}

async fn refused_again(world: &World) -> QuarantineRecord {
    let body = signeasy::changed("rs_viewed_v2", |body| body["metadata"]["token"] = json!("another-wrong-token"));
    world.signeasy(&body).await;
    world.ledger().quarantine_list(None, None, 10).await.expect("the ledger").remove(0)
}
