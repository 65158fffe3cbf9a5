//! Evidence: a stored delivery proves itself again, and any changed byte is found.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use countersign::{
    delivery::DeliveryId,
    ledger::Item,
    provider::Provider,
    verify::{VerifyError, verify},
};
use countersign_cli::simulator::{
    legalesign::posts::{self, GROUP},
    signing::SigningKey,
};
use end_to_end::{World, legalesign::status, sha256};
use serde_json::json;

/// Entries enough for a body that goes to S3.
fn large() -> Vec<serde_json::Value> {
    (0..100).map(|n| status("signer", &format!("s{n}"), 40, "2018-03-20T07:09:52")).collect()
}

async fn kept(world: &World, entries: &[serde_json::Value]) -> DeliveryId {
    world.batch(entries).await.delivery().parse().unwrap()
}

async fn failure(world: &World, id: &DeliveryId) -> &'static str {
    verify(&world.ledger(), id).await.unwrap_err().code()
}

/// Sets an attribute of the item with this partition key.
async fn set(world: &World, partition: &str, sort: &str, name: &str, value: AttributeValue) {
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let update = world.stack.aws.dynamodb.update_item().table_name(&world.stack.endpoints.table);
    let update = update.key("pk", key(partition)).key("sk", key(sort)).update_expression("SET #n = :v");
    let update = update.expression_attribute_names("#n", name).expression_attribute_values(":v", value);
    update.send().await.unwrap();
}

async fn set_delivery(world: &World, id: &DeliveryId, name: &str, value: AttributeValue) {
    set(world, &format!("DELIVERY#{id}"), "DELIVERY", name, value).await;
}

/// A stored body, and the same with one byte changed.
async fn body(world: &World, id: &DeliveryId, position: usize) -> (Vec<u8>, Vec<u8>) {
    let stored = world.ledger().delivery(id).await.unwrap().unwrap();
    let body = stored.delivery.body().to_vec();
    let mut changed = body.clone();
    changed[position] ^= 1;
    (body, changed)
}

async fn set_body(world: &World, id: &DeliveryId, body: &[u8]) {
    set_delivery(world, id, "body", AttributeValue::B(Blob::new(body))).await;
}

async fn set_hash(world: &World, id: &DeliveryId, body: &[u8]) {
    set_delivery(world, id, "sha256", AttributeValue::S(sha256(body))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_is_proven_again_years_later() {
    let world = World::start().await;
    let first = kept(&world, &large()[..1]).await;
    let second = kept(&world, &large()).await;
    let known_since = world.ledger().delivery(&first).await.unwrap().unwrap().record.received_at;
    let check = async |world: &World| {
        for id in [&first, &second] {
            let stored = world.ledger().delivery(id).await.unwrap().unwrap();
            let verification = verify(&world.ledger(), id).await.unwrap();
            assert_eq!(verification.sha256, sha256(stored.delivery.body()));
            assert_eq!(verification.certificate.known_since, known_since, "since the first delivery that it proved");
            assert_eq!(verification.certificate.not_after, Some("2033-02-01T16:28:27Z".parse().unwrap()));
            assert_eq!(Some(&verification.certificate.fingerprint), stored.record.certificate.as_ref());
        }
    };
    check(&world).await;
    assert_eq!(world.keys().await.iter().filter(|key| key.starts_with("deliveries/legalesign/")).count(), 1);
    // The service got another key, and the settings name the old one no more.
    let world = world.restart(|options| options.secrets.set_signing_key(&SigningKey::generate().unwrap())).await;
    check(&world).await;
    let third = kept(&world, &[]).await;
    let verification = verify(&world.ledger(), &third).await.unwrap();
    assert_ne!(verification.certificate.known_since, known_since);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signed_form_is_proven_again_and_what_only_a_token_proved_is_not() {
    let world = World::start().await;
    let signed = world.send(posts::signed_form(&world.legalesign_key(), "d", GROUP).upon("sent")).await;
    let id = signed.delivery().parse().unwrap();
    assert!(verify(&world.ledger(), &id).await.is_ok());
    // The header stands beside the body: it is a part of the proof.
    let header = AttributeValue::M([("x-signed".to_owned(), AttributeValue::S("AAAA".to_owned()))].into());
    set_delivery(&world, &id, "headers", header).await;
    assert_eq!(failure(&world, &id).await, "signature_length");
    set_delivery(&world, &id, "headers", AttributeValue::M([].into())).await;
    assert_eq!(failure(&world, &id).await, "nothing_signed");
    let unsigned = world.send(posts::form("d", GROUP).upon("sent")).await;
    assert_eq!(failure(&world, &unsigned.delivery().parse().unwrap()).await, "not_signed");
    let unknown: DeliveryId = "01a20145-c1ab-747f-a4ed-7e1f271843fb".parse().unwrap();
    assert_eq!(verify(&world.ledger(), &unknown).await, Err(VerifyError::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_is_found_wherever_it_is() {
    let world = World::start().await;
    // In the table.
    let id = kept(&world, &large()[..1]).await;
    for position in [5, 60, 300] {
        let (whole, changed) = body(&world, &id, position).await;
        set_body(&world, &id, &changed).await;
        assert_eq!(failure(&world, &id).await, "body_changed");
        // Somebody who changes the recorded hash as well can't change the signature.
        set_hash(&world, &id, &changed).await;
        let code = failure(&world, &id).await;
        assert!(code.starts_with("signature_") || code == "nothing_signed", "{position}: {code}");
        set_body(&world, &id, &whole).await;
        set_hash(&world, &id, &whole).await;
        assert!(verify(&world.ledger(), &id).await.is_ok());
    }
    // In the bucket.
    let id = kept(&world, &large()).await;
    let key = world.keys().await.into_iter().find(|key| key.contains(id.as_str())).unwrap();
    let (s3, bucket) = (&world.stack.aws.s3, &world.stack.endpoints.bucket);
    let (_, changed) = body(&world, &id, 4_000).await;
    s3.put_object().bucket(bucket).key(&key).body(changed.into()).send().await.unwrap();
    assert_eq!(failure(&world, &id).await, "body_changed");
    s3.delete_object().bucket(bucket).key(&key).send().await.unwrap();
    assert_eq!(failure(&world, &id).await, "body_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_must_be_the_one_that_was_recorded_and_valid_then() {
    let world = World::start().await;
    let id = kept(&world, &[]).await;
    let certificate = world.items().await.into_iter().find(|item| item.text("sk") == Some("CERT")).unwrap();
    let partition = certificate.text("pk").unwrap().to_owned();
    let other = SigningKey::generate().unwrap().certificate();
    for (pem, code) in [(other.as_str(), "certificate_changed"), ("", "certificate_changed")] {
        set(&world, &partition, "CERT", "pem", AttributeValue::S(pem.to_owned())).await;
        assert_eq!(failure(&world, &id).await, code);
    }
    set(&world, &partition, "CERT", "pem", AttributeValue::S(certificate.text("pem").unwrap().to_owned())).await;
    assert!(verify(&world.ledger(), &id).await.is_ok());
    for time in ["2013-02-01T16:28:26.000Z", "2033-02-01T16:28:28.000Z"] {
        set_delivery(&world, &id, "received_at", AttributeValue::S(time.to_owned())).await;
        assert_eq!(failure(&world, &id).await, "signature_outside_validity", "{time}");
    }
    let fingerprint = AttributeValue::S("ab".repeat(32));
    set_delivery(&world, &id, "certificate", fingerprint).await;
    assert_eq!(failure(&world, &id).await, "certificate_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_stored_once_and_old_and_new_overlap() {
    let key = SigningKey::generate().unwrap();
    let (new, both) = (key.clone(), key.certificate());
    let world = World::with(|options| {
        let mut proof = options.secrets.of(Provider::Legalesign).0.clone();
        proof["certificates"].as_array_mut().unwrap().push(json!(both));
        options.secrets.set_proof(Provider::Legalesign, proof);
    })
    .await;
    for _ in 0..2 {
        kept(&world, &[]).await;
        assert_eq!(world.send(posts::batch(&new, "[]")).await.verdict(), (200, "recorded", "ok"));
    }
    let is_certificate = |item: &&Item| item.text("pk").is_some_and(|key| key.starts_with("CERT#"));
    assert_eq!(world.items().await.iter().filter(is_certificate).count(), 2);
}
