//! Retries of a job: at growing intervals, as the service asks, and not forever.

use countersign::{ledger::ArchiveState, time};
use countersign_cli::simulator::{Answer, Download};
use end_to_end::{DirectFunctions, Stored, from_now, pack};
use jiff::SignedDuration;

use super::{LONG, api_calls, assert_archived, assert_nothing_archived, assert_waiting, job_of, record_completion};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_keeps_failing_is_given_up_and_can_be_retried_by_hand() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("hopeless");
    script.documents(1).download(Download::Html);
    let subject = record_completion(&functions, "hopeless").await;
    let mut pauses = Vec::new();
    loop {
        let before = time::now();
        functions.archive(&subject).await;
        let job = job_of(&functions, &subject).await;
        assert_eq!(job.reason.as_deref(), Some("not_a_pdf"));
        assert_eq!(job.attempts as usize, pauses.len() + 1);
        if job.state == ArchiveState::Failed {
            break;
        }
        assert_eq!(job.state, ArchiveState::Waiting);
        pauses.push(time::seconds_between(before, job.not_before.unwrap()));
        assert!(pauses.len() < 50, "not given up: {pauses:?}");
        assert_eq!(functions.sweep(from_now(LONG)).await.made_due, 1);
    }
    assert!(pauses.is_sorted() && pauses[0] < 120 && pauses.iter().sum::<i64>() > 24 * 3600, "{pauses:?}");
    assert_nothing_archived(&functions, &subject).await;
    // It isn't retried automatically.
    assert_eq!(functions.sweep(from_now(LONG)).await.made_due, 0);
    let calls = api_calls(&functions.simulator);
    functions.archive(&subject).await;
    assert_eq!(api_calls(&functions.simulator), calls);

    // Retried by hand, with all attempts again.
    assert!(functions.ledger().retry(&subject).await.unwrap());
    let due = job_of(&functions, &subject).await;
    assert_eq!((due.state, due.reason, due.attempts), (ArchiveState::Due, None, 0));
    functions.archive(&subject).await;
    assert_waiting(&functions, &subject, "not_a_pdf", 1).await;

    // A retry by hand doesn't wait for the next attempt.
    script.download(Download::Pdf);
    assert!(functions.ledger().retry(&subject).await.unwrap());
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_callback_restarts_a_failed_job() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("restarted");
    script.documents(1).answer(Answer::Status(500));
    let subject = record_completion(&functions, "restarted").await;
    for _ in 0..50 {
        functions.archive(&subject).await;
        if job_of(&functions, &subject).await.state == ArchiveState::Failed {
            break;
        }
        functions.sweep(from_now(LONG)).await;
    }
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Failed);
    record_completion(&functions, "restarted").await;
    let due = job_of(&functions, &subject).await;
    assert_eq!((due.state, due.attempts, due.requests), (ArchiveState::Due, 0, 2));
    script.recover();
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_without_a_job_does_nothing() {
    let functions = DirectFunctions::start().await;
    let subject = pack("unknown");
    assert!(!functions.ledger().retry(&subject).await.unwrap());
    assert_eq!(functions.items().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limited_job_waits_as_long_as_the_service_asks() {
    let functions = DirectFunctions::start().await;
    let subject = record_completion(&functions, "limited").await;
    functions.simulator.pack("limited").documents(1).next_answer(Answer::RateLimited { retry_after: 3600 });
    let before = time::now();
    functions.archive(&subject).await;
    let after = time::now();
    let waiting = assert_waiting(&functions, &subject, "api_http_429", 0).await;
    let not_before = waiting.not_before.unwrap();
    let hour = SignedDuration::from_hours(1);
    assert!(before.checked_add(hour).unwrap() <= not_before && not_before <= after.checked_add(hour).unwrap());
    assert_eq!(functions.sweep(not_before.checked_sub(SignedDuration::from_secs(60)).unwrap()).await.made_due, 0);
    assert_eq!(functions.sweep(not_before.checked_add(SignedDuration::from_secs(1)).unwrap()).await.made_due, 1);
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excessive_retry_after_is_capped() {
    let functions = DirectFunctions::start().await;
    for retry_after in [u32::MAX, 0] {
        let id = format!("far-{retry_after}");
        let subject = record_completion(&functions, &id).await;
        functions.simulator.pack(&id).documents(1).next_answer(Answer::RateLimited { retry_after });
        functions.archive(&subject).await;
        assert_waiting(&functions, &subject, "api_http_429", 0).await;
        assert_eq!(functions.sweep(from_now(LONG)).await.made_due, 1, "{retry_after}");
        functions.archive(&subject).await;
        assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
    }
}
