//! One document's timeline: its status, archive job, PDFs, signers and events.

use countersign::{
    domain::{Chain, Subject, SubjectKind, TimeSource},
    intake::{OTHER_ENTITY, UNKNOWN_SUBSCRIPTION},
    ledger::{ArchiveView, DocumentView, EventView, Pdf, SignerView, TIME_AFTER_RECEIPT, Timeline},
    timeline::timeline,
};
use maud::{Markup, html};

use super::{
    archive_state, documents::conflict, hash, kind_name, moment, moment_or_dash, pdf_verdict, retry_button, service,
    size, status, text_or_dash, trust,
};
use crate::console::{
    Console,
    view::{Page, Problem, timeline_path},
};

pub async fn render(console: &Console, subject: &Subject) -> Result<Page, Problem> {
    let timeline = timeline(&console.ledger, &console.services, subject).await?;
    let timeline = timeline.ok_or(Problem::NotFound("Document, pack or signer not found."))?;
    let Timeline { document, events, signers, pdfs, .. } = &timeline;
    let head = html! {
        p.subtitle { (service(subject.provider)) " " (kind_name(subject.kind)) " " code { (subject.id) } }
    };
    let live = html! {
        (facts(document))
        @if let Some(archive) = &document.archive { (archive_job(console, subject, archive)) }
        @if !pdfs.is_empty() { (self::pdfs(subject, pdfs)) }
        (signatures(pdfs))
        @if !signers.is_empty() { (self::signers(subject, signers)) }
        (self::events(events))
    };
    let title = match subject.kind {
        SubjectKind::Document => "Document",
        SubjectKind::Signer => "Signer",
        SubjectKind::DocumentPack => "Document pack",
    };
    Ok(Page { title: title.to_owned(), head, live })
}

fn facts(document: &DocumentView) -> Markup {
    html! {
        dl.facts {
            div { dt { "Status" } dd { (status(document.status)) @if document.conflict { " " (conflict()) } } }
            div { dt { "Since" } dd { (moment_or_dash(document.occurred_at)) } }
            div { dt { "Proven by" } dd { (trust(document.trust)) } }
            div { dt { "Confirmed by the service" } dd { (moment_or_dash(document.confirmed_at)) } }
            div { dt { "Events" } dd { (document.events) } }
            div { dt { "PDFs" } dd { (document.pdfs) } }
            @if !document.candidates.is_empty() {
                div {
                    dt { @if document.candidates.len() > 1 { "Request: ambiguous" } @else { "Request: not confirmed" } }
                    dd {
                        @for id in &document.candidates {
                            a.id href=(timeline_path(document.provider, document.kind, id)) { (id) } " "
                        }
                    }
                }
            }
        }
    }
}

fn archive_job(console: &Console, subject: &Subject, archive: &ArchiveView) -> Markup {
    html! {
        section id="archive-part" aria-labelledby="archive" {
            div.between { h2 #archive { "Archive job" } (retry_button(console, subject)) }
            dl.facts {
                div { dt { "State" } dd { (archive_state(archive.state)) } }
                div { dt { "Reason" } dd { (text_or_dash(archive.reason.as_deref())) } }
                div { dt { "Failed attempts" } dd { (archive.attempts) } }
                div { dt { "Next attempt" } dd { (moment_or_dash(archive.not_before)) } }
                div { dt { "Enqueued" } dd { (archive.requests) " ×" } }
            }
        }
    }
}

fn pdfs(subject: &Subject, pdfs: &[Pdf]) -> Markup {
    let path = |pdf: &Pdf| {
        let (provider, kind, id) = (subject.provider, subject.kind.as_str(), &subject.id);
        format!("/pdfs/{provider}/{kind}/{id}/{}", pdf.sha256)
    };
    html! {
        section id="pdfs-part" aria-labelledby="pdfs" {
            h2 #pdfs { "PDFs" }
            table.rows {
                thead {
                    tr {
                        th scope="col" { "Document" }
                        th scope="col" { "Role" }
                        th.number scope="col" { "Size" }
                        th scope="col" { "SHA-256" }
                        th scope="col" { "Archived (UTC)" }
                        th scope="col" { "Version" }
                        th scope="col" { "File" }
                    }
                }
                tbody {
                    @for pdf in pdfs {
                        tr id=(format!("pdf-{}-{}-{}", pdf.document, pdf.role.as_str(), pdf.sha256)) {
                            td data-label="Document" {
                                bdi { (pdf.document) }
                                @if let Some(name) = &pdf.name { " " span.quiet { bdi { (name) } } }
                                @if let Some(name) = &pdf.file_name { " " bdi.quiet { (name.as_str()) } }
                            }
                            td data-label="Role" { (pdf.role.as_str().replace('_', " ")) }
                            td.number data-label="Size" {
                                (size(pdf.size))
                                @if pdf.trailing_bytes > 0 { br; span.quiet { (pdf.trailing_bytes) " bytes after the PDF’s end" } }
                            }
                            td data-label="SHA-256" { (hash(&pdf.sha256)) }
                            td data-label="Archived" { (moment(pdf.archived_at)) }
                            td data-label="Version" { @if pdf.current { "current" } @else { span.quiet { "earlier" } } }
                            td.links data-label="File" {
                                a href=(path(pdf)) aria-label=(format!("Open {} {}", pdf.document, pdf.role.as_str())) { "Open" }
                                a href=(format!("{}?download=1", path(pdf)))
                                    aria-label=(format!("Download {} {}", pdf.document, pdf.role.as_str())) { "Download" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The signatures within PDFs: one row for each, and one for each PDF without any.
fn signatures(pdfs: &[Pdf]) -> Markup {
    let verified: Vec<_> = pdfs.iter().filter_map(|pdf| Some((pdf, pdf.signatures.as_ref()?))).collect();
    html! {
        @if !verified.is_empty() {
            section id="signatures-part" aria-labelledby="signatures" {
                h2 #signatures { "Signatures within PDFs" }
                table.rows {
                    thead {
                        tr {
                            th scope="col" { "PDF" }
                            th scope="col" { "Signature" }
                            th scope="col" { "Covers" }
                            th scope="col" { "Certificate of" }
                            th scope="col" { "Issued by" }
                            th scope="col" { "Claimed time (UTC)" }
                            th scope="col" { "Time-stamp (UTC)" }
                        }
                    }
                    tbody {
                        @for (pdf, found) in verified {
                            @if found.signatures.is_empty() {
                                tr {
                                    td data-label="PDF" { (hash(&pdf.sha256)) }
                                    td data-label="Signature" {
                                        (pdf_verdict(found.verdict))
                                        @if let Some(reason) = &found.reason { " " (reason) }
                                    }
                                }
                            }
                            @for signature in &found.signatures {
                                tr {
                                    td data-label="PDF" { (hash(&pdf.sha256)) }
                                    td data-label="Signature" {
                                        (pdf_verdict(signature.verdict.of_file())) " " (signature.kind.as_str().replace('_', " "))
                                        @if let Some(reason) = signature.verdict.reason() { ", " (reason) }
                                        @if signature.long_term { ", long-term data" }
                                    }
                                    td data-label="Covers" { (signature.coverage.describe(found.revisions)) }
                                    td data-label="Certificate of" {
                                        (text_or_dash(signature.signer.as_deref()))
                                        @if let Some(certificate) = &signature.certificate { " " (hash(certificate)) }
                                    }
                                    td data-label="Issued by" {
                                        (text_or_dash(signature.issuer.as_deref()))
                                        @if signature.chain != Chain::NotJudged { ", " (signature.chain.as_str()) }
                                    }
                                    td data-label="Claimed time" { (moment_or_dash(signature.claimed_at)) }
                                    td data-label="Time-stamp" { (moment_or_dash(signature.timestamped_at)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn signers(subject: &Subject, signers: &[SignerView]) -> Markup {
    html! {
        section id="signers-part" aria-labelledby="signers" {
            h2 #signers { "Signers" }
            ul.people {
                @for signer in signers {
                    li {
                        a.id href=(timeline_path(subject.provider, SubjectKind::Signer, &signer.id)) { (signer.id) }
                        " " (status(signer.status))
                    }
                }
            }
        }
    }
}

/// The source of an event's time.
const fn time_source(source: TimeSource) -> &'static str {
    match source {
        TimeSource::Provider => "time from the service",
        TimeSource::ProviderLocal => "time from the service without a zone, read as UTC or in the zone of a setting",
        TimeSource::ProviderLocalAmbiguous => {
            "time from the service without a zone, which a clock there showed twice or never"
        }
        TimeSource::Received => "time of receipt",
    }
}

/// An event's note in words; `None` for one of another version of Countersign, of which only the code can be shown.
fn note(code: &str) -> Option<&'static str> {
    match code {
        TIME_AFTER_RECEIPT => Some("the time is later than the receipt, so its zone or a clock is wrong"),
        UNKNOWN_SUBSCRIPTION => Some("the callback names no webhook, or one that isn’t known"),
        OTHER_ENTITY => Some("the callback’s webhook watches another document"),
        _ => None,
    }
}

fn events(events: &[EventView]) -> Markup {
    html! {
        section id="events-part" aria-labelledby="events" {
            h2 #events { "Events" }
            ol.timeline {
                @for event in events {
                    li id=(format!("event-{}", event.id)) {
                        div.what {
                            (moment(event.occurred_at))
                            " " (status(Some(event.kind)))
                            " " bdi.name { (event.name) }
                            @if let Some(value) = &event.value { " = " bdi { (value) } }
                        }
                        div.how {
                            "proven by " (event.trust.as_str())
                            ", " (time_source(event.time_source))
                            ", in " (event.deliveries) @if event.deliveries == 1 { " delivery" } @else { " deliveries" }
                            @if event.source != "callback" { ", found by " (event.source) }
                            @if let Some(delivery) = &event.delivery {
                                ", first in " a.id href=(format!("/deliveries/{delivery}")) { (delivery) }
                            }
                        }
                        @if let Some(code) = &event.note {
                            div.how { "note: " @if let Some(text) = note(code) { (text) " " } code { (code) } }
                        }
                        @if !event.payload.is_null() {
                            details { summary { "Payload" } pre tabindex="0" { bdi { (format!("{:#}", event.payload)) } } }
                        }
                    }
                }
            }
        }
    }
}
