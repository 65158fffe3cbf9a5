//! Forwards: posts every event to URLs, signed as Standard Webhooks say (<https://www.standardwebhooks.com>).
//!
//! Each URL has its own position in the log, so a slow receiver delays no other. Per URL, the order is that of the log: an
//! event is posted until the receiver accepts it (2xx), and only then the next one. So memory holds one event per URL,
//! however long a receiver is down. The position is stored after each event. If the process ends between the two, the
//! event is posted twice, with the same `webhook-id`.
//!
//! A new URL gets the events that are published from then on. A URL that is already known continues where it stopped.
//! `410 Gone` ends forwarding to a URL until the stack is started with it again.

mod post;
mod progress;
mod secret;
mod target;

use std::time::Duration;

use countersign::time;
use tokio::sync::watch;

use super::{BusError, Filter, Log};
use post::{Outcome, Poster};
pub use progress::{Forward, State};
pub use secret::Secret;
pub use target::{InvalidTarget, Target};

/// Pause after the first failed attempt. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Pause after the log couldn't be read or written.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(5);

/// The URLs to post events to.
#[derive(Clone)]
pub struct Forwards {
    /// The URLs.
    pub targets: Vec<Target>,
    /// The secret that signs the events.
    pub secret: Secret,
}

/// Posts events to one URL until `stopping` turns true.
pub async fn run(log: Log, target: Target, secret: Secret, mut stopping: watch::Receiver<bool>) {
    let poster = Poster::new(&target, secret);
    let mut changes = log.changes();
    let mut attempts = 0;
    loop {
        changes.mark_unchanged();
        let pause = match step(&log, &target, &poster, attempts).await {
            Ok(Step::Accepted) => {
                attempts = 0;
                Some(Duration::ZERO)
            }
            Ok(Step::Failed) => {
                attempts += 1;
                Some(pause_after(attempts))
            }
            Ok(Step::UpToDate) => None,
            Ok(Step::Gone) => return,
            Err(problem) => {
                tracing::error!(event = "forward_failed", %problem);
                Some(PAUSE_AFTER_ERROR)
            }
        };
        let next = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                // An error means that the log was dropped: the stack has ended.
                None => drop(changes.changed().await),
            }
        };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = next => {}
        }
    }
}

/// The result of one attempt.
enum Step {
    /// The receiver accepted an event.
    Accepted,
    /// It didn't.
    Failed,
    /// It has accepted all events.
    UpToDate,
    /// It doesn't want any more.
    Gone,
}

/// Posts the next event, if there is one, and stores the result.
async fn step(log: &Log, target: &Target, poster: &Poster, attempts: u32) -> Result<Step, BusError> {
    let position = log.forwarded_to(target).await?;
    let Some(event) = log.after(position, Filter::default(), 1).await?.pop() else { return Ok(Step::UpToDate) };
    match poster.post(&event).await {
        Outcome::Accepted => {
            log.accepted(target, event.position).await?;
            Ok(Step::Accepted)
        }
        Outcome::Gone => {
            let reason = "the receiver answered 410 Gone";
            tracing::warn!(event = "forward_ended", target = target.label(), reason);
            log.ended(target, reason).await?;
            Ok(Step::Gone)
        }
        Outcome::Failed(failure) => {
            let attempts = attempts + 1;
            let pause = pause_after(attempts);
            if attempts == 1 {
                tracing::warn!(event = "forward_not_accepted", target = target.label(), failure);
            }
            let not_before = time::now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
            log.not_accepted(target, attempts, failure, not_before).await?;
            Ok(Step::Failed)
        }
    }
}

/// The pause after this number of failed attempts.
fn pause_after(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_PAUSE)
}
