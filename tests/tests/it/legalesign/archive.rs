//! Legalesign's PDFs: ready, not ready, wrong, renewed, and of other accounts.

use countersign::{
    domain::{Kind, Role},
    ledger::{ArchiveState, ArchiveView, Timeline},
    sweep::Sweep,
};
use countersign_cli::simulator::{Answer, Download, Part, Promise, Script, Status};
use end_to_end::{
    LocalStack, Stored,
    legalesign::{document, status},
    sha256,
};
use jiff::{SignedDuration, Timestamp};

/// Posts a batch that reports the document as complete. Each value of `second` makes another event.
async fn complete(stack: &LocalStack, id: &str, second: u32) {
    let answer = stack.post_batch(&[status("document", id, 30, &format!("2018-03-20T07:09:{second:02}"))]).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

/// Completes a document that the simulator has this script for, and waits until the job is in one of the states.
async fn complete_scripted(
    script: impl FnOnce(&Script) -> &Script,
    states: &[ArchiveState],
) -> (LocalStack, Timeline, ArchiveView) {
    let stack = LocalStack::start().await;
    script(&stack.simulator.document("d"));
    complete(&stack, "d", 0).await;
    let timeline = stack.wait_for_archive(&document("d"), states).await;
    let archive = timeline.document.archive.clone().unwrap();
    (stack, timeline, archive)
}

/// Sweeps as if it were later, and waits until the job is in one of the states.
async fn sweep_later(stack: &LocalStack, hours: i64, states: &[ArchiveState]) -> Timeline {
    let now = Timestamp::now() + SignedDuration::from_hours(hours);
    let swept = Sweep::new(&stack.settings, &stack.aws).run(now).await.unwrap();
    assert_eq!(swept.made_due, 1, "{swept:?}");
    stack.wait_for_archive(&document("d"), states).await
}

const WAITING: &[ArchiveState] = &[ArchiveState::Waiting];
const ARCHIVED: &[ArchiveState] = &[ArchiveState::Archived];

/// Minutes until the job is due again.
fn minutes(archive: &ArchiveView) -> i64 {
    Timestamp::now().duration_until(archive.not_before.unwrap()).as_mins()
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_are_archived_with_and_without_a_redirect() {
    for inline in [true, false] {
        let (stack, timeline, _) = complete_scripted(|script| script.inline(inline), ARCHIVED).await;
        assert_eq!(timeline.pdfs.len(), 2);
        let redirected = stack.simulator.requests_to("/files/");
        assert_eq!(redirected.is_empty(), inline);
        assert!(redirected.iter().all(|request| !request.credentials), "no credential for another host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_de_archiving_does_not_count_as_an_attempt() {
    let (stack, timeline, archive) =
        complete_scripted(|script| script.next_download(Download::Dearchiving), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("being_dearchived"), 0));
    assert!((235..=240).contains(&minutes(&archive)), "{archive:?}");
    assert_eq!(
        timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(),
        [Role::AuditLog],
        "the other file is archived"
    );
    let timeline = sweep_later(&stack, 5, ARCHIVED).await;
    assert_eq!(timeline.pdfs.len(), 2);
    assert_eq!(stack.simulator.requests_to("/legalesign/api/v1/document/d/auditlog/").len(), 1, "downloaded once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_not_ready_or_complete_is_waited_for() {
    type Change = fn(&Script) -> &Script;
    let cases: [(Change, &str); 4] = [
        (|script| script.ready(false), "no_final_document"),
        (|script| script.status(Status::Awaiting), "not_complete"),
        (|script| script.status(Status::Filled), "not_complete"),
        (|script| script.next_answer(Answer::RateLimited { retry_after: 600 }), "api_http_429"),
    ];
    for (script, reason) in cases {
        let (stack, timeline, archive) = complete_scripted(script, WAITING).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), 0), "{reason}");
        assert!(timeline.pdfs.is_empty());
        assert!(minutes(&archive) <= 10 && (reason != "api_http_429" || minutes(&archive) >= 8), "{archive:?}");
        stack.simulator.document("d").ready(true).status(Status::Complete);
        assert_eq!(sweep_later(&stack, 1, ARCHIVED).await.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_or_declined_document_counts_failed_attempts() {
    for (status, reason) in [(Status::Voided, "document_removed"), (Status::Declined, "document_declined")] {
        let (_, timeline, archive) = complete_scripted(|script| script.status(status), WAITING).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), 1));
        assert_eq!((timeline.document.status, timeline.document.confirmed_at), (Some(Kind::Completed), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_wrong_hash_is_not_archived() {
    let (stack, timeline, archive) = complete_scripted(|script| script.promise(Promise::Wrong), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("hash_mismatch"), 1));
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(), [Role::AuditLog]);
    assert_eq!(stack.keys().await.iter().filter(|key| key.starts_with("legalesign/")).count(), 1);
    stack.simulator.document("d").promise(Promise::Right);
    assert_eq!(sweep_later(&stack, 1, ARCHIVED).await.pdfs.iter().filter(|pdf| pdf.current).count(), 2);
    // Without a promised hash there is nothing to compare with.
    let (_, timeline, _) = complete_scripted(|script| script.promise(Promise::Missing), ARCHIVED).await;
    assert_eq!((timeline.pdfs.len(), timeline.pdfs[0].version.as_ref()), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_downloads_are_retried() {
    for (download, reason) in [
        (Download::Html, "not_a_pdf"),
        (Download::NoTrailer, "truncated_pdf"),
        (Download::Truncated, "truncated"),
        (Download::Status(401), "download_http_401"),
        (Download::Status(500), "download_http_500"),
    ] {
        let (stack, _, archive) =
            complete_scripted(|script| script.inline(true).promise(Promise::Missing).next_download(download), WAITING)
                .await;
        assert_eq!(archive.attempts, 1, "{reason}");
        assert!(
            archive.reason.as_deref().is_some_and(|given| given.contains(reason)),
            "{reason}: {:?}",
            archive.reason
        );
        assert_eq!(sweep_later(&stack, 1, ARCHIVED).await.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_without_its_audit_log_is_archived_and_the_job_stays_open() {
    let (stack, timeline, archive) =
        complete_scripted(|script| script.download_of(Part::Record, Download::Status(500)), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("download_http_500"), 1));
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(), [Role::Document]);
    stack.simulator.document("d").download_of(Part::Record, Download::Pdf);
    assert_eq!(sweep_later(&stack, 1, ARCHIVED).await.pdfs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn api_errors_are_distinguished() {
    for (answer, state, reason, attempts) in [
        (Answer::Unauthorised, ArchiveState::Blocked, "api_http_401", 0),
        (Answer::Status(403), ArchiveState::Blocked, "api_http_403", 0),
        (Answer::Unknown, ArchiveState::Foreign, "api_http_404", 0),
        (Answer::Status(500), ArchiveState::Waiting, "api_http_500", 1),
        (Answer::Json("<html>".to_owned()), ArchiveState::Waiting, "api_not_json", 1),
    ] {
        let (stack, timeline, archive) = complete_scripted(|script| script.answer(answer), &[state]).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), attempts));
        assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0), "{reason}");
        // No job is due again before its time, and a foreign document never is.
        let now = Timestamp::now() + SignedDuration::from_secs(1);
        assert_eq!(Sweep::new(&stack.settings, &stack.aws).run(now).await.unwrap().made_due, 0);
        if state == ArchiveState::Foreign {
            let now = now + SignedDuration::from_hours(1000);
            assert_eq!(Sweep::new(&stack.settings, &stack.aws).run(now).await.unwrap().made_due, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_downloads_nothing_and_a_new_version_is_archived_beside_the_old_one() {
    let (stack, first, _) = complete_scripted(|script| script, ARCHIVED).await;
    stack.simulator.clear_requests();
    let requests = |path: &str| stack.simulator.requests_to(path).len();
    complete(&stack, "d", 1).await;
    let again = stack.wait_for_archive(&document("d"), ARCHIVED).await;
    assert_eq!(requests("/legalesign/"), 1, "only the query for a new version");
    assert_eq!((again.pdfs, again.events.len()), (first.pdfs.clone(), 2));

    stack.simulator.document("d").regenerate();
    complete(&stack, "d", 2).await;
    let renewed = stack.wait_for_archive(&document("d"), ARCHIVED).await.pdfs;
    assert_eq!(renewed.len(), 4, "{renewed:?}");
    for old in &first.pdfs {
        let kept = renewed.iter().find(|pdf| pdf.key == old.key).unwrap();
        assert!(!kept.current && sha256(&stack.object(&kept.key).await) == kept.sha256);
    }
    assert_eq!(renewed.iter().filter(|pdf| pdf.current).count(), 2);
}
