//! Redirects: each hop is checked, five are followed, and a credential is only sent to its own origin.

use super::server::{Names, PATIENT, Server, client, empty_file, fetch, fetch_code, patient, redirect_to, reply};
use countersign::outbound::{Credential, Download, Fetched};
use http::header::AUTHORIZATION;
use secrecy::SecretString;
use std::sync::{Arc, OnceLock};
use tokio::io::AsyncWriteExt;
use url::Url;

const SECRET: &str = "ApiKey hunter:2";

#[tokio::test]
async fn allowed_hosts_cannot_redirect_to_forbidden_urls() {
    for (location, expected) in [
        ("http://169.254.169.254/latest/meta-data/", "address_not_public"),
        ("http://2852039166/latest/meta-data/", "address_not_public"),
        ("http://[fd00:ec2::254]/", "address_not_public"),
        ("http://10.0.0.1/", "address_not_public"),
        ("http://[::ffff:127.0.0.1]/", "address_not_public"),
        ("//169.254.169.254/", "address_not_public"),
        ("http://evil.example/", "host_not_allowed"),
        ("//evil.example/", "host_not_allowed"),
        ("http://127.0.0.2/", "host_not_allowed"),
        ("http://files.example.evil.example/", "host_not_allowed"),
        ("http://files.example@evil.example/", "user_info_not_allowed"),
        ("ftp://files.example/", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("/\\evil.example/", "malformed_url"),
        ("http://internal.store.example/", "address_not_public"),
        ("http://nowhere.store.example.invalid/", "host_not_allowed"),
    ] {
        let names = Names::default().with("internal.store.example", &[&["10.1.2.3", "169.254.169.254", "::1:2"]]);
        let server = Server::with_routes(&[("/", redirect_to(location))]).await;
        let url = server.url("files.example", "/");
        assert_eq!(fetch_code(&client(PATIENT, names), &url).await, expected, "{location}");
        assert_eq!(server.requests().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn a_rejected_redirect_names_its_host() {
    let server = Server::with_routes(&[("/", redirect_to("http://cdn.other.example/x?sig=secret"))]).await;
    let error = fetch(&patient(), &server.url("files.example", "/")).await.unwrap_err();
    assert_eq!(error.host(), Some("cdn.other.example"));
    assert!(!error.is_transient());
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[tokio::test]
async fn every_kind_of_redirect_is_followed_with_get() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let elsewhere = reply(status, "location: /b.pdf?x=1\r\n", "moved");
        let server = Server::with_routes(&[("/a", elsewhere), ("/b.pdf?x=1", reply("200 OK", "", "%PDF-"))]).await;
        assert_eq!(fetch_code(&patient(), &server.url("files.example", "/a")).await, "document", "{status}");
        assert!(server.requests()[1].starts_with("GET /b.pdf?x=1 HTTP/1.1\r\n"), "{status}");
    }
}

#[tokio::test]
async fn the_host_of_a_document_is_that_of_the_last_redirect() {
    let store = Server::with_routes(&[("/b.pdf", reply("200 OK", "", "%PDF-"))]).await;
    let api = Server::with_routes(&[("/a", redirect_to(&store.url("a.store.example", "/b.pdf#page=2")))]).await;
    let Fetched::Document(document) = fetch(&patient(), &api.url("files.example", "/a")).await.unwrap() else {
        panic!("no document");
    };
    assert_eq!(document.host, "a.store.example");
    assert!(store.requests()[0].contains(&format!("host: a.store.example:{}\r\n", store.port)));
}

#[tokio::test]
async fn five_redirects_are_followed_and_the_sixth_is_not() {
    let hop = |n: usize| (format!("/{n}"), redirect_to(&format!("/{}", n + 1)));
    let hops: Vec<(String, String)> = (0..10).map(hop).chain([("/10".to_owned(), reply("200 OK", "", "x"))]).collect();
    let routes: Vec<(&str, String)> = hops.iter().map(|(path, answer)| (path.as_str(), answer.clone())).collect();
    let server = Server::with_routes(&routes).await;
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/5")).await, "document");
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/4")).await, "too_many_redirects");
    assert_eq!(server.requests().len(), 6 + 6);
}

#[tokio::test]
async fn redirect_loops_end() {
    let server =
        Server::with_routes(&[("/a", redirect_to("/b")), ("/b", redirect_to("a")), ("/c", redirect_to(""))]).await;
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/a")).await, "too_many_redirects");
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/c")).await, "too_many_redirects");
}

#[tokio::test]
async fn a_redirect_without_a_location_is_rejected() {
    let server = Server::with_routes(&[("/", reply("302 Found", "", ""))]).await;
    assert_eq!(fetch_code(&patient(), &server.url("files.example", "/")).await, "redirect_without_location");
}

#[tokio::test]
async fn other_3xx_statuses_are_returned() {
    for status in ["300 Multiple Choices", "304 Not Modified", "305 Use Proxy", "306 Unused"] {
        let server = Server::with_routes(&[("/", reply(status, "location: /b\r\n", ""))]).await;
        assert_eq!(fetch_code(&patient(), &server.url("files.example", "/")).await, "no document", "{status}");
        assert_eq!(server.requests().len(), 1);
    }
}

/// Downloads a document from `url` with a credential for `api`.
async fn fetch_with_credential(api: &str, url: &str) {
    let api = Url::parse(api).unwrap();
    let credential = Credential::new(&api, AUTHORIZATION, &SecretString::from(SECRET)).unwrap();
    let download = Download::new(url, 1_000).with_credential(credential);
    assert!(!format!("{download:?}").contains("hunter"));
    let fetched = patient().download(&download, &mut empty_file()).await.unwrap();
    assert!(matches!(fetched, Fetched::Document(_)));
}

fn authorized(server: &Server) -> Vec<bool> {
    let line = format!("authorization: {}\r\n", SECRET.to_ascii_lowercase());
    server.requests().iter().map(|request| request.contains(&line)).collect()
}

#[tokio::test]
async fn a_credential_is_sent_along_within_its_origin() {
    let api = Server::with_routes(&[("/a", redirect_to("/b")), ("/b", reply("200 OK", "", "x"))]).await;
    fetch_with_credential(&api.url("files.example", "/v1"), &api.url("files.example", "/a")).await;
    assert_eq!(authorized(&api), [true, true]);
}

#[tokio::test]
async fn a_credential_is_not_sent_to_another_host() {
    let store = Server::with_routes(&[("/b", reply("200 OK", "", "x"))]).await;
    let api = Server::with_routes(&[("/a", redirect_to(&store.url("a.store.example", "/b")))]).await;
    fetch_with_credential(&api.url("files.example", "/v1"), &api.url("files.example", "/a")).await;
    assert_eq!((authorized(&api), authorized(&store)), (vec![true], vec![false]));
}

#[tokio::test]
async fn a_credential_is_not_sent_to_another_port() {
    let other = Server::with_routes(&[("/b", reply("200 OK", "", "x"))]).await;
    let api = Server::with_routes(&[("/a", redirect_to(&other.url("files.example", "/b")))]).await;
    fetch_with_credential(&api.url("files.example", "/v1"), &api.url("files.example", "/a")).await;
    assert_eq!((authorized(&api), authorized(&other)), (vec![true], vec![false]));
}

#[tokio::test]
async fn a_credential_is_not_sent_after_a_detour_over_another_host() {
    let port_of_api = Arc::new(OnceLock::new());
    let known = port_of_api.clone();
    let away = Server::start(move |_, mut stream| {
        let back = format!("http://files.example:{}/b", known.get().unwrap());
        async move {
            let _ = stream.write_all(redirect_to(&back).as_bytes()).await;
        }
    })
    .await;
    let api = Server::with_routes(&[
        ("/a", redirect_to(&away.url("a.store.example", "/"))),
        ("/b", reply("200 OK", "", "x")),
    ])
    .await;
    port_of_api.set(api.port).unwrap();
    fetch_with_credential(&api.url("files.example", "/v1"), &api.url("files.example", "/a")).await;
    assert_eq!((authorized(&api), authorized(&away)), (vec![true, false], vec![false]));
}

#[tokio::test]
async fn a_credential_is_not_sent_to_a_first_url_on_another_host() {
    let store = Server::with_routes(&[("/b", reply("200 OK", "", "x"))]).await;
    for api in ["https://files.example/", "http://files.example/", "http://a.store.example/"] {
        fetch_with_credential(api, &store.url("a.store.example", "/b")).await;
    }
    // The same host and port, but the credential is for HTTPS.
    fetch_with_credential(&format!("https://a.store.example:{}/", store.port), &store.url("a.store.example", "/b"))
        .await;
    assert_eq!(authorized(&store), [false; 4]);
}

#[test]
fn a_secret_with_a_line_break_is_not_a_credential() {
    let api = Url::parse("https://files.example/").unwrap();
    let secret = SecretString::from("hunter2\r\nx-admin: 1");
    let error = Credential::new(&api, AUTHORIZATION, &secret).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter"));
}
