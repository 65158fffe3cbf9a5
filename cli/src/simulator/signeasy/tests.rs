use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::simulator::client::{Reply, Server};
use crate::simulator::paper::hex;
use crate::simulator::pdf::tests::check;
use crate::simulator::{Answer, Download, Part, Status};

const API: &str = "/signeasy/v3";
const BEARER: &str = "Authorization: Bearer bearer-s3cret";
const ID: &str = "235649";

async fn get(server: &Server, path: &str) -> Reply {
    server.send("GET", &format!("{API}{path}"), &[BEARER], "").await
}

async fn request(server: &Server) -> Value {
    let reply = get(server, &format!("/rs/envelope/{ID}")).await;
    assert_eq!(reply.code(), 200);
    reply.json()
}

async fn merged(server: &Server, id: &str) -> Reply {
    get(server, &format!("/signed/{id}/download?type=merged")).await
}

/// The number of pages of a well-formed file.
fn pages(pdf: &[u8]) -> usize {
    check(pdf);
    let page = b"/Type /Page";
    pdf.windows(page.len() + 1).filter(|window| window.starts_with(page) && !window.ends_with(b"s")).count()
}

#[tokio::test]
async fn an_unscripted_request_is_complete_and_has_its_pdfs() {
    let server = Server::start().await;
    let body = request(&server).await;
    assert_eq!((body["status"].as_str(), &body["id"]), (Some("complete"), &json!(235_649)));
    assert_eq!(body["recipients"][1]["status"], "finalized");
    let sources = body["sources"].as_array().unwrap().clone();
    let pending = get(&server, &format!("/rs/envelope/signed/pending/{ID}")).await.json();
    assert_eq!(pending["id"], json!(235_649));
    assert_eq!(get(&server, &format!("/rs/envelope/signed/{ID}")).await.json()["sources"], body["sources"]);

    let (first, second) = (merged(&server, ID).await, merged(&server, ID).await);
    assert_eq!(first.header("content-type"), "application/pdf");
    assert_eq!(pages(&first.body), sources.len());
    assert_ne!(first.body, second.body);
    let certified = get(&server, &format!("/signed/{ID}/download?type=merged&include_certificate=true")).await;
    assert_eq!(pages(&certified.body), sources.len() + 1);
    for source in &sources {
        let one = get(&server, &format!("/rs/envelope/signed/{ID}/{}/download", source["id"])).await;
        assert_eq!(pages(&one.body), 1);
    }
    assert_eq!(get(&server, &format!("/rs/envelope/signed/{ID}/1/download")).await.code(), 404);
    for kind in ["rs/envelope", "me"] {
        assert_eq!(pages(&get(&server, &format!("/{kind}/signed/{ID}/certificate")).await.body), 1);
    }
}

#[tokio::test]
async fn a_split_download_is_a_zip_of_pdfs() {
    let server = Server::start().await;
    server.simulator.request(ID).documents(3);
    let zip = get(&server, &format!("/signed/{ID}/download?type=split&include_certificate=true")).await;
    assert_eq!((zip.header("content-type"), zip.whole), ("application/zip", true));
    assert!(zip.body.starts_with(b"PK\x03\x04"));
    let count = |needle: &[u8]| zip.body.windows(needle.len()).filter(|window| *window == needle).count();
    assert_eq!((count(b"PK\x01\x02"), count(b"%PDF-1.7")), (4, 4));
    assert_eq!(get(&server, &format!("/signed/{ID}/download?type=both")).await.code(), 400);
}

#[tokio::test]
async fn the_signed_file_can_have_an_id_of_its_own() {
    let server = Server::start().await;
    server.simulator.request(ID).signed_as("22342821").name("Offer letter");
    let pending = get(&server, &format!("/rs/envelope/signed/pending/{ID}")).await.json();
    assert_eq!((&pending["id"], pending["name"].as_str()), (&json!(22_342_821), Some("Offer letter")));
    check(&merged(&server, "22342821").await.body);
    assert_eq!(merged(&server, ID).await.code(), 404);
    for path in ["/rs/envelope/22342821", "/rs/envelope/signed/pending/22342821"] {
        assert_eq!(get(&server, path).await.code(), 404, "{path}");
    }
    // A script of the request's id applies to its signed file.
    server.simulator.request(ID).next_download(Download::Html).next_answer(Answer::Status(500));
    assert_eq!(merged(&server, "22342821").await.code(), 500);
    assert!(merged(&server, "22342821").await.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_self_signed_document_has_a_stable_checksum() {
    let server = Server::start().await;
    let path = format!("/me/signed/{ID}/download");
    let (first, second) = (get(&server, &path).await.body, get(&server, &path).await.body);
    check(&first);
    assert_eq!(first, second);
    let sum = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
    assert_eq!(server.simulator.signed_checksum(ID), sum(&first));
    server.simulator.request(ID).regenerate();
    let newer = get(&server, &path).await.body;
    assert_ne!(newer, first);
    assert_eq!(server.simulator.signed_checksum(ID), sum(&newer));
}

#[tokio::test]
async fn an_unfinished_request_has_no_signed_file() {
    let server = Server::start().await;
    let script = server.simulator.request(ID);
    let words = [
        (Status::Setup, "incomplete", "not_viewed"),
        (Status::Awaiting, "incomplete", "viewed"),
        (Status::Declined, "recipient_declined", "declined"),
        (Status::Voided, "canceled", "not_viewed"),
        (Status::Expired, "expired", "not_viewed"),
    ];
    let signed = [
        format!("/signed/{ID}/download"),
        format!("/me/signed/{ID}/download"),
        format!("/rs/envelope/signed/pending/{ID}"),
        format!("/rs/envelope/signed/{ID}"),
        format!("/rs/envelope/signed/{ID}/certificate"),
    ];
    for (status, word, recipient) in words {
        script.status(status);
        let body = request(&server).await;
        assert_eq!((body["status"].as_str(), &body["recipients"][1]["status"]), (Some(word), &recipient.into()));
        for path in &signed {
            assert_eq!(get(&server, path).await.code(), 404, "{path}");
        }
    }
    script.status(Status::Complete).ready(false);
    assert_eq!(request(&server).await["status"], "complete");
    assert_eq!(merged(&server, ID).await.code(), 404);
    script.ready(true);
    check(&merged(&server, ID).await.body);
}

#[tokio::test]
async fn every_route_requires_the_bearer_token() {
    let server = Server::start().await;
    let paths = [
        "/rs/envelope/1",
        "/rs/envelope/signed/1",
        "/rs/envelope/signed/pending/1",
        "/rs/envelope/signed/1/certificate",
        "/rs/envelope/signed/1/2/download",
        "/signed/1/download",
        "/me/signed/1/download",
        "/me/signed/1/certificate",
        "/me/signed/1/certificate/",
    ];
    for path in paths {
        for headers in [&[][..], &["Authorization: Bearer wrong"]] {
            let reply = server.send("GET", &format!("{API}{path}"), headers, "").await;
            assert_eq!(reply.code(), 401, "{path}");
            assert_eq!(reply.json(), json!({ "message": "Unauthorized", "error_code": "unauthorized_resource" }));
        }
        assert_ne!(get(&server, path).await.code(), 401, "{path}");
    }
}

#[tokio::test]
async fn the_api_responds_as_scripted() {
    let server = Server::start().await;
    let script = server.simulator.request(ID);
    let path = format!("/rs/envelope/{ID}");
    for (answer, code) in [(Answer::Unknown, 404), (Answer::Unauthorised, 401), (Answer::Status(503), 503)] {
        script.answer(answer);
        assert_eq!(get(&server, &path).await.code(), code);
    }
    script.recover().next_answer(Answer::RateLimited { retry_after: 5 });
    let reply = get(&server, &path).await;
    assert_eq!((reply.code(), reply.header("retry-after")), (429, "5"));
    assert_eq!(get(&server, &path).await.code(), 200);
    assert_eq!(get(&server, "/rs/envelope/a.b").await.code(), 404);
    assert_eq!(get(&server, "/rs/envelope/An_id-that-is-no-number").await.json()["id"], "An_id-that-is-no-number");
}

#[tokio::test]
async fn files_can_be_scripted_individually() {
    let server = Server::start().await;
    let script = server.simulator.request(ID);
    script.download(Download::ContentType("application/zip".into())).download_of(Part::Record, Download::Truncated);
    let reply = merged(&server, ID).await;
    assert_eq!(reply.header("content-type"), "application/zip");
    check(&reply.body);
    assert!(!get(&server, &format!("/rs/envelope/signed/{ID}/certificate")).await.whole);
    script.download(Download::Moved);
    let location = merged(&server, ID).await.header("location").to_owned();
    assert_eq!(server.send("GET", &location, &[BEARER], "").await.code(), 400);
    check(&server.get(&location).await.body);
}
