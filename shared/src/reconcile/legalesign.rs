//! Legalesign: what was modified in each configured group since the last pass.
//!
//! The first pass over a group is a full one; what it finds is from before, and not counted as missing. A pass that
//! ended early goes on at its offset in the next run.

use jiff::{SignedDuration, Timestamp};

use super::{Asked, LedgerError, Missing, Next, Reconcile, next};
use crate::{
    ledger::Cursor,
    provider::Provider,
    providers::legalesign::api::list::{Listed, PAGE, Query},
};

/// A pass looks back this far behind the beginning of the one before. The service's times have no zone, which in a
/// British summer is an hour's difference, and what was too young to be missed must be seen again.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3);

/// Pages of each group in one run.
const MAX_PAGES: usize = 20;

/// A list by time changes while it is read: one that is modified moves to its end, and the others move up. So many
/// places are read twice.
const SHIFT: u64 = 10;

impl Reconcile {
    pub(super) async fn legalesign(&self, now: Timestamp) -> Result<Asked, LedgerError> {
        let mut asked = Asked::default();
        let secrets = match self.legalesign_proof.get().await {
            Ok(secrets) => secrets,
            Err(problem) => {
                tracing::warn!(event = "not_asked", provider = "legalesign", problem = %problem);
                return Ok(Asked { stopped: Some("not_configured".to_owned()), ..asked });
            }
        };
        if secrets.groups().is_empty() {
            asked.stopped = Some("no_groups".to_owned());
        }
        for group in secrets.groups() {
            let name = format!("legalesign#{group}");
            let mut cursor = self.ledger.cursor(&name).await?;
            if cursor.not_before.is_some_and(|again| again > now) {
                asked.stopped = Some("asked_to_wait".to_owned());
                continue;
            }
            cursor.not_before = None;
            self.group(group, &name, cursor, now, &mut asked).await?;
        }
        Ok(asked)
    }

    async fn group(
        &self,
        group: &str,
        name: &str,
        mut cursor: Cursor,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<(), LedgerError> {
        let began_at = *cursor.pass_began_at.get_or_insert(now);
        let mut failures = 0;
        for _ in 0..MAX_PAGES {
            let query = Query { group, modified_after: cursor.since, offset: cursor.offset };
            let page = match self.apis.legalesign().list(query).await {
                Ok(page) => page,
                Err(obstacle) => match next(&obstacle, &mut failures) {
                    Next::GoOn => continue,
                    Next::Stop(reason, pause) => {
                        cursor.not_before = pause.and_then(|pause| now.checked_add(pause).ok());
                        asked.stopped = Some(reason);
                        return self.ledger.set_cursor(name, &cursor).await;
                    }
                },
            };
            for document in &page.documents {
                self.document(document, cursor.since.is_none(), now, asked).await?;
            }
            if !page.more {
                let since = began_at.checked_sub(OVERLAP).ok();
                return self.ledger.set_cursor(name, &Cursor { since, ..Cursor::default() }).await;
            }
            // The first pass reads a list that the service keeps still.
            let shift = if cursor.since.is_some() && page.length > SHIFT { SHIFT } else { 0 };
            cursor.offset += page.length.min(PAGE) - shift;
            self.ledger.set_cursor(name, &cursor).await?;
        }
        asked.stopped = Some("enough_for_now".to_owned());
        Ok(())
    }

    async fn document(
        &self,
        Listed { subject, inspection, modified }: &Listed,
        first_pass: bool,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<(), LedgerError> {
        self.count(Provider::Legalesign, asked);
        if let Some(status) = inspection.status {
            let links: Vec<_> = inspection.signers.iter().map(|(link, _)| link.clone()).collect();
            let missing = Missing { subject, status, changed_at: *modified, links: &links };
            self.compare(&missing, first_pass, now, asked).await?;
        }
        for (link, status) in &inspection.signers {
            let Some(status) = *status else { continue };
            let links = std::slice::from_ref(link);
            let missing = Missing { subject: &link.signer, status, changed_at: *modified, links };
            self.compare(&missing, first_pass, now, asked).await?;
        }
        Ok(())
    }
}
