//! SignEasy's callbacks: every documented body, the token, identity of events, and documents with two ids.

use std::collections::BTreeMap;

use countersign::{
    domain::{Kind, Outcome, Provider, Route, TimeSource, Trust},
    ledger::{ArchiveState, StoredDelivery, Timeline},
    replay::Replay,
    settings::SecretSource,
};
use end_to_end::{
    LocalStack, Stored,
    harness::{PATH_TOKEN, deliveries},
    signeasy::{TOKEN, changed, document, sample, set_token},
};
use serde_json::{Value, json};

/// The events that `events/signeasy-callback` has in every version, with their meaning.
fn documented_events() -> BTreeMap<String, Kind> {
    let text = include_str!("../../../../shared/tests/data/signeasy/documented_events.json");
    serde_json::from_str(text).expect("names and kinds")
}

async fn stored(stack: &LocalStack, delivery: &str) -> StoredDelivery {
    stack.ledger().delivery(&delivery.parse().unwrap()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sixteen_documented_bodies_are_recorded() {
    let stack = LocalStack::start_for_signeasy().await;
    for version in ["v1", "v2"] {
        for event in documented_events().keys() {
            let answer = stack.post_signeasy(&sample(&format!("rs_{event}_{version}"))).await;
            assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{event} {version}");
            assert_eq!(answer.body["events"], 1);
        }
    }
    let timeline = stack.timeline(&document("235649")).await;
    assert_eq!(timeline.events.len(), 16);
    for (event, kind) in documented_events() {
        let name = if event == "reminded" { "rs.remind".to_owned() } else { format!("rs.{event}") };
        let events: Vec<_> = timeline.events.iter().filter(|event| event.name == name).collect();
        assert_eq!(events.len(), 2, "{name}");
        assert!(events.iter().all(|event| event.kind == kind && event.time_source == TimeSource::Provider));
    }
    let state = &timeline.document;
    assert_eq!((state.status, state.trust, state.conflict), (Some(Kind::Completed), Some(Trust::Token), true));
    assert!(!state.unjoined);
    assert!(!stack.everything().await.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn undocumented_and_bulk_events_are_recorded() {
    let stack = LocalStack::start_for_signeasy().await;
    for (case, id, status) in [
        ("rs_expired_v3", "373342", Some(Kind::Expired)),
        ("rs_declined_v3", "373341", Some(Kind::Declined)),
        ("rs_viewed_v3_drifted", "373340", Some(Kind::Viewed)),
        ("rs_bulksign_completed", "998877", None),
        ("unknown_event_without_content_type", "373343", None),
    ] {
        let url = stack.callback_url(Route::Signeasy).unwrap();
        let answer = stack.post_to(&url, &[], sample(case).to_string()).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"), "{case}");
        assert_eq!(stack.timeline(&document(id)).await.document.status, status, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_may_be_missing_in_document_signed_only() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    assert_eq!(stack.post_signeasy(&sample("rs_viewed_v2")).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(stack.post_signeasy(&sample("document_signed")).await.verdict(), (200, "recorded", "ok"));
    let wrong = |case: &str| changed(case, |body| body["metadata"]["token"] = json!("another-unknown-token"));
    for body in [sample("rs_viewed_v1"), wrong("rs_viewed_v2"), wrong("document_signed")] {
        let answer = stack.post_signeasy(&body).await;
        assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
        assert_eq!(answer.body["delivery"], Value::Null);
    }
    for malformed in ["", "not JSON", "[]", r#"{"data":{"id":1}}"#] {
        assert_eq!(stack.post_signeasy_bytes(malformed).await.verdict(), (400, "rejected", "malformed"), "{malformed}");
    }
    let twice = sample("rs_viewed_v2").to_string().replacen(r#""token":"#, r#""token":"x","token":"#, 1);
    assert_eq!(stack.post_signeasy_bytes(twice).await.verdict(), (400, "rejected", "malformed"));
    let elsewhere = stack.callback_url(Route::Signeasy).unwrap().replace(PATH_TOKEN, "another-path-token");
    let answer = stack.post_to(&elsewhere, &[], sample("rs_viewed_v2").to_string()).await;
    assert_eq!(answer.verdict(), (401, "rejected", "unproven"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_token_may_be_missing_but_not_wrong() {
    let stack = LocalStack::start_with_signeasy_policy("if_present").await;
    assert_eq!(stack.post_signeasy(&sample("rs_viewed_v1")).await.verdict(), (200, "recorded", "ok"));
    let wrong = changed("rs_viewed_v2", |body| body["metadata"]["token"] = json!("another-unknown-token"));
    assert_eq!(stack.post_signeasy(&wrong).await.verdict(), (401, "rejected", "unproven"));
    assert_eq!(stack.post_signeasy_bytes("not JSON").await.verdict(), (400, "rejected", "malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_token_that_is_not_configured_is_answered_503() {
    let stack = LocalStack::start_with(|options| {
        set_token(options, "required");
        options.secrets.set_proof(Provider::Signeasy, json!({"url_tokens": [PATH_TOKEN]}));
    })
    .await;
    let answer = stack.post_signeasy(&sample("rs_viewed_v2")).await;
    assert_eq!(answer.verdict(), (503, "unavailable", "not_configured"));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_stored_and_deliveries_can_be_replayed() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    // A body that is stored in the table, and a large one that is stored in the bucket.
    let mut deliveries = Vec::new();
    for size in [10, 20_000] {
        let body = changed("rs_viewed_v2", |body| {
            body["data"]["name"] = format!("{} {TOKEN} {PATH_TOKEN}", "x".repeat(size)).into();
            body["Token"] = TOKEN.into();
        });
        let answer = stack.post_signeasy(&body).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        deliveries.push(answer.delivery().to_owned());
    }
    let all = stack.everything().await;
    assert!(all.contains("hmac-sha256:") && stack.keys().await.len() == 1);
    for secret in [TOKEN, PATH_TOKEN] {
        assert!(!all.contains(secret));
    }
    for delivery in &deliveries {
        let record = stored(&stack, delivery).await.record;
        assert_eq!((record.token, record.body_token), (0, Some(0)));
    }
    // A replay verifies them with the secrets configured at that time.
    for (url_tokens, tokens, problem) in [
        (json!(["a-newer-path-token", PATH_TOKEN]), json!(["a-newer-token", TOKEN]), None),
        (json!([PATH_TOKEN]), json!(["a-newer-token"]), Some("token_wrong")),
        (json!(["a-newer-path-token"]), json!([TOKEN]), Some("token_wrong")),
        (json!([PATH_TOKEN]), json!([]), Some("not_configured")),
    ] {
        let secrets = json!({"url_tokens": url_tokens, "tokens": tokens}).to_string();
        let mut settings = stack.settings.clone();
        settings.set_proof(Provider::Signeasy, SecretSource::Inline(secrets.into()));
        let replay = Replay::new(&settings, &stack.aws);
        for delivery in &deliveries {
            let replayed = replay.delivery(&delivery.parse().unwrap()).await.unwrap().unwrap();
            assert_eq!((replayed.outcome, replayed.problem.as_deref()), ("recorded", problem));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proven_but_unreadable_bodies_are_set_aside() {
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let answer = stack.post_signeasy(&sample("unreadable")).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    let stored = stored(&stack, answer.delivery()).await;
    assert_eq!((stored.record.outcome, &*stored.record.reason), (Outcome::SetAside, "missing_field at data.id"));
    assert!(!String::from_utf8_lossy(stored.delivery.body()).contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_and_an_identical_reminder_count_as_deliveries_of_one_event() {
    let stack = LocalStack::start_for_signeasy().await;
    let first = sample("rs_reminded_v2");
    assert_eq!(stack.post_signeasy(&first).await.verdict(), (200, "recorded", "ok"));
    // The same bytes, other spaces, another order of fields, and without the token, as before it was configured.
    let spaced = serde_json::to_string_pretty(&first).unwrap();
    let metadata = first["metadata"].to_string();
    let reordered = format!(r#"{{"metadata":{metadata},"data":{}}}"#, first["data"]);
    let without = changed("rs_reminded_v2", |body| drop(body["metadata"].as_object_mut().unwrap().remove("token")));
    for again in [first.to_string(), spaced, reordered, without.to_string()] {
        assert_eq!(stack.post_signeasy_bytes(again).await.verdict(), (200, "duplicate", "duplicate"));
    }
    let later =
        changed("rs_reminded_v2", |body| body["data"]["recipients"][0]["last_modified_time"] = json!(1_600_000_000));
    assert_eq!(stack.post_signeasy(&later).await.verdict(), (200, "recorded", "ok"));
    let timeline = stack.timeline(&document("235649")).await;
    let counts: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.deliveries)).collect();
    assert_eq!(counts, [(Kind::Reminded, 5), (Kind::Reminded, 1)]);
}

/// Which spellings mean the same isn't documented for every field, so a body that drifted is another event. It changes
/// nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_with_drifted_spellings_is_another_event_of_the_same_status_and_no_conflict() {
    let stack = LocalStack::start_for_signeasy().await;
    let with = |public_link: Value, note: Option<Value>| {
        changed("rs_declined_v3", |body| {
            body["data"]["public_link"] = public_link;
            if let Some(note) = note {
                body["data"]["undocumented"] = note;
            }
        })
    };
    for body in [with(json!(0), None), with(json!("0"), None), with(json!(0), Some(Value::Null))] {
        assert_eq!(stack.post_signeasy(&body).await.verdict(), (200, "recorded", "ok"));
        assert_eq!(stack.post_signeasy(&body).await.verdict(), (200, "duplicate", "duplicate"));
    }
    let timeline = stack.timeline(&document("373341")).await;
    let kinds: Vec<_> = timeline.events.iter().map(|event| (event.kind, event.occurred_at)).collect();
    assert_eq!(kinds, [(Kind::Declined, kinds[0].1); 3]);
    let state = &timeline.document;
    assert_eq!((state.status, state.occurred_at, state.conflict), (Some(Kind::Declined), Some(kinds[0].1), false));
}

/// The body of a request's event in version 3.
pub fn request(event: &str, id: u64, recipient: u64) -> Value {
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

/// The completion of that request, with the id of its signed file.
pub fn completion(file: u64, recipient: u64) -> Value {
    changed("rs_completed_v3_file_id_only", |body| {
        body["data"]["id"] = file.into();
        body["data"]["signed_file_id"] = file.to_string().into();
        body["data"]["recipients"][0]["recipient_id"] = recipient.into();
        body["request_info"] = json!({"order": recipient});
    })
}

async fn ids(stack: &LocalStack) -> Vec<(String, Option<Kind>)> {
    let page = stack.ledger().documents(None, None, None, 100).await.unwrap();
    let mut ids: Vec<_> =
        page.documents.into_iter().map(|document| (document.id.to_string(), document.status)).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_signed_file_are_joined_in_either_order() {
    let stack = LocalStack::start_for_signeasy().await;
    let bodies = |base: u64| {
        let (request_id, file) = (base, base + 5);
        [request("rs.initiated", request_id, base), request("rs.viewed", request_id, base), completion(file, base)]
    };
    let mut seen = Vec::new();
    for (base, order) in [(100_u64, [0, 1, 2]), (200, [2, 1, 0]), (300, [1, 2, 0]), (400, [2, 0, 1])] {
        let bodies = bodies(base);
        stack.simulator.request(&base.to_string()).signed_as(&(base + 5).to_string());
        for index in order.into_iter().chain(order) {
            assert_eq!(stack.post_signeasy(&bodies[index]).await.status, 200);
        }
        let archived = [ArchiveState::Archived];
        let of_request = stack.wait_for_archive(&document(&base.to_string()), &archived).await;
        let of_file = stack.timeline(&document(&(base + 5).to_string())).await;
        assert_eq!(of_request.document.signed_files, [(base + 5).to_string().as_str()]);
        assert_eq!(of_file.document.request.as_deref(), Some(base.to_string().as_str()));
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
    let listed: Vec<_> = ids(&stack).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(listed, ["100", "200", "300", "400"], "signed files aren't listed beside their requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callbacks_about_a_request_and_its_file_are_joined() {
    let stack = LocalStack::start_for_signeasy().await;
    for base in (1000..1100).step_by(10) {
        let (early, late) = (request("rs.viewed", base, base), completion(base + 5, base));
        let answers = tokio::join!(stack.post_signeasy(&early), stack.post_signeasy(&late));
        assert_eq!((answers.0.status, answers.1.status), (200, 200));
        let timeline = stack.timeline(&document(&base.to_string())).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Completed), 2), "{base}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_info_joins_documents_unless_their_recipients_differ() {
    let stack = LocalStack::start_for_signeasy().await;
    let without = |mut body: Value| {
        body["data"]["recipients"] = json!([]);
        body
    };
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    stack.post_signeasy(&without(completion(2, 70))).await;
    assert_eq!(stack.timeline(&document("2")).await.document.request.as_deref(), Some("1"));
    // Equal request info on two requests with different recipients doesn't join them.
    let mut other = completion(4, 71);
    other["request_info"] = json!({"order": 72});
    stack.post_signeasy(&request("rs.viewed", 3, 72)).await;
    stack.post_signeasy(&other).await;
    let of_file = stack.timeline(&document("4")).await;
    assert_eq!((of_file.document.request, of_file.document.unjoined), (None, true));
    assert_eq!(stack.timeline(&document("3")).await.document.status, Some(Kind::Viewed));
    // Neither does the same recipient id with another time of creation.
    let mut other_time = completion(6, 73);
    other_time["data"]["recipients"][0]["created_time"] = json!(1_600_000_000);
    other_time["request_info"] = Value::Null;
    stack.post_signeasy(&request("rs.viewed", 5, 73)).await;
    stack.post_signeasy(&other_time).await;
    assert!(stack.timeline(&document("6")).await.document.unjoined);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_matches_two_requests_is_joined_to_neither() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    stack.post_signeasy(&request("rs.viewed", 2, 70)).await;
    stack.post_signeasy(&completion(3, 70)).await;
    let expected = [
        ("1".to_owned(), Some(Kind::Viewed)),
        ("2".to_owned(), Some(Kind::Viewed)),
        ("3".to_owned(), Some(Kind::Completed)),
    ];
    assert_eq!(ids(&stack).await, expected);
    assert!(stack.timeline(&document("3")).await.document.unjoined);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_decides_which_of_two_requests_a_file_belongs_to() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.simulator.request("2").signed_as("3");
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    stack.post_signeasy(&request("rs.viewed", 2, 70)).await;
    stack.post_signeasy(&completion(3, 70)).await;
    let timeline = stack.wait_for_archive(&document("3"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.request.as_deref(), Some("2"));
    let expected = [("1".to_owned(), Some(Kind::Viewed)), ("2".to_owned(), Some(Kind::Completed))];
    assert_eq!(ids(&stack).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_faster_than_the_callback_also_queries_the_api() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.simulator.request("2").signed_as("3");
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    stack.post_signeasy(&request("rs.viewed", 2, 70)).await;
    // The function has recorded the event, so that the archive job exists, but hasn't looked for the request yet.
    let delivery = deliveries::signeasy_delivery(&stack.settings, completion(3, 70).to_string());
    stack.ledger().accept(&delivery).await.unwrap();
    let reading = deliveries::services().read(&delivery).unwrap();
    stack.ledger().record(&delivery, &reading).await.unwrap();
    let timeline = stack.wait_for_archive(&document("3"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.request.as_deref(), Some("2"));
    assert_eq!(stack.timeline(&document("2")).await.document.status, Some(Kind::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_file_with_the_id_of_its_request_is_the_same_document() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_signeasy(&completion(7, 70)).await;
    assert!(stack.timeline(&document("7")).await.document.unjoined, "not known yet");
    stack.post_signeasy(&request("rs.viewed", 7, 70)).await;
    let document = stack.timeline(&document("7")).await.document;
    assert_eq!((document.unjoined, document.request, document.events), (false, None, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_delivery_is_recorded_and_joined_by_the_sweep() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    // The function stopped as soon as it had accepted the delivery.
    let delivery = deliveries::signeasy_delivery(&stack.settings, completion(2, 70).to_string());
    stack.ledger().accept(&delivery).await.unwrap();
    assert_eq!(stack.timeline(&document("1")).await.document.status, Some(Kind::Viewed));

    stack.sweep_an_hour_later().await;
    let joined = stack.timeline(&document("1")).await;
    assert_eq!((joined.document.status, joined.events.len()), (Some(Kind::Completed), 2));
    assert_eq!(stored(&stack, delivery.id().as_str()).await.record.outcome, Outcome::Recorded);
    // Recording it again changes nothing.
    countersign::intake::record(&stack.ledger(), &deliveries::services(), &delivery).await.unwrap();
    let again = stack.timeline(&document("1")).await;
    let events = |timeline: &Timeline| -> Vec<_> {
        timeline.events.iter().map(|event| (event.id.clone(), event.deliveries)).collect()
    };
    assert_eq!((events(&again), &again.document.signed_files), (events(&joined), &joined.document.signed_files));
}
