//! Everything that can be in the way, and that the order is done once it isn't any more.

use bytes::Bytes;
use countersign::{ledger::ArchiveState, outbound::HostPatterns, sweep::Sweep};
use countersign_cli::simulator::{Answer, Download, Status};
use end_to_end::bench::{self, Bench};
use jiff::SignedDuration;

use super::{
    LONG, assert_archived, assert_nothing_archived, assert_waits, downloads, finished, inspections, later, order,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_waits_for_its_time_and_that_is_no_failure() {
    let bench = Bench::start().await;
    for (id, reason) in [("not-complete", "not_complete"), ("not-generated", "no_final_document")] {
        let script = bench.simulator.pack(id);
        script.documents(2);
        if id == "not-complete" {
            script.status(Status::Awaiting)
        } else {
            script.ready(false)
        };
        let subject = finished(&bench, id).await;
        bench.work(&subject).await;
        let waiting = assert_waits(&bench, &subject, reason, 0).await;
        let not_before = waiting.not_before.unwrap();

        // Not a moment too early, whoever runs it how often.
        for now in [countersign::time::now(), not_before.checked_sub(SignedDuration::from_secs(1)).unwrap()] {
            assert_eq!(bench.sweep(now).await.made_due, 0);
        }
        bench.work(&subject).await;
        assert_eq!(order(&bench, &subject).await, waiting);

        let after = not_before.checked_add(SignedDuration::from_secs(1)).unwrap();
        assert_eq!(bench.sweep(after).await.made_due, 1);
        assert_eq!(order(&bench, &subject).await.state, ArchiveState::Due);
        // Still not: that can go on for weeks without the order being given up.
        for _ in 0..20 {
            bench.work(&subject).await;
            assert_waits(&bench, &subject, reason, 0).await;
            assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 1);
        }
        assert_eq!(downloads(&bench.simulator), 0);
        assert_nothing_archived(&bench, &subject).await;

        script.status(Status::Complete).ready(true);
        bench.work(&subject).await;
        assert_archived(&bench, &subject, 2).await;
        bench.simulator.clear_requests();
        for key in bench.keys().await {
            bench.aws.s3.delete_object().bucket(countersign_cli::stack::BUCKET).key(key).send().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_pdf_is_tried_again_and_leaves_nothing_in_the_archive() {
    let bench = Bench::start().await;
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
        let script = bench.simulator.pack(&id);
        script.documents(1).download(download.clone());
        let subject = finished(&bench, &id).await;
        bench.work(&subject).await;
        assert_waits(&bench, &subject, reason, 1).await;
        assert_nothing_archived(&bench, &subject).await;

        script.download(Download::Pdf);
        later(&bench, &subject).await;
        assert_archived(&bench, &subject, 1).await;
        for key in bench.keys().await {
            bench.aws.s3.delete_object().bucket(countersign_cli::stack::BUCKET).key(key).send().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_type_is_not_believed() {
    let bench = Bench::start().await;
    bench.simulator.pack("zip").documents(1).download(Download::ContentType("application/zip".to_owned()));
    let subject = finished(&bench, "zip").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_and_the_credential_stays_at_home() {
    let bench = Bench::start().await;
    let elsewhere = bench.simulator_url.replace("127.0.0.1", "localhost");
    let moved = Download::Redirect(format!("{elsewhere}/quicklysign/serve_pdf/stored/0"));
    bench.simulator.pack("moved").documents(1).protected(true).download(moved);
    let subject = finished(&bench, "moved").await;
    let function =
        final_document::Function::start(bench.settings_with(&[("DOWNLOAD_HOSTS", "127.0.0.1,localhost")]), &bench.aws);
    bench.work_with(&function, &subject).await;
    assert_archived(&bench, &subject, 1).await;
    let asked = bench.simulator.requests_to("/quicklysign/serve_pdf/");
    let asked: Vec<_> = asked.iter().map(|request| (request.path.as_str(), request.credentials)).collect();
    assert_eq!(asked, [("/quicklysign/serve_pdf/moved/0", true), ("/quicklysign/serve_pdf/stored/0", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_not_there_yet_is_no_failure() {
    let bench = Bench::start().await;
    for (id, status) in [("gone", 404), ("slow-down", 429), ("made", 202)] {
        bench.simulator.pack(id).documents(1).next_download(Download::Status(status));
        let subject = finished(&bench, id).await;
        bench.work(&subject).await;
        assert_waits(&bench, &subject, &format!("download_http_{status}"), 0).await;
        later(&bench, &subject).await;
        assert_archived(&bench, &subject, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_s_own_words_count_and_not_its_http_status() {
    let bench = Bench::start().await;
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
        bench.simulator.pack(&id).documents(1).next_answer(answer);
        let subject = finished(&bench, &id).await;
        bench.work(&subject).await;
        assert_waits(&bench, &subject, reason, 1).await;
        later(&bench, &subject).await;
        assert_archived(&bench, &subject, 1).await;
    }
    // A proxy in front of the API, without any envelope.
    bench.simulator.fail_next(1, "/quicklysign/v1/document_packs/", 502);
    let subject = finished(&bench, "proxy").await;
    bench.work(&subject).await;
    assert_waits(&bench, &subject, "api_http_502", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_the_api_does_not_know_is_foreign_and_not_asked_for_again() {
    let bench = Bench::start().await;
    for (id, answer, reason) in [
        ("unknown", Answer::Unknown, "api_http_404"),
        ("unknown-under-200", Answer::Envelope(404), "api_http_404"),
        ("forbidden", Answer::Status(403), "api_http_403"),
    ] {
        bench.simulator.pack(id).answer(answer);
        let subject = finished(&bench, id).await;
        bench.work(&subject).await;
        let foreign = order(&bench, &subject).await;
        let expected = (ArchiveState::Foreign, Some(reason), 0, None);
        assert_eq!((foreign.state, foreign.reason.as_deref(), foreign.attempts, foreign.not_before), expected);

        let asked = inspections(&bench.simulator);
        for _ in 0..3 {
            assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 0);
            bench.work(&subject).await;
        }
        assert_eq!((inspections(&bench.simulator), downloads(&bench.simulator)), (asked, 0));
        assert_nothing_archived(&bench, &subject).await;
        // The status that a callback claims isn't confirmed by an API that doesn't know the pack.
        assert_eq!(bench.timeline(&subject).await.document.confirmed_at, None);
    }
    // Another callback asks anew, and by then it may be known.
    bench.simulator.pack("unknown").recover().documents(1);
    let subject = finished(&bench, "unknown").await;
    bench.work(&subject).await;
    assert_archived(&bench, &subject, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_access_token_is_renewed_once() {
    let bench = Bench::start().await;
    let function = bench.final_document();
    let tokens = || bench.simulator.requests_to("/quicklysign/v1/access_tokens").len();
    let first = finished(&bench, "first").await;
    bench.work_with(&function, &first).await;
    assert_eq!((tokens(), inspections(&bench.simulator)), (1, 1));

    let second = finished(&bench, "second").await;
    bench.work_with(&function, &second).await;
    assert_eq!((tokens(), inspections(&bench.simulator)), (1, 2), "the token is used again");

    bench.simulator.expire_tokens();
    let third = finished(&bench, "third").await;
    bench.work_with(&function, &third).await;
    assert_eq!((tokens(), inspections(&bench.simulator)), (2, 4), "refused, renewed, accepted");
    assert_eq!(order(&bench, &third).await.state, ArchiveState::Archived);

    // When the new one is refused as well, it isn't the token.
    bench.simulator.pack("fourth").answer(Answer::Unauthorised);
    let fourth = finished(&bench, "fourth").await;
    bench.work_with(&function, &fourth).await;
    assert_eq!((tokens(), inspections(&bench.simulator)), (3, 6));
    assert_waits(&bench, &fourth, "api_http_401", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_wrong_or_missing_are_a_failure_that_can_be_mended() {
    let bench = Bench::start().await;
    let subject = finished(&bench, "credentials").await;
    let wrong = r#"{"client_id": "id", "client_secret": "wrong", "api_key": "key"}"#;
    for (attempts, (credentials, reason)) in
        [(wrong, "api_http_401"), ("", "not_configured"), ("{}", "not_configured")].into_iter().enumerate()
    {
        let settings = bench.settings_with(&[("QUICKLYSIGN_API", credentials)]);
        let function = final_document::Function::start(settings, &bench.aws);
        bench.work_with(&function, &subject).await;
        assert_waits(&bench, &subject, reason, u32::try_from(attempts).unwrap() + 1).await;
        bench.sweep(bench::later(LONG)).await;
    }
    bench.work(&subject).await;
    assert_eq!(order(&bench, &subject).await.state, ArchiveState::Archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_or_a_bucket_out_of_reach_is_tried_again() {
    let bench = Bench::start().await;
    bench.simulator.pack("outage").documents(2);
    let subject = finished(&bench, "outage").await;
    let settings = bench.settings_with(&[("QUICKLYSIGN_API_URL", bench::NOBODY)]);
    let function = final_document::Function::start(settings, &bench.aws);
    bench.work_with(&function, &subject).await;
    assert_waits(&bench, &subject, "connect_failed", 1).await;

    bench.sweep(bench::later(LONG)).await;
    let function = final_document::Function::start(Ok(bench.settings()), &bench.without_s3().await);
    bench.work_with(&function, &subject).await;
    let waiting = order(&bench, &subject).await;
    let reason = waiting.reason.clone().unwrap();
    assert!(waiting.state == ArchiveState::Waiting && waiting.attempts == 2, "{waiting:?}");
    assert!(reason.starts_with("s3_"), "{reason}");
    assert_nothing_archived(&bench, &subject).await;

    later(&bench, &subject).await;
    assert_archived(&bench, &subject, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_allows_a_host_wakes_only_orders_that_wait_for_it() {
    let bench = Bench::start().await;
    let url = bench.simulator_url.replace("127.0.0.1", "{host}");
    for (id, host) in [("one", "files.example"), ("two", "other.example")] {
        let url = url.replace("{host}", host);
        bench.simulator.pack(id).documents(1).serve_pdf_url(&format!("{url}/quicklysign/serve_pdf/{id}/{{n}}"));
        let subject = finished(&bench, id).await;
        bench.work(&subject).await;
        let blocked = order(&bench, &subject).await;
        let reason = format!("host_not_allowed: {host}");
        assert_eq!((blocked.state, blocked.reason, blocked.attempts), (ArchiveState::Blocked, Some(reason), 0));
    }
    assert_eq!(bench.sweep(bench::later(LONG)).await.made_due, 0);
    let allowed = HostPatterns::parse("127.0.0.1,*.example.org,files.example").unwrap();
    let swept = Sweep::new(bench.ledger(), allowed).run(countersign::time::now()).await.unwrap();
    assert_eq!(swept.made_due, 1);
    assert_eq!(order(&bench, &end_to_end::pack("one")).await.state, ArchiveState::Due);
    assert_eq!(order(&bench, &end_to_end::pack("two")).await.state, ArchiveState::Blocked);
}
