//! Services that can only be queried subject by subject: for subjects that callbacks reported, until they have a terminal
//! status.

use jiff::Timestamp;

use super::{
    Found, Queried, Reconcile,
    pause::{Halt, Next, next, trouble},
};
use crate::{
    deadline::Deadline,
    domain::{LedgerError, Provider, Stop, Subject, Unavailable},
};

/// Maximum number of subjects per run. At a second each, which is slow for an API, that takes a few minutes.
const MAX_SUBJECTS: usize = 200;

/// Number of subjects after which the place is saved, so that a run that is ended from outside isn't repeated.
const SAVE_EVERY: usize = 20;

/// The responses of a run so far.
#[derive(Default)]
struct Responses {
    /// Consecutive failures.
    failures: usize,
    /// Whether the API reported on any subject.
    any: bool,
    /// The last failure.
    failed: Option<Unavailable>,
}

impl Responses {
    fn failure(&mut self, unavailable: Unavailable) -> Option<Halt> {
        let next = next(&unavailable, &mut self.failures);
        self.failed = Some(unavailable);
        match next {
            Next::Stop(halt) => Some(halt),
            Next::GoOn => None,
        }
    }
}

impl Reconcile {
    /// Queries a service for each subject that is still open.
    pub(super) async fn open_subjects(
        &self,
        provider: Provider,
        deadline: Deadline,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        let name = provider.as_str();
        let Some(mut cursor) = self.resume(name, now, result).await? else { return Ok(()) };
        let open = self.ledger.open_documents(provider, cursor.place.as_deref(), MAX_SUBJECTS).await?;
        // Fewer than the maximum: the list ends here, and the next run starts over.
        let mut ended = open.len() < MAX_SUBJECTS;
        let mut responses = Responses::default();
        for (number, (place, subject)) in open.into_iter().enumerate() {
            if deadline.is_over() {
                result.stopped = Some("out_of_time".to_owned());
                ended = false;
                break;
            }
            if number > 0 && number % SAVE_EVERY == 0 {
                self.ledger.set_cursor(name, &cursor).await?;
            }
            self.count(provider, result);
            if let Some(halt) = self.open_subject(&subject, now, &mut responses, result).await? {
                return self.halt(name, cursor, halt, now, result).await;
            }
            cursor.place = Some(place);
        }
        if let Some(failed) = responses.failed.filter(|_| !responses.any) {
            result.trouble = trouble(&failed);
            result.stopped.get_or_insert_with(|| failed.reason().to_owned());
        }
        if ended {
            cursor.place = None;
        } else {
            result.stopped.get_or_insert_with(|| "limit_reached".to_owned());
        }
        self.ledger.set_cursor(name, &cursor).await
    }

    /// Queries a service for one subject. Returns why no further one is queried.
    async fn open_subject(
        &self,
        subject: &Subject,
        now: Timestamp,
        responses: &mut Responses,
        result: &mut Queried,
    ) -> Result<Option<Halt>, LedgerError> {
        let service = self.services.of(subject.provider);
        match service.missed_callbacks(&self.client, subject, &self.ledger).await {
            Ok(missed) => {
                for missed in &missed {
                    self.record_missed(missed, now, result).await?;
                }
            }
            Err(Stop::Ledger(error)) => return Err(error),
            Err(Stop::Unavailable(unavailable)) => {
                if let Some(halt) = responses.failure(unavailable) {
                    return Ok(Some(halt));
                }
            }
        }
        let inspection = match service.inspect(&self.client, subject, &self.ledger).await {
            Ok(inspection) => inspection,
            Err(unavailable) => return Ok(responses.failure(unavailable)),
        };
        responses.failures = 0;
        responses.any = true;
        if let Some(request) = &inspection.request {
            let request = Subject { id: request.clone(), ..subject.clone() };
            self.ledger.join(&request, subject).await?;
        }
        // Only terminal statuses are compared: earlier ones have no callback at every service.
        if let Some(status) = inspection.status.filter(|status| status.is_terminal()) {
            let changed_at = inspection.changed_at;
            let found = Found { subject, status, changed_at, links: &[], first_pass: false };
            self.record(&found, now, result).await?;
        }
        Ok(None)
    }
}
