//! Each document is downloaded once, whichever worker does it, and no request for it is lost.

use std::time::{Duration, Instant};

use countersign::{ledger::ArchiveState, time};
use countersign_cli::simulator::{Download, Part};
use end_to_end::{DirectFunctions, LocalStack, Stored, from_now, pack};
use futures::future::join_all;
use jiff::SignedDuration;

use super::{api_calls, archive_later, assert_archived, assert_waiting, downloads, job_of, record_completion};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_workers_download_each_document_once() {
    let functions = DirectFunctions::start().await;
    for round in 0..2 {
        let id = format!("race-{round}");
        functions.simulator.clear_requests();
        functions.simulator.pack(&id).documents(3);
        let subject = record_completion(&functions, &id).await;
        let workers: Vec<_> = (0..3).map(|_| functions.final_document()).collect();
        let calls = workers.iter().chain(&workers).chain(&workers);
        join_all(calls.map(|worker| functions.archive_with(worker, &subject))).await;
        assert_eq!((api_calls(&functions.simulator), downloads(&functions.simulator)), (1, 3));
        assert_archived(&functions, &subject, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_during_the_download_is_archived_too() {
    let stack = LocalStack::start().await;
    let simulator = &stack.simulator;
    let script = simulator.pack("meanwhile");
    // Slow enough to enqueue the job again meanwhile. On a very slow machine, it is enqueued after the first run.
    script.documents(2).download_of(Part::Document(0), Download::Drip { every: Duration::from_millis(1) });
    stack.post_quicklysign("final_document_generated", "meanwhile").await;
    let until = Instant::now() + PATIENCE;
    while downloads(simulator) == 0 {
        assert!(Instant::now() < until, "the job wasn't started");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    script.regenerate().download_of(Part::Document(0), Download::Pdf);
    stack.post_quicklysign("final_document_generated", "meanwhile").await;

    // The new versions are archived too, because the second callback enqueued the job again.
    let until = Instant::now() + PATIENCE;
    loop {
        let timeline = stack.wait_for_archive(&pack("meanwhile"), &[ArchiveState::Archived]).await;
        let current = timeline.pdfs.iter().filter(|pdf| pdf.current).count();
        if api_calls(simulator) == 2 && (timeline.document.pdfs, current) == (4, 2) {
            assert_eq!((downloads(simulator), timeline.document.archive.unwrap().requests), (4, 2));
            break;
        }
        // The worker may see the new version of the second document in its first or its second run.
        if api_calls(simulator) == 2 && (timeline.document.pdfs, current) == (3, 2) {
            break;
        }
        assert!(Instant::now() < until, "{} {:?}", api_calls(simulator), timeline.pdfs);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_enqueued_during_its_lease_is_still_due_after_the_worker_completes_it() {
    use countersign::ledger::JobOutcome;
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    functions.simulator.pack("settled").documents(1);
    for outcome in [
        JobOutcome::Archived,
        JobOutcome::Failed { reason: "r".to_owned() },
        JobOutcome::Foreign { reason: "r".to_owned() },
        JobOutcome::Blocked { host: "h".to_owned() },
        JobOutcome::Waiting { not_before: time::now(), reason: "r".to_owned(), failed: true, second_look: false },
    ] {
        let subject = record_completion(&functions, "settled").await;
        let lease = ledger.lease(&subject, SignedDuration::from_mins(16)).await.unwrap().unwrap();
        record_completion(&functions, "settled").await;
        assert!(ledger.lease(&subject, SignedDuration::from_mins(16)).await.unwrap().is_none(), "one lease at a time");
        ledger.complete(&lease, &outcome).await.unwrap();
        let due = job_of(&functions, &subject).await;
        assert_eq!((due.state, due.reason, due.attempts), (ArchiveState::Due, None, 0), "{outcome:?}");
        // The next worker can lease it.
        let lease = ledger.lease(&subject, SignedDuration::from_mins(16)).await.unwrap().unwrap();
        ledger.complete(&lease, &JobOutcome::Archived).await.unwrap();
        assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_is_replaced_once_its_lease_expires() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    functions.simulator.pack("died").documents(1);
    let subject = record_completion(&functions, "died").await;
    let alive = ledger.lease(&subject, SignedDuration::from_hours(1)).await.unwrap().unwrap();
    // A worker that may still be running keeps its lease, whatever time the sweep runs at.
    assert_eq!(functions.sweep(from_now(super::LONG)).await.made_due, 0);
    functions.archive(&subject).await;
    assert_eq!(api_calls(&functions.simulator), 0);
    drop(alive);

    let subject = record_completion(&functions, "died-long-ago").await;
    let dead = ledger.lease(&subject, SignedDuration::ZERO).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(functions.sweep(from_now(super::LONG)).await.made_due, 1);
    functions.archive(&subject).await;
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
    // The dead worker's result is ignored.
    let failed = countersign::ledger::JobOutcome::Failed { reason: "late".to_owned() };
    ledger.complete(&dead, &failed).await.unwrap();
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_workers_are_killed_again_and_again_fails() {
    let functions = DirectFunctions::start().await;
    let ledger = functions.ledger();
    functions.simulator.pack("deadly").documents(1);
    let subject = record_completion(&functions, "deadly").await;
    let mut killed = 0;
    // Each lease ends without an outcome.
    while let Some(lease) = ledger.lease(&subject, SignedDuration::from_secs(-1)).await.unwrap() {
        assert_eq!(lease.job.attempts, killed);
        killed += 1;
        if killed > 8 {
            break;
        }
    }
    functions.archive(&subject).await;
    let failed = job_of(&functions, &subject).await;
    assert_eq!((failed.state, failed.reason.as_deref()), (ArchiveState::Failed, Some("interrupted")));
    assert_eq!(api_calls(&functions.simulator), 0);
    // Another callback starts over.
    let subject = record_completion(&functions, "deadly").await;
    functions.archive(&subject).await;
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_out_of_time_stores_that_as_a_failed_attempt() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("slow");
    script.documents(2).download(Download::Stall);
    let subject = record_completion(&functions, "slow").await;
    // Beside the time for storing the outcome, a second is left. The client would wait longer for the rest of the download.
    functions.archive_within(&subject, Duration::from_secs(31)).await;
    assert_waiting(&functions, &subject, "out_of_time", 1).await;
    script.download(Download::Pdf);
    archive_later(&functions, &subject).await;
    assert_archived(&functions, &subject, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_archived_in_one_run_are_not_downloaded_again_in_the_next() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("continued");
    script.documents(4);
    // A worker that dies halfway: two documents are recorded, and the job isn't completed.
    script.download_of(Part::Document(2), Download::Stall);
    let subject = record_completion(&functions, "continued").await;
    let function = functions.final_document();
    let died = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::select! {
            () = functions.archive_with(&function, &subject) => panic!("it should stall"),
            () = async {
                while downloads(&functions.simulator) < 3 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
    });
    died.await.unwrap();
    assert_eq!(functions.timeline(&subject).await.pdfs.len(), 2);
    script.download_of(Part::Document(2), Download::Pdf);
    functions.simulator.clear_requests();
    // The worker is known to be dead, so nothing waits for its lease to end.
    let job = functions.job(&subject, ArchiveState::Due).await;
    assert!(functions.ledger().reclaim(&job).await.unwrap());
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 4).await;
    assert_eq!(downloads(&functions.simulator), 2);
    archive_later(&functions, &subject).await;
    assert_eq!(downloads(&functions.simulator), 2);
}
