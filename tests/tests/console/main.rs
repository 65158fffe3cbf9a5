//! The console over plain HTTP: who is let in, what is shown, and what the buttons do.

mod quarantine;

use countersign::{
    delivery::Route,
    ledger::{ArchiveState, DeliveryFilter, Outcome},
    provider::Provider,
};
use countersign_cli::{
    console::{self, AccessKey},
    simulator::Download,
};
use end_to_end::{
    World, pack,
    raw_http::{RawAnswer, open, read_until, send},
    sha256,
};
use tokio::io::AsyncReadExt;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn host(world: &World) -> String {
    world.stack.endpoints.http.strip_prefix("http://").expect("http").to_owned()
}

async fn get(world: &World, path: &str) -> RawAnswer {
    send(&world.stack.endpoints.http, "GET", path, &[("host", &host(world))], "").await
}

/// As the console's own page sends a form.
async fn post(world: &World, path: &str, body: &str) -> RawAnswer {
    let base = &world.stack.endpoints.http;
    let headers = [("host", host(world)), ("origin", base.clone()), ("sec-fetch-site", "same-origin".to_owned())];
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(FORM);
    send(base, "POST", path, &headers, body).await
}

async fn trigger_form(world: &World, id: &str) -> String {
    let token = get(world, "/trigger").await.field("form_token");
    format!("form_token={token}&provider=quicklysign&event=document_updated&id={id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let world = World::start().await;
    let pages = ["/", "/documents", "/archive", "/quarantine", "/trigger", "/deliveries/none"];
    for path in pages.into_iter().chain(["/assets/console.js", "/assets/none"]) {
        let answer = get(&world, path).await;
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
    let page = get(&world, "/").await;
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let text = page.text();
    assert_eq!(text.matches("<script").count(), 1);
    assert!(text.contains("<script src=\"/assets/console.js\" defer></script>"), "{text}");
    assert!(!text.contains(" style=") && !text.contains("<style") && !text.contains("://"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_names_are_answered() {
    let world = World::start().await;
    let base = &world.stack.endpoints.http;
    let port = host(&world).rsplit_once(':').expect("a port").1.to_owned();
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
    // A tunnel brings callbacks in under another name: they are the gateway's, and taken.
    let url = world.stack.callback_url(Route::Quicklysign).expect("a URL");
    let path = url.strip_prefix(base.as_str()).expect("a path");
    let body = r#"{"entity_type": "Document", "entity_key": "p", "callback_event": "document_updated"}"#;
    let headers = [("host", "tunnel.example"), ("content-type", "application/json")];
    assert_eq!(send(base, "POST", path, &headers, body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_can_use_nothing_but_links() {
    let world = World::start().await;
    let (base, host) = (&world.stack.endpoints.http, host(&world));
    for site in ["cross-site", "same-site"] {
        for (dest, status) in [("image", 403), ("script", 403), ("iframe", 403), ("empty", 403), ("document", 200)] {
            let headers = [("host", host.as_str()), ("sec-fetch-site", site), ("sec-fetch-dest", dest)];
            assert_eq!(send(base, "GET", "/", &headers, "").await.status, status, "{site} {dest}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_can_press_a_button() {
    let world = World::start().await;
    let (base, host) = (&world.stack.endpoints.http, host(&world));
    let form = trigger_form(&world, "forged").await;
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
        let answer = post(&world, "/trigger", &form.replacen(token, wrong, 1)).await;
        assert_eq!(answer.status, 403, "{wrong}");
        for path in ["/archive/retry", "/quarantine/replay"] {
            let answer = post(&world, path, &form.replacen(token, wrong, 1)).await;
            assert_ne!(answer.status, 303, "{wrong} {path}");
        }
    }
    assert_eq!(post(&world, "/trigger", "provider=quicklysign&event=document_updated").await.status, 422);
    for method in ["GET", "PUT", "DELETE"] {
        let headers = [("host", host.as_str()), FORM, ("origin", base.as_str())];
        assert_ne!(send(base, method, "/archive/retry", &headers, &form).await.status, 303, "{method}");
    }
    assert!(world.believed().await.is_empty(), "a refused request left something");

    let answer = post(&world, "/trigger", &form).await;
    assert_eq!(answer.status, 303);
    assert!(answer.headers["location"].starts_with("/deliveries/"));
    assert_eq!(world.timeline(&pack("forged")).await.events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_documented_callbacks_about_fit_ids_are_sent() {
    let world = World::start().await;
    let form = trigger_form(&world, "good").await;
    for (from, to) in [("document_updated", "made_up"), ("quicklysign", "other"), ("id=good", "id=..%2Fbad")] {
        assert_eq!(post(&world, "/trigger", &form.replace(from, to)).await.status, 400, "{to}");
    }
    assert!(world.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_from_outside_is_text() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</td><script>alert(2)</script>";
    let world = World::start().await;
    let body = serde_json::json!({
        "entity_type": "Document", "entity_key": "p", "callback_event": HOSTILE, HOSTILE: HOSTILE,
    });
    let answer = world.post(Route::Quicklysign, "application/json", body.to_string()).await;
    let unreadable = world.post(Route::Quicklysign, "application/json", HOSTILE).await;
    assert_eq!(unreadable.verdict(), (200, "set_aside", "unreadable"));
    let delivery = format!("/deliveries/{}", answer.delivery());
    let set_aside = format!("/deliveries/{}", unreadable.delivery());
    let nowhere = "/documents/quicklysign/document_pack/%3Cimg%20src=x%3E";
    let after = "/?after=%22%3E%3Cimg%20src=x%3E";
    let paths = ["/", &delivery, &set_aside, "/documents", "/documents/quicklysign/document_pack/p", nowhere, after];
    for path in paths {
        let text = get(&world, path).await.text();
        assert!(!text.contains("<img src=x") && !text.contains("<script>"), "{path}: {text}");
    }
    for path in ["/", &delivery, "/documents/quicklysign/document_pack/p"] {
        let text = get(&world, path).await.text();
        assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_page_by_page() {
    let world = World::start().await;
    let posts = (0..60).map(|number| async move { format!("pack-{number}") });
    for id in futures::future::join_all(posts).await {
        world.quicklysign("document_updated", &id).await;
    }
    let unreadable = world.post(Route::Quicklysign, "application/json", "{").await;
    let first = get(&world, "/").await.text();
    assert_eq!(first.matches("<tr id=\"delivery-").count(), 50);
    let next = first.split_once("<p class=\"more\"><a href=\"").expect("a link").1.split_once('"').expect("its end").0;
    let second = get(&world, &next.replace("&amp;", "&")).await.text();
    assert_eq!(second.matches("<tr id=\"delivery-").count(), 11);
    assert!(!second.contains("class=\"more\""), "{second}");

    let set_aside = get(&world, "/?outcome=set_aside").await.text();
    assert_eq!(set_aside.matches("<tr id=\"delivery-").count(), 1);
    assert!(set_aside.contains(unreadable.delivery()));
    assert!(get(&world, "/?provider=signeasy").await.text().contains("No deliveries"));
    assert!(get(&world, "/?day=2001-02-03").await.text().contains("No deliveries on 2001-02-03"));

    // The list itself: no page is lost or shown twice, and the last says that it is the last.
    let day = countersign::time::format(countersign::time::now())[..10].to_owned();
    for (limit, pages) in [(61, 1), (60, 2), (20, 4)] {
        let (mut after, mut seen, mut count) = (None, std::collections::BTreeSet::new(), 0);
        loop {
            let filter = DeliveryFilter { provider: Some(Provider::Quicklysign), outcome: None };
            let page = world.ledger().deliveries_page(&day, filter, after.as_deref(), limit).await.expect("a page");
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
    let page = world.ledger().deliveries_page(&day, filter, None, 5).await.expect("a page");
    assert_eq!((page.deliveries.len(), page.next), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_comes_whole_under_its_own_type() {
    let world = World::start().await;
    world.quicklysign("final_document_generated", "signed").await;
    let timeline = world.archive_is(&pack("signed"), &[ArchiveState::Archived]).await;
    let pdf = &timeline.pdfs[0];
    let path = format!("/pdfs/quicklysign/document_pack/signed/{}", pdf.sha256);
    assert!(get(&world, "/documents/quicklysign/document_pack/signed").await.text().contains(&path));
    let answer = get(&world, &path).await;
    assert_eq!((answer.status, sha256(&answer.body)), (200, pdf.sha256.clone()));
    assert_eq!(answer.headers["content-type"], "application/pdf");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["content-length"], pdf.size.to_string());
    assert_eq!(answer.headers["content-disposition"], format!("inline; filename=\"{}-document.pdf\"", pdf.document));
    let download = get(&world, &format!("{path}?download=1")).await;
    assert!(download.headers["content-disposition"].starts_with("attachment; "));

    let other = "0".repeat(64);
    for path in [
        format!("/pdfs/quicklysign/document_pack/other/{}", pdf.sha256),
        format!("/pdfs/quicklysign/document_pack/signed/{other}"),
        format!("/pdfs/quicklysign/signer/signed/{}", pdf.sha256),
        "/pdfs/quicklysign/document_pack/signed/..%2f..".to_owned(),
    ] {
        assert_eq!(get(&world, &path).await.status, 404, "{path}");
    }
    let bucket = &world.stack.endpoints.bucket;
    world.stack.aws.s3.delete_object().bucket(bucket).key(&pdf.key).send().await.expect("deleted");
    let gone = get(&world, &path).await;
    assert_eq!(gone.status, 404);
    assert!(gone.text().contains("isn&#39;t in the bucket") || gone.text().contains("isn't in the bucket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_done_again() {
    let world = World::start().await;
    world.stack.simulator.pack("stuck").download(Download::Html);
    world.quicklysign("final_document_generated", "stuck").await;
    world.archive_is(&pack("stuck"), &[ArchiveState::Waiting]).await;
    let orders = get(&world, "/archive").await;
    let text = orders.text();
    assert!(text.contains("not_a_pdf") && text.contains("order-quicklysign-document_pack-stuck"), "{text}");
    assert!(text.contains("data-state=\"waiting\" data-some><b>1</b>"), "{text}");
    assert!(!get(&world, "/archive?state=failed").await.text().contains("order-quicklysign"));

    world.stack.simulator.pack("stuck").download(Download::Pdf);
    let form = format!("form_token={}&provider=quicklysign&kind=document_pack&id=stuck", orders.field("form_token"));
    let answer = post(&world, "/archive/retry", &form).await;
    let location = answer.headers.get("location").map(String::as_str);
    assert_eq!((answer.status, location), (303, Some("/documents/quicklysign/document_pack/stuck")));
    world.archive_is(&pack("stuck"), &[ArchiveState::Archived]).await;
    assert!(get(&world, "/archive").await.text().contains("Nothing is unfinished"));
    assert_eq!(post(&world, "/archive/retry", &form.replace("=stuck", "=unknown")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_come_by_themselves_until_the_stack_ends() {
    let world = World::start().await;
    let headers = [("host", host(&world))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut stream = open(&world.stack.endpoints.http, "GET", "/live?view=%2F", &headers, "").await;
    let head = read_until(&mut stream, "No deliveries").await;
    assert!(head.contains("content-type: text/event-stream") && head.contains("event: view"), "{head}");
    let answer = world.quicklysign("document_updated\r\n\r\nevent: forged\r\n", "p").await;
    let news = read_until(&mut stream, answer.delivery()).await;
    assert!(!news.lines().any(|line| line.starts_with("event: forged")), "{news}");

    let refused = get(&world, "/live?view=%2Felsewhere").await;
    assert_eq!(refused.status, 404);
    // A page that stays open doesn't keep the stack from ending.
    let ended = tokio::time::timeout(end_to_end::PATIENCE, world.stack.stop()).await;
    ended.expect("the stack ends");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("the stream ends");
}

/// A console as `countersign console` has it: over the same table, read-only, with a key.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_only_who_has_it_may_look_and_nobody_may_change_anything() {
    let world = World::start().await;
    world.quicklysign("final_document_generated", "p").await;
    let before = world.archive_is(&pack("p"), &[ArchiveState::Archived]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let key = AccessKey::new().expect("a key");
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let router = console::router(console::Options {
        aws: world.stack.aws.clone(),
        table: world.stack.endpoints.table.clone(),
        bucket: world.stack.endpoints.bucket.clone(),
        label: "stack prod".to_owned(),
        place: String::new(),
        allow_retry: false,
        settings: None,
        gateway: None,
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

    // News come without anybody who tells of them.
    let mut stream = open(&base, "GET", "/live?view=%2F", &[host, ("cookie", cookie)], "").await;
    let answer = world.quicklysign("document_updated", "p").await;
    read_until(&mut stream, answer.delivery()).await;

    let form = "form_token=x&provider=quicklysign&kind=document_pack&id=p&event=document_updated";
    let refusals =
        [("/archive/retry", "read-only"), ("/quarantine/replay", "read-only"), ("/trigger", "local stack only")];
    for (path, why) in refusals {
        let headers = [host, ("cookie", cookie), ("origin", base.as_str()), FORM];
        let answer = send(&base, "POST", path, &headers, form).await;
        assert!(answer.status == 403 && answer.text().contains(why), "{path}: {}", answer.text());
    }
    // What was refused is shown, and how to replay it elsewhere.
    let form = "application/x-www-form-urlencoded";
    let signature = format!("{}%3D%3D", "A".repeat(342));
    world.post(Route::LegalesignBatch, form, format!("data=%5B%5D&signed={signature}")).await;
    let kept = world.ledger().quarantine_list(None, None, 1).await.expect("the ledger").remove(0);
    let page = send(&base, "GET", &format!("/quarantine/{}", kept.id), &[host, ("cookie", cookie)], "").await.text();
    assert!(page.contains("signature_mismatch") && !page.contains("<form class=\"action\""), "{page}");
    assert!(page.contains(&format!("countersign replay --quarantined {}", kept.id)), "{page}");
    let after = world.timeline(&pack("p")).await;
    assert_eq!(after.document.archive, before.document.archive);
}
