//! One delivery: its outcome and proof, its events, and its stored bytes.

use countersign::{
    domain::{DeliveryId, Event, SubjectKind},
    ledger::StoredDelivery,
};
use maud::{Markup, html};

use super::{body, deliveries::proof, kind_name, moment, outcome, service, size, status, subject_link, text_or_dash};
use crate::console::{
    Console,
    view::{Page, Problem},
};

/// Maximum number of events shown of a delivery. The timelines of their documents show all of them.
const MAX_EVENTS: usize = 200;

pub async fn render(console: &Console, id: &DeliveryId) -> Result<Page, Problem> {
    let stored = console.ledger.delivery(id).await?.ok_or(Problem::NotFound("There is no such delivery."))?;
    let reading = console.services.read(&stored.delivery);
    let head = html! { p.subtitle { code { (id) } } };
    let live = html! {
        (facts(&stored))
        section id="events-part" aria-labelledby="events" {
            h2 #events { "Events" }
            @match &reading {
                Ok(reading) => (self::events(&reading.events)),
                Err(unreadable) => p.problem { "The body is unreadable: " bdi { (unreadable) } },
            }
        }
        @if !stored.record.unreadable_entries.is_empty() {
            section id="unreadable-part" aria-labelledby="unreadable" {
                h2 #unreadable { "Unreadable entries (" (stored.record.unreadable) ")" }
                ul.people { @for entry in &stored.record.unreadable_entries { li { bdi { (entry) } } } }
            }
        }
        section id="body-part" aria-labelledby="body" {
            h2 #body { "Body" }
            (body(stored.delivery.body()))
        }
    };
    Ok(Page { title: "Delivery".to_owned(), head, live })
}

fn facts(stored: &StoredDelivery) -> Markup {
    let record = &stored.record;
    let envelope = stored.delivery.envelope();
    html! {
        dl.facts {
            div { dt { "Outcome" } dd { (outcome(record.outcome)) } }
            div { dt { "Reason" } dd { (text_or_dash(Some(&record.reason))) } }
            div { dt { "Received" } dd { (moment(record.received_at)) } }
            div { dt { "Service" } dd { (service(record.provider)) } }
            div { dt { "Route" } dd { code { (record.route) } } }
            div { dt { "Proof" } dd { (proof(record)) } }
            div { dt { "Size" } dd { (size(record.size)) } }
            div.wide { dt { "SHA-256" } dd { code { (record.sha256) } } }
            @for (name, value) in &envelope.headers {
                div.wide { dt { code { (name) } } dd { bdi.long { (value) } } }
            }
            @if let Some(event) = &envelope.event { div { dt { "?event=" } dd { bdi { (event) } } } }
        }
    }
}

fn events(events: &[Event]) -> Markup {
    html! {
        table.rows {
            thead {
                tr {
                    th scope="col" { "Occurred (UTC)" }
                    th scope="col" { "Event" }
                    th scope="col" { "Value" }
                    th scope="col" { "Status" }
                    th scope="col" { "Subject" }
                }
            }
            tbody {
                @for event in events.iter().take(MAX_EVENTS) {
                    tr {
                        td data-label="Occurred" { (moment(event.occurred_at)) }
                        td data-label="Event" { bdi { (event.name) } }
                        td data-label="Value" { (text_or_dash(event.value.as_deref())) }
                        td data-label="Status" { (status(Some(event.kind))) }
                        td data-label="Subject" {
                            @if event.subject.kind == SubjectKind::Signer { span.quiet { (kind_name(event.subject.kind)) " " } }
                            (subject_link(&event.subject))
                        }
                    }
                }
            }
        }
        @if events.len() > MAX_EVENTS { p.quiet { "The first " (MAX_EVENTS) " of " (events.len()) "." } }
    }
}
