//! The times of a batch, which have no zone.

use countersign::{
    domain::{Kind, TimeSource},
    ledger::EventView,
};
use countersign_cli::stack::Options;
use end_to_end::{
    LocalStack, Stored, from_now,
    legalesign::{document, status},
};
use jiff::{SignedDuration, tz::TimeZone};

/// Legalesign's codes of the status of a document.
const SENT: u32 = 10;
const COMPLETED: u32 = 30;

fn zone(name: &str) -> impl FnOnce(&mut Options) {
    let variable = ("LEGALESIGN_TIME_ZONE".to_owned(), name.to_owned());
    |options| options.environment.extend([variable])
}

async fn event(stack: &LocalStack, id: &str, status: Kind) -> EventView {
    let events = stack.timeline(&document(id)).await.events;
    events.into_iter().find(|event| event.kind == status).expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_in_the_zone_of_the_setting_and_events_keep_their_identity_if_it_changes() {
    let sent = status("document", "zoned", SENT, "2026-07-10T12:00:00");
    let completed = status("document", "zoned", COMPLETED, "2026-07-10T12:05:00");

    let stack = LocalStack::start().await;
    assert_eq!(stack.post_batch(std::slice::from_ref(&sent)).await.verdict(), (200, "recorded", "ok"));
    assert_eq!(event(&stack, "zoned", Kind::Sent).await.occurred_at, "2026-07-10T12:00:00Z".parse().unwrap());

    let stack = stack.restart(zone("Europe/London")).await;
    assert_eq!(stack.post_batch(std::slice::from_ref(&sent)).await.verdict(), (200, "duplicate", "duplicate"));
    assert_eq!(stack.post_batch(&[sent.clone(), completed.clone()]).await.verdict(), (200, "recorded", "ok"));
    let at = event(&stack, "zoned", Kind::Completed).await;
    assert_eq!((at.occurred_at, at.time_source), ("2026-07-10T11:05:00Z".parse().unwrap(), TimeSource::ProviderLocal));
    assert_eq!(event(&stack, "zoned", Kind::Sent).await.occurred_at, "2026-07-10T12:00:00Z".parse().unwrap());
    let state = stack.timeline(&document("zoned")).await.document;
    assert_eq!((state.status, state.occurred_at), (Some(Kind::Completed), Some(at.occurred_at)));

    let stack = stack.restart(|_| ()).await;
    assert_eq!(stack.post_batch(&[completed, sent]).await.verdict(), (200, "duplicate", "duplicate"));
    let timeline = stack.timeline(&document("zoned")).await;
    assert_eq!((timeline.events.len(), timeline.document.occurred_at), (2, Some(at.occurred_at)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_clocks_showed_twice_or_never_is_marked() {
    let stack = LocalStack::start_with(zone("Europe/London")).await;
    for (id, time, utc) in [
        ("twice", "2026-10-25T01:30:00", "2026-10-25T00:30:00Z"),
        ("never", "2026-03-29T01:30:00", "2026-03-29T01:30:00Z"),
    ] {
        stack.post_batch(&[status("document", id, SENT, time)]).await;
        let event = event(&stack, id, Kind::Sent).await;
        assert_eq!((event.occurred_at, event.time_source), (utc.parse().unwrap(), TimeSource::ProviderLocalAmbiguous));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_more_than_five_minutes_after_the_receipt_is_marked() {
    let stack = LocalStack::start().await;
    for (id, minutes, note) in [("soon", 4, None), ("late", 6, Some("time_after_receipt"))] {
        let at = from_now(SignedDuration::from_mins(minutes)).to_zoned(TimeZone::UTC).datetime();
        let answer =
            stack.post_batch(&[status("document", id, SENT, &at.strftime("%Y-%m-%dT%H:%M:%S").to_string())]).await;
        assert_eq!(answer.verdict(), (200, "recorded", "ok"));
        assert_eq!(event(&stack, id, Kind::Sent).await.note.as_deref(), note, "{id}");
    }
}
