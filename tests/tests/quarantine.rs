//! What is refused: kept where its path token was right, remembered in a ring of fixed size where it wasn't.

use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::{
    aws::Aws,
    delivery::{Addressed, Envelope, OwnProof, Route, Unproven},
    event::{Kind, Trust},
    intake::{Callback, Receiver, Refusal, Verdict},
    ledger::{Item, Ledger},
    provider::Provider,
    providers::{
        legalesign::batch::BatchCallback,
        quicklysign::callback::{ProofSecrets, QuicklysignCallback},
    },
    replay::{Replay, Selection},
    subject::SubjectKind,
    sweep::Sweep,
    time,
    token::Tokens,
    verify::verify,
};
use countersign_cli::{
    simulator::{
        legalesign::posts::{self, Post},
        signing::SigningKey,
    },
    stack::{BUCKET, TABLE, clients},
};
use end_to_end::{World, pack, signeasy};
use serde_json::{Value, json};

/// QuicklySign's callback with a proof of its own, which the word `forged` breaks and the word `garbled` hides.
struct Picky;

impl Callback for Picky {
    const ROUTE: Route = Route::Quicklysign;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        QuicklysignCallback::path_tokens(secrets)
    }

    fn prove(&self, request: &Addressed, _: &ProofSecrets) -> Result<OwnProof, Refusal> {
        match std::str::from_utf8(request.body()).unwrap_or_default() {
            body if body.contains("forged") => Err(Refusal::Unproven("signature_mismatch")),
            body if body.contains("garbled") => Err(Refusal::Malformed("no_signature")),
            _ => Ok(OwnProof::PathTokenOnly),
        }
    }

    fn without_secrets(&self, request: &Addressed, _: &ProofSecrets) -> Option<Bytes> {
        let body = std::str::from_utf8(request.body()).ok()?;
        (!body.contains("garbled")).then(|| body.replace("hush-hush", "*").into())
    }
}

/// QuicklySign's callback as one that isn't sent again.
struct Insistent;

impl Callback for Insistent {
    const ROUTE: Route = Route::Quicklysign;
    const LEFT_TO_THE_SWEEP: bool = true;
    type Secrets = ProofSecrets;

    fn path_tokens(secrets: &ProofSecrets) -> &Tokens {
        QuicklysignCallback::path_tokens(secrets)
    }

    fn prove(&self, _: &Addressed, _: &ProofSecrets) -> Result<OwnProof, Refusal> {
        Ok(OwnProof::PathTokenOnly)
    }
}

fn body(pack: &str, note: &str) -> String {
    format!(r#"{{"entity_key":"{pack}","callback_event":"document_updated","note":"{note}"}}"#)
}

fn request(world: &World, token: Option<&str>, body: impl Into<Bytes>) -> Unproven {
    let right = world.stack.secrets.url_token(Provider::Quicklysign).unwrap();
    let token = token.unwrap_or(&right);
    Unproven::new(Route::Quicklysign, token.into(), Envelope::default(), body.into(), time::now())
}

fn receiver<C: Callback>(callback: C, world: &World, aws: &Aws) -> Receiver<C> {
    Receiver::new(callback, Ok(world.stack.settings.clone()), aws)
}

async fn items(world: &World, prefix: &str) -> Vec<Item> {
    let items = world.items().await.into_iter();
    items.filter(|item| item.text("pk").is_some_and(|pk| pk.starts_with(prefix))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carried_a_right_path_token_is_kept_for_thirty_days_without_its_secrets() {
    let world = World::start().await;
    let receiver = receiver(Picky, &world, &world.stack.aws);
    let ledger = world.ledger();
    let padding = "x".repeat(9000);
    for (text, verdict) in [
        (body("p", "forged hush-hush"), Verdict::Unproven),
        (body("p", &format!("forged hush-hush {padding}")), Verdict::Unproven),
        (body("p", "garbled hush-hush"), Verdict::Malformed),
    ] {
        let answer = receiver.receive(request(&world, None, text)).await;
        assert_eq!((answer.verdict, answer.delivery), (verdict, None));
    }
    let list = ledger.quarantine_list(None, None, 10).await.unwrap();
    let causes: Vec<_> = list.iter().map(|kept| (kept.reason.as_str(), kept.cause.as_str())).collect();
    assert_eq!(
        causes,
        [("malformed", "no_signature"), ("unproven", "signature_mismatch"), ("unproven", "signature_mismatch")]
    );
    let days = time::seconds_between(list[0].received_at, list[0].expires_at) / 86_400;
    assert!((29..=30).contains(&days), "{days}");
    for (kept, size) in list.iter().zip([None, Some(9000), Some(0)]) {
        let request = ledger.quarantined(&kept.id).await.unwrap().unwrap().request;
        assert_eq!(request.is_some(), size.is_some(), "where secrets can't be found nothing is kept");
        if let (Some(request), Some(size)) = (request, size) {
            assert!(request.body().len() > size && request.body().ends_with(b"\"}"));
        }
    }
    let [key] = &world.keys().await[..] else { panic!("one body is large") };
    assert!(key.starts_with("quarantine/quicklysign/"), "{key}");
    assert!(!format!("{:?}", world.items().await).contains("hush-hush"));
    assert!(!world.object(key).await.windows(9).any(|window| window == b"hush-hush"));
    assert!(ledger.refused(Provider::Quicklysign).await.unwrap().is_empty());
    assert!(items(&world, "DELIVERY#").await.is_empty());
    assert!(ledger.quarantine_list(Some(Provider::Signeasy), None, 10).await.unwrap().is_empty());
    assert_eq!(ledger.quarantine_list(None, None, 1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_provable_by_now_is_taken_in_under_its_own_id() {
    let world = World::start().await;
    let receiver = receiver(Picky, &world, &world.stack.aws);
    receiver.receive(request(&world, None, body("late", "forged"))).await;
    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    let kept = replay.quarantined(Selection::default()).await.unwrap();
    // The function's own proof is the path token alone, so it holds now.
    let done = replay.refused(&kept[0]).await.unwrap().unwrap();
    assert_eq!((done.delivery.clone(), done.before, done.outcome), (kept[0].clone(), "quarantined", "recorded"));
    let timeline = world.timeline(&pack("late")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(kept[0].as_str()));
    assert!(replay.quarantined(Selection::default()).await.unwrap().is_empty());
    let again = replay.refused(&kept[0]).await.unwrap().unwrap();
    assert_eq!((again.outcome, world.timeline(&pack("late")).await.events.len()), ("recorded", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_without_a_right_path_token_leaves_a_bounded_trace_and_no_token() {
    let world = World::start().await;
    let receiver = receiver(Picky, &world, &world.stack.aws);
    let start = Instant::now();
    for n in 0..300 {
        let token = format!("guessed-token-{n}");
        let answer = receiver.receive(request(&world, Some(&token), body("p", "forged"))).await;
        assert_eq!(answer.verdict, Verdict::Unproven);
    }
    let oversized = vec![b' '; world.stack.settings.max_body_bytes + 1];
    assert_eq!(receiver.receive(request(&world, None, oversized)).await.verdict, Verdict::TooLarge);
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let stored = world.items().await;
    assert!((1..=seconds + 2).contains(&stored.len()), "{} items in {seconds} s", stored.len());
    assert!(stored.iter().all(|item| item.text("pk") == Some("RING#quicklysign")));
    let stored = format!("{stored:?}");
    assert!(!stored.contains("guessed-token") && !stored.contains("forged"), "{stored}");
    let ring = world.ledger().refused(Provider::Quicklysign).await.unwrap();
    assert!(ring.iter().any(|entry| entry.cause == "path_token" && entry.route == Route::Quicklysign.path()));
    assert!(world.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_same_when_nothing_can_be_kept() {
    let world = World::start().await;
    let aws = Aws { dynamodb: nowhere().await.dynamodb, ..world.stack.aws.clone() };
    let receiver = receiver(Picky, &world, &aws);
    let forged = receiver.receive(request(&world, None, body("p", "forged"))).await;
    let guessed = receiver.receive(request(&world, Some("a-guessed-token"), body("p", ""))).await;
    assert_eq!((forged.verdict, guessed.verdict), (Verdict::Unproven, Verdict::Unproven));
}

/// Clients of services that aren't there.
async fn nowhere() -> Aws {
    clients("http://127.0.0.1:9", "http://127.0.0.1:9").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_again_waits_in_the_bucket_while_dynamodb_is_away() {
    let world = World::start().await;
    let aws = Aws { dynamodb: nowhere().await.dynamodb, ..world.stack.aws.clone() };
    let start = Instant::now();
    let insistent = receiver(Insistent, &world, &aws);
    let answer = insistent.receive(request(&world, None, body("waits", "\\u00e9"))).await;
    assert_eq!(answer.verdict, Verdict::Accepted);
    assert!(start.elapsed() < Duration::from_secs(20));
    let delivery = answer.delivery.unwrap();
    assert_eq!(world.keys().await, [format!("deliveries/pending/{delivery}")]);
    assert!(world.items().await.is_empty());

    // DynamoDB stays away for the sweep too: nothing is removed.
    let away = Sweep::new(Ledger::new(&aws, TABLE, BUCKET), Default::default());
    assert!(away.run(time::now()).await.is_err());
    assert_eq!(world.keys().await.len(), 1);

    let sweep = Sweep::new(world.ledger(), Default::default());
    assert_eq!(sweep.run(time::now()).await.unwrap().taken_in, 1);
    assert!(world.keys().await.is_empty());
    let stored = world.ledger().delivery(&delivery).await.unwrap().unwrap();
    assert_eq!(stored.delivery.body(), body("waits", "\\u00e9").as_bytes());
    assert_eq!(stored.record.outcome.as_str(), "recorded");
    assert_eq!(world.timeline(&pack("waits")).await.events.len(), 1);
    assert_eq!(sweep.run(time::now()).await.unwrap().taken_in, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_take_or_is_sent_again_is_answered_503() {
    let world = World::start().await;
    let away = nowhere().await;
    let insistent = receiver(Insistent, &world, &away);
    assert_eq!(insistent.receive(request(&world, None, body("p", ""))).await.verdict, Verdict::Unavailable);
    let aws = Aws { dynamodb: away.dynamodb, ..world.stack.aws.clone() };
    let quicklysign = QuicklysignCallback::new(&Ok(world.stack.settings.clone()));
    let sent_again = receiver(quicklysign, &world, &aws);
    assert_eq!(sent_again.receive(request(&world, None, body("p", ""))).await.verdict, Verdict::Unavailable);
    assert!(world.keys().await.is_empty());
}

/// A batch about one document, signed by `key`.
fn batch(key: &SigningKey, document: &str) -> Post {
    let completed = posts::status("document", document, 30, time::now());
    posts::batch(key, &json!([completed]).to_string())
}

fn legalesign_document(id: &str) -> countersign::subject::Subject {
    end_to_end::subject(Provider::Legalesign, SubjectKind::Document, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_signed_by_a_new_certificate_is_taken_in_once_that_is_configured() {
    let world = World::start().await;
    let new = SigningKey::generate().unwrap();
    let Post { headers, body, .. } = batch(&new, "rotated");
    let url = world.stack.callback_url(Route::LegalesignBatch).unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    assert_eq!(world.post_to(&url, &headers, body).await.verdict(), (401, "rejected", "unproven"));

    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    let kept = replay.quarantined(Selection::default()).await.unwrap();
    let still = replay.refused(&kept[0]).await.unwrap().unwrap();
    assert_eq!(still.outcome, "quarantined");
    assert!(still.problem.is_some());

    let world = world.restart(|options| options.secrets.set_signing_key(&new)).await;
    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    let done = replay.refused(&kept[0]).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem), ("recorded", None));
    let timeline = world.timeline(&legalesign_document("rotated")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(kept[0].as_str()));
    assert_eq!(timeline.document.trust, Some(Trust::Signature));
    // It is a delivery like any other by now: its signature can be proven again from what is stored.
    verify(&world.ledger(), &kept[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_batch_that_waited_in_the_bucket_can_be_proven_again() {
    let world = World::start().await;
    let Post { headers, body, .. } = batch(&world.stack.secrets.signing_key().unwrap(), "waited");
    let mut map = http::HeaderMap::new();
    for (name, value) in &headers {
        map.insert(http::HeaderName::try_from(name.to_string()).unwrap(), value.to_string().parse().unwrap());
    }
    let token = world.stack.secrets.url_token(Provider::Legalesign).unwrap();
    let envelope = Envelope::of(&map, None);
    let request = Unproven::new(Route::LegalesignBatch, token.into(), envelope, body, time::now());
    let aws = Aws { dynamodb: nowhere().await.dynamodb, ..world.stack.aws.clone() };
    let answer = receiver(BatchCallback, &world, &aws).receive(request).await;
    assert_eq!((answer.verdict, answer.events), (Verdict::Accepted, 1));
    let delivery = answer.delivery.unwrap();
    let swept = Sweep::new(world.ledger(), Default::default()).run(time::now()).await.unwrap();
    assert_eq!((swept.taken_in, swept.still_unfinished), (1, 0));
    verify(&world.ledger(), &delivery).await.unwrap();
    assert_eq!(world.timeline(&legalesign_document("waited")).await.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signeasy_callback_with_a_token_of_tomorrow_is_kept_without_it_and_taken_in_once_it_is_configured() {
    const TOMORROW: &str = "the-token-that-was-just-changed";
    let world = World::signeasy_under("required").await;
    let told = |file: &str, token: Value| {
        signeasy::changed(file, |body| {
            body["metadata"]["token"] = token;
            body["data"]["message"] = json!(format!("see https://example.com/?token={TOMORROW}&{}", signeasy::TOKEN));
        })
    };
    let changed = told("rs_completed_v3_own_file_id", json!(TOMORROW));
    for body in [&changed, &told("rs_signed_v2", json!("short")), &told("rs_viewed_v2", json!(123_456))] {
        assert_eq!(world.signeasy(body).await.verdict(), (401, "rejected", "unproven"));
    }
    let list = world.ledger().quarantine_list(Some(Provider::Signeasy), None, 10).await.unwrap();
    assert!(
        list.len() == 3 && list.iter().all(|kept| kept.cause == "token_wrong" && kept.sha256.is_some()),
        "{list:?}"
    );
    let stored = format!("{:?}", world.items().await);
    for secret in [TOMORROW, signeasy::TOKEN, signeasy::PATH_TOKEN, "\"short\"", "123456"] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }

    let world = world
        .restart(|options| {
            let proof = json!({"url_tokens": [signeasy::PATH_TOKEN], "tokens": [TOMORROW, signeasy::TOKEN]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    let replay = Replay::new(&world.stack.settings, &world.stack.aws);
    let mut outcomes = Vec::new();
    for id in replay.quarantined(Selection::default()).await.unwrap() {
        let done = replay.refused(&id).await.unwrap().unwrap();
        outcomes.push((done.outcome, done.events));
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [("quarantined", 0), ("quarantined", 0), ("recorded", 1)]);
    let id = changed["data"]["id"].to_string();
    let timeline = world.timeline(&signeasy::document(id.trim_matches('"'))).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    // What SignEasy sends again by itself is the same event.
    assert_eq!(world.signeasy(&changed).await.verdict(), (200, "duplicate", "duplicate"));
}
