//! The events on the local stack's bus, latest first, and the URLs that they are forwarded to.

use countersign::{
    domain::{Kind, Provider},
    publish::DetailType,
};
use maud::{Markup, html};

use super::{
    ROWS, address, badge, choice, dash, kind_name, moment, moment_or_dash, service, status, subject_link, text_or_dash,
};
use crate::{
    bus::{
        Event, Filter, Log,
        forwards::{Forward, State},
    },
    console::view::{Page, Problem},
};

pub async fn render(bus: &Log, filter: Filter, before: Option<i64>) -> Result<Page, Problem> {
    let (provider, detail_type) = (filter.provider.map(Provider::as_str), filter.detail_type.map(DetailType::as_str));
    let head = html! {
        form.filters method="get" action="/events" {
            (choice("Service", "provider", "all services", Provider::ALL.map(Provider::as_str), provider))
            (choice("Type", "type", "all types", DetailType::ALL.map(DetailType::as_str), detail_type))
            button type="submit" { "Show" }
        }
    };
    let page = bus.page(filter, before, ROWS).await?;
    let forwards = bus.forwards().await?;
    let live = html! {
        @if !forwards.is_empty() { (self::forwards(&forwards)) }
        @if page.events.is_empty() {
            div.empty { p { "No events." } }
        } @else {
            table.rows {
                caption.unseen { "Events, latest first" }
                thead {
                    tr {
                        th scope="col" { "Time (UTC)" }
                        th scope="col" { "Type" }
                        th scope="col" { "Service" }
                        th scope="col" { "Document" }
                        th scope="col" { "Status" }
                        th scope="col" { "Reason" }
                        th.number scope="col" { "PDFs" }
                        th scope="col" { "Detail" }
                    }
                }
                tbody #rows { @for event in &page.events { (row(event)) } }
            }
        }
        @if let Some(next) = &page.next {
            p.more {
                a href=(address("/events", &[("provider", provider), ("type", detail_type), ("after", Some(next))])) {
                    "Earlier events"
                }
            }
        }
    };
    Ok(Page { title: "Events".to_owned(), head, live })
}

fn row(event: &Event) -> Markup {
    html! {
        tr id=(format!("event-{}", event.position)) {
            td data-label="Time" { (moment(event.time)) }
            td data-label="Type" { bdi { (event.detail_type) } }
            td data-label="Service" { @match event.provider() { Some(provider) => (service(provider)), None => (dash()) } }
            td data-label="Document" {
                @match event.subject() {
                    Some(subject) => { (subject_link(&subject)) " " span.quiet { (kind_name(subject.kind)) } },
                    None => (dash()),
                }
            }
            td data-label="Status" { (status(event.text("status").and_then(Kind::parse))) }
            td data-label="Reason" { (text_or_dash(event.text("reason"))) }
            td.number data-label="PDFs" { (event.detail["pdfs"].as_array().map_or(0, Vec::len)) }
            td data-label="Detail" {
                details { summary { "JSON" } pre tabindex="0" { bdi { (format!("{:#}", event.detail)) } } }
            }
        }
    }
}

fn forwards(forwards: &[Forward]) -> Markup {
    html! {
        section id="forwards-part" aria-labelledby="forwards" {
            h2 #forwards { "Forwarded to" }
            table.rows {
                thead {
                    tr {
                        th scope="col" { "URL" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Waiting" }
                        th.number scope="col" { "Failed attempts" }
                        th scope="col" { "Last failure" }
                        th scope="col" { "Next attempt (UTC)" }
                    }
                }
                tbody {
                    @for (position, forward) in forwards.iter().enumerate() {
                        tr id=(format!("forward-{position}")) {
                            td data-label="URL" { bdi { (forward.url) } }
                            td data-label="State" { (state(forward.state)) }
                            td.number data-label="Waiting" { (forward.waiting) }
                            td.number data-label="Failed attempts" { (forward.attempts) }
                            td data-label="Last failure" { (text_or_dash(forward.failure.as_deref())) }
                            td data-label="Next attempt" { (moment_or_dash(forward.not_before)) }
                        }
                    }
                }
            }
        }
    }
}

fn state(state: State) -> Markup {
    let tone = match state {
        State::Forwarding => "good",
        State::Retrying => "wait",
        State::Ended => "bad",
        State::Paused => "calm",
    };
    badge(tone, state.as_str())
}
