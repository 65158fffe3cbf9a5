//! Refusals: too large, and the wrong path token.

use countersign::{delivery::Route, provider::Provider};
use end_to_end::bench::{Bench, TOKEN, gateway_request, quicklysign_body, quicklysign_request};

use super::{assert_nothing_is_stored, call, function, kept, nothing_kept};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let bench = Bench::start().await;
    let body = quicklysign_body("document_updated", "limits");
    let function = function(&bench, &[("MAX_BODY_BYTES", &body.len().to_string())]).await;
    for token in [TOKEN, "the-wrong-token"] {
        let answer = call(&function, quicklysign_request(token, format!("{body} "))).await;
        assert_eq!((answer.status, answer.body), (413, nothing_kept("rejected", "too_large")), "{token}");
    }
    assert_nothing_is_stored(&bench).await;
    let answer = call(&function, quicklysign_request(TOKEN, &body)).await;
    assert_eq!((answer.status, &answer.body), (200, &kept(&answer, "recorded", 1, "ok")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_is_on_the_body_as_it_was_sent_and_not_on_its_base64() {
    let bench = Bench::start().await;
    let body = quicklysign_body("document_updated", "base64");
    let function = function(&bench, &[("MAX_BODY_BYTES", &body.len().to_string())]).await;
    // Of this content type, API Gateway encodes the body.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = call(&function, gateway_request(Route::Quicklysign, TOKEN, &form, body.as_bytes())).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_path_token_is_let_in() {
    let bench = Bench::start().await;
    let proof = r#"{"url_tokens": ["local-path-token", "the-next-path-token"]}"#;
    let theirs = r#"{"url_tokens": ["their-path-token"], "tokens": []}"#;
    let function = function(&bench, &[("QUICKLYSIGN_PROOF", proof), ("SIGNEASY_PROOF", theirs)]).await;
    let long = "x".repeat(8000);
    let wrong = [
        "",
        "x",
        "local-path-toke",
        "local-path-token-",
        "Local-path-token",
        "local-path-token%00",
        "local-path-token%20",
        "%20local-path-token",
        "%2Flocal-path-token",
        "local-path%2Dtoken%2",
        "%FF%FE",
        "local-path-token,the-next-path-token",
        "their-path-token",
        &long,
        "%7Btoken%7D",
    ];
    let body = quicklysign_body("final_document_generated", "wrong-token");
    for token in wrong {
        let answer = call(&function, quicklysign_request(token, &body)).await;
        assert_eq!((answer.status, answer.body), (401, nothing_kept("rejected", "unproven")), "{token}");
        assert!(!answer.headers.contains_key("retry-after"), "sending it again is of no use");
    }
    assert_nothing_is_stored(&bench).await;
    // Percent signs are how a URL may spell any character: these are the right ones.
    for (token, position) in [(TOKEN, "0"), ("the-next-path-token", "1"), ("local%2Dpath%2dtoken", "0")] {
        let answer = call(&function, quicklysign_request(token, &body)).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{token}");
        let delivery = bench.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(delivery.record.token.to_string(), position);
        assert_eq!((delivery.record.provider, delivery.record.certificate), (Provider::Quicklysign, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_token_nor_body_decides_which_of_them_is_told_to_be_wrong() {
    let bench = Bench::start().await;
    let function = bench.quicklysign().await;
    for body in [&b""[..], b"not json", b"\xff", br#"{"entity_key": "a"}"#, quicklysign_body("x", "y").as_bytes()] {
        let answer = call(&function, quicklysign_request("the-wrong-token", body)).await;
        assert_eq!((answer.status, answer.body), (401, nothing_kept("rejected", "unproven")));
    }
    assert_nothing_is_stored(&bench).await;
}
