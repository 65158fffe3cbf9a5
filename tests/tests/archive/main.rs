//! Archive orders: what becomes of them, whatever the service's API and its downloads do.

mod hosts;
mod obstacles;
mod once;
mod packs;
mod patience;
mod queue;

use countersign::{
    delivery::Route,
    intake::{self, Verdict},
    ledger::{ArchiveState, ArchiveView},
    subject::Subject,
};
use countersign_cli::simulator::Simulator;
use end_to_end::{
    bench::{self, Bench, quicklysign_body},
    pack, sha256,
};
use jiff::SignedDuration;

/// Longer than any pause between two attempts.
const LONG: SignedDuration = SignedDuration::from_hours(48);

/// A callback says that the pack's final documents are there.
async fn finished(bench: &Bench, id: &str) -> Subject {
    let ledger = bench.ledger();
    let delivery = bench::delivery(Route::Quicklysign, quicklysign_body("final_document_generated", id));
    ledger.accept(&delivery).await.unwrap();
    assert_eq!(intake::record(&ledger, &delivery).await.unwrap().verdict, Verdict::Recorded);
    pack(id)
}

/// The subject's archive order, as it is shown.
async fn order(bench: &Bench, subject: &Subject) -> ArchiveView {
    bench.timeline(subject).await.document.archive.expect("an archive order")
}

/// Checks that the order waits with this reason, after so many failures.
async fn assert_waits(bench: &Bench, subject: &Subject, reason: &str, attempts: u32) -> ArchiveView {
    let order = order(bench, subject).await;
    let expected = (ArchiveState::Waiting, Some(reason), attempts);
    assert_eq!((order.state, order.reason.as_deref(), order.attempts), expected);
    assert!(order.not_before.is_some(), "it is due again some time");
    order
}

/// Checks that the order is done, that so many PDFs are current, and that each is in the bucket as it is said to be.
async fn assert_archived(bench: &Bench, subject: &Subject, current: usize) {
    let timeline = bench.timeline(subject).await;
    let order = timeline.document.archive.expect("an archive order");
    assert_eq!((order.state, order.reason, order.not_before), (ArchiveState::Archived, None, None));
    assert_eq!(timeline.pdfs.iter().filter(|pdf| pdf.current).count(), current);
    assert_eq!(timeline.document.pdfs, timeline.pdfs.len());
    for pdf in &timeline.pdfs {
        let bytes = bench.object(&pdf.key).await;
        assert!(bytes.starts_with(b"%PDF-"));
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
    }
    let prefix = format!("quicklysign/{}/", subject.id);
    let keys: Vec<String> = bench.keys().await.into_iter().filter(|key| key.starts_with(&prefix)).collect();
    let mut told: Vec<String> = timeline.pdfs.into_iter().map(|pdf| pdf.key).collect();
    told.sort();
    assert_eq!(keys, told, "nothing is in the bucket that the manifest doesn't name");
}

/// Checks that nothing of any document is in the archive.
async fn assert_nothing_archived(bench: &Bench, subject: &Subject) {
    assert_eq!(bench.timeline(subject).await.pdfs, []);
    assert_eq!(bench.keys().await, [""; 0]);
}

/// Makes what waits due, and has the subject's order done.
async fn later(bench: &Bench, subject: &Subject) {
    bench.sweep(bench::later(LONG)).await;
    bench.work(subject).await;
}

fn downloads(simulator: &Simulator) -> usize {
    simulator.requests_to("/quicklysign/serve_pdf/").len()
}

fn inspections(simulator: &Simulator) -> usize {
    simulator.requests_to("/quicklysign/v1/document_packs/").len()
}
