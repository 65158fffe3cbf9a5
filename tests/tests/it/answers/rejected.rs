//! Rejected requests: too large, or with a wrong path token.

use countersign::domain::{Provider, Route};
use end_to_end::{
    DirectFunctions, Stored,
    harness::{PATH_TOKEN, requests::gateway_request},
    quicklysign,
};

use super::{answer_with_delivery, answer_without_delivery, assert_nothing_is_stored, call, function};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_size_limit_is_rejected_and_one_at_the_limit_is_recorded() {
    let functions = DirectFunctions::start().await;
    let body = quicklysign::body("document_updated", "limits");
    let function = function(&functions, &[("MAX_BODY_BYTES", &body.len().to_string())]).await;
    for token in [PATH_TOKEN, "the-wrong-token"] {
        let answer = call(&function, quicklysign::request(token, format!("{body} "))).await;
        assert_eq!((answer.status, answer.body), (413, answer_without_delivery("rejected", "too_large")), "{token}");
    }
    assert_nothing_is_stored(&functions).await;
    let answer = call(&function, quicklysign::request(PATH_TOKEN, &body)).await;
    assert_eq!((answer.status, &answer.body), (200, &answer_with_delivery(&answer, "recorded", 1, "ok")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_limit_applies_to_the_decoded_body() {
    let functions = DirectFunctions::start().await;
    let body = quicklysign::body("document_updated", "base64");
    let function = function(&functions, &[("MAX_BODY_BYTES", &body.len().to_string())]).await;
    // API Gateway encodes bodies of this content type.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = call(&function, gateway_request(Route::Quicklysign, PATH_TOKEN, None, &form, body.as_bytes())).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_path_token_is_accepted() {
    let functions = DirectFunctions::start().await;
    let proof = r#"{"url_tokens": ["local-path-token", "the-next-path-token"]}"#;
    let theirs = r#"{"url_tokens": ["their-path-token"], "tokens": []}"#;
    let function = function(&functions, &[("QUICKLYSIGN_PROOF", proof), ("SIGNEASY_PROOF", theirs)]).await;
    let long = "x".repeat(8000);
    let wrong = [
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
    let body = quicklysign::body("final_document_generated", "wrong-token");
    for token in wrong {
        let answer = call(&function, quicklysign::request(token, &body)).await;
        assert_eq!((answer.status, answer.body), (401, answer_without_delivery("rejected", "unproven")), "{token}");
        assert!(!answer.headers.contains_key("retry-after"), "sending it again would not help");
    }
    assert_nothing_is_stored(&functions).await;
    // Percent encoding may stand for any character of a URL: these tokens are right.
    for (token, position) in [(PATH_TOKEN, "0"), ("the-next-path-token", "1"), ("local%2Dpath%2dtoken", "0")] {
        let answer = call(&function, quicklysign::request(token, &body)).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{token}");
        let delivery = functions.ledger().delivery(&answer.delivery().parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(delivery.record.token.to_string(), position);
        assert_eq!((delivery.record.provider, delivery.record.certificate), (Provider::Quicklysign, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_gets_the_same_answer_whatever_the_body() {
    let functions = DirectFunctions::start().await;
    let function = functions.quicklysign_callback().await;
    for body in [&b""[..], b"not json", b"\xff", br#"{"entity_key": "a"}"#, quicklysign::body("x", "y").as_bytes()] {
        let answer = call(&function, quicklysign::request("the-wrong-token", body)).await;
        assert_eq!((answer.status, answer.body), (401, answer_without_delivery("rejected", "unproven")));
    }
    assert_nothing_is_stored(&functions).await;
}
