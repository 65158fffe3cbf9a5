//! One rejected request in quarantine: the cause, the next step for an operator, and its unproven content.

use countersign::{
    domain::{Addressed, DeliveryId},
    ledger::QuarantineRecord,
};
use maud::{Markup, html};

use super::{badge, body, can_replay, dash, moment, replay_button, service, size};
use crate::{
    advice::next_step,
    console::{
        Console,
        view::{Page, Problem},
    },
};

pub async fn render(console: &Console, id: &DeliveryId) -> Result<Page, Problem> {
    let kept = console.ledger.quarantined(id).await?;
    let kept = kept.ok_or(Problem::NotFound("This request isn't in quarantine."))?;
    let record = &kept.record;
    let head = html! { p.subtitle { code { (id) } } };
    let live = html! {
        (facts(record))
        section id="next-part" aria-labelledby="next" {
            div.between { h2 #next { "What to do" } (replay_button(console, record)) }
            p.advice { (with_code(next_step(record))) }
            @if !can_replay(console) && record.sha256.is_some() && record.taken_in_at.is_none() {
                p.quiet {
                    "This console can't replay it. Run " code { "countersign replay --quarantined " (id) }
                    " with the same options as this console."
                }
            }
        }
        @if let Some(request) = &kept.request {
            (headers(request))
            section id="body-part" aria-labelledby="body" {
                h2 #body { "Body (not proven)" }
                (body(request.body()))
            }
        } @else {
            section id="body-part" { p.quiet { "The body wasn't stored." } }
        }
    };
    Ok(Page { title: "Rejected request".to_owned(), head, live })
}

/// A text in which parts between backticks become code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (position, part) in text.split('`').enumerate() {
            @if position % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn facts(record: &QuarantineRecord) -> Markup {
    html! {
        dl.facts {
            div { dt { "Reason" } dd { (badge("bad", &record.reason)) } }
            div { dt { "Cause" } dd { bdi { (record.cause) } } }
            div { dt { "Received" } dd { (moment(record.received_at)) } }
            div { dt { "Expires" } dd { (moment(record.expires_at)) } }
            div { dt { "Service" } dd { (service(record.provider)) } }
            div { dt { "Route" } dd { code { (record.route) } } }
            div {
                dt { "Path token" }
                dd { "valid, the " (ordinal(record.token)) " of the configured tokens" }
            }
            div { dt { "Size" } dd { @match record.size { Some(bytes) => (size(bytes)), None => (dash()) } } }
            @if let Some(at) = record.taken_in_at {
                div {
                    dt { "Replayed" }
                    dd { (moment(at)) " as " a href=(format!("/deliveries/{}", record.id)) { "a delivery" } }
                }
            }
            @if let Some(sha256) = &record.sha256 { div.wide { dt { "SHA-256" } dd { code { (sha256) } } } }
        }
    }
}

/// The ordinal number of a position from 0: `1st`, `2nd`, and so on.
fn ordinal(position: u64) -> String {
    let number = position + 1;
    let ending = match (number % 10, number % 100) {
        (1, last) if last != 11 => "st",
        (2, last) if last != 12 => "nd",
        (3, last) if last != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn headers(request: &Addressed) -> Markup {
    let envelope = request.envelope();
    html! {
        @if !envelope.headers.is_empty() || envelope.event.is_some() {
            section id="headers-part" aria-labelledby="headers" {
                h2 #headers { "Stored headers" }
                dl.facts {
                    @for (name, value) in &envelope.headers {
                        div.wide { dt { code { (name) } } dd { bdi.long { (value) } } }
                    }
                    @if let Some(event) = &envelope.event { div { dt { "?event=" } dd { bdi { (event) } } } }
                }
            }
        }
    }
}
