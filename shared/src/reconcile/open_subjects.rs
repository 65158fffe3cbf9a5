//! Services that can only be queried subject by subject: for subjects that callbacks reported, until they have a terminal
//! status.

use jiff::Timestamp;

use super::{
    Found, Queried, Reconcile,
    pause::{Next, next},
};
use crate::domain::{LedgerError, Provider, Stop, Subject};

/// Maximum number of subjects per run. At a second each, which is slow for an API, that takes a few minutes.
const MAX_SUBJECTS: usize = 200;

impl Reconcile {
    /// Queries a service for each subject that is still open.
    pub(super) async fn open_subjects(&self, provider: Provider, now: Timestamp) -> Result<Queried, LedgerError> {
        let mut result = Queried::default();
        let name = provider.as_str();
        let service = self.services.of(provider);
        let Some(mut cursor) = self.resume(name, now, &mut result).await? else { return Ok(result) };
        let open = self.ledger.open_documents(provider, cursor.place.as_deref(), MAX_SUBJECTS).await?;
        // Fewer than the maximum: the list ends here, and the next run starts over.
        let ended = open.len() < MAX_SUBJECTS;
        let mut failures = 0;
        for (place, subject) in open {
            self.count(provider, &mut result);
            match service.missed_callbacks(&self.client, &subject, &self.ledger).await {
                Ok(missed) => {
                    for missed in &missed {
                        self.record_missed(missed, now, &mut result).await?;
                    }
                }
                Err(Stop::Ledger(error)) => return Err(error),
                Err(Stop::Unavailable(unavailable)) => {
                    if let Next::Stop(halt) = next(&unavailable, &mut failures) {
                        self.halt(name, cursor, halt, now, &mut result).await?;
                        return Ok(result);
                    }
                }
            }
            match service.inspect(&self.client, &subject, &self.ledger).await {
                Ok(inspection) => {
                    failures = 0;
                    if let Some(request) = &inspection.request {
                        let request = Subject { id: request.clone(), ..subject.clone() };
                        self.ledger.join(&request, &subject).await?;
                    }
                    // Only terminal statuses are compared: earlier ones have no callback at every service.
                    if let Some(status) = inspection.status.filter(|status| status.is_terminal()) {
                        let changed_at = inspection.changed_at;
                        let found = Found { subject: &subject, status, changed_at, links: &[], first_pass: false };
                        self.record(&found, now, &mut result).await?;
                    }
                }
                Err(unavailable) => {
                    if let Next::Stop(halt) = next(&unavailable, &mut failures) {
                        self.halt(name, cursor, halt, now, &mut result).await?;
                        return Ok(result);
                    }
                }
            }
            cursor.place = Some(place);
        }
        if ended {
            cursor.place = None;
        } else {
            result.stopped = Some("limit_reached".to_owned());
        }
        self.ledger.set_cursor(name, &cursor).await?;
        Ok(result)
    }
}
