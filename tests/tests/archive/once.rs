//! Each document is fetched once, whoever is at it, and nobody who asks is forgotten.

use std::time::{Duration, Instant};

use countersign::{ledger::ArchiveState, time};
use countersign_cli::simulator::{Download, Part};
use end_to_end::{
    World,
    bench::{self, Bench},
    pack,
};
use futures::future::join_all;
use jiff::SignedDuration;

use super::{assert_archived, downloads, finished, inspections, later, order};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_race_for_an_order_fetch_its_documents_once() {
    let bench = Bench::start().await;
    for round in 0..2 {
        let id = format!("race-{round}");
        bench.simulator.clear_requests();
        bench.simulator.pack(&id).documents(3);
        let subject = finished(&bench, &id).await;
        let functions: Vec<_> = (0..3).map(|_| bench.final_document()).collect();
        let functions = functions.iter().chain(&functions).chain(&functions);
        join_all(functions.map(|function| bench.work_with(function, &subject))).await;
        assert_eq!((inspections(&bench.simulator), downloads(&bench.simulator)), (1, 3));
        assert_archived(&bench, &subject, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_while_a_worker_is_at_it_is_not_forgotten() {
    let world = World::start().await;
    let simulator = &world.stack.simulator;
    let script = simulator.pack("meanwhile");
    // Slow enough to ask again meanwhile. If this machine is slower still, the second order comes after the first.
    script.documents(2).download_of(Part::Document(0), Download::Drip { every: Duration::from_millis(1) });
    world.quicklysign("final_document_generated", "meanwhile").await;
    let until = Instant::now() + PATIENCE;
    while downloads(simulator) == 0 {
        assert!(Instant::now() < until, "nobody took the order");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    script.regenerate().download_of(Part::Document(0), Download::Pdf);
    world.quicklysign("final_document_generated", "meanwhile").await;

    // The service's new versions are archived too, because the second callback said that there was something new.
    let until = Instant::now() + PATIENCE;
    loop {
        let timeline = world.archive_is(&pack("meanwhile"), &[ArchiveState::Archived]).await;
        let current = timeline.pdfs.iter().filter(|pdf| pdf.current).count();
        if inspections(simulator) == 2 && (timeline.document.pdfs, current) == (4, 2) {
            assert_eq!((downloads(simulator), timeline.document.archive.unwrap().requests), (4, 2));
            break;
        }
        // The version of the second document is the worker's to catch: as of its first or its second look.
        if inspections(simulator) == 2 && (timeline.document.pdfs, current) == (3, 2) {
            break;
        }
        assert!(Instant::now() < until, "{} {:?}", inspections(simulator), timeline.pdfs);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_asked_for_while_it_is_claimed_stays_due_when_the_worker_settles_it() {
    use countersign::ledger::OrderOutcome;
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    bench.simulator.pack("settled").documents(1);
    for outcome in [
        OrderOutcome::Archived,
        OrderOutcome::Failed { reason: "r".to_owned() },
        OrderOutcome::Foreign { reason: "r".to_owned() },
        OrderOutcome::Blocked { host: "h".to_owned() },
        OrderOutcome::Waiting { not_before: time::now(), reason: "r".to_owned(), failed: true },
    ] {
        let subject = finished(&bench, "settled").await;
        let claim = ledger.claim(&subject, SignedDuration::from_mins(16)).await.unwrap().unwrap();
        finished(&bench, "settled").await;
        assert!(ledger.claim(&subject, SignedDuration::from_mins(16)).await.unwrap().is_none(), "one at a time");
        ledger.settle(&claim, &outcome).await.unwrap();
        let due = order(&bench, &subject).await;
        assert_eq!((due.state, due.reason, due.attempts), (ArchiveState::Due, None, 0), "{outcome:?}");
        // And it is free for the next worker.
        let claim = ledger.claim(&subject, SignedDuration::from_mins(16)).await.unwrap().unwrap();
        ledger.settle(&claim, &OrderOutcome::Archived).await.unwrap();
        assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_died_is_followed_by_another_once_its_claim_is_over() {
    let bench = Bench::start().await;
    let ledger = bench.ledger();
    bench.simulator.pack("died").documents(1);
    let subject = finished(&bench, "died").await;
    let alive = ledger.claim(&subject, SignedDuration::from_hours(1)).await.unwrap().unwrap();
    // Nobody takes it away from a worker that may still be at it, however late the sweep thinks it is.
    assert_eq!(bench.sweep(bench::later(super::LONG)).await.made_due, 0);
    bench.work(&subject).await;
    assert_eq!(inspections(&bench.simulator), 0);
    drop(alive);

    let subject = finished(&bench, "died-long-ago").await;
    let dead = ledger.claim(&subject, SignedDuration::ZERO).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.sweep(bench::later(super::LONG)).await.made_due, 1);
    bench.work(&subject).await;
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
    // What the dead one still had to say comes too late.
    let failed = countersign::ledger::OrderOutcome::Failed { reason: "late".to_owned() };
    ledger.settle(&dead, &failed).await.unwrap();
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_run_archived_is_not_fetched_again_by_the_next() {
    let bench = Bench::start().await;
    let script = bench.simulator.pack("continued");
    script.documents(4);
    // A worker that dies in the middle: two documents are noted, the claim is never settled.
    script.download_of(Part::Document(2), Download::Stall);
    let subject = finished(&bench, "continued").await;
    let function = bench.final_document();
    let died = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::select! {
            () = bench.work_with(&function, &subject) => panic!("it should stall"),
            () = async {
                while downloads(&bench.simulator) < 3 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
    });
    died.await.unwrap();
    assert_eq!(bench.timeline(&subject).await.pdfs.len(), 2);
    script.download_of(Part::Document(2), Download::Pdf);
    bench.simulator.clear_requests();
    // As when somebody retries by hand, who doesn't wait for the claim to end.
    assert!(bench.ledger().retry(&subject).await.unwrap());
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 4).await;
    assert_eq!(downloads(&bench.simulator), 2);
    later(&bench, &subject).await;
    assert_eq!(downloads(&bench.simulator), 2);
}
