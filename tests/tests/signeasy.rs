//! SignEasy's callbacks: every documented body, the token, identity, and a request under two ids.

use countersign::{
    delivery::{Envelope, Proven, Route, Unproven},
    event::{Kind, TimeSource, Trust},
    intake::Callback,
    ledger::{ArchiveState, Outcome, StoredDelivery, Timeline},
    provider::Provider,
    providers::signeasy::{callback::SigneasyCallback, proof::ProofSecrets},
    replay::Replay,
    secrets::Secret,
    settings::SecretSource,
};
use end_to_end::{
    World,
    signeasy::{PATH_TOKEN, TOKEN, changed, document, sample, with_token},
};
use jiff::Timestamp;
use serde_json::{Value, json};

const EVENTS: [(&str, Kind); 8] = [
    ("initiated", Kind::Draft),
    ("link_sent", Kind::Sent),
    ("viewed", Kind::Viewed),
    ("signed", Kind::Signed),
    ("declined", Kind::Declined),
    ("voided", Kind::Voided),
    ("reminded", Kind::Reminded),
    ("completed", Kind::Completed),
];

async fn stored(world: &World, delivery: &str) -> StoredDelivery {
    world.ledger().delivery(&delivery.parse().unwrap()).await.unwrap().unwrap()
}

/// Everything that is stored: items as they print, and objects.
async fn everything(world: &World) -> String {
    let mut all = format!("{:?}", world.items().await);
    for item in world.items().await {
        for value in item.into_attributes().into_values() {
            if let Ok(bytes) = value.as_b() {
                all.push_str(&String::from_utf8_lossy(bytes.as_ref()));
            }
        }
    }
    for key in world.keys().await {
        all.push_str(&String::from_utf8_lossy(&world.object(&key).await));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sixteen_documented_bodies_are_recorded() {
    let world = World::for_signeasy().await;
    for version in ["v1", "v2"] {
        for (event, _) in EVENTS {
            let answer = world.signeasy(&sample(&format!("rs_{event}_{version}"))).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{event} {version}");
            assert_eq!(answer.body["events"], 1);
        }
    }
    let timeline = world.timeline(&document("235649")).await;
    assert_eq!(timeline.events.len(), 16);
    for (event, kind) in EVENTS {
        let name = if event == "reminded" { "rs.remind".to_owned() } else { format!("rs.{event}") };
        let events: Vec<_> = timeline.events.iter().filter(|event| event.name == name).collect();
        assert_eq!(events.len(), 2, "{name}");
        assert!(events.iter().all(|event| event.kind == kind && event.time_source == TimeSource::Provider));
    }
    let state = &timeline.document;
    assert_eq!((state.status, state.trust, state.conflict), (Some(Kind::Completed), Some(Trust::Token), true));
    assert!(!state.unjoined);
    assert!(!everything(&world).await.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_events_are_recorded_too() {
    let world = World::for_signeasy().await;
    for (case, id, status) in [
        ("rs_expired_v3", "373342", Some(Kind::Expired)),
        ("rs_declined_v3", "373341", Some(Kind::Declined)),
        ("rs_viewed_v3_drifted", "373340", Some(Kind::Viewed)),
        ("rs_bulksign_completed", "998877", None),
        ("unknown_event_without_content_type", "373343", None),
    ] {
        let url = world.stack.callback_url(Route::Signeasy).unwrap();
        let answer = world.post_to(&url, &[], sample(case).to_string()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{case}");
        assert_eq!(world.timeline(&document(id)).await.document.status, status, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_is_demanded_of_every_event_but_one() {
    let world = World::signeasy_under("required").await;
    assert_eq!(world.signeasy(&sample("rs_viewed_v2")).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(world.signeasy(&sample("document_signed")).await.verdict(), (200, "recorded", "ok"));
    let wrong = |case: &str| changed(case, |body| body["metadata"]["token"] = json!("another-token-of-somebody"));
    for refused in [sample("rs_viewed_v1"), wrong("rs_viewed_v2"), wrong("document_signed")] {
        let answer = world.signeasy(&refused).await;
        assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
        assert_eq!(answer.body["delivery"], Value::Null);
    }
    for malformed in ["", "not JSON", "[]", r#"{"data":{"id":1}}"#] {
        assert_eq!(world.signeasy_bytes(malformed).await.verdict(), (400, "rejected", "malformed"), "{malformed}");
    }
    let twice = sample("rs_viewed_v2").to_string().replacen(r#""token":"#, r#""token":"x","token":"#, 1);
    assert_eq!(world.signeasy_bytes(twice).await.verdict(), (400, "rejected", "malformed"));
    let elsewhere = world.stack.callback_url(Route::Signeasy).unwrap().replace(PATH_TOKEN, "another-path-token");
    let answer = world.post_to(&elsewhere, &[], sample("rs_viewed_v2").to_string()).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_be_missing_where_none_is_required_but_not_be_wrong() {
    let world = World::signeasy_under("if_present").await;
    assert_eq!(world.signeasy(&sample("rs_viewed_v1")).await.verdict(), (200, "recorded", "ok"));
    let wrong = changed("rs_viewed_v2", |body| body["metadata"]["token"] = json!("another-token-of-somebody"));
    assert_eq!(world.signeasy(&wrong).await.verdict(), (401, "rejected", "unproven"));
    assert_eq!(world.signeasy_bytes("not JSON").await.verdict(), (400, "rejected", "malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_that_is_not_configured_is_ours_to_mend() {
    let world = World::with(|options| {
        with_token(options, "required");
        options.secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN]}));
    })
    .await;
    let answer = world.signeasy(&sample("rs_viewed_v2")).await;
    assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_stored_and_a_delivery_is_proven_again() {
    let world = World::signeasy_under("required").await;
    // One that stands in the table, and one that is so large that it stands in the bucket.
    let mut deliveries = Vec::new();
    for size in [10, 20_000] {
        let body = changed("rs_viewed_v2", |body| {
            body["data"]["name"] = format!("{} {TOKEN} {PATH_TOKEN}", "x".repeat(size)).into();
            body["Token"] = TOKEN.into();
        });
        let answer = world.signeasy(&body).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        deliveries.push(answer.delivery().to_owned());
    }
    let all = everything(&world).await;
    assert!(all.contains("hmac-sha256:") && world.keys().await.len() == 1);
    for secret in [TOKEN, PATH_TOKEN] {
        assert!(!all.contains(secret));
    }
    for delivery in &deliveries {
        let record = stored(&world, delivery).await.record;
        assert_eq!((record.token, record.body_token), (0, Some(0)));
    }
    // A replay proves them by what is configured then.
    for (url_tokens, tokens, problem) in [
        (json!(["a-newer-path-token", PATH_TOKEN]), json!(["a-newer-token", TOKEN]), None),
        (json!([PATH_TOKEN]), json!(["a-newer-token"]), Some("token_wrong")),
        (json!(["a-newer-path-token"]), json!([TOKEN]), Some("token_wrong")),
        (json!([PATH_TOKEN]), json!([]), Some("not_configured")),
    ] {
        let secrets = json!({"url_tokens": url_tokens, "tokens": tokens}).to_string();
        let mut settings = world.stack.settings.clone();
        settings.set_proof(Provider::Signeasy, SecretSource::Inline(secrets.into()));
        let replay = Replay::new(&settings, &world.stack.aws);
        for delivery in &deliveries {
            let replayed = replay.delivery(&delivery.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!((replayed.outcome, replayed.problem.as_deref()), ("recorded", problem));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proven_and_unreadable_is_set_aside() {
    let world = World::signeasy_under("required").await;
    let answer = world.signeasy(&sample("unreadable")).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    let stored = stored(&world, answer.delivery()).await;
    assert_eq!((stored.record.outcome, &*stored.record.reason), (Outcome::SetAside, "missing_field at data.id"));
    assert!(!String::from_utf8_lossy(stored.delivery.body()).contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_and_an_identical_reminder_count_up() {
    let world = World::for_signeasy().await;
    let first = sample("rs_reminded_v2");
    assert_eq!(world.signeasy(&first).await.verdict(), (200, "recorded", "ok"));
    // The same once more; in another order, with spaces; with no token, as before it was set.
    let spaced = serde_json::to_string_pretty(&first).unwrap();
    let metadata = first["metadata"].to_string();
    let turned = format!(r#"{{"metadata":{metadata},"data":{}}}"#, first["data"]);
    let without = changed("rs_reminded_v2", |body| drop(body["metadata"].as_object_mut().unwrap().remove("token")));
    for again in [first.to_string(), spaced, turned, without.to_string()] {
        assert_eq!(world.signeasy_bytes(again).await.verdict(), (200, "duplicate", "duplicate"));
    }
    let later =
        changed("rs_reminded_v2", |body| body["data"]["recipients"][0]["last_modified_time"] = json!(1_600_000_000));
    assert_eq!(world.signeasy(&later).await.verdict(), (200, "recorded", "ok"));
    let timeline = world.timeline(&document("235649")).await;
    let counts: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.deliveries)).collect();
    assert_eq!(counts, [(Kind::Reminded, 5), (Kind::Reminded, 1)]);
}

/// A request's body under version 3.
fn request(event: &str, id: u64, recipient: u64) -> Value {
    changed("rs_initiated_v3", |body| {
        body["metadata"]["event_type"] = event.into();
        body["data"]["id"] = id.into();
        body["data"]["recipients"][0]["recipient_id"] = recipient.into();
        body["request_info"] = json!({"order": recipient});
        if event == "rs.viewed" {
            body["data"]["recipients"][0]["last_modified_time"] = json!(1_753_375_750);
        }
    })
}

/// The same request's completion, under the id of its signed file.
fn completion(file: u64, recipient: u64) -> Value {
    changed("rs_completed_v3_file_id_only", |body| {
        body["data"]["id"] = file.into();
        body["data"]["signed_file_id"] = file.to_string().into();
        body["data"]["recipients"][0]["recipient_id"] = recipient.into();
        body["request_info"] = json!({"order": recipient});
    })
}

async fn ids(world: &World) -> Vec<(String, Option<Kind>)> {
    let page = world.ledger().documents(None, None, None, 100).await.unwrap();
    let mut ids: Vec<_> = page.documents.into_iter().map(|document| (document.id, document.status)).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_signed_file_are_joined_whichever_comes_first() {
    let world = World::for_signeasy().await;
    let bodies = |base: u64| {
        let (request_id, file) = (base, base + 5);
        [request("rs.initiated", request_id, base), request("rs.viewed", request_id, base), completion(file, base)]
    };
    let mut seen = Vec::new();
    for (base, order) in [(100_u64, [0, 1, 2]), (200, [2, 1, 0]), (300, [1, 2, 0]), (400, [2, 0, 1])] {
        let bodies = bodies(base);
        world.stack.simulator.request(&base.to_string()).signed_as(&(base + 5).to_string());
        for index in order.into_iter().chain(order) {
            assert_eq!(world.signeasy(&bodies[index]).await.status, 200);
        }
        let archived = [ArchiveState::Archived];
        let of_request = world.archive_is(&document(&base.to_string()), &archived).await;
        let of_file = world.timeline(&document(&(base + 5).to_string())).await;
        assert_eq!(of_request.document.signed_files, [(base + 5).to_string()]);
        assert_eq!(of_file.document.request, Some(base.to_string()));
        assert!(!of_file.document.unjoined && !of_request.document.unjoined);
        let document = &of_request.document;
        seen.push((
            (document.status, document.occurred_at, document.conflict, document.events, document.pdfs),
            (document.confirmed_at.is_some(), document.archive.as_ref().map(|archive| archive.state)),
            of_request.events.iter().map(|event| (event.kind, event.deliveries)).collect::<Vec<_>>(),
            of_request.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(),
            (of_file.document.status, of_file.events.len(), of_file.pdfs.len()),
        ));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    let ((status, _, conflict, events, pdfs), ..) = &seen[0];
    assert_eq!((*status, *conflict, *events, *pdfs), (Some(Kind::Completed), false, 3, 2));
    let listed: Vec<_> = ids(&world).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, ["100", "200", "300", "400"], "files aren't listed beside their requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_file_that_come_at_once_are_joined() {
    let world = World::for_signeasy().await;
    for base in (1000..1100).step_by(10) {
        let (early, late) = (request("rs.viewed", base, base), completion(base + 5, base));
        let answers = tokio::join!(world.signeasy(&early), world.signeasy(&late));
        assert_eq!((answers.0.status, answers.1.status), (200, 200));
        let timeline = world.timeline(&document(&base.to_string())).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Completed), 2), "{base}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_info_joins_where_recipients_say_nothing_and_not_where_they_differ() {
    let world = World::for_signeasy().await;
    let without = |mut body: Value| {
        body["data"]["recipients"] = json!([]);
        body
    };
    world.signeasy(&request("rs.viewed", 1, 70)).await;
    world.signeasy(&without(completion(2, 70))).await;
    assert_eq!(world.timeline(&document("2")).await.document.request.as_deref(), Some("1"));
    // The same data on two requests with recipients of their own tells nothing.
    let mut stranger = completion(4, 71);
    stranger["request_info"] = json!({"order": 72});
    world.signeasy(&request("rs.viewed", 3, 72)).await;
    world.signeasy(&stranger).await;
    let of_file = world.timeline(&document("4")).await;
    assert_eq!((of_file.document.request, of_file.document.unjoined), (None, true));
    assert_eq!(world.timeline(&document("3")).await.document.status, Some(Kind::Viewed));
    // Nor does the same recipient id of another time.
    let mut other_time = completion(6, 73);
    other_time["data"]["recipients"][0]["created_time"] = json!(1_600_000_000);
    other_time["request_info"] = Value::Null;
    world.signeasy(&request("rs.viewed", 5, 73)).await;
    world.signeasy(&other_time).await;
    assert!(world.timeline(&document("6")).await.document.unjoined);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_two_requests_is_joined_to_neither() {
    let world = World::for_signeasy().await;
    world.signeasy(&request("rs.viewed", 1, 70)).await;
    world.signeasy(&request("rs.viewed", 2, 70)).await;
    world.signeasy(&completion(3, 70)).await;
    let expected = [
        ("1".to_owned(), Some(Kind::Viewed)),
        ("2".to_owned(), Some(Kind::Viewed)),
        ("3".to_owned(), Some(Kind::Completed)),
    ];
    assert_eq!(ids(&world).await, expected);
    assert!(world.timeline(&document("3")).await.document.unjoined);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_tells_which_of_two_requests_a_file_is_of() {
    let world = World::for_signeasy().await;
    world.stack.simulator.request("2").signed_as("3");
    world.signeasy(&request("rs.viewed", 1, 70)).await;
    world.signeasy(&request("rs.viewed", 2, 70)).await;
    world.signeasy(&completion(3, 70)).await;
    let timeline = world.archive_is(&document("3"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.request.as_deref(), Some("2"));
    let expected = [("1".to_owned(), Some(Kind::Viewed)), ("2".to_owned(), Some(Kind::Completed))];
    assert_eq!(ids(&world).await, expected);
}

/// A delivery as a callback function holds it before it stores anything.
fn proven(world: &World, body: &Value) -> Proven {
    let callback = SigneasyCallback::new(&Ok(world.stack.settings.clone()));
    let secrets = json!({"url_tokens": [PATH_TOKEN], "tokens": [TOKEN]});
    let secrets = ProofSecrets::from_json(serde_json::from_value(secrets).unwrap()).ok().unwrap();
    let body = body.to_string().into();
    let request = Unproven::new(Route::Signeasy, PATH_TOKEN.into(), Envelope::default(), body, Timestamp::now());
    let request = request.address(SigneasyCallback::path_tokens(&secrets)).ok().unwrap();
    let own = callback.prove(&request, &secrets).unwrap();
    request.prove(own)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_asked_also_by_a_worker_that_is_faster_than_the_callback() {
    let world = World::for_signeasy().await;
    world.stack.simulator.request("2").signed_as("3");
    world.signeasy(&request("rs.viewed", 1, 70)).await;
    world.signeasy(&request("rs.viewed", 2, 70)).await;
    // The function has recorded the event, by which the order exists, and hasn't yet looked for the request.
    let delivery = proven(&world, &completion(3, 70));
    world.ledger().accept(&delivery).await.unwrap();
    let reading = countersign::providers::read(&delivery).unwrap();
    world.ledger().record(&delivery, &reading).await.unwrap();
    let timeline = world.archive_is(&document("3"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.request.as_deref(), Some("2"));
    assert_eq!(world.timeline(&document("2")).await.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_its_request_s_own_id_needs_no_joining() {
    let world = World::for_signeasy().await;
    world.signeasy(&completion(7, 70)).await;
    assert!(world.timeline(&document("7")).await.document.unjoined, "nothing tells yet");
    world.signeasy(&request("rs.viewed", 7, 70)).await;
    let document = world.timeline(&document("7")).await.document;
    assert_eq!((document.unjoined, document.request, document.events), (false, None, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_accepted_is_recorded_and_joined_by_the_sweep() {
    let world = World::for_signeasy().await;
    world.signeasy(&request("rs.viewed", 1, 70)).await;
    // A function that ended as soon as it had accepted the delivery.
    let delivery = proven(&world, &completion(2, 70));
    world.ledger().accept(&delivery).await.unwrap();
    assert_eq!(world.timeline(&document("1")).await.document.status, Some(Kind::Viewed));

    world.sweep_later().await;
    let joined = world.timeline(&document("1")).await;
    assert_eq!((joined.document.status, joined.events.len()), (Some(Kind::Completed), 2));
    assert_eq!(stored(&world, delivery.id().as_str()).await.record.outcome, Outcome::Recorded);
    // Doing it all again changes nothing.
    countersign::intake::record(&world.ledger(), &delivery).await.unwrap();
    let again = world.timeline(&document("1")).await;
    let events = |timeline: &Timeline| -> Vec<_> {
        timeline.events.iter().map(|event| (event.id.clone(), event.deliveries)).collect()
    };
    assert_eq!((events(&again), &again.document.signed_files), (events(&joined), &joined.document.signed_files));
}
