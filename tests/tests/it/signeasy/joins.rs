//! One document under two ids: a request and its signed file are joined by what the API says, in any order of callbacks.

use countersign::{
    domain::{Kind, Outcome},
    ledger::{ArchiveState, Timeline},
};
use end_to_end::{LocalStack, Stored, harness::deliveries, signeasy::document};
use serde_json::{Value, json};

use super::callbacks::{completion, request};

const ARCHIVED: [ArchiveState; 1] = [ArchiveState::Archived];

/// All orders of three callbacks.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

fn without_recipients(mut body: Value) -> Value {
    body["data"]["recipients"] = json!([]);
    body
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
        stack.wait_for_archive(&document(&(base + 5).to_string()), &ARCHIVED).await;
        let of_request = stack.timeline(&document(&base.to_string())).await;
        let of_file = stack.timeline(&document(&(base + 5).to_string())).await;
        assert_eq!(of_request.document.signed_files, [(base + 5).to_string().as_str()]);
        assert_eq!(of_file.document.request.as_deref(), Some(base.to_string().as_str()));
        assert!(!of_file.document.unjoined && !of_request.document.unjoined);
        let signers: Vec<_> =
            of_request.signers.iter().filter(|signer| signer.id == base.to_string().as_str()).collect();
        assert_eq!(signers.iter().map(|signer| signer.status).collect::<Vec<_>>(), [Some(Kind::Signed)], "viewed, too");
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

/// What is stored of a document that doesn't depend on the time.
async fn stored(stack: &LocalStack, id: &str) -> Value {
    let Timeline { document, events, signers, pdfs, .. } = stack.timeline(&document(id)).await;
    json!({
        "status": document.status,
        "occurred_at": document.occurred_at,
        "conflict": document.conflict,
        "confirmed": document.confirmed_at.is_some(),
        "archive": document.archive.map(|archive| archive.state),
        "joined": [json!(document.request), json!(document.signed_files)],
        "unjoined": [json!(document.unjoined), json!(document.candidates)],
        "events": events.iter().map(|event| &event.id).collect::<Vec<_>>(),
        "signers": signers,
        "pdfs": pdfs.iter().map(|pdf| (pdf.role.as_str(), &pdf.version, pdf.current)).collect::<Vec<_>>(),
    })
}

/// What is stored after the two requests 1 and 2 and the file 3, in every order. It has to be the same.
async fn in_all_orders(bodies: [Value; 3], file_of: Option<&str>) -> Value {
    let mut seen = Vec::new();
    for order in ORDERS {
        let stack = LocalStack::start_for_signeasy().await;
        if let Some(request) = file_of {
            stack.simulator.request(request).signed_as("3");
        }
        for index in order {
            assert_eq!(stack.post_signeasy(&bodies[index]).await.status, 200);
            // The worker is faster than the next callback.
            if index == 2 {
                stack.wait_for_archive(&document("3"), &ARCHIVED).await;
            }
        }
        stack.wait_for_archive(&document("3"), &ARCHIVED).await;
        let mut documents = Vec::new();
        for id in ["1", "2", "3"] {
            documents.push(stored(&stack, id).await);
        }
        seen.push(json!([documents, ids(&stack).await]));
    }
    for (order, seen_in_order) in ORDERS.iter().zip(&seen) {
        assert_eq!(seen_in_order, &seen[0], "{order:?}");
    }
    seen.swap_remove(0)
}

/// Two requests with the same data of the sender, and a file that names no recipients.
fn same_request_info() -> [Value; 3] {
    let mut bodies = [request("rs.viewed", 1, 70), request("rs.viewed", 2, 71), without_recipients(completion(3, 70))];
    bodies.iter_mut().for_each(|body| body["request_info"] = json!({"order": 7}));
    bodies
}

/// Two requests and a file with the same recipient, created at the same time.
fn same_recipient() -> [Value; 3] {
    [request("rs.viewed", 1, 70), request("rs.viewed", 2, 70), completion(3, 70)]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_decides_which_of_two_requests_a_file_belongs_to_in_every_order() {
    for bodies in [same_request_info(), same_recipient()] {
        let seen = in_all_orders(bodies, Some("2")).await;
        assert_eq!(seen[1], json!([["1", "viewed"], ["2", "completed"]]));
        assert_eq!(seen[0][1]["joined"], json!([null, ["3"]]));
        assert_eq!(seen[0][1]["pdfs"].as_array().map(Vec::len), Some(2));
        assert_eq!(seen[0][2]["joined"], json!(["2", []]));
        assert_eq!(seen[0][2]["unjoined"], json!([false, []]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_joined_to_neither_of_two_requests_in_any_order_until_the_api_decides() {
    for bodies in [same_request_info(), same_recipient()] {
        let seen = in_all_orders(bodies, None).await;
        assert_eq!(seen[1], json!([["1", "viewed"], ["2", "viewed"], ["3", "completed"]]));
        assert_eq!(seen[0][2]["joined"], json!([null, []]));
        assert_eq!(seen[0][2]["unjoined"], json!([true, ["1", "2"]]), "the timeline has both");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callbacks_about_a_request_and_its_file_are_joined() {
    let stack = LocalStack::start_for_signeasy().await;
    for base in (1000..1100).step_by(10) {
        stack.simulator.request(&base.to_string()).signed_as(&(base + 5).to_string());
        let (early, late) = (request("rs.viewed", base, base), completion(base + 5, base));
        let answers = tokio::join!(stack.post_signeasy(&early), stack.post_signeasy(&late));
        assert_eq!((answers.0.status, answers.1.status), (200, 200));
        stack.wait_for_archive(&document(&(base + 5).to_string()), &ARCHIVED).await;
        let timeline = stack.timeline(&document(&base.to_string())).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Completed), 2), "{base}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_asked_about_requests_whose_recipients_do_not_differ() {
    let stack = LocalStack::start_for_signeasy().await;
    for (request, file) in [("1", "2"), ("3", "4"), ("5", "6")] {
        stack.simulator.request(request).signed_as(file);
    }
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    stack.post_signeasy(&without_recipients(completion(2, 70))).await;
    stack.wait_for_archive(&document("2"), &ARCHIVED).await;
    assert_eq!(stack.timeline(&document("2")).await.document.request.as_deref(), Some("1"));
    // Equal request info on two ids with different recipients.
    let mut other = completion(4, 71);
    other["request_info"] = json!({"order": 72});
    stack.post_signeasy(&request("rs.viewed", 3, 72)).await;
    stack.post_signeasy(&other).await;
    stack.wait_for_archive(&document("4"), &ARCHIVED).await;
    let of_file = stack.timeline(&document("4")).await;
    assert_eq!((of_file.document.request, of_file.document.unjoined), (None, true));
    assert_eq!(of_file.document.candidates, Vec::<&str>::new());
    assert_eq!(stack.timeline(&document("3")).await.document.status, Some(Kind::Viewed));
    // The same recipient id with another time of creation.
    let mut other_time = completion(6, 73);
    other_time["data"]["recipients"][0]["created_time"] = json!(1_600_000_000);
    other_time["request_info"] = Value::Null;
    stack.post_signeasy(&request("rs.viewed", 5, 73)).await;
    stack.post_signeasy(&other_time).await;
    stack.wait_for_archive(&document("6"), &ARCHIVED).await;
    assert!(stack.timeline(&document("6")).await.document.unjoined);
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
    let timeline = stack.wait_for_archive(&document("3"), &ARCHIVED).await;
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
    stack.simulator.request("1").signed_as("2");
    stack.post_signeasy(&request("rs.viewed", 1, 70)).await;
    // The function stopped as soon as it had accepted the delivery.
    let delivery = deliveries::signeasy_delivery(&stack.settings, completion(2, 70).to_string());
    stack.ledger().accept(&delivery).await.unwrap();
    assert_eq!(stack.timeline(&document("1")).await.document.status, Some(Kind::Viewed));

    stack.sweep_an_hour_later().await;
    stack.wait_for_archive(&document("2"), &ARCHIVED).await;
    let joined = stack.timeline(&document("1")).await;
    assert_eq!((joined.document.status, joined.events.len()), (Some(Kind::Completed), 2));
    let record = stack.ledger().delivery(delivery.id()).await.unwrap().unwrap().record;
    assert_eq!(record.outcome, Outcome::Recorded);
    // Recording it again changes nothing.
    countersign::intake::record(&stack.ledger(), &deliveries::services(), &delivery).await.unwrap();
    let again = stack.timeline(&document("1")).await;
    let events = |timeline: &Timeline| -> Vec<_> {
        timeline.events.iter().map(|event| (event.id.clone(), event.deliveries)).collect()
    };
    assert_eq!((events(&again), &again.document.signed_files), (events(&joined), &joined.document.signed_files));
}
