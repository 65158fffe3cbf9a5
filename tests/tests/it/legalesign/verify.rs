//! Evidence: a stored delivery can be verified again, and any changed byte is detected.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use countersign::{
    domain::{DeliveryId, Provider},
    ledger::Item,
    verify::{VerifyError, verify},
};
use countersign_cli::simulator::{
    legalesign::posts::{self, GROUP},
    signing::SigningKey,
};
use end_to_end::harness::deliveries;
use end_to_end::{
    LocalStack, Stored,
    legalesign::{self, status},
    sha256,
};
use serde_json::json;

/// Enough entries for a body that is stored in S3.
fn large() -> Vec<serde_json::Value> {
    (0..100).map(|n| status("signer", &format!("s{n}"), 40, "2018-03-20T07:09:52")).collect()
}

async fn post_batch(stack: &LocalStack, entries: &[serde_json::Value]) -> DeliveryId {
    stack.post_batch(entries).await.delivery().parse().unwrap()
}

async fn failure(stack: &LocalStack, id: &DeliveryId) -> &'static str {
    verify(&stack.ledger(), &deliveries::services(), id).await.unwrap_err().code()
}

async fn set_delivery(stack: &LocalStack, id: &DeliveryId, name: &str, value: AttributeValue) {
    stack.set_attribute(&format!("DELIVERY#{id}"), "DELIVERY", name, value).await;
}

/// A stored body, and the same body with one byte changed.
async fn body(stack: &LocalStack, id: &DeliveryId, position: usize) -> (Vec<u8>, Vec<u8>) {
    let stored = stack.ledger().delivery(id).await.unwrap().unwrap();
    let body = stored.delivery.body().to_vec();
    let mut changed = body.clone();
    changed[position] ^= 1;
    (body, changed)
}

async fn set_body(stack: &LocalStack, id: &DeliveryId, body: &[u8]) {
    set_delivery(stack, id, "body", AttributeValue::B(Blob::new(body))).await;
}

async fn set_hash(stack: &LocalStack, id: &DeliveryId, body: &[u8]) {
    set_delivery(stack, id, "sha256", AttributeValue::S(sha256(body))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_batches_can_be_verified_again_after_the_certificate_was_replaced() {
    let stack = LocalStack::start().await;
    let first = post_batch(&stack, &large()[..1]).await;
    let second = post_batch(&stack, &large()).await;
    let known_since = stack.ledger().delivery(&first).await.unwrap().unwrap().record.received_at;
    let check = async |stack: &LocalStack| {
        for id in [&first, &second] {
            let stored = stack.ledger().delivery(id).await.unwrap().unwrap();
            let verification = verify(&stack.ledger(), &deliveries::services(), id).await.unwrap();
            assert_eq!(verification.sha256, sha256(stored.delivery.body()));
            assert_eq!(verification.certificate.known_since, known_since, "since the first delivery that it verified");
            assert_eq!(verification.certificate.not_after, Some("2033-02-01T16:28:27Z".parse().unwrap()));
            assert_eq!(
                Some(&verification.certificate.fingerprint),
                stored.record.certificate.map(|it| it.to_string()).as_ref()
            );
        }
    };
    check(&stack).await;
    assert_eq!(stack.keys().await.iter().filter(|key| key.starts_with("deliveries/legalesign/")).count(), 1);
    // The service has a new key, and the settings don't contain the old certificate any more.
    let stack = stack.restart(|options| options.secrets.set_signing_key(&SigningKey::generate().unwrap())).await;
    check(&stack).await;
    let third = post_batch(&stack, &[]).await;
    let verification = verify(&stack.ledger(), &deliveries::services(), &third).await.unwrap();
    assert_ne!(verification.certificate.known_since, known_since);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_form_can_be_verified_again_and_an_unsigned_one_cannot() {
    let stack = LocalStack::start().await;
    let signed = stack
        .post_legalesign(
            posts::signed_form(&legalesign::signing_key(&stack.secrets), "d", GROUP).unwrap().with_event("sent"),
        )
        .await;
    let id = signed.delivery().parse().unwrap();
    assert!(verify(&stack.ledger(), &deliveries::services(), &id).await.is_ok());
    // The signature is in a header, which is part of the proof.
    let header = AttributeValue::M([("x-signed".to_owned(), AttributeValue::S("AAAA".to_owned()))].into());
    set_delivery(&stack, &id, "headers", header).await;
    assert_eq!(failure(&stack, &id).await, "signature_length");
    set_delivery(&stack, &id, "headers", AttributeValue::M([].into())).await;
    assert_eq!(failure(&stack, &id).await, "nothing_signed");
    let unsigned = stack.post_legalesign(posts::form("d", GROUP).with_event("sent")).await;
    assert_eq!(failure(&stack, &unsigned.delivery().parse().unwrap()).await, "not_signed");
    let unknown: DeliveryId = "01a20145-c1ab-747f-a4ed-7e1f271843fb".parse().unwrap();
    assert_eq!(verify(&stack.ledger(), &deliveries::services(), &unknown).await, Err(VerifyError::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_detects_a_changed_byte_anywhere() {
    let stack = LocalStack::start().await;
    // In the table.
    let id = post_batch(&stack, &large()[..1]).await;
    for position in [5, 60, 300] {
        let (whole, changed) = body(&stack, &id, position).await;
        set_body(&stack, &id, &changed).await;
        assert_eq!(failure(&stack, &id).await, "body_changed");
        // A matching change of the recorded hash is detected by the signature.
        set_hash(&stack, &id, &changed).await;
        let code = failure(&stack, &id).await;
        assert!(code.starts_with("signature_") || code == "nothing_signed", "{position}: {code}");
        set_body(&stack, &id, &whole).await;
        set_hash(&stack, &id, &whole).await;
        assert!(verify(&stack.ledger(), &deliveries::services(), &id).await.is_ok());
    }
    // In the bucket.
    let id = post_batch(&stack, &large()).await;
    let key = stack.keys().await.into_iter().find(|key| key.contains(id.as_str())).unwrap();
    let (_, changed) = body(&stack, &id, 4_000).await;
    stack.put_object(&key, changed).await;
    assert_eq!(failure(&stack, &id).await, "body_changed");
    stack.delete_object(&key).await;
    assert_eq!(failure(&stack, &id).await, "body_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_needs_the_recorded_certificate_valid_at_the_time_of_receipt() {
    let stack = LocalStack::start().await;
    let id = post_batch(&stack, &[]).await;
    let certificate = stack.items().await.into_iter().find(|item| item.text("sk") == Some("CERT")).unwrap();
    let partition = certificate.text("pk").unwrap().to_owned();
    let other = SigningKey::generate().unwrap().certificate();
    for (pem, code) in [(other.as_str(), "certificate_changed"), ("", "certificate_changed")] {
        stack.set_attribute(&partition, "CERT", "pem", AttributeValue::S(pem.to_owned())).await;
        assert_eq!(failure(&stack, &id).await, code);
    }
    stack
        .set_attribute(&partition, "CERT", "pem", AttributeValue::S(certificate.text("pem").unwrap().to_owned()))
        .await;
    assert!(verify(&stack.ledger(), &deliveries::services(), &id).await.is_ok());
    for time in ["2013-02-01T16:28:26.000Z", "2033-02-01T16:28:28.000Z"] {
        set_delivery(&stack, &id, "received_at", AttributeValue::S(time.to_owned())).await;
        assert_eq!(failure(&stack, &id).await, "signature_outside_validity", "{time}");
    }
    let fingerprint = AttributeValue::S("ab".repeat(32));
    set_delivery(&stack, &id, "certificate", fingerprint).await;
    assert_eq!(failure(&stack, &id).await, "certificate_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_certificate_is_stored_once_and_old_and_new_are_both_valid() {
    let key = SigningKey::generate().unwrap();
    let (new, both) = (key.clone(), key.certificate());
    let stack = LocalStack::start_with(|options| {
        let mut proof = options.secrets.of(Provider::Legalesign).0.clone();
        proof["certificates"].as_array_mut().unwrap().push(json!(both));
        options.secrets.set_proof(Provider::Legalesign, proof);
    })
    .await;
    for _ in 0..2 {
        post_batch(&stack, &[]).await;
        assert_eq!(stack.post_legalesign(posts::batch(&new, "[]").unwrap()).await.verdict(), (200, "recorded", "ok"));
    }
    let is_certificate = |item: &&Item| item.text("pk").is_some_and(|key| key.starts_with("CERT#"));
    assert_eq!(stack.items().await.iter().filter(is_certificate).count(), 2);
}
