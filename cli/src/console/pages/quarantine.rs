//! Rejected requests: those in quarantine, whose path token was valid, and below them the samples of all others.

use countersign::{
    domain::Provider,
    ledger::{QuarantineRecord, RejectedEntry},
};
use maud::{Markup, html};

use super::{ROWS, badge, choice, dash, moment, replay_button, route_name, service, short, size};
use crate::console::{
    Console,
    view::{Page, Problem},
};

pub async fn render(console: &Console, provider: Option<Provider>) -> Result<Page, Problem> {
    let head = html! {
        form.filters method="get" action="/quarantine" {
            (choice("Service", "provider", "all services", Provider::ALL.map(Provider::as_str), provider.map(Provider::as_str)))
            button type="submit" { "Show" }
        }
        p.lead {
            "Callbacks with a valid path token that were rejected for another reason, such as a wrong signature, are "
            "kept for 30 days. Their content had no effect."
        }
    };
    let providers = Provider::ALL.into_iter().filter(|each| provider.is_none_or(|wanted| wanted == *each));
    let rings = providers.map(async |provider| Ok((provider, console.ledger.rejected(provider).await?)));
    let rings = futures::future::try_join_all(rings);
    // Reads one more than is shown, to find out whether there are more.
    let (mut kept, rings) = tokio::try_join!(console.ledger.quarantine_list(provider, None, ROWS + 1), rings)?;
    let more = kept.len() > ROWS;
    kept.truncate(ROWS);
    let live = html! {
        @if kept.is_empty() { div.empty { p { "Nothing is in quarantine." } } } @else { (list(console, &kept)) }
        @if more {
            p.quiet { "The latest " (ROWS) ". " code { "countersign quarantine list --limit 10000" } " lists all." }
        }
        (self::rings(&rings))
    };
    Ok(Page { title: "Quarantine".to_owned(), head, live })
}

fn list(console: &Console, kept: &[QuarantineRecord]) -> Markup {
    html! {
        table.rows {
            caption.unseen { "Rejected callbacks in quarantine, latest first" }
            thead {
                tr {
                    th scope="col" { "Received (UTC)" }
                    th scope="col" { "Service" }
                    th scope="col" { "Reason" }
                    th scope="col" { "Cause" }
                    th.number scope="col" { "Size" }
                    th scope="col" { "Expires (UTC)" }
                    th scope="col" { "Request" }
                    @if console.options.allow_retry { th scope="col" { span.unseen { "Action" } } }
                }
            }
            tbody #rows { @for record in kept { (row(console, record)) } }
        }
    }
}

fn row(console: &Console, record: &QuarantineRecord) -> Markup {
    html! {
        tr id=(format!("quarantined-{}", record.id)) {
            td data-label="Received" { (moment(record.received_at)) }
            td data-label="Service" {
                (service(record.provider))
                @if let Some(route) = route_name(record.route, record.provider) { " " span.quiet { (route) } }
            }
            td data-label="Reason" { (badge("bad", &record.reason)) }
            td data-label="Cause" { bdi { (record.cause) } }
            td.number data-label="Size" { @match record.size { Some(bytes) => (size(bytes)), None => (dash()) } }
            td data-label="Expires" { (moment(record.expires_at)) }
            td data-label="Request" {
                a.id href=(format!("/quarantine/{}", record.id)) title=(record.id) { (short(&record.id)) }
            }
            @if console.options.allow_retry { td.links { (replay_button(console, record)) } }
        }
    }
}

fn rings(rings: &[(Provider, Vec<RejectedEntry>)]) -> Markup {
    html! {
        section id="rings-part" aria-labelledby="rings" {
            h2 #rings { "Rejected without a valid path token" }
            p.lead {
                "Such requests can come from any sender, so their content isn't stored. A sample of at most 100 per "
                "service shows when they arrived, on which route, and why they were rejected. Many with the cause "
                "path_token after a rotation mean that a URL at the service still has the old token."
            }
            @for (provider, entries) in rings {
                @match entries.first() {
                    None => p.ring { (service(*provider)) " " span.quiet { "none" } },
                    Some(last) => details.ring id=(format!("ring-{provider}")) {
                        summary {
                            (service(*provider)) " " (entries.iter().map(|entry| entry.refused).sum::<u64>())
                            " rejected, the latest at " (moment(last.at))
                        }
                        (ring(*provider, entries))
                    },
                }
            }
        }
    }
}

fn ring(provider: Provider, entries: &[RejectedEntry]) -> Markup {
    html! {
        table.rows {
            caption.unseen { "Sample of rejected requests" }
            thead {
                tr {
                    th scope="col" { "At (UTC)" }
                    th scope="col" { "Route" }
                    th scope="col" { "Cause" }
                    th.number scope="col" { "Size" }
                    th.number scope="col" { "Rejected since the previous entry" }
                }
            }
            tbody {
                @for entry in entries {
                    tr {
                        td data-label="At" { (moment(entry.at)) }
                        td data-label="Route" { (route_name(entry.route, provider).unwrap_or("callback")) }
                        td data-label="Cause" { bdi { (entry.cause) } }
                        td.number data-label="Size" { (size(entry.size)) }
                        td.number data-label="Rejected" { (entry.refused) }
                    }
                }
            }
        }
    }
}
