//! Archive orders by state: what is stuck, why, and when it is tried again.

use countersign::ledger::{ArchiveState, Order};
use maud::{Markup, html};

use super::{
    ROWS, archive_state, choice, deliveries::figures, kind_name, moment_or_dash, retry_button, service, subject_link,
    text_or_dash,
};
use crate::console::{
    Console,
    view::{Page, Problem},
};

pub async fn render(console: &Console, wanted: Option<ArchiveState>) -> Result<Page, Problem> {
    let name = wanted.map(ArchiveState::as_str);
    let head = html! {
        form.filters method="get" action="/archive" {
            (choice("State", "state", "everything unfinished", ArchiveState::ALL.map(ArchiveState::as_str), name))
            button type="submit" { "Show" }
        }
    };
    // What a person has to do something about comes first.
    let states = [
        ArchiveState::Failed,
        ArchiveState::Blocked,
        ArchiveState::Foreign,
        ArchiveState::Waiting,
        ArchiveState::Due,
        ArchiveState::Archived,
    ];
    let states = states.into_iter().filter(|state| match wanted {
        Some(wanted) => wanted == *state,
        None => *state != ArchiveState::Archived,
    });
    let orders = futures::future::try_join_all(states.map(|state| console.ledger.orders(state, None, ROWS)));
    let (orders, figures) = tokio::try_join!(orders, figures(console))?;
    let orders: Vec<Order> = orders.into_iter().flatten().collect();
    let live = html! {
        (figures)
        @if orders.is_empty() {
            div.empty {
                @match wanted {
                    Some(state) => p { "No archive order is " (state.as_str()) "." },
                    None => p { "Nothing is unfinished: every final document that was announced is archived." },
                }
            }
        } @else {
            table.rows {
                caption.unseen { "Archive orders" }
                thead {
                    tr {
                        th scope="col" { "Service" }
                        th scope="col" { "Document" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Attempts" }
                        th scope="col" { "Next try (UTC)" }
                        th scope="col" { "Reason" }
                        @if console.options.allow_retry { th scope="col" { span.unseen { "Action" } } }
                    }
                }
                tbody #rows { @for order in &orders { (row(console, order)) } }
            }
        }
    };
    Ok(Page { title: "Archive".to_owned(), head, live })
}

fn row(console: &Console, order: &Order) -> Markup {
    let subject = &order.subject;
    html! {
        tr id=(format!("order-{}-{}-{}", subject.provider, subject.kind.as_str(), subject.id)) {
            td data-label="Service" { (service(subject.provider)) }
            td data-label="Document" { (subject_link(subject)) " " span.quiet { (kind_name(subject.kind)) } }
            td data-label="State" { (archive_state(order.state)) }
            td.number data-label="Attempts" { (order.attempts) }
            td data-label="Next try" { (moment_or_dash(order.not_before)) }
            td data-label="Reason" { (text_or_dash(order.reason.as_deref())) }
            @if console.options.allow_retry { td.links { (retry_button(console, subject)) } }
        }
    }
}
