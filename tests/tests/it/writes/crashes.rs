//! A crash after each set of calls that may have landed: what is stored then, and after the worker, the sweep or the
//! service's next attempt has done its part.

use countersign::{
    domain::{Kind, Outcome, Proven, Reading, Route, Subject},
    ledger::{ArchiveState, Finished, Ledger},
};
use countersign_cli::simulator::legalesign::posts;
use end_to_end::{
    DirectFunctions, Stored, from_now,
    harness::{PATH_TOKEN, deliveries},
    legalesign, pack, quicklysign,
    signeasy::{self, changed},
};
use jiff::SignedDuration;
use serde_json::json;

use self::Step::{Accepted, Event, Job, Status, Written};

/// A call that landed before the process died.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// The delivery, written once.
    Written,
    /// The delivery, accepted.
    Accepted,
    Job,
    Event,
    Status,
}

async fn interrupt(ledger: &Ledger, delivery: &Proven, reading: &Reading, landed: &[Step]) {
    let finished = Finished { outcome: Outcome::Recorded, reason: "ok".to_owned(), events: 1, unreadable: &[] };
    for step in landed {
        match step {
            Written => ledger.write(delivery, &finished).await.unwrap(),
            Accepted => ledger.accept(delivery).await.unwrap(),
            Job => ledger.request_jobs(delivery, reading).await.unwrap(),
            Event => drop(ledger.record_events(delivery, reading).await.unwrap()),
            Status => ledger.record_statuses(delivery, reading).await.unwrap(),
        }
    }
}

/// Every event's delivery is stored, and the status is that of the events.
async fn assert_consistent(functions: &DirectFunctions, subject: &Subject, context: &str) {
    let Some(timeline) = functions.ledger().timeline(subject).await.unwrap() else { return };
    for event in &timeline.events {
        let delivery = event.delivery.as_ref().expect("a callback's event");
        assert!(functions.ledger().delivery(delivery).await.unwrap().is_some(), "{context}: {delivery} is missing");
    }
    let kinds = timeline.events.iter().map(|event| event.kind).filter(|kind| kind.rank().is_some());
    assert_eq!(timeline.document.status, kinds.max_by_key(|kind| kind.rank()), "{context}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_was_interrupted_is_finished_by_the_worker_and_sent_again() {
    let functions = DirectFunctions::start().await;
    let function = functions.quicklysign_callback().await;
    let sets: [&[Step]; 6] = [
        &[],
        &[Written],
        &[Written, Job],
        &[Written, Job, Event],
        &[Written, Job, Status],
        &[Written, Job, Event, Status],
    ];
    for (number, landed) in sets.into_iter().enumerate() {
        let (id, context) = (format!("crashed-{number}"), format!("{landed:?}"));
        functions.simulator.pack(&id).documents(1);
        let body = quicklysign::body("final_document_generated", &id);
        let delivery = deliveries::delivery(Route::Quicklysign, body.clone());
        let reading = deliveries::services().read(&delivery).unwrap();
        interrupt(&functions.ledger(), &delivery, &reading, landed).await;

        functions.archive(&pack(&id)).await;
        assert_consistent(&functions, &pack(&id), &context).await;
        let is_due = landed.contains(&Job);
        let timeline = functions.ledger().timeline(&pack(&id)).await.unwrap();
        let archived = timeline.map(|timeline| (timeline.document.status, timeline.events.len(), timeline.pdfs.len()));
        assert_eq!(archived, is_due.then_some((Some(Kind::Completed), 1, 1)), "{context}");

        // Each attempt of QuicklySign's is an event of its own.
        assert_eq!(function.handle(quicklysign::request(PATH_TOKEN, body)).await.status(), 200);
        functions.archive(&pack(&id)).await;
        let timeline = functions.timeline(&pack(&id)).await;
        assert_eq!((timeline.events.len(), timeline.pdfs.len()), (1 + usize::from(is_due), 1), "{context}");
        assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Archived, "{context}");
        assert_consistent(&functions, &pack(&id), &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_interrupted_shows_a_status_that_fits_its_events() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    let sets: [&[Step]; 4] = [&[], &[Written], &[Written, Event], &[Written, Event, Status]];
    for (number, landed) in sets.into_iter().enumerate() {
        let (id, context) = (100 + number, format!("{landed:?}"));
        let subject = signeasy::document(&id.to_string());
        let body = |event: &str| {
            let body = changed(&format!("rs_{event}_v2"), |body| body["data"]["id"] = id.into());
            deliveries::signeasy_delivery(&functions.settings(), body.to_string())
        };
        let services = deliveries::services();
        let (initiated, signed, again) = (body("initiated"), body("signed"), body("signed"));
        ledger.accept(&initiated).await.unwrap();
        countersign::intake::record(&ledger, &services, &initiated).await.unwrap();
        interrupt(&ledger, &signed, &services.read(&signed).unwrap(), landed).await;
        assert_consistent(&functions, &subject, &context).await;

        ledger.accept(&again).await.unwrap();
        let answer = countersign::intake::record(&ledger, &services, &again).await.unwrap();
        let expected = if landed.contains(&Event) { "duplicate" } else { "recorded" };
        assert_eq!(answer.verdict.outcome(), expected, "{context}");
        let timeline = functions.timeline(&subject).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Signed), 2), "{context}");
        let listed = ledger.documents(None, Some(Kind::Signed), None, 100).await.unwrap().documents;
        assert!(listed.iter().any(|document| document.id == subject.id), "{context}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_batch_is_finished_by_the_sweep_whichever_of_its_calls_landed() {
    let functions = DirectFunctions::start().await;
    let key = legalesign::signing_key(&functions.secrets);
    let certificate = key.certificate().to_owned();
    for number in 0..8 {
        let landed = [Event, Status, Job].into_iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
        let landed: Vec<Step> = [Accepted].into_iter().chain(landed.map(|(_, step)| step)).collect();
        let (id, context) = (format!("batch-{number}"), format!("{landed:?}"));
        let subject = legalesign::document(&id);
        let post =
            posts::batch(&key, &json!([posts::status("document", &id, 30, from_now(-HOUR))]).to_string()).unwrap();
        let delivery = deliveries::signed_batch(from_now(-HOUR), post.body, &certificate);
        let reading = deliveries::services().read(&delivery).unwrap();
        interrupt(&functions.ledger(), &delivery, &reading, &landed).await;

        functions.archive(&subject).await;
        functions.sweep(from_now(HOUR)).await;
        functions.archive(&subject).await;
        assert_consistent(&functions, &subject, &context).await;
        let timeline = functions.timeline(&subject).await;
        assert_eq!((timeline.document.status, timeline.events.len()), (Some(Kind::Completed), 1), "{context}");
        assert_eq!(timeline.document.archive.unwrap().state, ArchiveState::Archived, "{context}");
        let outcome = functions.ledger().delivery_record(delivery.id()).await.unwrap().unwrap().outcome;
        assert_eq!(outcome, Outcome::Recorded, "{context}");
    }
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A request and its signed file are joined by whoever is second, at any moment of the file's callback.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_joined_before_its_status_is_stored_passes_the_status_on() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    for (number, order) in [["status", "join"], ["join", "status"]].into_iter().enumerate() {
        let (request, file) = (format!("{}", 10 * number + 1), format!("{}", 10 * number + 2));
        let body = changed("rs_completed_v3_file_id_only", |body| {
            body["data"]["id"] = json!(file);
            body["data"]["signed_file_id"] = json!(file);
        });
        let delivery = deliveries::signeasy_delivery(&functions.settings(), body.to_string());
        let reading = deliveries::services().read(&delivery).unwrap();
        let (request, file) = (signeasy::document(&request), signeasy::document(&file));
        for step in order {
            match step {
                "status" => ledger.record_statuses(&delivery, &reading).await.unwrap(),
                _ => ledger.join(&request, &file).await.unwrap(),
            }
        }
        let of_request = functions.timeline(&request).await.document;
        assert_eq!((of_request.status, of_request.signed_files.len()), (Some(Kind::Completed), 1), "{order:?}");
        let listed = ledger.documents(None, None, None, 100).await.unwrap().documents;
        assert!(listed.iter().all(|document| document.id != file.id), "{order:?}: the file is listed");
    }
}
