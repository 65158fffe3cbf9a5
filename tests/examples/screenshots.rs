//! Makes the console's screenshots that README and the docs show: `cargo run -p end-to-end --example screenshots -- docs`.
//!
//! A stack receives the same callbacks each time, so that the images differ only in times and ids.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign::{domain::Route, ledger::ArchiveState};
use countersign_cli::simulator::{Download, Status};
use end_to_end::{LocalStack, browser::Browser, pack, signeasy};
use serde_json::json;

const PACKS: [&str; 6] = [
    "lease-14-market-street",
    "nda-halden-and-partners",
    "offer-2026-117",
    "dpa-northwind",
    "sow-helios-3",
    "msa-orrin",
];

/// Posts callbacks that are rejected: after a token rotation at the service, and with a wrong path token.
async fn post_rejected(stack: &LocalStack) {
    for case in ["rs_completed_v3_own_file_id", "rs_viewed_v2"] {
        let body = signeasy::changed(case, |body| body["metadata"]["token"] = json!("the-token-of-tomorrow"));
        stack.post_signeasy(&body).await;
    }
    let signature = format!("{}%3D%3D", "A".repeat(342));
    let form = "application/x-www-form-urlencoded";
    stack.post(Route::LegalesignBatch, form, format!("data=%5B%5D&signed={signature}")).await;
    for _ in 0..3 {
        let guessed = format!("{}/callbacks/quicklysign/a-path-token-of-last-year", stack.endpoints.http);
        stack.post_to(&guessed, &[("content-type", "application/json")], "{}").await;
    }
}

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder for the images"));
    let stack = LocalStack::start_for_signeasy().await;
    stack.simulator.pack("dpa-northwind").status(Status::Awaiting).ready(false);
    stack.simulator.pack("sow-helios-3").download(Download::Html);
    for (position, pack) in PACKS.into_iter().enumerate() {
        stack.post_quicklysign("document_updated", pack).await;
        stack.post_quicklysign("signatory_updated", pack).await;
        if position % 2 == 0 {
            stack.post_quicklysign("audit_trail_updated", pack).await;
        }
    }
    stack.post(Route::Quicklysign, "application/json", "{\"entity_type\": \"Document\"").await;
    for pack in &PACKS[..5] {
        stack.post_quicklysign("final_document_generated", pack).await;
    }
    let done = [ArchiveState::Archived];
    stack.wait_for_archive(&pack(PACKS[0]), &done).await;
    stack.wait_for_archive(&pack(PACKS[1]), &done).await;
    stack.wait_for_archive(&pack("dpa-northwind"), &[ArchiveState::Waiting]).await;
    stack.wait_for_archive(&pack("sow-helios-3"), &[ArchiveState::Waiting, ArchiveState::Failed]).await;

    post_rejected(&stack).await;

    let Some(browser) = Browser::start().await else { std::process::exit(1) };
    let images = [
        ("console-deliveries-light", "/", 1280, 600),
        ("console-events-light", "/events", 1280, 640),
        ("console-quarantine-light", "/quarantine", 1280, 480),
    ];
    for (name, path, width, height) in images {
        browser.screen(width, height, false).await;
        browser.open(&format!("{}{path}", stack.endpoints.http)).await;
        browser.wait_for("!document.querySelector('#live[data-live]') || document.querySelector('#connection').dataset.state === 'on'").await;
        let image = BASE64_STANDARD.decode(browser.screenshot().await).expect("an image");
        std::fs::write(folder.join(format!("{name}.png")), image).expect("a file");
    }
    browser.close().await;
    stack.stop().await;
}
