//! Archive jobs, and every way in which the service's API and its downloads can fail.

mod field_cases;
mod file_names;
mod hosts;
mod once;
mod packs;
mod queue;
mod retries;
mod signatures;
mod unavailable;

use countersign::{
    domain::{Route, Subject},
    intake::{self, Verdict},
    ledger::{ArchiveState, ArchiveView},
};
use countersign_cli::simulator::Simulator;
use end_to_end::{DirectFunctions, Stored, from_now, harness::deliveries, pack, quicklysign, sha256};
use jiff::SignedDuration;

/// Longer than any pause between two attempts.
const LONG: SignedDuration = SignedDuration::from_hours(48);

/// Records a callback that reports the pack's final documents.
async fn record_completion(functions: &DirectFunctions, id: &str) -> Subject {
    let ledger = functions.ledger();
    let delivery = deliveries::delivery(Route::Quicklysign, quicklysign::body("final_document_generated", id));
    ledger.accept(&delivery).await.unwrap();
    assert_eq!(intake::record(&ledger, &deliveries::services(), &delivery).await.unwrap().verdict, Verdict::Recorded);
    pack(id)
}

/// The subject's archive job, from its timeline.
async fn job_of(functions: &DirectFunctions, subject: &Subject) -> ArchiveView {
    functions.timeline(subject).await.document.archive.expect("an archive job")
}

/// Checks that the job is waiting for this reason, after this number of failed attempts.
async fn assert_waiting(functions: &DirectFunctions, subject: &Subject, reason: &str, attempts: u32) -> ArchiveView {
    let job = job_of(functions, subject).await;
    let expected = (ArchiveState::Waiting, Some(reason), attempts);
    assert_eq!((job.state, job.reason.as_deref(), job.attempts), expected);
    assert!(job.not_before.is_some(), "it will be due again");
    job
}

/// Checks that the job is blocked by the API's credentials without a failed attempt, and returns it.
async fn assert_blocked(functions: &DirectFunctions, subject: &Subject, reason: &str) -> ArchiveView {
    let job = job_of(functions, subject).await;
    assert_eq!((job.state, job.reason.as_deref(), job.attempts), (ArchiveState::Blocked, Some(reason), 0));
    job
}

/// Checks that the job is done, that this number of PDFs is current, and that each PDF is in the bucket as recorded.
async fn assert_archived(functions: &DirectFunctions, subject: &Subject, current: usize) {
    let timeline = functions.timeline(subject).await;
    let job = timeline.document.archive.expect("an archive job");
    assert_eq!((job.state, job.reason, job.not_before), (ArchiveState::Archived, None, None));
    assert_eq!(timeline.pdfs.iter().filter(|pdf| pdf.current).count(), current);
    assert_eq!(timeline.document.pdfs, timeline.pdfs.len());
    for pdf in &timeline.pdfs {
        let bytes = functions.object(&pdf.key).await;
        assert!(bytes.starts_with(b"%PDF-"));
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
    }
    let prefix = format!("quicklysign/{}/", subject.id);
    let keys: Vec<String> = functions.keys().await.into_iter().filter(|key| key.starts_with(&prefix)).collect();
    let mut listed: Vec<String> = timeline.pdfs.into_iter().map(|pdf| pdf.key).collect();
    listed.sort();
    assert_eq!(keys, listed, "the bucket has exactly the listed objects");
}

/// Checks that no document is archived.
async fn assert_nothing_archived(functions: &DirectFunctions, subject: &Subject) {
    assert_eq!(functions.timeline(subject).await.pdfs, []);
    assert_eq!(functions.keys().await, [""; 0]);
}

/// Lets waiting jobs become due, and does the subject's job.
async fn archive_later(functions: &DirectFunctions, subject: &Subject) {
    functions.sweep(from_now(LONG)).await;
    functions.archive(subject).await;
}

fn downloads(simulator: &Simulator) -> usize {
    simulator.requests_to("/quicklysign/serve_pdf/").len()
}

fn api_calls(simulator: &Simulator) -> usize {
    simulator.requests_to("/quicklysign/v1/document_packs/").len()
}
