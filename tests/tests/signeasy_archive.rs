//! From a SignEasy callback to the archived PDFs and certificates.

use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::{
    event::Kind,
    ledger::{ArchiveState, Pdf, Role, Timeline},
    outbound::{Client, Timeouts, UrlPolicy},
    provider::Provider,
};
use countersign_cli::simulator::{Answer, Download, Part, Status};
use end_to_end::{
    World, sha256,
    signeasy::{changed, document, sample},
};
use http::Request;
use serde_json::{Value, json};

const WITH_CERTIFICATE: [Role; 2] = [Role::Certificate, Role::Document];

fn completed(id: &str) -> Value {
    changed("rs_completed_v2", |body| body["data"]["id"] = id.into())
}

/// What somebody signed alone.
fn signed_alone(id: &str, checksum: Value) -> Value {
    changed("document_signed", |body| {
        body["data"]["id"] = id.into();
        body["data"]["checksum"] = checksum;
    })
}

async fn archived(world: &World, id: &str) -> Timeline {
    world.archive_is(&document(id), &[ArchiveState::Archived]).await
}

/// Waits until it is archived after a second event asked for it.
async fn archived_again(world: &World, id: &str) -> Timeline {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let timeline = archived(world, id).await;
        if timeline.document.archive.as_ref().is_some_and(|archive| archive.requests == 2) {
            return timeline;
        }
        assert!(Instant::now() < give_up, "{:?}", timeline.document);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn roles(pdfs: &[Pdf]) -> Vec<Role> {
    let mut roles: Vec<_> = pdfs.iter().map(|pdf| pdf.role).collect();
    roles.sort_by_key(|role| role.as_str());
    roles
}

async fn check(world: &World, timeline: &Timeline) {
    for pdf in &timeline.pdfs {
        let bytes = world.object(&pdf.key).await;
        assert_eq!((sha256(&bytes), bytes.len() as u64), (pdf.sha256.clone(), pdf.size));
        assert!(bytes.starts_with(b"%PDF-") && pdf.current);
        assert_eq!(pdf.key, format!("signeasy/{}/{}/{}.pdf", pdf.subject, pdf.document, pdf.sha256));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_request_is_archived_with_its_certificate() {
    let world = World::for_signeasy().await;
    for (version, id) in [("v1", 11), ("v2", 12)] {
        let body = changed(&format!("rs_completed_{version}"), |body| body["data"]["id"] = id.into());
        world.signeasy(&body).await;
        let timeline = archived(&world, &id.to_string()).await;
        assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE, "{version}");
        check(&world, &timeline).await;
        assert_eq!(timeline.document.status, Some(Kind::Completed));
        assert!(timeline.document.confirmed_at.is_some(), "the API said so");
        assert!(
            timeline.signers.iter().all(|signer| signer.status == Some(Kind::Signed)) && !timeline.signers.is_empty()
        );
        for pdf in &timeline.pdfs {
            assert_eq!(pdf.source_event.as_deref(), Some(timeline.events[0].id.as_str()));
            assert_eq!((pdf.document.as_str(), pdf.version.as_deref()), (&*id.to_string(), Some(&*id.to_string())));
        }
    }
    let merged = world.stack.simulator.requests_to("/signeasy/v3/signed/12/download");
    assert_eq!(merged.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_file_with_an_id_of_its_own_is_archived_under_its_request() {
    let world = World::for_signeasy().await;
    world.stack.simulator.request("2373543").signed_as("22342821");
    world.signeasy(&sample("rs_completed_v3_own_file_id")).await;
    let timeline = archived(&world, "2373543").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    assert!(timeline.pdfs.iter().all(|pdf| pdf.version.as_deref() == Some("22342821")));
    assert!(!timeline.document.unjoined);
    check(&world, &timeline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_signed_alone_is_archived_if_its_checksum_is_right() {
    let world = World::for_signeasy().await;
    let checksum = world.stack.simulator.signed_checksum("21");
    world.signeasy(&signed_alone("21", json!(checksum.to_uppercase()))).await;
    let timeline = archived(&world, "21").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    check(&world, &timeline).await;
    assert!(timeline.document.confirmed_at.is_some() && timeline.pdfs.iter().any(|pdf| pdf.sha256 == checksum));

    world.signeasy(&signed_alone("22", json!("ab".repeat(32)))).await;
    world.waits_because("22", "hash_mismatch").await;
    let pdfs = world.timeline(&document("22")).await.pdfs;
    assert_eq!(roles(&pdfs), [Role::Certificate], "never a bad file, never a good one lost");

    world.signeasy(&signed_alone("23", Value::Null)).await;
    assert_eq!(roles(&archived(&world, "23").await.pdfs), WITH_CERTIFICATE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_downloads_nothing_again() {
    let world = World::for_signeasy().await;
    world.signeasy(&completed("31")).await;
    let first = archived(&world, "31").await;
    world.stack.simulator.clear_requests();
    world.signeasy(&completed("31")).await;
    // Something else about it is complete: the order is due again, and finds the same file.
    let other = changed("rs_completed_v2", |body| {
        body["data"]["id"] = "31".into();
        body["data"]["recipients"][0]["last_modified_time"] = 1_600_000_000.into();
    });
    world.signeasy(&other).await;
    assert_eq!(archived_again(&world, "31").await.pdfs, first.pdfs);
    assert!(world.stack.simulator.requests_to("/signeasy/v3/signed/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_waits_without_an_attempt_and_is_archived_later() {
    let world = World::for_signeasy().await;
    let simulator = &world.stack.simulator;
    simulator.request("41").status(Status::Awaiting);
    world.signeasy(&completed("41")).await;
    world.waits_because("41", "not_complete").await;
    simulator.request("42").ready(false);
    world.signeasy(&completed("42")).await;
    world.waits_because("42", "no_signed_file").await;
    simulator.request("43").download_of(Part::Record, Download::Status(404));
    world.signeasy(&completed("43")).await;
    world.waits_because("43", "download_http_404").await;
    assert_eq!(roles(&world.timeline(&document("43")).await.pdfs), [Role::Document]);

    simulator.request("41").status(Status::Complete);
    simulator.request("42").ready(true);
    simulator.request("43").download_of(Part::Record, Download::Pdf);
    for id in ["41", "42", "43"] {
        assert_eq!(world.timeline(&document(id)).await.document.archive.unwrap().attempts, 0);
    }
    world.sweep_later().await;
    for id in ["41", "42", "43"] {
        assert_eq!(roles(&archived(&world, id).await.pdfs), WITH_CERTIFICATE, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_does_not_know_is_foreign_at_the_second_look() {
    let world = World::for_signeasy().await;
    for (id, body) in [("51", completed("51")), ("52", signed_alone("52", Value::Null))] {
        world.stack.simulator.request(id).answer(Answer::Unknown);
        world.signeasy(&body).await;
        world.waits_because(id, "not_known_yet").await;
    }
    // One of the two was only slow.
    world.signeasy(&completed("53")).await;
    world.stack.simulator.request("52").recover();
    world.sweep_later().await;
    let timeline = world.archive_is(&document("51"), &[ArchiveState::Foreign]).await;
    assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0));
    archived(&world, "52").await;
    archived(&world, "53").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_says_otherwise_is_not_confirmed() {
    let world = World::for_signeasy().await;
    world.stack.simulator.request("61").status(Status::Declined);
    world.signeasy(&completed("61")).await;
    world.waits_because("61", "api_says_declined").await;
    let timeline = world.timeline(&document("61")).await;
    assert_eq!((timeline.document.confirmed_at, timeline.pdfs.len()), (None, 0));
    assert_eq!(timeline.document.archive.unwrap().attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_bytes_that_tell_what_was_sent() {
    let world = World::for_signeasy().await;
    let simulator = &world.stack.simulator;
    simulator.request("71").download(Download::ContentType("application/zip".to_owned()));
    simulator.request("72").download_of(Part::Document(0), Download::Html);
    simulator.request("73").download_of(Part::Document(0), Download::NoTrailer);
    for id in ["71", "72", "73"] {
        world.signeasy(&completed(id)).await;
    }
    let timeline = archived(&world, "71").await;
    assert_eq!(roles(&timeline.pdfs), WITH_CERTIFICATE);
    check(&world, &timeline).await;
    world.waits_because("72", "not_a_pdf").await;
    world.waits_because("73", "truncated_pdf").await;
}

/// The split download of a request: a zip of PDFs.
async fn zip(world: &World, id: &str) -> Bytes {
    let url = format!("{}/signeasy/v3/signed/{id}/download?type=split", world.stack.endpoints.simulator);
    let token = world.stack.secrets.of(Provider::Signeasy).1["access_token"].as_str().unwrap();
    let (policy, _) = UrlPolicy::only_host_of(&url, true).unwrap();
    let request = Request::builder().uri(&url).header("authorization", format!("Bearer {token}"));
    let client = Client::new(policy, Timeouts::default());
    client.call(request.body(Bytes::new()).unwrap(), 1 << 22).await.unwrap().into_body()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_is_unpacked() {
    let world = World::for_signeasy().await;
    for (id, documents) in [("81", 3), ("82", 1)] {
        world.stack.simulator.request(id).documents(documents);
        let bytes = zip(&world, id).await;
        assert!(bytes.starts_with(b"PK\x03\x04"));
        world.stack.simulator.request(id).download_of(Part::Document(0), Download::Bytes(bytes));
        world.signeasy(&completed(id)).await;
        let timeline = archived(&world, id).await;
        check(&world, &timeline).await;
        let mut names: Vec<_> = timeline.pdfs.iter().filter(|pdf| pdf.role == Role::Document).collect();
        names.sort_by_key(|pdf| &pdf.document);
        let names: Vec<_> = names.into_iter().map(|pdf| pdf.document.as_str()).collect();
        let expected: &[&str] = if documents == 1 { &["82"] } else { &["81-1", "81-2", "81-3"] };
        assert_eq!(names, expected);
    }
    let half = zip(&world, "81").await;
    let half = half.slice(..half.len() / 2);
    world.stack.simulator.request("83").download_of(Part::Document(0), Download::Bytes(half));
    world.signeasy(&completed("83")).await;
    world.waits_because("83", "zip_unreadable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_somebody_claims_to_have_signed_alone_does_not_hide_a_request() {
    let world = World::for_signeasy().await;
    world.signeasy(&changed("rs_completed_v2", |body| body["data"]["id"] = 91.into())).await;
    archived(&world, "91").await;
    world.stack.simulator.clear_requests();
    let later = changed("document_signed", |body| {
        body["data"]["id"] = 91.into();
        body["data"]["last_modified_time"] = 1_900_000_000.into();
    });
    world.signeasy(&later).await;
    assert_eq!(roles(&archived_again(&world, "91").await.pdfs), WITH_CERTIFICATE);
    assert!(world.stack.simulator.requests_to("/signeasy/v3/me/").is_empty());
}
