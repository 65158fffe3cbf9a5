//! How long an order is tried: later and later, as the service asks, and not for ever.

use countersign::{ledger::ArchiveState, time};
use countersign_cli::simulator::{Answer, Download};
use end_to_end::bench::{self, Bench};
use jiff::SignedDuration;

use super::{LONG, assert_archived, assert_nothing_archived, assert_waits, finished, inspections, order};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_keeps_failing_is_given_up_and_can_be_taken_up_again() {
    let bench = Bench::start().await;
    let script = bench.simulator.pack("hopeless");
    script.documents(1).download(Download::Html);
    let subject = finished(&bench, "hopeless").await;
    let mut pauses = Vec::new();
    loop {
        let before = time::now();
        bench.work(&subject).await;
        let order = order(&bench, &subject).await;
        assert_eq!(order.reason.as_deref(), Some("not_a_pdf"));
        assert_eq!(order.attempts as usize, pauses.len() + 1);
        if order.state == ArchiveState::Failed {
            break;
        }
        assert_eq!(order.state, ArchiveState::Waiting);
        pauses.push(time::seconds_between(before, order.not_before.unwrap()));
        assert!(pauses.len() < 50, "it never ends: {pauses:?}");
        assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 1);
    }
    assert!(pauses.is_sorted() && pauses[0] < 120 && pauses.iter().sum::<i64>() > 24 * 3600, "{pauses:?}");
    assert_nothing_archived(&bench, &subject).await;
    // By itself it is never tried again.
    assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 0);
    let asked = inspections(&bench.simulator);
    bench.work(&subject).await;
    assert_eq!(inspections(&bench.simulator), asked);

    // By hand, with as many attempts as at first.
    assert!(bench.ledger().retry(&subject).await.unwrap());
    let due = order(&bench, &subject).await;
    assert_eq!((due.state, due.reason, due.attempts), (ArchiveState::Due, None, 0));
    bench.work(&subject).await;
    assert_waits(&bench, &subject, "not_a_pdf", 1).await;

    // Nobody has to wait for the next attempt who knows that it will do.
    script.download(Download::Pdf);
    assert!(bench.ledger().retry(&subject).await.unwrap());
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_callback_takes_a_failed_order_up_again() {
    let bench = Bench::start().await;
    let script = bench.simulator.pack("anew");
    script.documents(1).answer(Answer::Status(500));
    let subject = finished(&bench, "anew").await;
    for _ in 0..50 {
        bench.work(&subject).await;
        if order(&bench, &subject).await.state == ArchiveState::Failed {
            break;
        }
        bench.sweep(bench::later(LONG)).await;
    }
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Failed);
    finished(&bench, "anew").await;
    let due = order(&bench, &subject).await;
    assert_eq!((due.state, due.attempts, due.requests), (ArchiveState::Due, 0, 2));
    script.recover();
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_retry_where_nothing_was_ordered() {
    let bench = Bench::start().await;
    let subject = end_to_end::pack("never-heard-of");
    assert!(!bench.ledger().retry(&subject).await.unwrap());
    assert_eq!(bench.items().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_wants_to_be_asked_later_is_asked_then() {
    let bench = Bench::start().await;
    let subject = finished(&bench, "limited").await;
    bench.simulator.pack("limited").documents(1).next_answer(Answer::RateLimited { retry_after: 3600 });
    let before = time::now();
    bench.work(&subject).await;
    let after = time::now();
    let waiting = assert_waits(&bench, &subject, "api_http_429", 0).await;
    let not_before = waiting.not_before.unwrap();
    let hour = SignedDuration::from_hours(1);
    assert!(before.checked_add(hour).unwrap() <= not_before && not_before <= after.checked_add(hour).unwrap());
    assert_eq!(bench.sweep(not_before.checked_sub(SignedDuration::from_secs(60)).unwrap()).await.made_due, 0);
    assert_eq!(bench.sweep(not_before.checked_add(SignedDuration::from_secs(1)).unwrap()).await.made_due, 1);
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_can_put_an_order_off_for_years() {
    let bench = Bench::start().await;
    for retry_after in [u32::MAX, 0] {
        let id = format!("far-{retry_after}");
        let subject = finished(&bench, &id).await;
        bench.simulator.pack(&id).documents(1).next_answer(Answer::RateLimited { retry_after });
        bench.work(&subject).await;
        assert_waits(&bench, &subject, "api_http_429", 0).await;
        assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 1, "{retry_after}");
        bench.work(&subject).await;
        assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
    }
}
