//! Every type of event over the whole local stack, as the two kinds of consumer receive it: from the bus, and by a forward.

use std::{collections::BTreeSet, time::Instant};

use countersign::{
    domain::{Provider, Route, Subject, SubjectKind},
    forget::forget,
    ledger::ArchiveState,
    publish::DetailType,
    time,
};
use countersign_cli::{
    bus::{Event, Filter, forwards::Secret},
    simulator::Download,
};
use end_to_end::{
    LocalStack, PATIENCE,
    harness::{Receiver, deliveries},
    legalesign, pack, subject,
};
use tempfile::TempDir;

use super::schema::Schema;

/// Events of SignEasy, each about a request of its own.
const REQUESTS: [(&str, &str); 7] = [
    ("rs.link_sent", "1001"),
    ("rs.viewed", "1002"),
    ("rs.signed", "1003"),
    ("rs.declined", "1004"),
    ("rs.voided", "1005"),
    ("rs.expired", "1006"),
    ("rs.completed", "1007"),
];

fn request(id: &str) -> Subject {
    subject(Provider::Signeasy, SubjectKind::Document, id)
}

/// Makes everything happen that is published.
async fn make_everything_happen(stack: &LocalStack) {
    for (event, id) in REQUESTS {
        stack.trigger(Provider::Signeasy, event, id).await;
    }
    // Two different final statuses.
    stack.trigger(Provider::Signeasy, "rs.voided", "1004").await;
    stack
        .post_batch(&[
            legalesign::status("document", "removed", 40, "2026-11-26T04:00:00"),
            legalesign::status("signer", "viewer", 15, "2026-11-26T04:00:00"),
            legalesign::status("signer", "signer", 40, "2026-11-26T04:00:00"),
            legalesign::status("signer", "decliner", 60, "2026-11-26T04:00:00"),
        ])
        .await;
    stack.post(Route::Quicklysign, "application/json", "not JSON").await;

    let elsewhere = Download::Redirect("https://storage.example.net/file.pdf".to_owned());
    stack.simulator.pack("blocked").documents(1).download(elsewhere);
    stack.simulator.pack("hopeless").documents(1).download(Download::Html);
    for id in ["archived", "blocked", "hopeless"] {
        stack.trigger(Provider::Quicklysign, "final_document_generated", id).await;
    }
    let archived = [ArchiveState::Archived];
    stack.wait_for_archive(&pack("archived"), &archived).await;
    stack.wait_for_archive(&request("1007"), &archived).await;
    stack.wait_for_archive(&pack("blocked"), &[ArchiveState::Blocked]).await;
    give_up(stack, &pack("hopeless")).await;

    for id in [&request("1007"), &legalesign::signer("signer")] {
        let forgotten = forget(&stack.ledger(), &deliveries::services(), id.provider, &id.id, time::now()).await;
        assert!(forgotten.expect("the ledger").is_some());
    }
}

/// Makes a waiting archive job due at once, until it is given up.
async fn give_up(stack: &LocalStack, subject: &Subject) {
    loop {
        let states = [ArchiveState::Waiting, ArchiveState::Failed];
        let timeline = stack.wait_for_archive(subject, &states).await;
        if timeline.document.archive.is_some_and(|archive| archive.state == ArchiveState::Failed) {
            return;
        }
        let jobs = stack.ledger().jobs(ArchiveState::Waiting, None, 10).await.expect("jobs");
        for job in jobs.iter().filter(|job| job.subject == *subject) {
            stack.ledger().wake(job).await.expect("the ledger");
        }
    }
}

/// The types that aren't among these.
fn missing<'a>(types: impl Iterator<Item = &'a str>) -> Vec<DetailType> {
    let types: BTreeSet<&str> = types.collect();
    DetailType::ALL.into_iter().filter(|each| !types.contains(each.as_str())).collect()
}

/// Waits until every type is on the bus, and gives the events.
async fn events(stack: &LocalStack) -> Vec<Event> {
    let until = Instant::now() + PATIENCE;
    loop {
        let events = stack.bus.after(0, Filter::default(), 10_000).await.expect("events");
        let missing = missing(events.iter().map(|event| event.detail_type.as_str()));
        if missing.is_empty() {
            return events;
        }
        assert!(Instant::now() < until, "not published: {missing:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_from_the_bus_and_by_a_forward_and_is_valid() {
    let folder = TempDir::new().expect("a folder");
    let (secret, _) = Secret::of_data_folder(folder.path()).expect("a secret");
    let receiver = Receiver::start().await;
    let stack =
        LocalStack::start_with(|options| options.forwards = Some(Receiver::forwards(&[&receiver], &secret))).await;
    make_everything_happen(&stack).await;

    let schema = Schema::read();
    let events = events(&stack).await;
    for event in &events {
        schema.check_event(&serde_json::to_value(event).expect("JSON"));
    }
    let received = receiver.wait_for(events.len()).await;
    for (posted, event) in received.iter().zip(&events) {
        let body = posted.verified(secret.reveal());
        schema.check_webhook(&body);
        assert_eq!((posted.id(), &body["data"]), (event.id().expect("an id"), &event.detail));
        assert_eq!(body["type"], event.detail_type);
    }
    let types: Vec<_> = received.iter().map(|posted| posted.json()["type"].clone()).collect();
    assert_eq!(missing(types.iter().map(|name| name.as_str().expect("a type"))), []);
}
