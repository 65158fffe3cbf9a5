//! The outcome of a job whose documents are unavailable.

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{LONGEST_PAUSE, Unavailable},
    ledger::{ArchiveJob, JobOutcome},
};

/// Pauses before each retry of a failed job; after the last one the job has failed. Together they are two days: longer than
/// any outage that a service's users would tolerate.
const BACKOFF: [SignedDuration; 8] = [
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(15),
    SignedDuration::from_hours(24),
];

/// Pause before the next query for a document that isn't ready, unless the service names one.
const NOT_READY: SignedDuration = SignedDuration::from_mins(2);

/// Pause before the next query of a job that the API's credentials don't suffice for. It continues without an operator's
/// command once they do.
const DENIED: SignedDuration = SignedDuration::from_hours(1);

/// Pause before the second look at a subject that the API doesn't know yet.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(10);

/// The parts of a job that decide what a failure does to it.
#[derive(Clone, Copy)]
pub(super) struct JobState {
    /// The number of failed attempts before.
    pub(super) attempts: u32,
    /// Whether an event reported that the subject is complete.
    pub(super) complete: bool,
    /// Whether the archive has any PDF of the subject.
    pub(super) has_pdfs: bool,
    /// Whether the API already failed to know the subject once.
    pub(super) second_look: bool,
}

impl From<&ArchiveJob> for JobState {
    fn from(job: &ArchiveJob) -> Self {
        Self {
            attempts: job.attempts,
            complete: job.complete,
            has_pdfs: !job.versions.is_empty(),
            second_look: job.second_look,
        }
    }
}

/// What `unavailable` does to a job.
pub(super) fn outcome(unavailable: Unavailable, job: JobState, now: Timestamp) -> JobOutcome {
    let later = |pause: SignedDuration| now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let wait =
        |pause, reason| JobOutcome::Waiting { not_before: later(pause), reason, failed: false, second_look: false };
    let reason = unavailable.reason().to_owned();
    match unavailable {
        Unavailable::NotReady { after, .. } | Unavailable::RateLimited { after } => {
            wait(after.unwrap_or(NOT_READY).clamp(SignedDuration::ZERO, LONGEST_PAUSE), reason)
        }
        // The job only queried what happened, and this is the result. The next callback queries again.
        Unavailable::NotComplete { .. } if !job.complete => {
            if job.has_pdfs {
                JobOutcome::Archived
            } else {
                JobOutcome::Cancelled
            }
        }
        Unavailable::NotComplete { ended: false, .. } => wait(NOT_READY, reason),
        // A callback reported that it is complete, so one of the two is wrong.
        Unavailable::NotComplete { ended: true, .. } | Unavailable::Failed { .. } => retry(job, reason, later),
        Unavailable::NotConfigured | Unavailable::Denied { .. } => {
            JobOutcome::Denied { not_before: later(DENIED), reason }
        }
        // A callback may be faster than the service's own tables.
        Unavailable::Unknown { .. } if !job.second_look => JobOutcome::Waiting {
            not_before: later(SECOND_LOOK),
            reason: "not_known_yet".to_owned(),
            failed: false,
            second_look: true,
        },
        Unavailable::Unknown { .. } | Unavailable::Foreign { .. } => JobOutcome::Foreign { reason },
        Unavailable::Unwanted { .. } => JobOutcome::Unwanted { reason },
        Unavailable::HostNotAllowed { host } => JobOutcome::Blocked { host },
    }
}

/// Whether a job has had all its attempts. They have an outcome, unless the workers were killed.
pub(super) fn is_exhausted(job: JobState) -> bool {
    job.attempts as usize > BACKOFF.len()
}

/// The next attempt of a failed job, or its end.
fn retry(job: JobState, reason: String, later: impl Fn(SignedDuration) -> Timestamp) -> JobOutcome {
    match BACKOFF.get(job.attempts as usize) {
        Some(pause) => JobOutcome::Waiting { not_before: later(*pause), reason, failed: true, second_look: false },
        None => JobOutcome::Failed { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T00:00:00Z";

    fn job(attempts: u32, complete: bool, has_pdfs: bool) -> JobState {
        JobState { attempts, complete, has_pdfs, second_look: false }
    }

    fn outcome_now(unavailable: Unavailable, job: JobState) -> JobOutcome {
        outcome(unavailable, job, NOW.parse().unwrap())
    }

    #[test]
    fn a_failure_is_retried_with_growing_pauses_until_the_last_attempt() {
        let mut times = Vec::new();
        for attempts in 0.. {
            match outcome_now(Unavailable::failed("http_500"), job(attempts, true, false)) {
                JobOutcome::Waiting { not_before, failed: true, .. } => times.push(not_before),
                JobOutcome::Failed { reason } => {
                    assert_eq!(reason, "http_500");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(times.len(), BACKOFF.len());
        assert!(times.is_sorted());
    }

    #[test]
    fn insufficient_credentials_block_a_job_without_ending_it() {
        for attempts in [0, 1_000] {
            for unavailable in [Unavailable::NotConfigured, Unavailable::Denied { reason: "not_configured".to_owned() }]
            {
                let denied = outcome_now(unavailable, job(attempts, true, false));
                let JobOutcome::Denied { not_before, reason } = denied else { panic!("{denied:?}") };
                assert_eq!(
                    (not_before.to_string().as_str(), reason.as_str()),
                    ("2026-11-22T01:00:00Z", "not_configured")
                );
            }
        }
    }

    #[test]
    fn not_ready_waits_without_counting_an_attempt() {
        let unavailable =
            Unavailable::NotReady { reason: "being_dearchived".to_owned(), after: Some(SignedDuration::from_hours(4)) };
        for complete in [true, false] {
            let waiting = outcome_now(unavailable.clone(), job(99, complete, false));
            let JobOutcome::Waiting { not_before, failed, .. } = waiting else { panic!("{waiting:?}") };
            assert_eq!((not_before.to_string().as_str(), failed), ("2026-11-22T04:00:00Z", false));
        }
    }

    #[test]
    fn not_complete_cancels_a_query_but_not_a_job_for_a_completed_subject() {
        let not_complete = |ended| Unavailable::NotComplete { reason: "r".to_owned(), ended };
        for ended in [true, false] {
            assert_eq!(outcome_now(not_complete(ended), job(0, false, false)), JobOutcome::Cancelled);
            assert_eq!(outcome_now(not_complete(ended), job(0, false, true)), JobOutcome::Archived);
            let waiting = outcome_now(not_complete(ended), job(0, true, false));
            let JobOutcome::Waiting { failed, .. } = waiting else { panic!("{waiting:?}") };
            assert_eq!(failed, ended, "a subject that never completes is retried a limited number of times");
        }
    }

    #[test]
    fn an_unknown_subject_is_looked_up_once_more_and_then_foreign() {
        let unknown = || Unavailable::Unknown { reason: "api_http_404".to_owned() };
        let first = outcome_now(unknown(), job(0, true, false));
        let JobOutcome::Waiting { not_before, reason, failed: false, second_look: true } = first else {
            panic!("{first:?}")
        };
        assert_eq!((not_before.to_string().as_str(), reason.as_str()), ("2026-11-22T00:00:10Z", "not_known_yet"));
        let second = outcome_now(unknown(), JobState { second_look: true, ..job(0, true, false) });
        assert_eq!(second, JobOutcome::Foreign { reason: "api_http_404".to_owned() });
    }
}
