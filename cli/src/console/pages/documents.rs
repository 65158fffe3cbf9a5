//! Documents and packs, filtered by service and status.

use countersign::{
    domain::{Kind, Provider},
    ledger::DocumentView,
};
use maud::{Markup, html};

use super::{ROWS, address, archive_state, choice, dash, kind_name, moment_or_dash, service, status, trust};
use crate::console::{
    Console,
    view::{Page, Problem, timeline_path},
};

pub async fn render(
    console: &Console,
    provider: Option<Provider>,
    wanted: Option<Kind>,
    after: Option<&str>,
) -> Result<Page, Problem> {
    let (provider_name, status_name) = (provider.map(Provider::as_str), wanted.map(Kind::as_str));
    let statuses = Kind::ALL.into_iter().filter(|kind| kind.rank().is_some()).map(Kind::as_str);
    let head = html! {
        form.filters method="get" action="/documents" {
            (choice("Service", "provider", "all services", Provider::ALL.map(Provider::as_str), provider_name))
            (choice("Status", "status", "all statuses", statuses, status_name))
            button type="submit" { "Show" }
        }
    };
    let page = console.ledger.documents(provider, wanted, after, ROWS).await?;
    let live = html! {
        @if page.documents.is_empty() {
            div.empty { p { "No documents." } }
        } @else {
            table.rows {
                caption.unseen { "Documents" }
                thead {
                    tr {
                        th scope="col" { "Since (UTC)" }
                        th scope="col" { "Service" }
                        th scope="col" { "Document" }
                        th scope="col" { "Status" }
                        th scope="col" { "Trust" }
                        th.number scope="col" { "Events" }
                        th scope="col" { "Archive" }
                        th.number scope="col" { "PDFs" }
                    }
                }
                tbody #rows { @for document in &page.documents { (row(document)) } }
            }
        }
        @if let Some(next) = &page.next {
            p.more {
                a href=(address("/documents", &[("provider", provider_name), ("status", status_name), ("after", Some(next))])) {
                    "More documents"
                }
            }
        }
    };
    Ok(Page { title: "Documents".to_owned(), head, live })
}

fn row(document: &DocumentView) -> Markup {
    let DocumentView { provider, kind, id, .. } = document;
    html! {
        tr id=(format!("document-{provider}-{}-{id}", kind.as_str())) {
            td data-label="Since" { (moment_or_dash(document.occurred_at.or(document.updated_at))) }
            td data-label="Service" { (service(*provider)) }
            td data-label="Document" {
                a.id href=(timeline_path(*provider, *kind, id)) { (id) }
                " " span.quiet { (kind_name(*kind)) }
            }
            td data-label="Status" { (status(document.status)) @if document.conflict { " " (conflict()) } }
            td data-label="Trust" { (trust(document.trust)) @if document.confirmed_at.is_some() { ", confirmed" } }
            td.number data-label="Events" { (document.events) }
            td data-label="Archive" {
                @match &document.archive { Some(archive) => (archive_state(archive.state)), None => (dash()) }
            }
            td.number data-label="PDFs" { (document.pdfs) }
        }
    }
}

/// The mark of a document with two different final statuses.
pub fn conflict() -> Markup {
    html! {
        span.badge data-tone="bad" title="the document has events with two different final statuses" { "conflict" }
    }
}
