//! Rejected requests: quarantined if their path token was right, otherwise noted in a ring of limited size. And the spool
//! for deliveries that can't be stored in DynamoDB.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use countersign::{
    aws::Aws,
    domain::{
        Addressed, Envelope, Inspection, Kind, Known, Proven, Provider, Reading, Rejection, Route, Subject,
        SubjectKind, Trust, Unavailable, Unproven, Unreadable,
    },
    intake::{Receiver, Verdict},
    ledger::{Item, QuarantineRecord},
    outbound::Client,
    proof::token::Tokens,
    providers::{
        Endpoint, NotProven, NotVerified, Redelivery, Rejected, Service,
        legalesign::{BATCH, Legalesign},
        quicklysign::{ENDPOINT, Quicklysign},
    },
    replay::{Replay, Selection},
    secrets::NotConfigured,
    settings::{SecretSource, Settings},
    sweep::Sweep,
    time,
    verify::verify,
};
use countersign_cli::simulator::{
    legalesign::posts::{self, Post},
    signing::SigningKey,
};
use end_to_end::harness::deliveries;
use end_to_end::{
    LocalStack, Stored,
    harness::{PATH_TOKEN, unreachable_aws},
    pack, signeasy,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// QuicklySign's callback with an additional proof: it is wrong in bodies with `forged`, and missing in those with
/// `garbled`.
struct WithOwnProof(Quicklysign, Tokens);

impl WithOwnProof {
    fn new(settings: &Settings, aws: &Aws) -> Self {
        let SecretSource::Inline(proof) = &settings.service(Provider::Quicklysign).proof else { panic!("inline") };
        let proof: Value = serde_json::from_str(proof.expose_secret()).unwrap();
        let token = SecretString::from(proof["url_tokens"][0].as_str().unwrap());
        Self(Quicklysign::new(settings, aws), Tokens::new(&[token]).unwrap())
    }
}

#[async_trait]
impl Service for WithOwnProof {
    async fn warm(&self, route: Route) -> Result<(), NotConfigured> {
        self.0.warm(route).await
    }

    async fn verify(&self, request: Unproven) -> Result<Proven, NotVerified> {
        let request = request.address(&self.1).map_err(|_| NotVerified::PathToken)?;
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        let rejection = match body {
            body if body.contains("forged") => Rejection::Unproven("signature_mismatch"),
            body if body.contains("garbled") => Rejection::Malformed("no_signature"),
            // Its path token is valid and checked; the rest is as for a request from quarantine.
            _ => return self.0.verify_quarantined(request).await.map_err(|_| NotVerified::PathToken),
        };
        let redacted_body = (!body.contains("garbled")).then(|| body.replace("hush-hush", "*").into());
        Err(NotVerified::Proof(Box::new(Rejected { request, rejection, redacted_body })))
    }

    async fn verify_quarantined(&self, request: Addressed) -> Result<Proven, NotProven> {
        self.0.verify_quarantined(request).await
    }

    fn read(&self, delivery: &Proven) -> Result<Reading, Unreadable> {
        self.0.read(delivery)
    }

    async fn inspect(&self, client: &Client, subject: &Subject, known: &dyn Known) -> Result<Inspection, Unavailable> {
        self.0.inspect(client, subject, known).await
    }
}

/// QuicklySign's endpoint, as one of a service that doesn't send again.
const NEVER_RESENT: Endpoint = Endpoint { redelivery: Redelivery::Unknown, ..ENDPOINT };

fn body(pack: &str, note: &str) -> String {
    format!(r#"{{"entity_key":"{pack}","callback_event":"document_updated","note":"{note}"}}"#)
}

fn request(stack: &LocalStack, token: Option<&str>, body: impl Into<Bytes>) -> Unproven {
    let right = stack.secrets.url_token(Provider::Quicklysign).unwrap();
    let token = token.unwrap_or(&right);
    Unproven::new(Route::Quicklysign, token.into(), Envelope::default(), body.into(), time::now())
}

fn receiver(endpoint: &Endpoint, stack: &LocalStack, aws: &Aws) -> Receiver<Quicklysign> {
    Receiver::new(endpoint, Quicklysign::new, Ok(stack.settings.clone()), aws)
}

fn with_own_proof(stack: &LocalStack) -> Receiver<WithOwnProof> {
    Receiver::new(&ENDPOINT, WithOwnProof::new, Ok(stack.settings.clone()), &stack.aws)
}

async fn items(stack: &LocalStack, prefix: &str) -> Vec<Item> {
    let items = stack.items().await.into_iter();
    items.filter(|item| item.text("pk").is_some_and(|pk| pk.starts_with(prefix))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_requests_with_a_right_path_token_are_kept_for_30_days_without_secrets() {
    let stack = LocalStack::start().await;
    let receiver = with_own_proof(&stack);
    let ledger = stack.ledger();
    let padding = "x".repeat(9000);
    for (text, verdict) in [
        (body("p", "forged hush-hush"), Verdict::Unproven),
        (body("p", &format!("forged hush-hush {padding}")), Verdict::Unproven),
        (body("p", "garbled hush-hush"), Verdict::Malformed),
    ] {
        let answer = receiver.receive(request(&stack, None, text)).await;
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
        assert_eq!(request.is_some(), size.is_some(), "a body is only kept if its secrets can be removed");
        if let (Some(request), Some(size)) = (request, size) {
            assert!(request.body().len() > size && request.body().ends_with(b"\"}"));
        }
    }
    let [key] = &stack.keys().await[..] else { panic!("one object for the large body") };
    assert!(key.starts_with("quarantine/quicklysign/"), "{key}");
    assert!(!stack.items_text().await.contains("hush-hush"));
    assert!(!stack.object(key).await.windows(9).any(|window| window == b"hush-hush"));
    assert!(ledger.rejected(Provider::Quicklysign).await.unwrap().is_empty());
    assert!(items(&stack, "DELIVERY#").await.is_empty());
    assert!(ledger.quarantine_list(Some(Provider::Signeasy), None, 10).await.unwrap().is_empty());
    assert_eq!(ledger.quarantine_list(None, None, 1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_rejected_requests_goes_beyond_what_is_read_at_once() {
    const MANY: usize = 220;
    let stack = LocalStack::start().await;
    let receiver = with_own_proof(&stack);
    let ledger = stack.ledger();
    for _ in 0..MANY {
        assert_eq!(receiver.receive(request(&stack, None, body("p", "forged"))).await.verdict, Verdict::Unproven);
    }
    let all = ledger.quarantine_list(None, None, usize::MAX).await.unwrap();
    assert_eq!(all.len(), MANY);
    assert!(all.is_sorted_by(|one, next| one.received_at >= next.received_at));
    let ids = |list: &[QuarantineRecord]| list.iter().map(|kept| kept.id.clone()).collect::<Vec<_>>();
    for limit in [1, 100, 101, 200, MANY, MANY + 1] {
        let some = ledger.quarantine_list(Some(Provider::Quicklysign), None, limit).await.unwrap();
        assert_eq!(ids(&some), ids(&all[..limit.min(MANY)]), "{limit}");
    }
    let since = all[150].received_at;
    let later = all.iter().filter(|kept| kept.received_at >= since).count();
    let some = ledger.quarantine_list(None, Some(since), usize::MAX).await.unwrap();
    assert_eq!(ids(&some), ids(&all[..later]));
    assert!(ledger.quarantine_list(Some(Provider::Signeasy), None, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_request_that_can_be_proven_now_is_recorded_under_its_own_id() {
    let stack = LocalStack::start().await;
    let receiver = with_own_proof(&stack);
    receiver.receive(request(&stack, None, body("late", "forged"))).await;
    let replay = Replay::new(&stack.settings, &stack.aws);
    let kept = replay.quarantined(Selection::default()).await.unwrap();
    // The real function's only proof is the path token, so the request is proven now.
    let done = replay.rejected(&kept[0]).await.unwrap().unwrap();
    assert_eq!((done.delivery.clone(), done.before, done.outcome), (kept[0].clone(), "quarantined", "recorded"));
    let timeline = stack.timeline(&pack("late")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(kept[0].as_str()));
    assert!(replay.quarantined(Selection::default()).await.unwrap().is_empty());
    let again = replay.rejected(&kept[0]).await.unwrap().unwrap();
    assert_eq!((again.outcome, stack.timeline(&pack("late")).await.events.len()), ("recorded", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_with_wrong_path_tokens_leave_a_bounded_trace_without_tokens() {
    let stack = LocalStack::start().await;
    let receiver = with_own_proof(&stack);
    let start = Instant::now();
    for n in 0..300 {
        let token = format!("guessed-token-{n}");
        let answer = receiver.receive(request(&stack, Some(&token), body("p", "forged"))).await;
        assert_eq!(answer.verdict, Verdict::Unproven);
    }
    let oversized = vec![b' '; stack.settings.max_body_bytes + 1];
    assert_eq!(receiver.receive(request(&stack, None, oversized)).await.verdict, Verdict::TooLarge);
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let stored = stack.items().await;
    assert!((1..=seconds + 2).contains(&stored.len()), "{} items in {seconds} s", stored.len());
    assert!(stored.iter().all(|item| item.text("pk") == Some("RING#quicklysign")));
    let stored = stack.items_text().await;
    assert!(!stored.contains("guessed-token") && !stored.contains("forged"), "{stored}");
    let ring = stack.ledger().rejected(Provider::Quicklysign).await.unwrap();
    assert!(ring.iter().any(|entry| entry.cause == "path_token" && entry.route == Route::Quicklysign.path()));
    assert!(stack.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_answered_the_same_if_it_cannot_be_stored() {
    let stack = LocalStack::start().await;
    let aws = Aws { dynamodb: unreachable_aws().await.dynamodb, ..stack.aws.clone() };
    let receiver = Receiver::new(&ENDPOINT, WithOwnProof::new, Ok(stack.settings.clone()), &aws);
    let forged = receiver.receive(request(&stack, None, body("p", "forged"))).await;
    let guessed = receiver.receive(request(&stack, Some("a-guessed-token"), body("p", ""))).await;
    assert_eq!((forged.verdict, guessed.verdict), (Verdict::Unproven, Verdict::Unproven));
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_that_are_never_resent_are_spooled_while_dynamodb_is_unreachable() {
    let stack = LocalStack::start().await;
    let aws = Aws { dynamodb: unreachable_aws().await.dynamodb, ..stack.aws.clone() };
    let start = Instant::now();
    let never_resent = receiver(&NEVER_RESENT, &stack, &aws);
    let answer = never_resent.receive(request(&stack, None, body("waits", "\\u00e9"))).await;
    assert_eq!(answer.verdict, Verdict::Accepted);
    assert!(start.elapsed() < Duration::from_secs(20));
    let delivery = answer.delivery.unwrap();
    assert_eq!(stack.keys().await, [format!("pending/{delivery}")]);
    assert!(stack.items().await.is_empty());

    // A sweep without DynamoDB removes nothing.
    let unreachable = Sweep::new(&stack.settings, &aws);
    assert!(unreachable.run(time::now()).await.is_err());
    assert_eq!(stack.keys().await.len(), 1);

    let sweep = Sweep::new(&stack.settings, &stack.aws);
    assert_eq!(sweep.run(time::now()).await.unwrap().taken_in, 1);
    assert!(stack.keys().await.is_empty());
    let stored = stack.ledger().delivery(&delivery).await.unwrap().unwrap();
    assert_eq!(stored.delivery.body(), body("waits", "\\u00e9").as_bytes());
    assert_eq!(stored.record.outcome.as_str(), "recorded");
    assert_eq!(stack.timeline(&pack("waits")).await.events.len(), 1);
    assert_eq!(sweep.run(time::now()).await.unwrap().taken_in, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_storage_or_if_it_is_resent_a_callback_is_answered_503() {
    let stack = LocalStack::start().await;
    let unreachable = unreachable_aws().await;
    let never_resent = receiver(&NEVER_RESENT, &stack, &unreachable);
    assert_eq!(never_resent.receive(request(&stack, None, body("p", ""))).await.verdict, Verdict::Unavailable);
    let aws = Aws { dynamodb: unreachable.dynamodb, ..stack.aws.clone() };
    let resent = receiver(&ENDPOINT, &stack, &aws);
    assert_eq!(resent.receive(request(&stack, None, body("p", ""))).await.verdict, Verdict::Unavailable);
    assert!(stack.keys().await.is_empty());
}

/// A batch about one document, signed by `key`.
fn batch(key: &SigningKey, document: &str) -> Post {
    let completed = posts::status("document", document, 30, time::now());
    posts::batch(key, &json!([completed]).to_string()).unwrap()
}

fn legalesign_document(id: &str) -> countersign::domain::Subject {
    end_to_end::subject(Provider::Legalesign, SubjectKind::Document, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_signed_by_a_new_certificate_can_be_replayed_once_it_is_configured() {
    let stack = LocalStack::start().await;
    let new = SigningKey::generate().unwrap();
    let Post { headers, body, .. } = batch(&new, "rotated");
    let url = stack.callback_url(Route::LegalesignBatch).unwrap();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    assert_eq!(stack.post_to(&url, &headers, body).await.verdict(), (401, "rejected", "unproven"));

    let replay = Replay::new(&stack.settings, &stack.aws);
    let kept = replay.quarantined(Selection::default()).await.unwrap();
    let still = replay.rejected(&kept[0]).await.unwrap().unwrap();
    assert_eq!(still.outcome, "quarantined");
    assert!(still.problem.is_some());

    let stack = stack.restart(|options| options.secrets.set_signing_key(&new)).await;
    let replay = Replay::new(&stack.settings, &stack.aws);
    let done = replay.rejected(&kept[0]).await.unwrap().unwrap();
    assert_eq!((done.outcome, done.problem), ("recorded", None));
    let timeline = stack.timeline(&legalesign_document("rotated")).await;
    assert_eq!(timeline.events[0].delivery.as_deref(), Some(kept[0].as_str()));
    assert_eq!(timeline.document.trust, Some(Trust::Signature));
    // It is a normal delivery now: its signature can be verified from what is stored.
    verify(&stack.ledger(), &deliveries::services(), &kept[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spooled_signed_batch_can_be_verified() {
    let stack = LocalStack::start().await;
    let Post { headers, body, .. } = batch(&stack.secrets.signing_key().unwrap(), "waited");
    let mut map = http::HeaderMap::new();
    for (name, value) in &headers {
        map.insert(http::HeaderName::try_from(name.to_string()).unwrap(), value.to_string().parse().unwrap());
    }
    let token = stack.secrets.url_token(Provider::Legalesign).unwrap();
    let envelope = Envelope::of(&map, None, BATCH.kept_headers);
    let request = Unproven::new(Route::LegalesignBatch, token.into(), envelope, body, time::now());
    let aws = Aws { dynamodb: unreachable_aws().await.dynamodb, ..stack.aws.clone() };
    let answer = Receiver::new(&BATCH, Legalesign::new, Ok(stack.settings.clone()), &aws).receive(request).await;
    assert_eq!((answer.verdict, answer.events), (Verdict::Accepted, 1));
    let delivery = answer.delivery.unwrap();
    let swept = Sweep::new(&stack.settings, &stack.aws).run(time::now()).await.unwrap();
    assert_eq!((swept.taken_in, swept.still_unfinished), (1, 0));
    verify(&stack.ledger(), &deliveries::services(), &delivery).await.unwrap();
    assert_eq!(stack.timeline(&legalesign_document("waited")).await.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signeasy_callback_with_a_new_token_is_kept_without_it_and_can_be_replayed_once_it_is_configured() {
    const NEW_TOKEN: &str = "the-token-that-was-just-changed";
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let with_token = |file: &str, token: Value| {
        signeasy::changed(file, |body| {
            body["metadata"]["token"] = token;
            body["data"]["message"] = json!(format!("see https://example.com/?token={NEW_TOKEN}&{}", signeasy::TOKEN));
        })
    };
    let changed = with_token("rs_completed_v3_own_file_id", json!(NEW_TOKEN));
    for body in [&changed, &with_token("rs_signed_v2", json!("short")), &with_token("rs_viewed_v2", json!(123_456))] {
        assert_eq!(stack.post_signeasy(body).await.verdict(), (401, "rejected", "unproven"));
    }
    let list = stack.ledger().quarantine_list(Some(Provider::Signeasy), None, 10).await.unwrap();
    assert!(
        list.len() == 3 && list.iter().all(|kept| kept.cause == "token_wrong" && kept.sha256.is_some()),
        "{list:?}"
    );
    let stored = stack.items_text().await;
    for secret in [NEW_TOKEN, signeasy::TOKEN, PATH_TOKEN, "\"short\"", "123456"] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }

    let stack = stack
        .restart(|options| {
            let proof = json!({"url_tokens": [PATH_TOKEN], "tokens": [NEW_TOKEN, signeasy::TOKEN]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    let replay = Replay::new(&stack.settings, &stack.aws);
    let mut outcomes = Vec::new();
    for id in replay.quarantined(Selection::default()).await.unwrap() {
        let done = replay.rejected(&id).await.unwrap().unwrap();
        outcomes.push((done.outcome, done.events));
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [("quarantined", 0), ("quarantined", 0), ("recorded", 1)]);
    let id = changed["data"]["id"].to_string();
    let timeline = stack.timeline(&signeasy::document(id.trim_matches('"'))).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    // A redelivery by SignEasy is the same event.
    assert_eq!(stack.post_signeasy(&changed).await.verdict(), (200, "duplicate", "duplicate"));
}
