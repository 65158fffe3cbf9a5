//! Services that list changes: what was modified in each feed since the last pass.
//!
//! The first pass over a feed is a complete one. What it finds is older than this stack, and isn't counted as missed. A
//! pass that ends early continues at its offset in the next run.

use jiff::{SignedDuration, Timestamp};

use super::{
    Found, Queried, Reconcile, Trouble,
    pause::{Next, next},
};
use crate::{
    deadline::Deadline,
    domain::{LedgerError, Provider},
    ledger::Cursor,
    providers::{Change, ChangesQuery},
};

/// A pass begins this long before the start of the last one. A service's times may have no zone, and British summer time
/// differs from UTC by an hour. Also, changes that were too recent to count as missed must be seen again.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3);

/// Maximum number of pages per feed and run.
const MAX_PAGES: usize = 20;

/// Number of entries by which consecutive pages overlap. The list is ordered by time and changes while it is read: a
/// modified document moves to its end, and those after it move up.
const SHIFT: u64 = 10;

/// A feed of a service, with the name of its cursor.
#[derive(Clone, Copy)]
struct Feed<'a> {
    provider: Provider,
    feed: &'a str,
    name: &'a str,
}

impl Reconcile {
    /// Queries all feeds of a service.
    pub(super) async fn feeds(
        &self,
        provider: Provider,
        feeds: &[String],
        deadline: Deadline,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        if feeds.is_empty() {
            result.stopped = Some("no_groups".to_owned());
            result.trouble = Some(Trouble::Denied);
        }
        for (feed, feeds_left) in feeds.iter().zip((1..=feeds.len()).rev()) {
            let name = format!("{provider}#{feed}");
            if let Some(cursor) = self.resume(&name, now, result).await? {
                self.feed(Feed { provider, feed, name: &name }, cursor, deadline.first_of(feeds_left), now, result)
                    .await?;
            }
        }
        Ok(())
    }

    async fn feed(
        &self,
        Feed { provider, feed, name }: Feed<'_>,
        mut cursor: Cursor,
        deadline: Deadline,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        let service = self.services.of(provider);
        let began_at = *cursor.pass_began_at.get_or_insert(now);
        let mut failures = 0;
        for _ in 0..MAX_PAGES {
            // The cursor was saved after the last page.
            if deadline.is_over() {
                result.stopped = Some("out_of_time".to_owned());
                return Ok(());
            }
            let query = ChangesQuery { feed, modified_after: cursor.since, offset: cursor.offset };
            let page = match service.changes(&self.client, query).await {
                Ok(page) => page,
                Err(unavailable) => match next(&unavailable, &mut failures) {
                    Next::GoOn => continue,
                    Next::Stop(halt) => return self.halt(name, cursor, halt, now, result).await,
                },
            };
            for change in &page.documents {
                self.change(change, cursor.since.is_none(), now, result).await?;
            }
            if !page.more {
                let since = began_at.checked_sub(OVERLAP).ok();
                return self.ledger.set_cursor(name, &Cursor { since, ..Cursor::default() }).await;
            }
            // The first pass reads a list that the service doesn't change.
            let shift = if cursor.since.is_some() && page.length > SHIFT { SHIFT } else { 0 };
            cursor.offset += page.length - shift;
            self.ledger.set_cursor(name, &cursor).await?;
        }
        result.stopped = Some("limit_reached".to_owned());
        Ok(())
    }

    /// Records the statuses of a changed document and of its signers.
    async fn change(
        &self,
        Change { subject, inspection, modified }: &Change,
        first_pass: bool,
        now: Timestamp,
        result: &mut Queried,
    ) -> Result<(), LedgerError> {
        self.count(subject.provider, result);
        if let Some(status) = inspection.status {
            let links: Vec<_> = inspection.signers.iter().map(|(link, _)| link.clone()).collect();
            let found = Found { subject, status, changed_at: *modified, links: &links, first_pass };
            self.record(&found, now, result).await?;
        }
        for (link, status) in &inspection.signers {
            let Some(status) = *status else { continue };
            let links = std::slice::from_ref(link);
            let found = Found { subject: &link.signer, status, changed_at: *modified, links, first_pass };
            self.record(&found, now, result).await?;
        }
        Ok(())
    }
}
