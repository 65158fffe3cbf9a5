//! The console over HTTP: access, pages, and forms.

mod events;
mod quarantine;
mod signatures;
mod timeline;

use countersign::{
    domain::{Outcome, Provider, Route},
    ledger::{ArchiveState, DeliveryFilter},
};
use countersign_cli::{
    console::{self, AccessKey},
    simulator::Download,
};
use end_to_end::{
    LocalStack, Stored, pack,
    raw_http::{RawAnswer, open, read_until, send},
    sha256,
};
use tokio::io::AsyncReadExt;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn host(stack: &LocalStack) -> String {
    stack.endpoints.http.strip_prefix("http://").expect("http").to_owned()
}

async fn get(stack: &LocalStack, path: &str) -> RawAnswer {
    send(&stack.endpoints.http, "GET", path, &[("host", &host(stack))], "").await
}

/// Sends a form as the console's own pages do.
async fn post(stack: &LocalStack, path: &str, body: &str) -> RawAnswer {
    let base = &stack.endpoints.http;
    let headers = [("host", host(stack)), ("origin", base.clone()), ("sec-fetch-site", "same-origin".to_owned())];
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(FORM);
    send(base, "POST", path, &headers, body).await
}

async fn trigger_form(stack: &LocalStack, id: &str) -> String {
    let token = get(stack, "/trigger").await.field("form_token");
    format!("form_token={token}&provider=quicklysign&event=document_updated&id={id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_the_security_headers() {
    let stack = LocalStack::start().await;
    let pages = ["/", "/documents", "/archive", "/events", "/quarantine", "/trigger", "/deliveries/none"];
    for path in pages.into_iter().chain(["/assets/console.js", "/assets/none"]) {
        let answer = get(&stack, path).await;
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    let page = get(&stack, "/").await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let text = page.text();
    assert_eq!(text.matches("<script").count(), 1);
    assert!(text.contains("<script src=\"/assets/console.js\" defer></script>"), "{text}");
    assert!(!text.contains(" style=") && !text.contains("<style") && !text.contains("://"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_loopback_host_names_are_served() {
    let stack = LocalStack::start().await;
    let base = &stack.endpoints.http;
    let port = host(&stack).rsplit_once(':').expect("a port").1.to_owned();
    for name in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        assert_eq!(send(base, "GET", "/", &[("host", &name)], "").await.status, 200, "{name}");
    }
    for name in [
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.:{port}"),
        "127.0.0.1".to_owned(),
        "localhost:1".to_owned(),
        String::new(),
    ] {
        for path in ["/", "/live?view=/", "/assets/console.js"] {
            assert_eq!(send(base, "GET", path, &[("host", &name)], "").await.status, 403, "{name} {path}");
        }
    }
    // A tunnel forwards callbacks under another host name: the gateway accepts them.
    let url = stack.callback_url(Route::Quicklysign).expect("a URL");
    let path = url.strip_prefix(base.as_str()).expect("a path");
    let body = r#"{"entity_type": "Document", "entity_key": "p", "callback_event": "document_updated"}"#;
    let headers = [("host", "tunnel.example"), ("content-type", "application/json")];
    assert_eq!(send(base, "POST", path, &headers, body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_other_sites_are_rejected_except_links() {
    let stack = LocalStack::start().await;
    let (base, host) = (&stack.endpoints.http, host(&stack));
    for site in ["cross-site", "same-site"] {
        for (dest, status) in [("image", 403), ("script", 403), ("iframe", 403), ("empty", 403), ("document", 200)] {
            let headers = [("host", host.as_str()), ("sec-fetch-site", site), ("sec-fetch-dest", dest)];
            assert_eq!(send(base, "GET", "/", &headers, "").await.status, status, "{site} {dest}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_need_the_right_origin_and_form_token() {
    let stack = LocalStack::start().await;
    let (base, host) = (&stack.endpoints.http, host(&stack));
    let form = trigger_form(&stack, "forged").await;
    let other_port = "http://127.0.0.1:1".to_owned();
    let other_name = base.replace("127.0.0.1", "localhost");
    let https = base.replace("http:", "https:");
    for origin in [None, Some("null"), Some("http://evil.example"), Some(&other_port), Some(&other_name), Some(&https)]
    {
        let mut headers = vec![("host", host.as_str()), FORM];
        headers.extend(origin.map(|origin| ("origin", origin)));
        for path in ["/trigger", "/archive/retry", "/quarantine/replay"] {
            assert_eq!(send(base, "POST", path, &headers, &form).await.status, 403, "{origin:?} {path}");
        }
    }
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("host", host.as_str()), FORM, ("origin", base.as_str()), ("sec-fetch-site", site)];
        assert_eq!(send(base, "POST", "/trigger", &headers, &form).await.status, 403, "{site}");
    }
    let token = form.split_once('=').expect("a token").1.split_once('&').expect("a token").0;
    for wrong in ["", "x", &token[1..], &token.to_uppercase()] {
        let answer = post(&stack, "/trigger", &form.replacen(token, wrong, 1)).await;
        assert_eq!(answer.status, 403, "{wrong}");
        for path in ["/archive/retry", "/quarantine/replay"] {
            let answer = post(&stack, path, &form.replacen(token, wrong, 1)).await;
            assert_ne!(answer.status, 303, "{wrong} {path}");
        }
    }
    assert_eq!(post(&stack, "/trigger", "provider=quicklysign&event=document_updated").await.status, 422);
    for method in ["GET", "PUT", "DELETE"] {
        let headers = [("host", host.as_str()), FORM, ("origin", base.as_str())];
        assert_ne!(send(base, method, "/archive/retry", &headers, &form).await.status, 303, "{method}");
    }
    assert!(stack.items_without_rejections().await.is_empty(), "a rejected request had an effect");

    let answer = post(&stack, "/trigger", &form).await;
    assert_eq!(answer.status, 303);
    assert!(answer.headers["location"].starts_with("/deliveries/"));
    assert_eq!(stack.timeline(&pack("forged")).await.events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_documented_callbacks_with_valid_ids_can_be_triggered() {
    let stack = LocalStack::start().await;
    let form = trigger_form(&stack, "good").await;
    for (from, to) in [("document_updated", "made_up"), ("quicklysign", "other"), ("id=good", "id=..%2Fbad")] {
        assert_eq!(post(&stack, "/trigger", &form.replace(from, to)).await.status, 400, "{to}");
    }
    assert!(stack.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn external_text_is_escaped() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</td><script>alert(2)</script>";
    let stack = LocalStack::start().await;
    let body = serde_json::json!({
        "entity_type": "Document", "entity_key": "p", "callback_event": HOSTILE, HOSTILE: HOSTILE,
    });
    let answer = stack.post(Route::Quicklysign, "application/json", body.to_string()).await;
    let unreadable = stack.post(Route::Quicklysign, "application/json", HOSTILE).await;
    assert_eq!(unreadable.verdict(), (200, "set_aside", "unreadable"));
    let delivery = format!("/deliveries/{}", answer.delivery());
    let set_aside = format!("/deliveries/{}", unreadable.delivery());
    let unknown = "/documents/quicklysign/document_pack/%3Cimg%20src=x%3E";
    let after = "/?after=%22%3E%3Cimg%20src=x%3E";
    let paths = ["/", &delivery, &set_aside, "/documents", "/documents/quicklysign/document_pack/p", unknown, after];
    for path in paths {
        let text = get(&stack, path).await.text();
        assert!(!text.contains("<img src=x") && !text.contains("<script>"), "{path}: {text}");
    }
    for path in ["/", &delivery, "/documents/quicklysign/document_pack/p"] {
        let text = get(&stack, path).await.text();
        assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paginated() {
    let stack = LocalStack::start().await;
    for number in 0..60 {
        stack.post_quicklysign("document_updated", &format!("pack-{number}")).await;
    }
    let unreadable = stack.post(Route::Quicklysign, "application/json", "{").await;
    let first = get(&stack, "/").await.text();
    assert_eq!(first.matches("<tr id=\"delivery-").count(), 50);
    let next = first.split_once("<p class=\"more\"><a href=\"").expect("a link").1.split_once('"').expect("its end").0;
    let second = get(&stack, &next.replace("&amp;", "&")).await.text();
    assert_eq!(second.matches("<tr id=\"delivery-").count(), 11);
    assert!(!second.contains("class=\"more\""), "{second}");

    let set_aside = get(&stack, "/?outcome=set_aside").await.text();
    assert_eq!(set_aside.matches("<tr id=\"delivery-").count(), 1);
    assert!(set_aside.contains(unreadable.delivery()));
    assert!(get(&stack, "/?provider=signeasy").await.text().contains("No deliveries"));
    assert!(get(&stack, "/?day=2001-02-03").await.text().contains("No deliveries on 2001-02-03"));

    // The list itself: no delivery is left out or repeated, and no page follows the last one.
    let day = countersign::time::format(countersign::time::now())[..10].to_owned();
    for (limit, pages) in [(61, 1), (60, 2), (20, 4)] {
        let (mut after, mut seen, mut count) = (None, std::collections::BTreeSet::new(), 0);
        loop {
            let filter = DeliveryFilter { provider: Some(Provider::Quicklysign), outcome: None };
            let page = stack.ledger().deliveries_page(&day, filter, after.as_deref(), limit).await.expect("a page");
            assert!(page.deliveries.is_sorted_by(|a, b| a.received_at >= b.received_at));
            count += 1;
            seen.extend(page.deliveries.into_iter().map(|record| record.id.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((seen.len(), count), (61, pages), "{limit}");
    }
    let filter = DeliveryFilter { provider: None, outcome: Some(Outcome::SetAside) };
    let page = stack.ledger().deliveries_page(&day, filter, None, 5).await.expect("a page");
    assert_eq!((page.deliveries.len(), page.next), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_is_served_whole_with_its_content_type() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("final_document_generated", "signed").await;
    let timeline = stack.wait_for_archive(&pack("signed"), &[ArchiveState::Archived]).await;
    let pdf = &timeline.pdfs[0];
    let path = format!("/pdfs/quicklysign/document_pack/signed/{}", pdf.sha256);
    assert!(get(&stack, "/documents/quicklysign/document_pack/signed").await.text().contains(&path));
    let answer = get(&stack, &path).await;
    assert_eq!((answer.status, sha256(&answer.body)), (200, pdf.sha256.clone()));
    assert_eq!(answer.headers["content-type"], "application/pdf");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["content-length"], pdf.size.to_string());
    let disposition = format!("inline; filename=\"{}-document.pdf\"; filename*=UTF-8''", pdf.document);
    assert!(answer.headers["content-disposition"].starts_with(&disposition), "{:?}", answer.headers);
    let download = get(&stack, &format!("{path}?download=1")).await;
    assert!(download.headers["content-disposition"].starts_with("attachment; "));

    let other = "0".repeat(64);
    for path in [
        format!("/pdfs/quicklysign/document_pack/other/{}", pdf.sha256),
        format!("/pdfs/quicklysign/document_pack/signed/{other}"),
        format!("/pdfs/quicklysign/signer/signed/{}", pdf.sha256),
        "/pdfs/quicklysign/document_pack/signed/..%2f..".to_owned(),
    ] {
        assert_eq!(get(&stack, &path).await.status, 404, "{path}");
    }
    stack.delete_object(&pdf.key).await;
    let gone = get(&stack, &path).await;
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("isn&#39;t in the bucket") || gone.text().contains("isn't in the bucket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_job_can_be_retried_on_the_archive_page() {
    let stack = LocalStack::start().await;
    stack.simulator.pack("stuck").download(Download::Html);
    stack.post_quicklysign("final_document_generated", "stuck").await;
    stack.wait_for_archive(&pack("stuck"), &[ArchiveState::Waiting]).await;
    let jobs = get(&stack, "/archive").await;
    let text = jobs.text();
    assert!(text.contains("not_a_pdf") && text.contains("job-quicklysign-document_pack-stuck"), "{text}");
    assert!(text.contains("data-state=\"waiting\" data-some><b>1</b>"), "{text}");
    assert!(!get(&stack, "/archive?state=failed").await.text().contains("job-quicklysign"));

    stack.simulator.pack("stuck").download(Download::Pdf);
    let form = format!("form_token={}&provider=quicklysign&kind=document_pack&id=stuck", jobs.field("form_token"));
    let answer = post(&stack, "/archive/retry", &form).await;
    let location = answer.headers.get("location").map(String::as_str);
    assert_eq!((answer.status, location), (303, Some("/documents/quicklysign/document_pack/stuck")));
    stack.wait_for_archive(&pack("stuck"), &[ArchiveState::Archived]).await;
    assert!(get(&stack, "/archive").await.text().contains("No unfinished archive jobs."));
    assert_eq!(post(&stack, "/archive/retry", &form.replace("=stuck", "=unknown")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_updates_are_sent_until_the_stack_stops() {
    let stack = LocalStack::start().await;
    let headers = [("host", host(&stack))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = open(&stack.endpoints.http, "GET", "/live?view=%2F", &headers, "").await;
    let head = read_until(&mut stream, "No deliveries").await;
    assert!(head.contains("content-type: text/event-stream") && head.contains("event: view"), "{head}");
    let answer = stack.post_quicklysign("document_updated\r\n\r\nevent: forged\r\n", "p").await;
    let update = read_until(&mut stream, answer.delivery()).await;
    assert!(!update.lines().any(|line| line.starts_with("event: forged")), "{update}");

    let unknown_view = get(&stack, "/live?view=%2Felsewhere").await;
    assert_eq!(unknown_view.status, 404);
    // An open page doesn't keep the stack from stopping.
    let ended = tokio::time::timeout(end_to_end::PATIENCE, stack.stop()).await;
    ended.expect("the stack stops");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("the stream ends");
}

/// A console like that of `countersign console`: over the same table, read-only, with a key.
#[tokio::test(flavor = "multi_thread")]
async fn a_console_with_an_access_key_requires_the_key_and_is_read_only() {
    let stack = LocalStack::start().await;
    stack.post_quicklysign("final_document_generated", "p").await;
    let before = stack.wait_for_archive(&pack("p"), &[ArchiveState::Archived]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let key = AccessKey::new().expect("a key");
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let router = console::router(console::Options {
        aws: stack.aws.clone(),
        table: stack.endpoints.table.clone(),
        bucket: stack.endpoints.bucket.clone(),
        temporary_bucket: stack.endpoints.temporary_bucket.clone(),
        label: "stack prod".to_owned(),
        place: String::new(),
        allow_retry: false,
        settings: None,
        gateway: None,
        bus: None,
        port,
        key: Some(key.clone()),
        poll: std::time::Duration::from_millis(100),
        changes: None,
        stopping,
    });
    tokio::spawn(axum::serve(listener, router.expect("a console")).into_future());
    let (base, host) = (format!("http://127.0.0.1:{port}"), format!("127.0.0.1:{port}"));
    let host = ("host", host.as_str());
    let timeline = "/documents/quicklysign/document_pack/p";
    for path in ["/", timeline, "/live?view=%2F", "/assets/console.js", "/?key=wrong"] {
        let answer = send(&base, "GET", path, &[host], "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains(key.reveal()));
    }
    let admitted = send(&base, "GET", &format!("/documents?key={}", key.reveal()), &[host], "").await;
    assert_eq!((admitted.status, admitted.headers["location"].as_str()), (303, "/documents"));
    let cookie = &admitted.headers["set-cookie"];
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    let page = send(&base, "GET", timeline, &[host, ("cookie", &format!("a=b; {cookie}"))], "").await;
    let text = page.text();
    assert!(page.status == 200 && text.contains("stack prod") && text.contains("read-only"), "{text}");
    assert!(!text.contains("<form class=\"action\"") && !text.contains("/trigger"), "{text}");
    assert_eq!(send(&base, "GET", "/trigger", &[host, ("cookie", cookie)], "").await.status, 404);
    assert_eq!(send(&base, "GET", timeline, &[host, ("cookie", &cookie[..cookie.len() - 1])], "").await.status, 401);

    // Updates are found by polling, without being notified.
    let mut stream = open(&base, "GET", "/live?view=%2F", &[host, ("cookie", cookie)], "").await;
    let answer = stack.post_quicklysign("document_updated", "p").await;
    read_until(&mut stream, answer.delivery()).await;

    let form = "form_token=x&provider=quicklysign&kind=document_pack&id=p&event=document_updated";
    let rejections =
        [("/archive/retry", "read-only"), ("/quarantine/replay", "read-only"), ("/trigger", "local stack only")];
    for (path, why) in rejections {
        let headers = [host, ("cookie", cookie), ("origin", base.as_str()), FORM];
        let answer = send(&base, "POST", path, &headers, form).await;
        assert!(answer.status == 403 && answer.text().contains(why), "{path}: {}", answer.text());
    }
    // Quarantined requests are shown, with the command that replays them.
    let form = "application/x-www-form-urlencoded";
    let signature = format!("{}%3D%3D", "A".repeat(342));
    stack.post(Route::LegalesignBatch, form, format!("data=%5B%5D&signed={signature}")).await;
    let kept = stack.ledger().quarantine_list(None, None, 1).await.expect("the ledger").remove(0);
    let page = send(&base, "GET", &format!("/quarantine/{}", kept.id), &[host, ("cookie", cookie)], "").await.text();
    assert!(page.contains("signature_mismatch") && !page.contains("<form class=\"action\""), "{page}");
    assert!(page.contains(&format!("countersign replay --quarantined {}", kept.id)), "{page}");
    let after = stack.timeline(&pack("p")).await;
    assert_eq!(after.document.archive, before.document.archive);
}
