//! Archive jobs by state, with the reason why a job is stuck and the time of its next attempt.

use countersign::ledger::{ArchiveJob, ArchiveState};
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
            (choice("State", "state", "all unfinished", ArchiveState::ALL.map(ArchiveState::as_str), name))
            button type="submit" { "Show" }
        }
    };
    // States that need an operator's action come first.
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
    let jobs = futures::future::try_join_all(states.map(|state| console.ledger.jobs(state, None, ROWS)));
    let (jobs, figures) = tokio::try_join!(jobs, figures(console))?;
    let jobs: Vec<ArchiveJob> = jobs.into_iter().flatten().collect();
    let live = html! {
        (figures)
        @if jobs.is_empty() {
            div.empty {
                @match wanted {
                    Some(state) => p { "No archive job is " (state.as_str()) "." },
                    None => p { "No unfinished archive jobs." },
                }
            }
        } @else {
            table.rows {
                caption.unseen { "Archive jobs" }
                thead {
                    tr {
                        th scope="col" { "Service" }
                        th scope="col" { "Document" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Attempts" }
                        th scope="col" { "Next attempt (UTC)" }
                        th scope="col" { "Reason" }
                        @if console.options.allow_retry { th scope="col" { span.unseen { "Action" } } }
                    }
                }
                tbody #rows { @for job in &jobs { (row(console, job)) } }
            }
        }
    };
    Ok(Page { title: "Archive".to_owned(), head, live })
}

fn row(console: &Console, job: &ArchiveJob) -> Markup {
    let subject = &job.subject;
    html! {
        tr id=(format!("job-{}-{}-{}", subject.provider, subject.kind.as_str(), subject.id)) {
            td data-label="Service" { (service(subject.provider)) }
            td data-label="Document" { (subject_link(subject)) " " span.quiet { (kind_name(subject.kind)) } }
            td data-label="State" { (archive_state(job.state)) }
            td.number data-label="Attempts" { (job.attempts) }
            td data-label="Next attempt" { (moment_or_dash(job.not_before)) }
            td data-label="Reason" { (text_or_dash(job.reason.as_deref())) }
            @if console.options.allow_retry { td.links { (retry_button(console, subject)) } }
        }
    }
}
