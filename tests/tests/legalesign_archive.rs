//! Legalesign's PDFs: ready, not ready, wrong, renewed, and not ours.

use countersign::{
    event::Kind,
    ledger::{ArchiveState, ArchiveView, Role, Timeline},
    outbound::HostPatterns,
    sweep::Sweep,
};
use countersign_cli::simulator::{Answer, Download, Part, Promise, Script, Status};
use end_to_end::{
    World,
    legalesign::{document, status},
};
use jiff::{SignedDuration, Timestamp};

/// A batch says that the document is complete, each time at another second, so that it is another event.
async fn complete(world: &World, id: &str, second: u32) {
    let answer = world.batch(&[status("document", id, 30, &format!("2018-03-20T07:09:{second:02}"))]).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

/// Says that a document is complete which the simulator was told about, and waits until the order has one of the states.
async fn order(script: impl FnOnce(&Script) -> &Script, states: &[ArchiveState]) -> (World, Timeline, ArchiveView) {
    let world = World::start().await;
    script(&world.stack.simulator.document("d"));
    complete(&world, "d", 0).await;
    let timeline = world.archive_is(&document("d"), states).await;
    let archive = timeline.document.archive.clone().unwrap();
    (world, timeline, archive)
}

/// Sweeps as if it were so much later, and waits until the order has one of the states.
async fn later(world: &World, hours: i64, states: &[ArchiveState]) -> Timeline {
    let now = Timestamp::now() + SignedDuration::from_hours(hours);
    let swept = Sweep::new(world.ledger(), HostPatterns::default()).run(now).await.unwrap();
    assert_eq!(swept.made_due, 1, "{swept:?}");
    world.archive_is(&document("d"), states).await
}

const WAITING: &[ArchiveState] = &[ArchiveState::Waiting];
const ARCHIVED: &[ArchiveState] = &[ArchiveState::Archived];

/// How much later an order is due again, in minutes.
fn minutes(archive: &ArchiveView) -> i64 {
    Timestamp::now().duration_until(archive.not_before.unwrap()).as_mins()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_redirect_and_without() {
    for inline in [true, false] {
        let (world, timeline, _) = order(|script| script.inline(inline), ARCHIVED).await;
        assert_eq!(timeline.pdfs.len(), 2);
        let redirected = world.stack.simulator.requests_to("/files/");
        assert_eq!(redirected.is_empty(), inline);
        assert!(redirected.iter().all(|request| !request.credentials), "a stranger's host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_de_archived_nothing_counts_as_an_attempt() {
    let (world, timeline, archive) = order(|script| script.next_download(Download::Dearchiving), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("being_dearchived"), 0));
    assert!((235..=240).contains(&minutes(&archive)), "{archive:?}");
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(), [Role::AuditLog], "the other is there");
    let timeline = later(&world, 5, ARCHIVED).await;
    assert_eq!(timeline.pdfs.len(), 2);
    assert_eq!(world.stack.simulator.requests_to("/legalesign/api/v1/document/d/auditlog/").len(), 1, "fetched once");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_is_ready_or_complete_it_is_waited_for() {
    type Change = fn(&Script) -> &Script;
    let cases: [(Change, &str); 4] = [
        (|script| script.ready(false), "no_final_document"),
        (|script| script.status(Status::Awaiting), "not_complete"),
        (|script| script.status(Status::Filled), "not_complete"),
        (|script| script.next_answer(Answer::RateLimited { retry_after: 600 }), "api_http_429"),
    ];
    for (script, reason) in cases {
        let (world, timeline, archive) = order(script, WAITING).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), 0), "{reason}");
        assert!(timeline.pdfs.is_empty());
        assert!(minutes(&archive) <= 10 && (reason != "api_http_429" || minutes(&archive) >= 8), "{archive:?}");
        world.stack.simulator.document("d").ready(true).status(Status::Complete);
        assert_eq!(later(&world, 1, ARCHIVED).await.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_never_be_complete_is_tried_again_only_so_often() {
    for (status, reason) in [(Status::Voided, "document_removed"), (Status::Declined, "document_declined")] {
        let (_, timeline, archive) = order(|script| script.status(status), WAITING).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), 1));
        assert_eq!((timeline.document.status, timeline.document.confirmed_at), (Some(Kind::Completed), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_the_promised_one_is_not_kept() {
    let (world, timeline, archive) = order(|script| script.promise(Promise::Wrong), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("hash_mismatch"), 1));
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(), [Role::AuditLog]);
    assert_eq!(world.keys().await.iter().filter(|key| key.starts_with("legalesign/")).count(), 1);
    world.stack.simulator.document("d").promise(Promise::Right);
    assert_eq!(later(&world, 1, ARCHIVED).await.pdfs.iter().filter(|pdf| pdf.current).count(), 2);
    // Without a promise there is nothing to compare with.
    let (_, timeline, _) = order(|script| script.promise(Promise::Missing), ARCHIVED).await;
    assert_eq!((timeline.pdfs.len(), timeline.pdfs[0].version.as_ref()), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_downloads_are_tried_again() {
    for (download, reason) in [
        (Download::Html, "not_a_pdf"),
        (Download::NoTrailer, "truncated_pdf"),
        (Download::Truncated, "truncated"),
        (Download::Status(401), "download_http_401"),
        (Download::Status(500), "download_http_500"),
    ] {
        let (world, _, archive) =
            order(|script| script.inline(true).promise(Promise::Missing).next_download(download), WAITING).await;
        assert_eq!(archive.attempts, 1, "{reason}");
        assert!(archive.reason.as_deref().is_some_and(|told| told.contains(reason)), "{reason}: {:?}", archive.reason);
        assert_eq!(later(&world, 1, ARCHIVED).await.pdfs.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_audit_log_the_document_is_kept_and_the_order_open() {
    let (world, timeline, archive) =
        order(|script| script.download_of(Part::Record, Download::Status(500)), WAITING).await;
    assert_eq!((archive.reason.as_deref(), archive.attempts), (Some("download_http_500"), 1));
    assert_eq!(timeline.pdfs.iter().map(|pdf| pdf.role).collect::<Vec<_>>(), [Role::Document]);
    world.stack.simulator.document("d").download_of(Part::Record, Download::Pdf);
    assert_eq!(later(&world, 1, ARCHIVED).await.pdfs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_refuses_is_told_apart() {
    for (answer, state, reason, attempts) in [
        (Answer::Unauthorised, ArchiveState::Waiting, "api_http_401", 1),
        (Answer::Status(403), ArchiveState::Foreign, "api_http_403", 0),
        (Answer::Unknown, ArchiveState::Foreign, "api_http_404", 0),
        (Answer::Status(500), ArchiveState::Waiting, "api_http_500", 1),
        (Answer::Json("<html>".to_owned()), ArchiveState::Waiting, "api_not_json", 1),
    ] {
        let (world, timeline, archive) = order(|script| script.answer(answer), &[state]).await;
        assert_eq!((archive.reason.as_deref(), archive.attempts), (Some(reason), attempts));
        assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0), "{reason}");
        // Neither is asked for again before its time, nor is what isn't ours at any time.
        let now = Timestamp::now() + SignedDuration::from_secs(1);
        assert_eq!(Sweep::new(world.ledger(), HostPatterns::default()).run(now).await.unwrap().made_due, 0);
        if state == ArchiveState::Foreign {
            let now = now + SignedDuration::from_hours(1000);
            assert_eq!(Sweep::new(world.ledger(), HostPatterns::default()).run(now).await.unwrap().made_due, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_downloads_nothing_and_a_new_version_stands_beside_the_old_one() {
    let (world, first, _) = order(|script| script, ARCHIVED).await;
    world.stack.simulator.clear_requests();
    let asked = |path: &str| world.stack.simulator.requests_to(path).len();
    complete(&world, "d", 1).await;
    let again = world.archive_is(&document("d"), ARCHIVED).await;
    assert_eq!(asked("/legalesign/"), 1, "only whether there is something new");
    assert_eq!((again.pdfs, again.events.len()), (first.pdfs.clone(), 2));

    world.stack.simulator.document("d").regenerate();
    complete(&world, "d", 2).await;
    let renewed = world.archive_is(&document("d"), ARCHIVED).await.pdfs;
    assert_eq!(renewed.len(), 4, "{renewed:?}");
    for old in &first.pdfs {
        let kept = renewed.iter().find(|pdf| pdf.key == old.key).unwrap();
        assert!(!kept.current && end_to_end::sha256(&world.object(&kept.key).await) == kept.sha256);
    }
    assert_eq!(renewed.iter().filter(|pdf| pdf.current).count(), 2);
}
