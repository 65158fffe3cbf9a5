//! The console in a real browser. Skipped, with a message, where none is installed.

use countersign::{delivery::Route, ledger::ArchiveState, provider::Provider};
use countersign_cli::simulator::Download;
use end_to_end::{World, browser::Browser, pack, signeasy};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const IS_LIVE: &str = "document.querySelector('#connection').dataset.state === 'on'";
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// A stack and a browser; `None` where there is no browser.
async fn start() -> Option<(World, Browser)> {
    let browser = Browser::start().await?;
    Some((World::start().await, browser))
}

async fn end(world: World, browser: Browser) {
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.close().await;
    world.stack.stop().await;
}

fn row(delivery: &str) -> String {
    format!("document.getElementById('delivery-{delivery}')")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_appears_without_a_reload_and_takes_nothing_away() {
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
    browser.open(url).await;
    browser.wait_for(IS_LIVE).await;
    browser.run("window.loadedOnce = true", &[]).await;
    let first = world.quicklysign("document_updated", "p").await;
    browser.wait_for(&row(first.delivery())).await;

    // The focus stays where it is while rows come in above it.
    browser.run(&format!("{}.querySelector('a').focus()", row(first.delivery())), &[]).await;
    let second = world.quicklysign("signatory_updated", "p").await;
    browser.wait_for(&row(second.delivery())).await;
    let rows = browser.run("return [...document.querySelectorAll('#rows tr')].map((row) => row.id)", &[]).await;
    let expected = [second.delivery(), first.delivery()].map(|delivery| format!("delivery-{delivery}"));
    assert_eq!(rows, json!(expected));
    let kept = format!("window.loadedOnce && document.activeElement === {}.querySelector('a')", row(first.delivery()));
    assert_eq!(browser.run(&format!("return {kept}"), &[]).await, json!(true));

    // So does what was opened on a timeline.
    browser.open(&format!("{url}/documents/quicklysign/document_pack/p")).await;
    browser.wait_for(IS_LIVE).await;
    browser.click(".timeline li summary").await;
    world.quicklysign("final_document_generated", "p").await;
    browser.wait_for("document.querySelectorAll('.timeline li').length === 3").await;
    browser.wait_for("document.querySelectorAll('[id^=pdf-]').length > 1").await;
    assert_eq!(browser.run("return document.querySelectorAll('details[open]').length", &[]).await, json!(1));
    end(world, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_sends_a_callback_and_the_page_stays() {
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
    browser.open(&format!("{url}/trigger")).await;
    browser.run("document.querySelector('form:has([value=quicklysign]) [name=id]').value = 'from-the-page'", &[]).await;
    browser.click("button[value=signatory_updated]").await;
    browser.wait_for("document.querySelector('#news').textContent === 'signatory_updated was sent'").await;
    let timeline = world.timeline(&pack("from-the-page")).await;
    assert_eq!(timeline.events[0].name, "signatory_updated");
    assert_eq!(browser.run("return location.pathname", &[]).await, json!("/trigger"));
    end(world, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_text() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
    browser.open(url).await;
    browser.wait_for(IS_LIVE).await;
    // By live update first, then by loading.
    let answer = world.quicklysign(HOSTILE, "p").await;
    browser.wait_for(&row(answer.delivery())).await;
    let body = "<script>document.title = 'taken over'</script>";
    let unreadable = world.post(Route::Quicklysign, "application/json", body).await;
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
        assert_eq!(images, json!(1), "{page}: only the console's own mark is a picture");
    }
    browser.open(&format!("{url}/deliveries/{}", unreadable.delivery())).await;
    let text = browser.run("return document.querySelector('pre').innerText", &[]).await;
    assert_eq!(text, json!(body));
    assert_ne!(browser.run("return document.title", &[]).await, json!("taken over"));
    end(world, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_opens_from_its_timeline() {
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
    world.quicklysign("final_document_generated", "signed").await;
    let timeline = world.archive_is(&pack("signed"), &[ArchiveState::Archived]).await;
    browser.open(&format!("{url}/documents/quicklysign/document_pack/signed")).await;
    let facts = browser.run("return document.querySelector('main').innerText", &[]).await;
    let facts = facts.as_str().expect("text");
    assert!(facts.contains("completed") && facts.contains("archived") && facts.contains("final_document_generated"));
    let fetched = "const links = [...document.querySelectorAll('.links a:first-child')].map((link) => link.href);
        return Promise.all(links.map(async (link) => {
            const answer = await fetch(link);
            const bytes = new Uint8Array(await answer.arrayBuffer());
            return [answer.headers.get('content-type'), String.fromCharCode(...bytes.slice(0, 5)), bytes.length];
        }));";
    let expected: Vec<_> = timeline.pdfs.iter().map(|pdf| json!(["application/pdf", "%PDF-", pdf.size])).collect();
    assert_eq!(browser.run(fetched, &[]).await, json!(expected));
    browser.click(".links a").await;
    browser.wait_for("document.contentType === 'application/pdf'").await;
    browser.close().await;
    world.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_empties_the_list_of_what_is_stuck() {
    let Some((world, browser)) = start().await else { return };
    world.stack.simulator.pack("stuck").download(Download::Html);
    world.quicklysign("final_document_generated", "stuck").await;
    world.archive_is(&pack("stuck"), &[ArchiveState::Waiting]).await;
    browser.open(&format!("{}/archive", world.stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    let row = "document.getElementById('order-quicklysign-document_pack-stuck')";
    let text = browser.run(&format!("return {row}.innerText"), &[]).await;
    assert!(text.as_str().expect("text").contains("not_a_pdf"), "{text}");
    world.stack.simulator.pack("stuck").download(Download::Pdf);
    browser.click("button[aria-label='Retry stuck']").await;
    browser.wait_for(&format!("!{row}")).await;
    browser.wait_for("document.querySelector('.empty')").await;
    world.archive_is(&pack("stuck"), &[ArchiveState::Archived]).await;
    end(world, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_appears_and_a_button_takes_it_in_once_it_is_provable() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    const TOMORROW: &str = "the-token-that-was-just-changed";
    let Some(browser) = Browser::start().await else { return };
    let world = World::signeasy_under("required").await;
    let body = signeasy::changed("rs_viewed_v2", |body| {
        body["metadata"]["token"] = json!(TOMORROW);
        body["data"]["message"] = json!(HOSTILE);
    });
    browser.open(&format!("{}/quarantine", world.stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    world.signeasy(&body).await;
    let id = browser.wait_for("document.querySelector('#rows tr a')?.title").await;
    let id = id.as_str().expect("an id").to_owned();
    let replay = format!("button[aria-label='Replay {id}']");
    browser.click(&replay).await;
    browser.wait_for("document.querySelector('#news').textContent.includes('token_wrong')").await;
    browser.open(&format!("{}/quarantine/{id}", world.stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    let text = browser.run("return document.querySelector('pre').innerText", &[]).await;
    assert!(text.as_str().expect("text").contains(HOSTILE), "{text}");
    assert_eq!(browser.run("return document.images.length", &[]).await, json!(1));
    // A browser notes every answer that isn't a success, and this button's wasn't.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|complaint| complaint.contains("/quarantine/replay")), "{complaints:?}");

    let world = world
        .restart(|options| {
            let proof = json!({"url_tokens": [signeasy::PATH_TOKEN], "tokens": [TOMORROW]});
            options.secrets.set_proof(Provider::Signeasy, proof);
        })
        .await;
    browser.open(&format!("{}/quarantine", world.stack.endpoints.http)).await;
    browser.wait_for(IS_LIVE).await;
    browser.click(&replay).await;
    browser.wait_for(&format!("!document.getElementById('quarantined-{id}')")).await;
    browser.wait_for("document.querySelector('#news').textContent.endsWith('was taken in')").await;
    browser.open(&format!("{}/deliveries/{id}", world.stack.endpoints.http)).await;
    let facts = browser.run("return document.querySelector('.facts').innerText", &[]).await;
    assert!(facts.as_str().expect("text").contains("recorded"), "{facts}");
    browser.complaints().await;
    end(world, browser).await;
}

/// Presses the key on a page that was just opened. On a busy machine that is lost until the page is drawn: the focus stays
/// on the body.
async fn first_tab(browser: &Browser) {
    for _ in 0..50 {
        browser.press(TAB).await;
        let drawn = "await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
            return document.activeElement !== document.body";
        if browser.run(drawn, &[]).await == json!(true) {
            return;
        }
    }
    panic!("the key does nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
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
    for _ in 0..6 {
        browser.press(TAB).await;
        seen.push(browser.run(focused, &[]).await);
    }
    let expected = ["Skip to content", "Countersign", "Deliveries", "Documents", "Archive", "Quarantine", "Trigger"];
    assert_eq!(json!(seen), json!(expected));
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline, &[]).await, json!("solid"), "the focus can be seen");
    browser.press(ENTER).await;
    browser.wait_for("location.pathname === '/trigger' && document.readyState === 'complete'").await;
    // The field, then the buttons.
    browser.run("document.querySelector('form:has([value=quicklysign]) [name=id]').focus()", &[]).await;
    browser.press("typed").await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.wait_for("document.querySelector('#news').textContent.endsWith('was sent')").await;
    assert_eq!(world.timeline(&pack("typed")).await.events.len(), 1);
    end(world, browser).await;
}

/// Serves one page, to whoever asks for whatever, as another site.
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
async fn another_site_can_neither_press_nor_look() {
    let Some((world, browser)) = start().await else { return };
    let url = world.stack.endpoints.http.clone();
    // As bad as can be: the other site even knows the form's secret.
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
    let looked = format!(
        "const ways = [{{}}, {{method: 'POST', mode: 'no-cors', body: new URLSearchParams({{form_token: '{token}',
            provider: 'quicklysign', event: 'document_updated'}})}}];
         return Promise.all(ways.map((way) => fetch('{url}/trigger', way).then((answer) => answer.text(), () => 'refused')));"
    );
    let seen = browser.run(&looked, &[]).await;
    assert_eq!(seen, json!(["refused", "refused"]), "nothing of an answer can be read");
    assert_eq!(browser.run("return document.querySelector('#mark').naturalWidth", &[]).await, json!(0));
    browser.click("button").await;
    browser.wait_for("document.body.innerText.includes('Only the console')").await;
    assert!(world.items().await.is_empty(), "a callback was sent on another site's behalf");
    browser.close().await;
    world.stack.stop().await;
}

/// By how much the page is wider than the screen, once it is drawn: until then a page may still have the layout of the
/// screen before.
const TOO_WIDE: &str = "await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    return document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// The elements that reach over its edge.
const CULPRITS: &str = "return [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth)
    .map((element) => `${element.localName} ${element.className}`)";

#[tokio::test(flavor = "multi_thread")]
async fn it_fits_a_phone_and_follows_the_light() {
    let Some((world, browser)) = start().await else { return };
    let url = &world.stack.endpoints.http;
    let id = "a-very-long-id-".repeat(13);
    world.quicklysign(&"long-name-".repeat(30), &id).await;
    world.quicklysign("final_document_generated", &id).await;
    world.archive_is(&pack(&id), &[ArchiveState::Archived]).await;
    let timeline = format!("/documents/quicklysign/document_pack/{id}");
    let unproven = "not-the-path-token-".repeat(9);
    let url_of_others = format!("{url}/callbacks/quicklysign/{unproven}");
    world.post_to(&url_of_others, &[("content-type", "application/json")], "{}").await;
    let batch = "data=%5B%5D&signed=".to_owned() + &"A".repeat(342);
    world.post(Route::LegalesignBatch, "application/x-www-form-urlencoded", batch).await;
    let refused = world.ledger().quarantine_list(None, None, 1).await.expect("the ledger");
    let refused = format!("/quarantine/{}", refused[0].id);
    for path in ["/", "/documents", &timeline, "/archive?state=archived", "/quarantine", &refused, "/trigger"] {
        for (width, dark) in [(360, true), (1280, false)] {
            browser.screen(width, 800, dark).await;
            browser.open(&format!("{url}{path}")).await;
            let over = browser.run(TOO_WIDE, &[]).await;
            let culprits = browser.run(CULPRITS, &[]).await;
            assert_eq!(over, json!(0), "{path} at {width} is wider than the screen: {culprits}");
            let light =
                "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 128)";
            assert_eq!(browser.run(light, &[]).await, json!(!dark), "{path}");
        }
    }
    end(world, browser).await;
}
