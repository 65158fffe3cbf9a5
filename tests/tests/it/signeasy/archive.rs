//! From SignEasy's callbacks to the archived PDFs and certificates.

use bytes::Bytes;
use countersign::{
    domain::{Kind, Provider, Role},
    ledger::{ArchiveState, Pdf, Timeline},
    outbound::{Client, Timeouts, UrlPolicy},
};
use countersign_cli::simulator::{Answer, Download, Part, Status};
use end_to_end::{
    LocalStack, Stored, sha256,
    signeasy::{changed, document, sample},
};
use http::Request;
use serde_json::{Value, json};

const WITH_CERTIFICATE: [Role; 2] = [Role::Certificate, Role::Document];

fn completed(id: &str) -> Value {
    changed("rs_completed_v2", |body| body["data"]["id"] = id.into())
}

/// The event of a self-signed document.
fn self_signed(id: &str, checksum: Value) -> Value {
    changed("document_signed", |body| {
        body["data"]["id"] = id.into();
        body["data"]["checksum"] = checksum;
    })
}

async fn archived(stack: &LocalStack, id: &str) -> Timeline {
    stack.wait_for_archive(&document(id), &[ArchiveState::Archived]).await
}

fn roles(pdfs: &[Pdf]) -> Vec<Role> {
    let mut roles: Vec<_> = pdfs.iter().map(|pdf| pdf.role).collect();
    roles.sort_by_key(|role| role.as_str());
    roles
}

async fn check(stack: &LocalStack, timeline: &Timeline) {
    for pdf in &timeline.pdfs {
        let bytes = stack.object(&pdf.key).await;
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
        assert!(bytes.starts_with(b"%PDF-") && pdf.current);
        assert_eq!(pdf.key, format!("signeasy/{}/{}/{}.pdf", pdf.subject, pdf.document, pdf.sha256));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_request_is_archived_with_its_certificate() {
    let stack = LocalStack::start_for_signeasy().await;
    for (version, id) in [("v1", 11), ("v2", 12)] {
        let body = changed(&format!("rs_completed_{version}"), |body| body["data"]["id"] = id.into());
        stack.post_signeasy(&body).await;
        let timeline = archived(&stack, &id.to_string()).await;
        assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE, "{version}");
        check(&stack, &timeline).await;
        assert_eq!(timeline.document.status, Some(Kind::Completed));
        assert!(timeline.document.confirmed_at.is_some(), "the API reports it");
        assert!(
            timeline.signers.iter().all(|signer| signer.status == Some(Kind::Signed)) && !timeline.signers.is_empty()
        );
        for pdf in &timeline.pdfs {
            assert_eq!(pdf.source_event.as_deref(), Some(timeline.events[0].id.as_str()));
            assert_eq!((pdf.document.as_str(), pdf.version.as_deref()), (&*id.to_string(), Some(&*id.to_string())));
        }
    }
    let merged = stack.simulator.requests_to("/signeasy/v3/signed/12/download");
    assert_eq!(merged.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_file_with_its_own_id_is_archived_under_its_request() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.simulator.request("2373543").signed_as("22342821");
    stack.post_signeasy(&sample("rs_completed_v3_own_file_id")).await;
    let timeline = archived(&stack, "2373543").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    assert!(timeline.pdfs.iter().all(|pdf| pdf.version.as_deref() == Some("22342821")));
    assert!(!timeline.document.unjoined);
    check(&stack, &timeline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_document_is_archived_if_its_checksum_matches() {
    let stack = LocalStack::start_for_signeasy().await;
    let checksum = stack.simulator.signed_checksum("21");
    stack.post_signeasy(&self_signed("21", json!(checksum.to_uppercase()))).await;
    let timeline = archived(&stack, "21").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    check(&stack, &timeline).await;
    assert!(timeline.document.confirmed_at.is_some() && timeline.pdfs.iter().any(|pdf| pdf.sha256 == checksum));

    stack.post_signeasy(&self_signed("22", json!("ab".repeat(32)))).await;
    stack.wait_until_waiting_for("22", "hash_mismatch").await;
    let pdfs = stack.timeline(&document("22")).await.pdfs;
    assert_eq!(roles(&pdfs), [Role::Certificate], "the bad file isn't archived, the good one is");

    stack.post_signeasy(&self_signed("23", Value::Null)).await;
    assert_eq!(roles(&archived(&stack, "23").await.pdfs), WITH_CERTIFICATE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_downloads_nothing_again() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_signeasy(&completed("31")).await;
    let first = archived(&stack, "31").await;
    stack.simulator.clear_requests();
    stack.post_signeasy(&completed("31")).await;
    // Another completion: the job is due again, and finds the same file.
    let other = changed("rs_completed_v2", |body| {
        body["data"]["id"] = "31".into();
        body["data"]["recipients"][0]["last_modified_time"] = 1_600_000_000.into();
    });
    stack.post_signeasy(&other).await;
    assert_eq!(stack.wait_for_archive_requests(&document("31"), 2).await.pdfs, first.pdfs);
    assert!(stack.simulator.requests_to("/signeasy/v3/signed/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_not_ready_wait_without_an_attempt_and_are_archived_later() {
    let stack = LocalStack::start_for_signeasy().await;
    let simulator = &stack.simulator;
    simulator.request("41").status(Status::Awaiting);
    stack.post_signeasy(&completed("41")).await;
    stack.wait_until_waiting_for("41", "not_complete").await;
    simulator.request("42").ready(false);
    stack.post_signeasy(&completed("42")).await;
    stack.wait_until_waiting_for("42", "no_signed_file").await;
    simulator.request("43").download_of(Part::Record, Download::Status(404));
    stack.post_signeasy(&completed("43")).await;
    stack.wait_until_waiting_for("43", "download_http_404").await;
    assert_eq!(roles(&stack.timeline(&document("43")).await.pdfs), [Role::Document]);

    simulator.request("41").status(Status::Complete);
    simulator.request("42").ready(true);
    simulator.request("43").download_of(Part::Record, Download::Pdf);
    for id in ["41", "42", "43"] {
        assert_eq!(stack.timeline(&document(id)).await.document.archive.unwrap().attempts, 0);
    }
    stack.sweep_an_hour_later().await;
    for id in ["41", "42", "43"] {
        assert_eq!(roles(&archived(&stack, id).await.pdfs), WITH_CERTIFICATE, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_unknown_to_the_api_are_foreign_at_the_second_query() {
    let stack = LocalStack::start_for_signeasy().await;
    for (id, body) in [("51", completed("51")), ("52", self_signed("52", Value::Null))] {
        stack.simulator.request(id).answer(Answer::Unknown);
        stack.post_signeasy(&body).await;
        stack.wait_until_waiting_for(id, "not_known_yet").await;
    }
    // One of the two was only unknown for a while.
    stack.post_signeasy(&completed("53")).await;
    stack.simulator.request("52").recover();
    stack.sweep_an_hour_later().await;
    let timeline = stack.wait_for_archive(&document("51"), &[ArchiveState::Foreign]).await;
    assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0));
    archived(&stack, "52").await;
    archived(&stack, "53").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_is_not_confirmed_if_the_api_reports_another_status() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.simulator.request("61").status(Status::Declined);
    stack.post_signeasy(&completed("61")).await;
    stack.wait_until_waiting_for("61", "api_says_declined").await;
    let timeline = stack.timeline(&document("61")).await;
    assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0));
    assert_eq!(timeline.document.archive.unwrap().attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pdfs_are_recognised_by_their_bytes() {
    let stack = LocalStack::start_for_signeasy().await;
    let simulator = &stack.simulator;
    simulator.request("71").download(Download::ContentType("application/zip".to_owned()));
    simulator.request("72").download_of(Part::Document(0), Download::Html);
    simulator.request("73").download_of(Part::Document(0), Download::NoTrailer);
    for id in ["71", "72", "73"] {
        stack.post_signeasy(&completed(id)).await;
    }
    let timeline = archived(&stack, "71").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    check(&stack, &timeline).await;
    stack.wait_until_waiting_for("72", "not_a_pdf").await;
    stack.wait_until_waiting_for("73", "truncated_pdf").await;
}

/// The split download of a request, which is a zip of PDFs.
async fn zip(stack: &LocalStack, id: &str) -> Bytes {
    let url = format!("{}/signeasy/v3/signed/{id}/download?type=split", stack.endpoints.simulator);
    let token = stack.secrets.of(Provider::Signeasy).1["access_token"].as_str().unwrap();
    let (policy, _) = UrlPolicy::only_host_of(&url, true).unwrap();
    let request = Request::builder().uri(&url).header("authorization", format!("Bearer {token}"));
    let client = Client::new(policy, Timeouts::default());
    client.call(request.body(Bytes::new()).unwrap(), 1 << 22).await.unwrap().into_body()
}

#[tokio::test(flavor = "multi_thread")]
async fn zips_are_unpacked() {
    let stack = LocalStack::start_for_signeasy().await;
    for (id, documents) in [("81", 3), ("82", 1)] {
        stack.simulator.request(id).documents(documents);
        let bytes = zip(&stack, id).await;
        assert!(bytes.starts_with(b"PK\x03\x04"));
        stack.simulator.request(id).download_of(Part::Document(0), Download::Bytes(bytes));
        stack.post_signeasy(&completed(id)).await;
        let timeline = archived(&stack, id).await;
        check(&stack, &timeline).await;
        let mut names: Vec<_> = timeline.pdfs.iter().filter(|pdf| pdf.role == Role::Document).collect();
        names.sort_by_key(|pdf| &pdf.document);
        let names: Vec<_> = names.into_iter().map(|pdf| pdf.document.as_str()).collect();
        let expected: &[&str] = if documents == 1 { &["82"] } else { &["81-1", "81-2", "81-3"] };
        assert_eq!(names, expected);
    }
    let half = zip(&stack, "81").await;
    let half = half.slice(..half.len() / 2);
    stack.simulator.request("83").download_of(Part::Document(0), Download::Bytes(half));
    stack.post_signeasy(&completed("83")).await;
    stack.wait_until_waiting_for("83", "zip_unreadable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_event_does_not_hide_the_request_with_the_same_id() {
    let stack = LocalStack::start_for_signeasy().await;
    stack.post_signeasy(&changed("rs_completed_v2", |body| body["data"]["id"] = 91.into())).await;
    archived(&stack, "91").await;
    stack.simulator.clear_requests();
    let later = changed("document_signed", |body| {
        body["data"]["id"] = 91.into();
        body["data"]["last_modified_time"] = 1_900_000_000.into();
    });
    stack.post_signeasy(&later).await;
    assert_eq!(roles(&stack.wait_for_archive_requests(&document("91"), 2).await.pdfs), WITH_CERTIFICATE);
    assert!(stack.simulator.requests_to("/signeasy/v3/me/").is_empty());
}
