//! Pages: their common frame, and components that several pages use. The template escapes every value. External data is
//! also wrapped in `bdi`, so that right-to-left characters in it can't reorder the text around it.

pub mod archive;
pub mod deliveries;
pub mod delivery;
pub mod documents;
pub mod events;
pub mod quarantine;
pub mod quarantined;
pub mod timeline;
pub mod trigger;

use axum::response::{IntoResponse, Response};
use countersign::{
    domain::{DeliveryId, Kind, Outcome, PdfVerdict, Provider, Subject, SubjectKind, Trust},
    ledger::{ArchiveState, QuarantineRecord},
    time,
};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{
    Console,
    view::{Page, Problem, View, timeline_path},
};

/// Maximum number of bytes shown of a body. Only the start of a larger one is shown.
const MAX_SHOWN_BODY: usize = 64 * 1024;

/// Rows of a list on one page.
pub const ROWS: usize = 50;

/// A complete page with this view.
pub fn whole(console: &Console, view: &View, page: &Page) -> Markup {
    let body = html! {
        div.head { h1 { (page.title) } (page.head) }
        div #live data-live[view.is_live()] { (page.live) }
    };
    frame(console, Some(view.tab()), &page.title, &body)
}

/// An error page.
pub fn problem(console: &Console, problem: &Problem) -> Response {
    let body = html! {
        div.head { h1 { "Request failed" } }
        p.problem role="alert" { (problem) }
        p { a href="/" { "Back to the deliveries" } }
    };
    (problem.status(), frame(console, None, "Problem", &body)).into_response()
}

fn frame(console: &Console, tab: Option<&str>, title: &str, body: &Markup) -> Markup {
    let options = &console.options;
    let mut tabs =
        vec![("/", "Deliveries"), ("/documents", "Documents"), ("/archive", "Archive"), ("/quarantine", "Quarantine")];
    if options.bus.is_some() {
        tabs.insert(3, ("/events", "Events"));
    }
    if options.gateway.is_some() {
        tabs.push(("/trigger", "Trigger"));
    }
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Countersign" }
                link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                script src="/assets/console.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.bar {
                    a.brand href="/" { img src="/assets/mark.svg" alt="" width="20" height="20"; "Countersign" }
                    nav aria-label="Views" {
                        @for (href, name) in tabs {
                            a href=(href) aria-current=[(tab == Some(href)).then_some("page")] { (name) }
                        }
                    }
                    p.scope {
                        span.label title=(options.place) { (options.label) }
                        @if !options.allow_retry { " " span.tag { "read-only" } }
                    }
                    p #connection role="status" data-state="off" {}
                }
                main #main tabindex="-1" { (body) }
                p #news.unseen role="status" aria-live="polite" {}
            }
        }
    }
}

/// A time: date and time of day in UTC, to the second. The tooltip has the exact time.
pub fn moment(at: Timestamp) -> Markup {
    let exact = time::format(at);
    html! {
        time datetime=(exact) title=(exact) { span.date { (exact[..10]) } " " (exact[11..19]) }
    }
}

/// A time on a page about this day: only the time of day. A time on another day has its date.
pub fn moment_of_day(at: Timestamp, day: &str) -> Markup {
    let exact = time::format(at);
    if exact[..10] != *day {
        return moment(at);
    }
    html! { time datetime=(exact) title=(exact) { (exact[11..19]) } }
}

/// A time, or a dash.
pub fn moment_or_dash(at: Option<Timestamp>) -> Markup {
    html! { @match at { Some(at) => (moment(at)), None => (dash()) } }
}

/// The placeholder for an absent value.
pub fn dash() -> Markup {
    html! { span.none { "–" } }
}

/// An external text, or a dash.
pub fn text_or_dash(text: Option<&str>) -> Markup {
    html! { @match text.filter(|text| !text.is_empty()) { Some(text) => bdi { (text) }, None => (dash()) } }
}

/// A service's name, with the colour of its position in the list of services.
pub fn service(provider: Provider) -> Markup {
    html! { span.service data-position=(provider as usize) { (provider.display_name()) } }
}

/// The display name of a kind of subject.
pub const fn kind_name(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Document => "document",
        SubjectKind::Signer => "signer",
        SubjectKind::DocumentPack => "pack",
    }
}

/// A link to a subject's timeline.
pub fn subject_link(subject: &Subject) -> Markup {
    html! {
        a.id href=(timeline_path(subject.provider, subject.kind, subject.id.as_str())) { (subject.id) }
    }
}

/// A word with the colour of a tone: `good`, `calm`, `wait` or `bad`.
pub fn badge(tone: &str, text: &str) -> Markup {
    html! { span.badge data-tone=(tone) { (text) } }
}

/// A delivery's outcome.
pub fn outcome(outcome: Outcome) -> Markup {
    let (tone, name) = match outcome {
        Outcome::Accepted => ("wait", "accepted"),
        Outcome::Recorded => ("good", "recorded"),
        Outcome::Duplicate => ("calm", "duplicate"),
        Outcome::SetAside => ("bad", "set aside"),
    };
    badge(tone, name)
}

/// A status.
pub fn status(kind: Option<Kind>) -> Markup {
    let Some(kind) = kind else { return dash() };
    let tone = match kind {
        Kind::Completed => "good",
        Kind::Draft | Kind::Updated | Kind::Reminded => "calm",
        Kind::Sent | Kind::Viewed | Kind::Signed => "wait",
        Kind::Expired | Kind::Declined | Kind::Voided | Kind::Removed => "bad",
    };
    badge(tone, kind.as_str())
}

/// The state of an archive job.
pub fn archive_state(state: ArchiveState) -> Markup {
    let tone = match state {
        ArchiveState::Archived => "good",
        ArchiveState::Due | ArchiveState::Waiting => "wait",
        ArchiveState::Blocked | ArchiveState::Failed => "bad",
        ArchiveState::Foreign => "calm",
    };
    badge(tone, state.as_str())
}

/// The verdict on the signatures within a PDF.
pub fn pdf_verdict(verdict: PdfVerdict) -> Markup {
    let (tone, name) = match verdict {
        PdfVerdict::None => ("calm", "no signature"),
        PdfVerdict::Intact => ("good", "intact"),
        PdfVerdict::NotSupported => ("wait", "not supported"),
        PdfVerdict::Broken => ("bad", "broken"),
    };
    badge(tone, name)
}

/// The kind of proof.
pub fn trust(trust: Option<Trust>) -> Markup {
    html! { @match trust { Some(trust) => (trust.as_str()), None => (dash()) } }
}

/// A rounded size. The tooltip has the exact number of bytes.
pub fn size(bytes: u64) -> Markup {
    let text = match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    };
    html! { span title=(format!("{bytes} bytes")) { (text) } }
}

/// The first characters of a hash. The tooltip has the whole hash.
pub fn hash(hex: &str) -> Markup {
    html! { code title=(hex) { (hex.get(..12).unwrap_or(hex)) "…" } }
}

/// A menu of a filter form. The first choice, `all`, means no filter.
pub fn choice<'a>(
    label: &str,
    name: &str,
    all: &str,
    choices: impl IntoIterator<Item = &'a str>,
    chosen: Option<&str>,
) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { (all) }
                @for choice in choices {
                    option value=(choice) selected[chosen == Some(choice)] { (choice.replace('_', " ")) }
                }
            }
        }
    }
}

/// The button that makes an archive job due again.
pub fn retry_button(console: &Console, subject: &Subject) -> Markup {
    html! {
        @if console.options.allow_retry {
            form.action method="post" action="/archive/retry" data-stay="is due again" {
                input type="hidden" name="form_token" value=(console.guard.form_token());
                input type="hidden" name="provider" value=(subject.provider);
                input type="hidden" name="kind" value=(subject.kind.as_str());
                input type="hidden" name="id" value=(subject.id);
                button type="submit" aria-label=(format!("Retry {}", subject.id)) { "Retry" }
            }
        }
    }
}

/// Whether this console can replay rejected requests.
pub fn can_replay(console: &Console) -> bool {
    console.options.allow_retry && console.options.settings.is_some()
}

/// The button that replays a rejected request. A request whose body wasn't stored, or that has been replayed
/// successfully, has none.
pub fn replay_button(console: &Console, record: &QuarantineRecord) -> Markup {
    html! {
        @if can_replay(console) && record.sha256.is_some() && record.taken_in_at.is_none() {
            form.action method="post" action="/quarantine/replay" data-stay="was replayed" {
                input type="hidden" name="form_token" value=(console.guard.form_token());
                input type="hidden" name="id" value=(record.id);
                button type="submit" aria-label=(format!("Replay {}", record.id)) { "Replay" }
            }
        }
    }
}

/// The body of a request or delivery as text, or the start of a large one.
pub fn body(bytes: &[u8]) -> Markup {
    let pretty = || serde_json::from_slice::<serde_json::Value>(bytes).ok().map(|json| format!("{json:#}"));
    let text = if bytes.len() <= MAX_SHOWN_BODY { pretty() } else { None };
    let shown = &bytes[..bytes.len().min(MAX_SHOWN_BODY)];
    html! {
        pre tabindex="0" { bdi { (text.unwrap_or_else(|| String::from_utf8_lossy(shown).into_owned())) } }
        @if shown.len() < bytes.len() { p.quiet { "The first " (size(MAX_SHOWN_BODY as u64)) " of " (size(bytes.len() as u64)) "." } }
    }
}

/// The end of an id. Its start is the time, which ids of the same moment have in common.
pub fn short(id: &DeliveryId) -> &str {
    let id = id.as_str();
    &id[id.len().saturating_sub(12)..]
}

/// The part of a route that distinguishes it from the service's other routes, such as `batch`. `None` for a service
/// with only one route.
pub fn route_name(route: &str, provider: Provider) -> Option<&str> {
    let name = route.trim_end_matches("/{token}").rsplit('/').next()?;
    (name != provider.as_str()).then_some(name)
}

/// A link's URL with a query. Absent values are left out.
pub fn address(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        if let Some(value) = value {
            serializer.append_pair(name, value);
        }
    }
    let query = serializer.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
