//! A subject's status: the greatest of its events, by rank, then time, then trust.
//!
//! The three are one text, `progress`, that sorts like them; one conditional update takes the greater one, so the order
//! in which events arrive can't matter. What has no rank is less than all that has one: it gives no status, and only the
//! place in the list and the trust of a subject of which nothing else was said.

use jiff::Timestamp;

use super::{Item, Ledger, LedgerError, events::Placed, index, item::set, update::Updated, voice::Voice};
use crate::{
    event::{Kind, Trust},
    subject::Subject,
    time,
};

pub(super) const SORT: &str = "STATE";

/// A hyphen sorts before every digit.
const UNRANKED: &str = "--";

fn progress(kind: Kind, at: Timestamp, trust: Trust) -> String {
    let trust = match trust {
        Trust::Token => 0,
        Trust::Signature => 1,
    };
    let rank = kind.rank().map_or_else(|| UNRANKED.to_owned(), |rank| format!("{rank:02}"));
    format!("{rank}#{}#{trust}", time::format(at))
}

/// Whether an event gave the status: one that only the API confirmed has no time in its progress, and what has no rank
/// gives none.
pub(super) fn was_told(state: &Item) -> bool {
    state.text("progress").is_some_and(|progress| progress.len() > "00#".len() && !progress.starts_with(UNRANKED))
}

impl Ledger {
    /// Brings a subject's status up to `events`, all of which are about it.
    pub(super) async fn advance(
        &self,
        voice: Voice<'_>,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        let trust = voice.trust();
        let partition = subject.partition();
        let greatest = events
            .iter()
            .map(|placed| (progress(placed.event.kind, placed.occurred_at, trust), *placed))
            .max_by(|(a, _), (b, _)| a.cmp(b));
        let Some((progress, Placed { event, occurred_at, .. })) = greatest else { return Ok(()) };
        let status = Some(event.kind).filter(|kind| kind.rank().is_some());
        let terminals: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_terminal() && events.iter().any(|placed| placed.event.kind == *kind))
            .map(|kind| kind.as_str().to_owned())
            .collect();
        let mut update = self
            .update(&partition, SORT)
            .set("progress", progress.as_str())
            .set("trust", trust.as_str())
            .set("updated_at", voice.received_at());
        if let Some(status) = status {
            update = update
                .set("status", status.as_str())
                .set("occurred_at", occurred_at)
                .set("time_source", event.time_source.as_str());
        }
        if subject.kind.has_documents() {
            update = update.set_all(index::document(subject, status, occurred_at));
        }
        if !terminals.is_empty() {
            update = update.add("terminals", set(terminals.clone()));
        }
        let advanced = update
            .only_if("attribute_not_exists(#progress) OR #progress < ?", [progress.as_str().into()])
            .send()
            .await?;
        if let Updated::Refused(state) = advanced
            && !terminals.iter().all(|terminal| state.set_has("terminals", terminal))
        {
            // It is no news for the status, but whether there is a conflict has to be known.
            self.update(&partition, SORT).add("terminals", set(terminals)).send().await?;
        }
        Ok(())
    }
}
