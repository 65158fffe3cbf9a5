//! The console in a real browser. Skipped, with a message, where none is installed.

use countersign::{
    domain::{Provider, Route},
    ledger::ArchiveState,
};
use countersign_cli::simulator::Download;
use end_to_end::{LocalStack, Stored, browser::Browser, harness::PATH_TOKEN, pack, signeasy};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const IS_LIVE: &str = "document.querySelector('#connection').dataset.state === 'on'";
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// A stack and a browser; `None` where there is no browser.
async fn start() -> Option<(LocalStack, Browser)> {
    let browser = Browser::start().await?;
    Some((LocalStack::start().await, browser))
}

async fn end(stack: LocalStack, browser: Browser) {
    let entries = browser.log_entries().await;
    assert!(entries.is_empty(), "{entries:?}");
    browser.close().await;
    stack.stop().await;
}

fn row(delivery: &str) -> String {
    format!("document.getElementById('delivery-{delivery}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_callback_appears_live_and_keeps_focus_and_open_details() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    browser.open(url).await;
    browser.wait_for(IS_LIVE).await;
    browser.run("window.loadedOnce = true", &[]).await;
    let first = stack.post_quicklysign("document_updated", "p").await;
    browser.wait_for(&row(first.delivery())).await;

    // The focus stays while rows appear above it.
    browser.run(&format!("{}.querySelector('a').focus()", row(first.delivery())), &[]).await;
    let second = stack.post_quicklysign("signatory_updated", "p").await;
    browser.wait_for(&row(second.delivery())).await;
    let rows = browser.run("return [...document.querySelectorAll('#rows tr')].map((row) => row.id)", &[]).await;
    let expected = [second.delivery(), first.delivery()].map(|delivery| format!("delivery-{delivery}"));
    assert_eq!(rows, json!(expected));
    let kept = format!("window.loadedOnce && document.activeElement === {}.querySelector('a')", row(first.delivery()));
    assert_eq!(browser.run(&format!("return {kept}"), &[]).await, json!(true));

    // Details that were opened on a timeline stay open.
    browser.open(&format!("{url}/documents/quicklysign/document_pack/p")).await;
    browser.wait_for(IS_LIVE).await;
    browser.click(".timeline li summary").await;
    stack.post_quicklysign("final_document_generated", "p").await;
    browser.wait_for("document.querySelectorAll('.timeline li').length === 3").await;
    browser.wait_for("document.querySelectorAll('[id^=pdf-]').length > 1").await;
    assert_eq!(browser.run("return document.querySelectorAll('details[open]').length", &[]).await, json!(1));
    end(stack, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_event_appears_live_and_links_to_its_timeline() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    browser.open(&format!("{url}/events?type=document.archived")).await;
    browser.wait_for(IS_LIVE).await;
    assert_eq!(browser.run("return document.querySelector('.empty').innerText", &[]).await, json!("No events."));
    stack.post_quicklysign("final_document_generated", "p").await;
    let row = "document.querySelector('#rows tr')";
    let text = browser.wait_for(&format!("{row}?.innerText")).await;
    let text = text.as_str().expect("text");
    assert!(text.contains("document.archived") && text.contains("completed"), "{text}");
    browser.click("#rows summary").await;
    browser.wait_for(&format!("{row}.querySelector('pre').innerText.includes('sha256')")).await;
    browser.click("#rows a.id").await;
    browser.wait_for("location.pathname === '/documents/quicklysign/document_pack/p'").await;
    browser.wait_for("document.querySelectorAll('[id^=pdf-]').length > 1").await;
    end(stack, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_button_sends_a_callback_without_leaving_the_page() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    browser.open(&format!("{url}/trigger")).await;
    browser.run("document.querySelector('form:has([value=quicklysign]) [name=id]').value = 'from-the-page'", &[]).await;
    browser.click("button[value=signatory_updated]").await;
    browser.wait_for("document.querySelector('#news').textContent === 'signatory_updated was sent'").await;
    let timeline = stack.timeline(&pack("from-the-page")).await;
    assert_eq!(timeline.events[0].name, "signatory_updated");
    assert_eq!(browser.run("return location.pathname", &[]).await, json!("/trigger"));
    end(stack, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn html_in_a_callback_is_shown_as_text() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    browser.open(url).await;
    browser.wait_for(IS_LIVE).await;
    // Shown by a live update first, then by loading the page.
    let answer = stack.post_quicklysign(HOSTILE, "p").await;
    browser.wait_for(&row(answer.delivery())).await;
    let body = "<script>document.title = 'taken over'</script>";
    let unreadable = stack.post(Route::Quicklysign, "application/json", body).await;
    let pages = [
        url.clone(),
        format!("{url}/deliveries/{}", answer.delivery()),
        format!("{url}/documents/quicklysign/document_pack/p"),
    ];
    for page in pages {
        browser.open(&page).await;
        browser.wait_for(IS_LIVE).await;
        let text = browser.run("return document.querySelector('main').innerText", &[]).await;
        assert!(text.as_str().expect("text").contains(HOSTILE), "{page}: {text}");
        let images = browser.run("return document.images.length", &[]).await;
        assert_eq!(images, json!(1), "{page}: the only image is the console's own mark");
    }
    browser.open(&format!("{url}/deliveries/{}", unreadable.delivery())).await;
    let text = browser.run("return document.querySelector('pre').innerText", &[]).await;
    assert_eq!(text, json!(body));
    assert_ne!(browser.run("return document.title", &[]).await, json!("taken over"));
    end(stack, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_opens_from_its_timeline() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    stack.post_quicklysign("final_document_generated", "signed").await;
    let timeline = stack.wait_for_archive(&pack("signed"), &[ArchiveState::Archived]).await;
    browser.open(&format!("{url}/documents/quicklysign/document_pack/signed")).await;
    let facts = browser.run("return document.querySelector('main').innerText", &[]).await;
    let facts = facts.as_str().expect("text");
    assert!(facts.contains("completed") && facts.contains("archived") && facts.contains("final_document_generated"));
    let fetched = "const links = [...document.querySelectorAll('.links a:first-child')].map((link) => link.href);
        return Promise.all(links.map(async (link) => {
            const response = await fetch(link);
            const bytes = new Uint8Array(await response.arrayBuffer());
            return [response.headers.get('content-type'), String.fromCharCode(...bytes.slice(0, 5)), bytes.length];
        }));";
    let expected: Vec<_> = timeline.pdfs.iter().map(|pdf| json!(["application/pdf", "%PDF-", pdf.size])).collect();
    assert_eq!(browser.run(fetched, &[]).await, json!(expected));
    browser.click(".links a").await;
    browser.wait_for("document.contentType === 'application/pdf'").await;
    browser.close().await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_job_disappears_from_the_archive_page() {
    let Some((stack, browser)) = start().await else { return };
    stack.simulator.pack("stuck").download(Download::Html);
    stack.post_quicklysign("final_document_generated", "stuck").await;
    stack.wait_for_archive(&pack("stuck"), &[ArchiveState::Waiting]).await;
    browser.open(&format!("{}/archive", stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    let row = "document.getElementById('job-quicklysign-document_pack-stuck')";
    let text = browser.run(&format!("return {row}.innerText"), &[]).await;
    assert!(text.as_str().expect("text").contains("not_a_pdf"), "{text}");
    stack.simulator.pack("stuck").download(Download::Pdf);
    browser.click("button[aria-label='Retry stuck']").await;
    browser.wait_for(&format!("!{row}")).await;
    browser.wait_for("document.querySelector('.empty')").await;
    stack.wait_for_archive(&pack("stuck"), &[ArchiveState::Archived]).await;
    end(stack, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_request_appears_live_and_is_replayed_by_a_button_once_its_token_is_configured() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    const NEW_TOKEN: &str = "the-token-that-was-just-changed";
    let Some(browser) = Browser::start().await else { return };
    let stack = LocalStack::start_with_signeasy_policy("required").await;
    let body = signeasy::changed("rs_viewed_v2", |body| {
        body["metadata"]["token"] = json!(NEW_TOKEN);
        body["data"]["message"] = json!(HOSTILE);
    });
    browser.open(&format!("{}/quarantine", stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    stack.post_signeasy(&body).await;
    let id = browser.wait_for("document.querySelector('#rows tr a')?.title").await;
    let id = id.as_str().expect("an id").to_owned();
    let replay = format!("button[aria-label='Replay {id}']");
    browser.click(&replay).await;
    browser.wait_for("document.querySelector('#news').textContent.includes('token_wrong')").await;
    browser.open(&format!("{}/quarantine/{id}", stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    let text = browser.run("return document.querySelector('pre').innerText", &[]).await;
    assert!(text.as_str().expect("text").contains(HOSTILE), "{text}");
    assert_eq!(browser.run("return document.images.length", &[]).await, json!(1));
    // The browser logs every response that isn't a success, such as this button's.
    let entries = browser.log_entries().await;
    assert!(entries.iter().all(|entry| entry.contains("/quarantine/replay")), "{entries:?}");

    let stack = stack
        .restart(|options| {
            let proof = json!({"url_tokens": [PATH_TOKEN], "tokens": [NEW_TOKEN]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    browser.open(&format!("{}/quarantine", stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    browser.click(&replay).await;
    browser.wait_for(&format!("!document.getElementById('quarantined-{id}')")).await;
    browser.wait_for("document.querySelector('#news').textContent.endsWith('was replayed')").await;
    browser.open(&format!("{}/deliveries/{id}", stack.endpoints.http)).await;
    let facts = browser.run("return document.querySelector('.facts').innerText", &[]).await;
    assert!(facts.as_str().expect("text").contains("recorded"), "{facts}");
    browser.log_entries().await;
    end(stack, browser).await;
}

/// Presses Tab on a page that was just opened. On a busy machine, keys are lost until the page is drawn, and the focus
/// stays on the body.
async fn first_tab(browser: &Browser) {
    for _ in 0..50 {
        browser.press(TAB).await;
        let drawn = "await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            return document.activeElement !== document.body";
        if browser.run(drawn, &[]).await == json!(true) {
            return;
        }
    }
    panic!("the key has no effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_can_be_used_by_keyboard_alone() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    browser.open(url).await;
    let focused = "return document.activeElement.textContent.trim()";
    first_tab(&browser).await;
    assert_eq!(browser.run(focused, &[]).await, json!("Skip to content"));
    let visible = "const box = document.activeElement.getBoundingClientRect(); return box.left >= 0 && box.width > 20";
    assert_eq!(browser.run(visible, &[]).await, json!(true));
    browser.press(ENTER).await;
    browser.wait_for("document.activeElement.id === 'main'").await;

    browser.open(url).await;
    first_tab(&browser).await;
    let mut seen = vec![browser.run(focused, &[]).await];
    for _ in 0..7 {
        browser.press(TAB).await;
        seen.push(browser.run(focused, &[]).await);
    }
    let tabs = ["Deliveries", "Documents", "Archive", "Events", "Quarantine", "Trigger"];
    let expected = [&["Skip to content", "Countersign"], &tabs[..]].concat();
    assert_eq!(json!(seen), json!(expected));
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline, &[]).await, json!("solid"), "the focus is visible");
    browser.press(ENTER).await;
    browser.wait_for("location.pathname === '/trigger' && document.readyState === 'complete'").await;
    // The field comes first, then the buttons.
    browser.run("document.querySelector('form:has([value=quicklysign]) [name=id]').focus()", &[]).await;
    browser.press("typed").await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.wait_for("document.querySelector('#news').textContent.endsWith('was sent')").await;
    assert_eq!(stack.timeline(&pack("typed")).await.events.len(), 1);
    end(stack, browser).await;
}

/// Serves one page for every request, as another site.
async fn other_site(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            drop(stream.read(&mut request).await);
            let length = page.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            drop(stream.write_all(format!("{head}{page}").as_bytes()).await);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_neither_submit_forms_nor_read_pages() {
    let Some((stack, browser)) = start().await else { return };
    let url = stack.endpoints.http.clone();
    // The worst case: the other site even knows the form token.
    browser.open(&format!("{url}/trigger")).await;
    let token = browser.run("return document.querySelector('[name=form_token]').value", &[]).await;
    let token = token.as_str().expect("a token");
    let site = other_site(format!(
        "<!doctype html><title>other</title><iframe src='{url}/'></iframe><img src='{url}/assets/mark.svg' id='mark'>
         <form method='post' action='{url}/trigger'><input name='form_token' value='{token}'>
         <input name='provider' value='quicklysign'><input name='event' value='document_updated'><button>Press</button></form>"
    ))
    .await;
    browser.open(&site).await;
    let fetches = format!(
        "const ways = [{{}}, {{method: 'POST', mode: 'no-cors', body: new URLSearchParams({{form_token: '{token}',
            provider: 'quicklysign', event: 'document_updated'}})}}];
         return Promise.all(ways.map((way) => fetch('{url}/trigger', way).then((response) => response.text(), () => 'blocked')));"
    );
    let seen = browser.run(&fetches, &[]).await;
    assert_eq!(seen, json!(["blocked", "blocked"]), "no response can be read");
    assert_eq!(browser.run("return document.querySelector('#mark').naturalWidth", &[]).await, json!(0));
    browser.click("button").await;
    browser.wait_for("document.body.innerText.includes('Only the console')").await;
    assert!(stack.items().await.is_empty(), "another site sent a callback");
    browser.close().await;
    stack.stop().await;
}

/// Pixels by which the page is wider than the screen, once it is drawn: until then, it may have the previous screen's
/// layout.
const TOO_WIDE: &str = "await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    return document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// The elements that are wider than the screen.
const TOO_WIDE_ELEMENTS: &str = "return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth)
    .map((element) => `${element.localName} ${element.className}`)";

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone_and_follow_the_color_scheme() {
    let Some((stack, browser)) = start().await else { return };
    let url = &stack.endpoints.http;
    let id = "a-very-long-id-".repeat(13);
    stack.post_quicklysign(&"long-name-".repeat(30), &id).await;
    stack.post_quicklysign("final_document_generated", &id).await;
    stack.wait_for_archive(&pack(&id), &[ArchiveState::Archived]).await;
    let timeline = format!("/documents/quicklysign/document_pack/{id}");
    let unproven = "not-the-path-token-".repeat(9);
    let url_with_wrong_token = format!("{url}/callbacks/quicklysign/{unproven}");
    stack.post_to(&url_with_wrong_token, &[("content-type", "application/json")], "{}").await;
    let batch = "data=%5B%5D&signed=".to_owned() + &"A".repeat(342);
    stack.post(Route::LegalesignBatch, "application/x-www-form-urlencoded", batch).await;
    let rejected = stack.ledger().quarantine_list(None, None, 1).await.expect("the ledger");
    let rejected = format!("/quarantine/{}", rejected[0].id);
    for path in ["/", "/documents", &timeline, "/archive?state=archived", "/quarantine", &rejected, "/trigger"] {
        for (width, dark) in [(360, true), (1280, false)] {
            browser.screen(width, 800, dark).await;
            browser.open(&format!("{url}{path}")).await;
            let over = browser.run(TOO_WIDE, &[]).await;
            let elements = browser.run(TOO_WIDE_ELEMENTS, &[]).await;
            assert_eq!(over, json!(0), "{path} at {width} is wider than the screen: {elements}");
            let light =
                "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 128)";
            assert_eq!(browser.run(light, &[]).await, json!(!dark), "{path}");
        }
    }
    end(stack, browser).await;
}
