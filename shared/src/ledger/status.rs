//! A subject's status: the greatest of its events, by rank, then time, then trust.
//!
//! The three are stored as one text, `progress`, that sorts like them. One conditional update stores the greater one, so
//! the order in which events arrive can't matter. An event without a rank sorts below every event with one. It gives no
//! status, only the trust of a subject that has no other events, and its place in the list if it has none.
//!
//! `progress` depends on the event alone, so the status can be written before, after or together with the event. That is
//! why the time of arrival doesn't count if a redelivery of the same event would have another one.
//!
//! A time without a zone counts as it was written, read as UTC, even beside a time with a zone or from the API. This can't
//! change a status, because ranks are unique: it decides only which of several events of the same status gives that
//! status's time and trust, the same one in any order of arrival.
//!
//! Beside the greatest, every status that was reported is remembered, once for each trust. So the publisher finds out about
//! a status that never became the subject's, because a greater one was recorded before or by the same write.

use std::{collections::BTreeMap, fmt};

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::{
    Item, Ledger,
    events::Recording,
    keys::{self, SORT_KEY, attribute},
    table::{Table, Updated, Value, set},
};
use crate::{
    domain::{Correlation, Event, Kind, LedgerError, Side, Subject, TimeSource, Trust},
    time,
};

/// What decides which of two events gives the status. Greater values win.
///
/// As text: `<rank>#<time>#<trust>`, with `--` in place of a missing rank and `-` in place of a missing time; `<rank>#`
/// without time and trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    /// The rank of the event's kind.
    rank: Option<u8>,
    /// The event's lasting time, and its trust. `None` if only the API reported the status and gave no time: that sorts
    /// before every event of the same rank, so a callback's report takes precedence, whenever it arrives.
    time_and_trust: Option<(Option<Timestamp>, Trust)>,
}

impl Progress {
    fn of(recording: Recording<'_>, event: &Event) -> Self {
        let is_timed = !recording.origin.is_without_time(event);
        let time_and_trust = is_timed.then(|| (event.lasting_time(), recording.trust()));
        Self { rank: event.kind.rank(), time_and_trust }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hyphen sorts before every digit.
        match self.rank {
            Some(rank) => write!(f, "{rank:02}#")?,
            None => f.write_str("--#")?,
        }
        let Some((time, trust)) = self.time_and_trust else { return Ok(()) };
        let trust = trust.sort_text();
        match time {
            Some(time) => write!(f, "{}#{trust}", time::format(time)),
            None => write!(f, "-#{trust}"),
        }
    }
}

/// The reported statuses in a subject's `STATE` item.
pub(super) fn reports_of(state: &Item) -> Item {
    let reports = state.attributes().filter(|(name, _)| name.starts_with(keys::REPORTED_PREFIX));
    reports.fold(Item::default(), |item, (name, at)| item.with(name, Value(at.clone())))
}

/// The progress that a recorded event stands for, as `progress` in `STATE`.
pub(super) fn progress_of(event: &Item) -> Result<String, LedgerError> {
    let kind = event.parse(attribute::KIND, Kind::parse)?;
    let trust = event.parse(attribute::TRUST, Trust::parse)?;
    let time_source = event.parse(attribute::TIME_SOURCE, TimeSource::parse)?;
    // As in `Event::lasting_time` and `Origin::is_without_time`. The key has the lasting time, if it has one.
    let is_arrival = time_source == TimeSource::Received;
    let is_observed = event.text(attribute::DELIVERY).is_none();
    let time_and_trust = match keys::time_of_event(event.need(SORT_KEY)?) {
        _ if is_observed && is_arrival => None,
        Some(time) => Some((Some(time), trust)),
        None if is_arrival => Some((None, trust)),
        None => Some((Some(event.time(attribute::OCCURRED_AT)?), trust)),
    };
    Ok(Progress { rank: kind.rank(), time_and_trust }.to_string())
}

/// The status in a subject's `STATE` item.
pub(super) fn status_of(state: &Item) -> Option<Kind> {
    state.text(attribute::STATUS).and_then(Kind::parse)
}

impl Ledger {
    /// Brings the status of one subject up to its events, and that of its request, if the subject is a signed file.
    pub(super) async fn follow(
        &self,
        recording: Recording<'_>,
        subject: &Subject,
        events: &[&Event],
    ) -> Result<(), LedgerError> {
        let is_file = |each: &Correlation| each.side == Side::File && each.subject == *subject;
        let is_file = recording.reading.correlations.iter().any(is_file);
        let state = self.advance(recording, subject, events, is_file).await?;
        self.follow_joined(subject, &state).await
    }

    /// Brings a subject's status up to `events`, all of which are about it. `is_file` notes that the subject's id may be
    /// that of a request's signed file. Returns the subject's `STATE` item as it is then.
    pub(super) async fn advance(
        &self,
        recording: Recording<'_>,
        subject: &Subject,
        events: &[&Event],
        is_file: bool,
    ) -> Result<Item, LedgerError> {
        let origin = recording.origin;
        let partition = subject.partition();
        let greatest = events
            .iter()
            .map(|event| (Progress::of(recording, event).to_string(), *event))
            .max_by(|(a, _), (b, _)| a.cmp(b));
        let Some((progress, event)) = greatest else { return Ok(Item::default()) };
        let status = Some(event.kind).filter(|kind| kind.rank().is_some());
        let terminals: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|_| recording.reading.trust.is_none())
            .filter(|kind| kind.is_terminal() && events.iter().any(|event| event.kind == *kind))
            .map(|kind| kind.as_str().to_owned())
            .collect();
        // These are written whether or not the status changes.
        let reports = recording.reports(events);
        let mut always = self.table.update(&partition, keys::STATE).set_all_if_absent(reports.clone());
        if !terminals.is_empty() {
            always = always.add(attribute::TERMINALS, set(terminals.clone()));
        }
        if is_file {
            always = always.set(attribute::SIGNED_FILE, true);
        }
        let candidates: Vec<String> =
            recording.reading.candidates.get(subject).into_iter().flatten().map(ToString::to_string).collect();
        if !candidates.is_empty() {
            always = always.add(attribute::CANDIDATES, set(candidates.clone()));
        }
        let mut update = always
            .clone()
            .set(attribute::PROGRESS, progress.as_str())
            .set(attribute::TRUST, recording.trust().as_str())
            .set(attribute::UPDATED_AT, origin.received_at());
        if let Some(status) = status {
            update = update
                .set(attribute::STATUS, status.as_str())
                .set(attribute::OCCURRED_AT, event.occurred_at)
                .set(attribute::TIME_SOURCE, event.time_source.as_str());
        }
        if subject.kind.has_documents() {
            let listed = keys::listed_document(subject, status, event.occurred_at);
            // An event without a rank moves no subject that is listed already.
            update = if status.is_some() { update.set_all(listed) } else { update.set_all_if_absent(listed) };
        }
        let advanced = update
            .only_if("attribute_not_exists(#progress) OR #progress < ?", [progress.as_str().into()])
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        let state = match advanced {
            Updated::Done(state) => return Ok(state),
            Updated::ConditionFailed(state) => state,
        };
        let are_known = terminals.iter().all(|terminal| state.set_has(attribute::TERMINALS, terminal))
            && reports.attributes().all(|(name, _)| state.attribute(name).is_some());
        let has_candidates = state.text(attribute::REQUEST).is_some()
            || candidates.iter().all(|candidate| state.set_has(attribute::CANDIDATES, candidate));
        if are_known && has_candidates && (!is_file || state.flag(attribute::SIGNED_FILE)) {
            return Ok(state);
        }
        // The status stays, but a second terminal kind is a conflict.
        match always.returning(ReturnValue::AllNew).send().await? {
            Updated::Done(state) | Updated::ConditionFailed(state) => Ok(state),
        }
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
    fn reports(self, events: &[&Event]) -> Item {
        let mut earliest: BTreeMap<String, Timestamp> = BTreeMap::new();
        for event in events.iter().filter(|_| !self.reading.foreign) {
            if event.kind.rank().is_some() {
                let at = earliest.entry(keys::reported(event.kind, self.trust())).or_insert(event.occurred_at);
                *at = (*at).min(event.occurred_at);
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
            progress(None, Some((None, Trust::Signature))),
            progress(None, Some((Some(late), Trust::Signature))),
            progress(Some(0), None),
            progress(Some(0), Some((Some(early), Trust::Token))),
            progress(Some(50), None),
            progress(Some(50), Some((None, Trust::Token))),
            progress(Some(50), Some((None, Trust::Signature))),
            progress(Some(50), Some((Some(early), Trust::Token))),
            progress(Some(50), Some((Some(early), Trust::EventHash))),
            progress(Some(50), Some((Some(early), Trust::Signature))),
            progress(Some(50), Some((Some(late), Trust::Token))),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b), "{ascending:?}");
        assert_eq!(ascending[1], "--#2026-11-22T00:00:01.000Z#1");
        assert_eq!(ascending[4], "50#");
        assert_eq!(ascending[5], "50#-#0");
        assert_eq!(ascending[9], "50#2026-11-22T00:00:00.000Z#1");
    }
}
