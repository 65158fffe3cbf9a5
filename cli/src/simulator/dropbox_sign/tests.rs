use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::simulator::client::{Reply, Server};
use crate::simulator::pdf::tests::check;
use crate::simulator::{Answer, Status};

const API: &str = "/dropbox-sign/v3/signature_request";
const ID: &str = "fa5c8a0b0f492d768749333ad6fcc214c111e967";

async fn get(server: &Server, path: &str) -> Reply {
    let key = format!("Authorization: Basic {}", BASE64_STANDARD.encode("sign-s3cret:"));
    server.send("GET", &format!("{API}{path}"), &[&key], "").await
}

#[tokio::test]
async fn an_unscripted_request_is_complete_and_has_a_pdf_and_a_zip() {
    let server = Server::start().await;
    let request = get(&server, &format!("/{ID}")).await.json()["signature_request"].clone();
    assert_eq!((&request["is_complete"], &request["signatures"][1]["status_code"]), (&true.into(), &"signed".into()));
    for query in ["", "?file_type=pdf"] {
        let pdf = get(&server, &format!("/files/{ID}{query}")).await;
        assert_eq!((pdf.code(), pdf.header("content-type")), (200, "application/pdf"));
        check(&pdf.body);
    }
    let zip = get(&server, &format!("/files/{ID}?file_type=zip")).await;
    assert_eq!((zip.code(), zip.header("content-type")), (200, "application/zip"));
    assert_eq!(get(&server, &format!("/files/{ID}?file_type=exe")).await.code(), 400);
    server.stop().await;
}

#[tokio::test]
async fn scripted_requests_give_the_documented_errors() {
    let server = Server::start().await;
    let script = server.simulator.signature_request(ID);
    script.ready(false);
    assert_eq!(get(&server, &format!("/{ID}")).await.code(), 200);
    let preparing = get(&server, &format!("/files/{ID}")).await;
    assert_eq!((preparing.code(), &preparing.json()["error"]["error_name"]), (409, &"conflict".into()));
    script.answer(Answer::RateLimited { retry_after: 60 });
    let limited = get(&server, &format!("/{ID}")).await;
    assert!(limited.code() == 429 && limited.header("x-ratelimit-reset").parse::<i64>().is_ok(), "{limited:?}");
    script.recover().status(Status::Voided);
    assert_eq!(get(&server, &format!("/{ID}")).await.code(), 410);
    assert_eq!(server.get(&format!("{API}/{ID}")).await.code(), 401, "without the API key");
    server.stop().await;
}
