//! Every reason why a final document may be unavailable, and that the job is done once it is available.

use bytes::Bytes;
use countersign::{ledger::ArchiveState, outbound::HostPatterns, sweep::Sweep};
use countersign_cli::simulator::{Answer, Download, Status};
use end_to_end::{DirectFunctions, Stored, from_now, harness::UNREACHABLE, pack};
use jiff::SignedDuration;

use super::{
    LONG, api_calls, archive_later, assert_archived, assert_blocked, assert_nothing_archived, assert_waiting,
    downloads, job_of, record_completion,
};

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_not_ready_are_waited_for_without_counting_attempts() {
    let functions = DirectFunctions::start().await;
    for (id, reason) in [("not-complete", "not_complete"), ("not-generated", "no_final_document")] {
        let script = functions.simulator.pack(id);
        script.documents(2);
        if id == "not-complete" {
            script.status(Status::Awaiting)
        } else {
            script.ready(false)
        };
        let subject = record_completion(&functions, id).await;
        functions.archive(&subject).await;
        let waiting = assert_waiting(&functions, &subject, reason, 0).await;
        let not_before = waiting.not_before.unwrap();

        // Not too early, however often the sweep runs.
        for now in [countersign::time::now(), not_before.checked_sub(SignedDuration::from_secs(1)).unwrap()] {
            assert_eq!(functions.sweep(now).await.made_due, 0);
        }
        functions.archive(&subject).await;
        assert_eq!(job_of(&functions, &subject).await, waiting);

        let after = not_before.checked_add(SignedDuration::from_secs(1)).unwrap();
        assert_eq!(functions.sweep(after).await.made_due, 1);
        assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Due);
        // Still not ready: that may take weeks, and the job isn't given up.
        for _ in 0..20 {
            functions.archive(&subject).await;
            assert_waiting(&functions, &subject, reason, 0).await;
            let swept = functions.sweep(from_now(LONG)).await;
            assert_eq!(swept.made_due, 1);
            // But a person hears of it.
            assert!(swept.oldest_waiting_seconds >= 48 * 60 * 60, "{swept:?}");
        }
        assert_eq!(downloads(&functions.simulator), 0);
        assert_nothing_archived(&functions, &subject).await;

        script.status(Status::Complete).ready(true);
        functions.archive(&subject).await;
        assert_archived(&functions, &subject, 2).await;
        functions.simulator.clear_requests();
        for key in functions.keys().await {
            functions.delete_object(&key).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_are_not_complete_pdfs_are_retried_and_not_archived() {
    let functions = DirectFunctions::start().await;
    let zip = Download::Bytes(Bytes::from_static(b"PK\x03\x04 and so on"));
    let text = Download::Bytes(Bytes::from_static(b"%PDF-1.7 and nothing more"));
    for (number, (download, reason)) in [
        (Download::Html, "not_a_pdf"),
        (Download::Empty, "not_a_pdf"),
        (zip, "zip_unreadable"),
        (text, "truncated_pdf"),
        (Download::NoTrailer, "truncated_pdf"),
        (Download::Truncated, "truncated"),
        (Download::Status(401), "download_http_401"),
        (Download::Status(500), "download_http_500"),
        (Download::Status(503), "download_http_503"),
        (Download::Redirect("ftp://127.0.0.1/".to_owned()), "not_https"),
        (Download::Redirect("http://user@127.0.0.1/".to_owned()), "user_info_not_allowed"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("bad-{number}");
        let script = functions.simulator.pack(&id);
        script.documents(1).download(download.clone());
        let subject = record_completion(&functions, &id).await;
        functions.archive(&subject).await;
        assert_waiting(&functions, &subject, reason, 1).await;
        assert_nothing_archived(&functions, &subject).await;

        script.download(Download::Pdf);
        archive_later(&functions, &subject).await;
        assert_archived(&functions, &subject, 1).await;
        for key in functions.keys().await {
            functions.delete_object(&key).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_of_a_download_is_ignored() {
    let functions = DirectFunctions::start().await;
    functions.simulator.pack("zip").documents(1).download(Download::ContentType("application/zip".to_owned()));
    let subject = record_completion(&functions, "zip").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_without_the_credential() {
    let functions = DirectFunctions::start().await;
    let elsewhere = functions.simulator_url.replace("127.0.0.1", "localhost");
    let moved = Download::Redirect(format!("{elsewhere}/quicklysign/serve_pdf/stored/0"));
    functions.simulator.pack("moved").documents(1).protected(true).download(moved);
    let subject = record_completion(&functions, "moved").await;
    let function = final_document::Function::start(
        functions.settings_with(&[("DOWNLOAD_HOSTS", "127.0.0.1,localhost")]),
        &functions.aws,
    );
    functions.archive_with(&function, &subject).await;
    assert_archived(&functions, &subject, 1).await;
    let requests = functions.simulator.requests_to("/quicklysign/serve_pdf/");
    let requests: Vec<_> = requests.iter().map(|request| (request.path.as_str(), request.credentials)).collect();
    assert_eq!(requests, [("/quicklysign/serve_pdf/moved/0", true), ("/quicklysign/serve_pdf/stored/0", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_answered_202_404_or_429_do_not_count_as_failed_attempts() {
    let functions = DirectFunctions::start().await;
    for (id, status) in [("gone", 404), ("slow-down", 429), ("made", 202)] {
        functions.simulator.pack(id).documents(1).next_download(Download::Status(status));
        let subject = record_completion(&functions, id).await;
        functions.archive(&subject).await;
        assert_waiting(&functions, &subject, &format!("download_http_{status}"), 0).await;
        archive_later(&functions, &subject).await;
        assert_archived(&functions, &subject, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_in_the_response_envelope_counts_rather_than_the_http_status() {
    let functions = DirectFunctions::start().await;
    for (number, (answer, reason)) in [
        (Answer::Status(500), "api_http_500"),
        (Answer::Envelope(500), "api_http_500"),
        (Answer::Envelope(400), "api_http_400"),
        (Answer::Json("[]".to_owned()), "api_not_json"),
        (Answer::Json("<html>".to_owned()), "api_not_json"),
        (Answer::Json(String::new()), "api_not_json"),
        (Answer::Json(r#"{"status": {"status_code": "200"}}"#.to_owned()), "api_not_json"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("api-{number}");
        functions.simulator.pack(&id).documents(1).next_answer(answer);
        let subject = record_completion(&functions, &id).await;
        functions.archive(&subject).await;
        assert_waiting(&functions, &subject, reason, 1).await;
        archive_later(&functions, &subject).await;
        assert_archived(&functions, &subject, 1).await;
    }
    // A proxy in front of the API, without any envelope.
    functions.simulator.fail_next(1, "/quicklysign/v1/document_packs/", 502);
    let subject = record_completion(&functions, "proxy").await;
    functions.archive(&subject).await;
    assert_waiting(&functions, &subject, "api_http_502", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_unknown_to_the_api_is_foreign_and_not_queried_again() {
    let functions = DirectFunctions::start().await;
    for (id, answer, reason) in
        [("unknown", Answer::Unknown, "api_http_404"), ("unknown-under-200", Answer::Envelope(404), "api_http_404")]
    {
        functions.simulator.pack(id).answer(answer);
        let subject = record_completion(&functions, id).await;
        functions.archive(&subject).await;
        let foreign = job_of(&functions, &subject).await;
        let expected = (ArchiveState::Foreign, Some(reason), 0, None);
        assert_eq!((foreign.state, foreign.reason.as_deref(), foreign.attempts, foreign.not_before), expected);

        let calls = api_calls(&functions.simulator);
        for _ in 0..3 {
            assert_eq!(functions.sweep(from_now(LONG)).await.made_due, 0);
            functions.archive(&subject).await;
        }
        assert_eq!((api_calls(&functions.simulator), downloads(&functions.simulator)), (calls, 0));
        assert_nothing_archived(&functions, &subject).await;
        // The status that a callback claims isn't confirmed by an API that doesn't know the pack.
        assert_eq!(functions.timeline(&subject).await.document.confirmed_at, None);
    }
    // Another callback queries again, and the pack may be known by then.
    functions.simulator.pack("unknown").recover().documents(1);
    let subject = record_completion(&functions, "unknown").await;
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_access_token_is_renewed_once() {
    let functions = DirectFunctions::start().await;
    let function = functions.final_document();
    let tokens = || functions.simulator.requests_to("/quicklysign/v1/access_tokens").len();
    let first = record_completion(&functions, "first").await;
    functions.archive_with(&function, &first).await;
    assert_eq!((tokens(), api_calls(&functions.simulator)), (1, 1));

    let second = record_completion(&functions, "second").await;
    functions.archive_with(&function, &second).await;
    assert_eq!((tokens(), api_calls(&functions.simulator)), (1, 2), "the token is used again");

    functions.simulator.expire_tokens();
    let third = record_completion(&functions, "third").await;
    functions.archive_with(&function, &third).await;
    assert_eq!((tokens(), api_calls(&functions.simulator)), (2, 4), "rejected, renewed, accepted");
    assert_eq!(job_of(&functions, &third).await.state, ArchiveState::Archived);

    // If the new token is rejected too, the token isn't the problem.
    functions.simulator.pack("fourth").answer(Answer::Unauthorised);
    let fourth = record_completion(&functions, "fourth").await;
    functions.archive_with(&function, &fourth).await;
    assert_eq!((tokens(), api_calls(&functions.simulator)), (3, 6));
    assert_blocked(&functions, &fourth, "api_http_401").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_or_missing_api_credentials_block_a_job_until_they_are_corrected() {
    let functions = DirectFunctions::start().await;
    let subject = record_completion(&functions, "credentials").await;
    let wrong = r#"{"client_id": "id", "client_secret": "wrong", "api_key": "key"}"#;
    for (credentials, reason) in [(wrong, "api_http_401"), ("", "not_configured"), ("{}", "not_configured")] {
        let settings = functions.settings_with(&[("QUICKLYSIGN_API", credentials)]);
        let function = final_document::Function::start(settings, &functions.aws);
        functions.archive_with(&function, &subject).await;
        assert_blocked(&functions, &subject, reason).await;
        functions.sweep(from_now(LONG)).await;
    }
    functions.archive(&subject).await;
    assert_eq!(job_of(&functions, &subject).await.state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_denies_access_blocks_a_job_for_as_long_as_it_does() {
    let functions = DirectFunctions::start().await;
    let script = functions.simulator.pack("denied");
    script.documents(1).answer(Answer::Status(403));
    let subject = record_completion(&functions, "denied").await;
    for _ in 0..20 {
        functions.archive(&subject).await;
        let not_before = assert_blocked(&functions, &subject, "api_http_403").await.not_before.unwrap();
        assert_eq!(functions.sweep(not_before).await.made_due, 0, "not too early");
        let after = not_before.checked_add(SignedDuration::from_secs(1)).unwrap();
        assert_eq!(functions.sweep(after).await.made_due, 1);
    }
    assert_nothing_archived(&functions, &subject).await;
    script.recover().documents(1);
    functions.archive(&subject).await;
    assert_archived(&functions, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_api_or_bucket_is_retried() {
    let functions = DirectFunctions::start().await;
    functions.simulator.pack("outage").documents(2);
    let subject = record_completion(&functions, "outage").await;
    let settings = functions.settings_with(&[("QUICKLYSIGN_API_URL", UNREACHABLE)]);
    let function = final_document::Function::start(settings, &functions.aws);
    functions.archive_with(&function, &subject).await;
    assert_waiting(&functions, &subject, "connect_failed", 1).await;

    functions.sweep(from_now(LONG)).await;
    let function = final_document::Function::start(Ok(functions.settings()), &functions.aws_without_s3().await);
    functions.archive_with(&function, &subject).await;
    let waiting = job_of(&functions, &subject).await;
    let reason = waiting.reason.clone().unwrap();
    assert!(waiting.state == ArchiveState::Waiting && waiting.attempts == 2, "{waiting:?}");
    assert!(reason.starts_with("s3_"), "{reason}");
    assert_nothing_archived(&functions, &subject).await;

    archive_later(&functions, &subject).await;
    assert_archived(&functions, &subject, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn allowing_a_host_wakes_only_the_jobs_blocked_on_it() {
    let functions = DirectFunctions::start().await;
    let url = functions.simulator_url.replace("127.0.0.1", "{host}");
    for (id, host) in [("one", "files.example"), ("two", "other.example")] {
        let url = url.replace("{host}", host);
        functions.simulator.pack(id).documents(1).serve_pdf_url(&format!("{url}/quicklysign/serve_pdf/{id}/{{n}}"));
        let subject = record_completion(&functions, id).await;
        functions.archive(&subject).await;
        let blocked = job_of(&functions, &subject).await;
        let reason = format!("host_not_allowed: {host}");
        assert_eq!((blocked.state, blocked.reason, blocked.attempts), (ArchiveState::Blocked, Some(reason), 0));
    }
    assert_eq!(functions.sweep(from_now(LONG)).await.made_due, 0);
    let mut settings = functions.settings().clone();
    settings.download_hosts = HostPatterns::parse("127.0.0.1,*.example.org,files.example").unwrap();
    let swept = Sweep::new(&settings, &functions.aws).run(countersign::time::now()).await.unwrap();
    assert_eq!(swept.made_due, 1);
    assert_eq!(job_of(&functions, &pack("one")).await.state, ArchiveState::Due);
    assert_eq!(job_of(&functions, &pack("two")).await.state, ArchiveState::Blocked);
}
