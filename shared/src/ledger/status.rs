//! A subject's status: the greatest of its events, by rank, then time, then trust.
//!
//! The three are stored as one text, `progress`, that sorts like them. One conditional update stores the greater one, so
//! the order in which events arrive can't matter. An event without a rank sorts below every event with one. It gives no
//! status, only the place in the list and the trust of a subject that has no other events.
//!
//! Beside the greatest, every status that was reported is remembered, once for each trust. So the publisher finds out about
//! a status that never became the subject's, because a greater one was recorded before or by the same write.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use super::{
    Item, Ledger,
    events::{Placed, Recording},
    keys::{self, attribute},
    origin::Origin,
    table::{Table, Updated, Value, set},
};
use crate::{
    domain::{Kind, LedgerError, Subject, Trust},
    time,
};

/// What decides which of two events gives the status. Greater values win.
///
/// As text: `<rank>#<time>#<trust>`, `<rank>#` without a time, and `--` in place of a missing rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// The rank of the event's kind.
    rank: Option<u8>,
    /// The event's time and trust. `None` if only the API reported the status and gave no time: that sorts before every
    /// event of the same rank, so a callback's own time takes precedence, whenever it arrives.
    time_and_trust: Option<(Timestamp, Trust)>,
}

impl Progress {
    fn of(origin: Origin<'_>, placed: Placed<'_>) -> Self {
        let trust = origin.trust();
        Self { rank: placed.event.kind.rank(), time_and_trust: origin.time_of(placed).map(|time| (time, trust)) }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rank {
            Some(rank) => write!(f, "{rank:02}#")?,
            // A hyphen sorts before every digit.
            None => f.write_str("--#")?,
        }
        match self.time_and_trust {
            Some((at, Trust::Token)) => write!(f, "{}#0", time::format(at)),
            Some((at, Trust::Signature)) => write!(f, "{}#1", time::format(at)),
            None => Ok(()),
        }
    }
}

/// The reported statuses in a subject's `STATE` item.
pub(super) fn reports_of(state: &Item) -> Item {
    let reports = state.attributes().filter(|(name, _)| name.starts_with(keys::REPORTED_PREFIX));
    reports.fold(Item::default(), |item, (name, at)| item.with(name, Value(at.clone())))
}

/// The status in a subject's `STATE` item.
pub(super) fn status_of(state: &Item) -> Option<Kind> {
    state.text(attribute::STATUS).and_then(Kind::parse)
}

impl Ledger {
    /// Brings a subject's status up to `events`, all of which are about it.
    pub(super) async fn advance(
        &self,
        recording: Recording<'_>,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        let origin = recording.origin;
        let trust = origin.trust();
        let partition = subject.partition();
        let greatest = events
            .iter()
            .map(|placed| (Progress::of(origin, *placed).to_string(), *placed))
            .max_by(|(a, _), (b, _)| a.cmp(b));
        let Some((progress, Placed { event, occurred_at, .. })) = greatest else { return Ok(()) };
        let status = Some(event.kind).filter(|kind| kind.rank().is_some());
        let terminals: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_terminal() && events.iter().any(|placed| placed.event.kind == *kind))
            .map(|kind| kind.as_str().to_owned())
            .collect();
        let reports = recording.reports(events);
        let mut update = self
            .table
            .update(&partition, keys::STATE)
            .set(attribute::PROGRESS, progress.as_str())
            .set(attribute::TRUST, trust.as_str())
            .set(attribute::UPDATED_AT, origin.received_at())
            .set_all_if_absent(reports.clone());
        if let Some(status) = status {
            update = update
                .set(attribute::STATUS, status.as_str())
                .set(attribute::OCCURRED_AT, occurred_at)
                .set(attribute::TIME_SOURCE, event.time_source.as_str());
        }
        if subject.kind.has_documents() {
            update = update.set_all(keys::listed_document(subject, status, occurred_at));
        }
        if !terminals.is_empty() {
            update = update.add(attribute::TERMINALS, set(terminals.clone()));
        }
        let advanced = update
            .only_if("attribute_not_exists(#progress) OR #progress < ?", [progress.as_str().into()])
            .send()
            .await?;
        if let Updated::ConditionFailed(state) = advanced
            && !(terminals.iter().all(|terminal| state.set_has(attribute::TERMINALS, terminal))
                && reports.attributes().all(|(name, _)| state.attribute(name).is_some()))
        {
            // The status stays, but a second terminal kind is a conflict.
            self.table.remember(&partition, terminals, reports).await?;
        }
        Ok(())
    }
}

impl Table {
    /// Adds reported statuses to a subject's `STATE`, whose own status stays.
    pub(super) async fn remember(
        &self,
        partition: &str,
        terminals: Vec<String>,
        reports: Item,
    ) -> Result<(), LedgerError> {
        let mut update = self.update(partition, keys::STATE).set_all_if_absent(reports);
        if !terminals.is_empty() {
            update = update.add(attribute::TERMINALS, set(terminals));
        }
        update.send().await.map(drop)
    }
}

impl Recording<'_> {
    /// The statuses that `events` report, as attributes of `STATE`: for each, the time of the earliest event. Nothing is
    /// published of documents that aren't wanted.
    fn reports(self, events: &[Placed<'_>]) -> Item {
        let mut earliest: BTreeMap<String, Timestamp> = BTreeMap::new();
        for Placed { event, occurred_at, .. } in events.iter().filter(|_| !self.reading.foreign) {
            if event.kind.rank().is_some() {
                let at = earliest.entry(keys::reported(event.kind, self.origin.trust())).or_insert(*occurred_at);
                *at = (*at).min(*occurred_at);
            }
        }
        earliest.into_iter().fold(Item::default(), |item, (name, at)| item.with(&name, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_sorts_by_rank_then_time_then_trust() {
        let at = |text: &str| text.parse().unwrap();
        let (early, late) = (at("2026-11-22T00:00:00Z"), at("2026-11-22T00:00:01Z"));
        let progress = |rank, time_and_trust| Progress { rank, time_and_trust }.to_string();
        let ascending = [
            progress(None, Some((late, Trust::Signature))),
            progress(Some(0), None),
            progress(Some(0), Some((early, Trust::Token))),
            progress(Some(50), None),
            progress(Some(50), Some((early, Trust::Token))),
            progress(Some(50), Some((early, Trust::Signature))),
            progress(Some(50), Some((late, Trust::Token))),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
        assert_eq!(ascending[3], "50#");
        assert_eq!(ascending[5], "50#2026-11-22T00:00:00.000Z#1");
        assert_eq!(ascending[0], "--#2026-11-22T00:00:01.000Z#1");
    }
}
