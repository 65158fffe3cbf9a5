//! The deliveries of a day, latest first. Above them are the numbers that an operator should look at.

use countersign::{
    domain::{Outcome, Provider},
    ledger::{ArchiveState, DeliveryFilter, DeliveryRecord, QUARANTINED_FOR},
    time,
};
use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};

use super::{
    ROWS, address, choice, dash, moment_of_day, outcome, route_name, service, short, size, subject_link, text_or_dash,
};
use crate::console::{
    Console,
    summaries::Summary,
    view::{Page, Problem},
};

/// Limit for counting items in a state. From this number on, the page shows `1000+`.
const MAX_COUNT: usize = 1_000;

pub async fn render(
    console: &Console,
    day: Date,
    today: Option<Date>,
    filter: DeliveryFilter,
    after: Option<&str>,
) -> Result<Page, Problem> {
    let name = day.to_string();
    let provider = filter.provider.map(Provider::as_str);
    let outcome_name = filter.outcome.map(Outcome::as_str);
    let link = |day: Option<&str>, after: Option<&str>| {
        address("/", &[("day", day), ("provider", provider), ("outcome", outcome_name), ("after", after)])
    };
    let is_today = today == Some(day);
    let yesterday = day.yesterday().ok().map(|day| day.to_string());
    let tomorrow = day.tomorrow().ok().filter(|_| !is_today).map(|day| day.to_string());
    let head = html! {
        form.filters method="get" action="/" {
            label { span { "Day (UTC)" } input type="date" name="day" value=(name); }
            (choice("Service", "provider", "all services", Provider::ALL.map(Provider::as_str), provider))
            (choice("Outcome", "outcome", "all outcomes", Outcome::ALL.map(Outcome::as_str), outcome_name))
            button type="submit" { "Show" }
            span.steps {
                @if let Some(day) = &yesterday { a href=(link(Some(day), None)) { "← previous day" } }
                @if let Some(day) = &tomorrow { a href=(link(Some(day), None)) { "next day →" } }
                @if !is_today { a href=(link(None, None)) { "today" } }
            }
        }
    };
    // Unfinished deliveries aren't in any day's list yet. They are shown above today's.
    let with_unfinished = is_today && after.is_none() && filter.outcome.is_none_or(|only| only == Outcome::Accepted);
    let unfinished =
        async { if with_unfinished { console.ledger.unfinished_records(ROWS).await } else { Ok(Vec::new()) } };
    let listed = console.ledger.deliveries_page(&name, filter, after, ROWS);
    let (unfinished, listed, figures, quarantined) =
        tokio::try_join!(unfinished, listed, figures(console), quarantined(console))?;
    let unfinished = unfinished.iter().filter(|record| filter.provider.is_none_or(|only| only == record.provider));
    let records: Vec<&DeliveryRecord> = unfinished.rev().chain(&listed.deliveries).collect();
    let summaries = console.summaries.of(&console.ledger, &console.services, &records).await?;
    let live = html! {
        div.overview { (figures) (quarantined) }
        @if records.is_empty() {
            div.empty {
                p { "No deliveries " @if is_today { "yet today" } @else { "on " (name) } "." }
                @if is_today && console.options.gateway.is_some() {
                    p { "Send one from " a href="/trigger" { "Trigger" } ". It appears here without reloading." }
                }
            }
        } @else {
            table.rows {
                caption.unseen { "Deliveries of " (name) ", latest first" }
                thead {
                    tr {
                        th scope="col" { "Received (UTC)" }
                        th scope="col" { "Service" }
                        th scope="col" { "First event" }
                        th scope="col" { "Outcome" }
                        th scope="col" { "Reason" }
                        th scope="col" { "Proof" }
                        th.number scope="col" { "Events" }
                        th.number scope="col" { "Size" }
                        th scope="col" { "Delivery" }
                    }
                }
                tbody #rows {
                    @for (record, summary) in records.iter().zip(&summaries) { (row(record, summary.as_ref(), &name)) }
                }
            }
        }
        @if let Some(next) = &listed.next {
            p.more { a href=(link(Some(&name), Some(next))) { "Earlier deliveries" } }
        }
    };
    Ok(Page { title: "Deliveries".to_owned(), head, live })
}

fn row(record: &DeliveryRecord, summary: Option<&Summary>, day: &str) -> Markup {
    html! {
        tr id=(format!("delivery-{}", record.id)) {
            td data-label="Received" { (moment_of_day(record.received_at, day)) }
            td data-label="Service" {
                (service(record.provider))
                @if let Some(route) = route_name(record.route, record.provider) { " " span.quiet { (route) } }
            }
            td data-label="First event" {
                @match summary {
                    Some(summary) => {
                        bdi { (summary.name) } " " span.quiet { "of " } (subject_link(&summary.subject))
                        @if summary.more > 0 { span.quiet { " and " (summary.more) " more" } }
                    },
                    None => (dash()),
                }
            }
            td data-label="Outcome" { (outcome(record.outcome)) }
            td data-label="Reason" { (text_or_dash(Some(&record.reason))) }
            td data-label="Proof" { (proof(record)) }
            td.number data-label="Events" {
                @if record.outcome == Outcome::Accepted { (dash()) } @else { (record.events) }
                @if record.unreadable > 0 {
                    " " span.badge data-tone="bad" { (record.unreadable) " unreadable" }
                }
            }
            td.number data-label="Size" { (size(record.size)) }
            td data-label="Delivery" {
                a.id href=(format!("/deliveries/{}", record.id)) title=(record.id) { (short(&record.id)) }
            }
        }
    }
}

/// The proof of a delivery: the fingerprint of the signer's certificate, or the path token's position, from 1.
pub fn proof(record: &DeliveryRecord) -> Markup {
    html! {
        @if let Some(certificate) = &record.certificate {
            span title=(certificate) { "signature " code { (certificate.short()) } }
        } @else {
            span title="position in the list of configured path tokens" { "token " (record.token + 1) }
        }
    }
}

/// Number of archive jobs in each state. Each number links to its list.
pub async fn figures(console: &Console) -> Result<Markup, countersign::domain::LedgerError> {
    let count = |state| console.ledger.count_jobs(state, MAX_COUNT);
    let states =
        [ArchiveState::Due, ArchiveState::Waiting, ArchiveState::Blocked, ArchiveState::Failed, ArchiveState::Foreign];
    let counts = futures::future::try_join_all(states.map(count)).await?;
    Ok(html! {
        ul.figures aria-label="Archive jobs by state" {
            @for (state, count) in states.into_iter().zip(counts) {
                li {
                    a href=(address("/archive", &[("state", Some(state.as_str()))])) data-state=(state.as_str())
                        data-some[count > 0] {
                        b { (count_text(count)) } " " span { (state.as_str()) }
                    }
                }
            }
        }
    })
}

/// Number of quarantined requests, as a link to their list.
async fn quarantined(console: &Console) -> Result<Markup, countersign::domain::LedgerError> {
    let since = time::now().checked_sub(QUARANTINED_FOR).unwrap_or(Timestamp::MIN);
    let count = console.ledger.count_quarantined(since, MAX_COUNT).await?;
    Ok(html! {
        ul.figures aria-label="Quarantine" {
            li {
                a href="/quarantine" data-state="quarantined" data-some[count > 0] {
                    b { (count_text(count)) } " " span { "in quarantine" }
                }
            }
        }
    })
}

fn count_text(count: usize) -> String {
    if count < MAX_COUNT { count.to_string() } else { format!("{count}+") }
}
