//! The files of requests: one PDF or a zip, while they are prepared, and within the API's limits.

use countersign::{
    domain::{Kind, Provider, TimeSource},
    ledger::ArchiveState,
    reconcile::Reconcile,
    time,
};
use countersign_cli::simulator::{Answer, Status};
use end_to_end::{LocalStack, Stored, dropbox_sign::signature_request, sha256};
use jiff::SignedDuration;

const FILES: &str = "/dropbox-sign/v3/signature_request/files/";

async fn all_signed(stack: &LocalStack, id: &str) {
    let answer = stack.post_dropbox_sign("signature_request_all_signed", id).await;
    assert_eq!(answer.verdict(), (200, "recorded", "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_archived_as_one_pdf_or_as_one_for_each_document() {
    for (file_type, pdfs) in [("pdf", 1), ("zip", 3)] {
        let stack = LocalStack::start_with_environment(&[("DROPBOX_SIGN_FILE_TYPE", file_type)]).await;
        stack.simulator.signature_request("done").documents(3).name("Purchase agreement");
        all_signed(&stack, "done").await;
        let timeline = stack.wait_for_archive(&signature_request("done"), &[ArchiveState::Archived]).await;
        assert_eq!(timeline.pdfs.len(), pdfs, "{file_type}");
        for pdf in &timeline.pdfs {
            let bytes = stack.object(&pdf.key).await;
            assert!(bytes.starts_with(b"%PDF-") && pdf.current && pdf.key.starts_with("dropbox-sign/done/"));
            assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
            assert!(pdf.file_name.as_ref().is_some_and(|name| name.as_str().starts_with("Purchase agreement")));
        }
        let [download] = &stack.simulator.requests_to(FILES)[..] else { panic!("one download") };
        assert_eq!((download.query("file_type"), download.credentials), (Some(file_type), true));
        let completed = timeline.events.iter().find(|event| event.kind == Kind::Completed).unwrap();
        assert_eq!(completed.time_source, TimeSource::Provider, "when the last signer signed");
        assert_eq!(timeline.signers.len(), 2, "{file_type}");

        // A new version of the file comes with a callback; the same version isn't downloaded again.
        stack.post_dropbox_sign("signature_request_downloadable", "done").await;
        stack.wait_for_archive_requests(&signature_request("done"), 2).await;
        assert_eq!(stack.simulator.requests_to(FILES).len(), 1);
        stack.simulator.signature_request("done").regenerate();
        stack.post_dropbox_sign("signature_request_downloadable", "done").await;
        let timeline = stack.wait_for_archive_requests(&signature_request("done"), 3).await;
        assert_eq!(timeline.pdfs.iter().filter(|pdf| pdf.current).count(), pdfs, "{file_type}");
        assert_eq!(stack.simulator.requests_to(FILES).len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_while_files_are_prepared_and_while_the_rate_is_limited() {
    let stack = LocalStack::start().await;
    stack.simulator.signature_request("preparing").ready(false);
    all_signed(&stack, "preparing").await;
    let timeline = stack.wait_for_archive(&signature_request("preparing"), &[ArchiveState::Waiting]).await;
    let job = timeline.document.archive.unwrap();
    assert_eq!((job.reason.as_deref(), job.attempts), (Some("files_being_prepared"), 0));
    assert_eq!(timeline.document.status, Some(Kind::Completed), "the API says so already");

    let hour = SignedDuration::from_hours(1);
    stack.simulator.signature_request("limited").answer(Answer::RateLimited { retry_after: 3600 });
    all_signed(&stack, "limited").await;
    let timeline = stack.wait_for_archive(&signature_request("limited"), &[ArchiveState::Waiting]).await;
    let job = timeline.document.archive.unwrap();
    assert_eq!((job.reason.as_deref(), job.attempts), (Some("api_http_429"), 0));
    let pause = job.not_before.unwrap().duration_since(time::now());
    assert!(pause > hour.checked_sub(SignedDuration::from_mins(5)).unwrap() && pause <= hour, "{pause:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_and_deleted_requests_have_nothing_to_archive() {
    let stack = LocalStack::start().await;
    for (id, status, kind) in
        [("declined", Status::Declined, Kind::Declined), ("deleted", Status::Voided, Kind::Signed)]
    {
        stack.simulator.signature_request(id).status(status);
        all_signed(&stack, id).await;
        let timeline = stack
            .wait_for_timeline(&signature_request(id), |timeline| {
                timeline.document.archive.is_none() && !stack.simulator.requests_to("/dropbox-sign/").is_empty()
            })
            .await;
        assert!(timeline.pdfs.is_empty(), "{id}");
        stack.wait_for_timeline(&signature_request(id), |timeline| timeline.document.status == Some(kind)).await;
    }
    assert!(stack.simulator.requests_to(FILES).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_a_completion_of_a_known_request_and_nothing_of_the_accounts_history() {
    let stack = LocalStack::start().await;
    stack.simulator.signature_request("of-the-past");
    stack
        .simulator
        .signature_request("missed")
        .modified(time::now().checked_sub(SignedDuration::from_hours(5)).unwrap());
    stack.post_dropbox_sign("signature_request_sent", "missed").await;
    let reconcile = Reconcile::new(&stack.settings, &stack.aws);
    let found = reconcile.run(time::now()).await.unwrap()[Provider::DropboxSign].clone();
    assert_eq!((found.queried, found.recorded, found.stopped.as_deref()), (1, 1, None), "{found:?}");
    let timeline = stack.wait_for_archive(&signature_request("missed"), &[ArchiveState::Archived]).await;
    assert_eq!(timeline.document.status, Some(Kind::Completed));
    let documents = stack.ledger().documents(None, None, None, 100).await.unwrap().documents;
    assert_eq!(documents.len(), 1, "only requests of which a callback was received");
}
