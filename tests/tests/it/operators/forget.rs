//! Erasure (GDPR) reaches everything about a person: afterwards, no byte of them is in table or bucket.

use std::time::Duration;

use countersign::{
    domain::{LedgerError, Proven, Route, Subject},
    forget::{Forgotten, forget},
    intake,
    ledger::{ArchiveState, Item, Ledger},
    time,
};
use countersign_cli::simulator::{Download, Part};
use end_to_end::{
    DirectFunctions, LocalStack, Stored, from_now, harness::deliveries, legalesign, pack, quicklysign,
    signeasy::document,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::signeasy::callbacks::{completion, request};

/// A person's data, different in each field, so that a failed test says which one is still stored.
const DOCUMENT_NAME: &str = "name.private";
const EMAIL: &str = "email.private@example.com";
const MESSAGE: &str = "message.private";
const REASON: &str = "reason.private";
const EVENT_NAME: &str = "event.private";
const FILE_NAME: &str = "file.private";
const PERSONAL: [&str; 6] = [DOCUMENT_NAME, EMAIL, MESSAGE, REASON, EVENT_NAME, FILE_NAME];

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn try_to_forget(ledger: &Ledger, subject: &Subject) -> Result<Option<Forgotten>, LedgerError> {
    forget(ledger, &deliveries::services(), subject.provider, &subject.id, time::now()).await
}

async fn forgotten(ledger: &Ledger, subject: &Subject) -> Forgotten {
    try_to_forget(ledger, subject).await.unwrap().expect("a known subject")
}

/// Callbacks about a request and its signed file: small ones, and one whose body is in the bucket.
async fn complete_a_request(stack: &LocalStack, id: u64) {
    let mut bodies = [request("rs.initiated", id, id), request("rs.viewed", id, id), completion(id + 5, id)];
    for (body, padding) in bodies.iter_mut().zip([0, 0, 10_000]) {
        body["data"]["name"] = format!("Contract of {DOCUMENT_NAME}").into();
        body["data"]["recipients"][0]["email"] = EMAIL.into();
        body["data"]["message"] = MESSAGE.repeat(1 + padding / MESSAGE.len()).into();
        assert_eq!(stack.post_signeasy(body).await.status, 200);
    }
    stack.wait_for_archive(&document(&id.to_string()), &[ArchiveState::Archived]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_signed_file_are_erased_by_either_id() {
    let stack = LocalStack::start_for_signeasy().await;
    for (request, by) in [(1000, 1000), (2000, 2005)] {
        let script = stack.simulator.request(&request.to_string());
        script.signed_as(&(request + 5).to_string()).name(&format!("Contract of {FILE_NAME}"));
        complete_a_request(&stack, request).await;
        assert_eq!(stack.stored_of(&PERSONAL).await, [DOCUMENT_NAME, EMAIL, MESSAGE, FILE_NAME]);
        let done = forgotten(&stack.ledger(), &document(&by.to_string())).await;
        let both = [request, request + 5].map(|id| document(&id.to_string()));
        assert_eq!((done.subjects.as_slice(), done.deliveries.len()), (&both[..], 3));
        assert!(done.shared_deliveries.is_empty() && done.kept_objects.is_empty());
        assert_eq!(stack.stored_of(&PERSONAL).await, [""; 0]);
        for subject in both {
            let timeline = stack.timeline_with_payloads(&subject).await;
            assert!(timeline.document.forgotten_at.is_some() && timeline.pdfs.is_empty(), "{}", subject.id);
        }
        assert!(stack.keys().await.is_empty(), "{:?}", stack.keys().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_names_that_are_no_codes_are_erased() {
    let stack = LocalStack::start().await;
    let entry = |name: &str, value: &str| {
        let uri = "/api/v1/document/private/";
        json!({"timestamp": "2018-03-20T07:09:52", "name": name, "value": value, "resource_uri": uri})
    };
    let entries = [
        entry("status", "10"),
        entry("rejectReason", &format!("{REASON} refuses")),
        entry(&format!("asked by {EVENT_NAME}"), "1"),
    ];
    assert_eq!(stack.post_batch(&entries).await.status, 200);
    assert_eq!(stack.stored_of(&PERSONAL).await, [REASON, EVENT_NAME]);
    forgotten(&stack.ledger(), &legalesign::document("private")).await;
    assert_eq!(stack.stored_of(&PERSONAL).await, [""; 0]);
    let events = stack.timeline(&legalesign::document("private")).await.events;
    let mut values: Vec<_> = events.iter().map(|event| (event.name.as_str(), event.value.as_deref())).collect();
    values.sort_unstable();
    assert_eq!(values, [("forgotten", None), ("rejectReason", None), ("status", Some("10"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_set_aside_because_of_its_webhook_is_erased() {
    let stack = LocalStack::start_with_environment(&[("QUICKLYSIGN_SUBSCRIPTIONS", "strict")]).await;
    let body = json!({
        "webhook_key": "unknown", "entity_type": "Document", "entity_key": "aside",
        "callback_event": "document_updated", "note": MESSAGE,
    });
    let answer = stack.post(Route::Quicklysign, "application/json", body.to_string()).await;
    assert_eq!(answer.verdict(), (200, "set_aside", "unreadable"));
    assert_eq!(stack.stored_of(&PERSONAL).await, [MESSAGE]);
    let done = forgotten(&stack.ledger(), &pack("aside")).await;
    assert_eq!(done.deliveries, [answer.delivery().parse().unwrap()]);
    assert_eq!(stack.stored_of(&PERSONAL).await, [""; 0]);
}

fn callback(id: &str) -> Proven {
    deliveries::delivery(Route::Quicklysign, quicklysign::body("final_document_generated", id))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_delivery_that_is_erased_no_longer_waits_for_the_sweep() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = callback("unfinished");
    // As a crash leaves it, between accepting a spooled delivery and removing it from the spool.
    ledger.accept(&delivery).await.unwrap();
    ledger.record(&delivery, &deliveries::services().read(&delivery).unwrap()).await.unwrap();
    let spooled = format!("pending/{}", delivery.id());
    functions.put_object(&spooled, quicklysign::body("final_document_generated", "unfinished")).await;
    let done = forgotten(&ledger, &pack("unfinished")).await;
    assert_eq!((done.deliveries.as_slice(), done.objects.as_slice()), (&[delivery.id().clone()][..], &[spooled][..]));
    let swept = functions.sweep(from_now(HOUR)).await;
    assert_eq!((swept.recorded, swept.still_unfinished), (0, 0));
    assert!(functions.keys().await.is_empty());
}

/// Of the implementations of S3 in tests, only moto has versions (`tests/second-opinion.sh`).
#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_an_object_is_erased() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let mut body: Value = serde_json::from_str(&quicklysign::body("document_updated", "versions")).unwrap();
    body["note"] = MESSAGE.repeat(1_000).into();
    let delivery = deliveries::delivery(Route::Quicklysign, body.to_string());
    ledger.accept(&delivery).await.unwrap();
    ledger.record(&delivery, &deliveries::services().read(&delivery).unwrap()).await.unwrap();
    let body = functions.keys().await.pop().expect("a body in the bucket");
    let keys = [body, format!("pending/{}", delivery.id()), format!("quicklysign/versions/1/{}.pdf", "a".repeat(64))];
    for key in &keys[1..] {
        functions.put_object(key, EMAIL).await;
        functions.delete_object(key).await;
        functions.put_object(key, FILE_NAME).await;
    }
    // Of the earlier versions, one is only found where the bucket keeps them.
    let before = functions.stored_of(&PERSONAL).await;
    assert!(before.contains(&MESSAGE) && before.contains(&FILE_NAME), "{before:?}");
    let done = forgotten(&ledger, &pack("versions")).await;
    assert_eq!((done.objects.len(), done.kept_objects.as_slice()), (keys.len(), &[][..]));
    assert_eq!(functions.stored_of(&PERSONAL).await, [""; 0]);
    assert_eq!(functions.versions().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_erased_while_a_worker_could_add_to_it() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let delivery = callback("busy");
    ledger.accept(&delivery).await.unwrap();
    intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
    let lease = ledger.lease(&pack("busy"), HOUR).await.unwrap();
    assert!(lease.is_some());
    assert_eq!(try_to_forget(&ledger, &pack("busy")).await.err(), Some(LedgerError::Busy));
    assert!(ledger.delivery(delivery.id()).await.is_ok(), "its body is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_that_is_archived_when_forget_starts_is_kept_until_the_worker_ends_and_then_erased() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let subject = pack("racing");
    // The second document is on a host that accepts the connection and doesn't answer.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/second.pdf", silent.local_addr().unwrap());
    functions.simulator.pack("racing").documents(2).download_of(Part::Document(1), Download::Redirect(location));
    let delivery = callback("racing");
    ledger.accept(&delivery).await.unwrap();
    intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap();
    let stored = async || {
        let items: Vec<_> = functions.items().await.into_iter().map(Item::into_attributes).collect();
        (items, functions.keys().await)
    };
    let meanwhile = async {
        let connection = silent.accept().await.unwrap();
        let before = stored().await;
        assert!(before.1.len() == 1 && before.1[0].ends_with(".pdf"), "the first document: {:?}", before.1);
        assert_eq!(try_to_forget(&ledger, &subject).await.err(), Some(LedgerError::Busy));
        assert_eq!(stored().await, before);
        drop((connection, silent));
    };
    let both = async { tokio::join!(functions.archive(&subject), meanwhile) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("in time");
    functions.job(&subject, ArchiveState::Waiting).await;
    let done = forgotten(&ledger, &subject).await;
    assert_eq!((done.objects.len(), done.kept_objects.as_slice()), (1, &[][..]));
    assert!(functions.keys().await.is_empty() && functions.timeline(&subject).await.pdfs.is_empty());
}
