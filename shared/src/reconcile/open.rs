//! QuicklySign and SignEasy: subjects that callbacks told of and that aren't at their end.

use jiff::{SignedDuration, Timestamp};

use super::{Asked, LedgerError, Missing, Next, Reconcile, next};
use crate::{ledger::Cursor, provider::Provider};

/// Subjects in one run: at a second each, which is slow for an API, it takes a few minutes.
const MAX_SUBJECTS: usize = 200;

impl Reconcile {
    pub(super) async fn open(&self, provider: Provider, now: Timestamp) -> Result<Asked, LedgerError> {
        let mut asked = Asked::default();
        let name = provider.as_str();
        let mut cursor = self.ledger.cursor(name).await?;
        if cursor.not_before.is_some_and(|again| again > now) {
            return Ok(Asked { stopped: Some("asked_to_wait".to_owned()), ..asked });
        }
        cursor.not_before = None;
        let open = self.ledger.open_documents(provider, cursor.place.as_deref(), MAX_SUBJECTS).await?;
        // Fewer than there may be: the next run begins anew.
        let ended = open.len() < MAX_SUBJECTS;
        let mut failures = 0;
        for (place, subject) in open {
            self.count(provider, &mut asked);
            if provider == Provider::Quicklysign
                && let Err(obstacle) = self.compare_logs(&subject, now, &mut asked).await?
                && let Next::Stop(reason, pause) = next(&obstacle, &mut failures)
            {
                return self.stop(name, cursor, reason, pause, now, asked).await;
            }
            match self.apis.inspect(&subject).await {
                Ok(inspection) => {
                    failures = 0;
                    // No callback of theirs tells more than the end.
                    if let Some(status) = inspection.status.filter(|status| status.is_terminal()) {
                        let missing =
                            Missing { subject: &subject, status, changed_at: inspection.changed_at, links: &[] };
                        self.compare(&missing, false, now, &mut asked).await?;
                    }
                }
                Err(obstacle) => {
                    if let Next::Stop(reason, pause) = next(&obstacle, &mut failures) {
                        return self.stop(name, cursor, reason, pause, now, asked).await;
                    }
                }
            }
            cursor.place = Some(place);
        }
        if ended {
            cursor.place = None;
        } else {
            asked.stopped = Some("enough_for_now".to_owned());
        }
        self.ledger.set_cursor(name, &cursor).await?;
        Ok(asked)
    }

    /// Leaves the service alone until the next run, or for `pause`.
    async fn stop(
        &self,
        name: &str,
        mut cursor: Cursor,
        reason: String,
        pause: Option<SignedDuration>,
        now: Timestamp,
        asked: Asked,
    ) -> Result<Asked, LedgerError> {
        cursor.not_before = pause.and_then(|pause| now.checked_add(pause).ok());
        self.ledger.set_cursor(name, &cursor).await?;
        Ok(Asked { stopped: Some(reason), ..asked })
    }
}
