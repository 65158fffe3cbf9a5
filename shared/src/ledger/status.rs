//! A subject's status: the greatest of its events, by rank, then time, then trust.
//!
//! The three are one text, `progress`, that sorts like them; one conditional update takes the greater one, so the order
//! in which events arrive can't matter.

use jiff::Timestamp;

use super::{Ledger, LedgerError, events::Placed, index, item::set, update::Updated};
use crate::{
    delivery::Proven,
    event::{Kind, Trust},
    subject::Subject,
    time,
};

pub(super) const SORT: &str = "STATE";

fn progress(kind: Kind, at: Timestamp, trust: Trust) -> Option<String> {
    let trust = match trust {
        Trust::Token => 0,
        Trust::Signature => 1,
    };
    kind.rank().map(|rank| format!("{rank:02}#{}#{trust}", time::format(at)))
}

impl Ledger {
    /// Brings a subject's status up to `events`, all of which are about it.
    pub(super) async fn advance(
        &self,
        delivery: &Proven,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        let trust = delivery.trust();
        let partition = subject.partition();
        let greatest = events
            .iter()
            .filter_map(|placed| Some((progress(placed.event.kind, placed.occurred_at, trust)?, *placed)))
            .max_by(|(a, _), (b, _)| a.cmp(b));
        let terminals: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_terminal() && events.iter().any(|placed| placed.event.kind == *kind))
            .map(|kind| kind.as_str().to_owned())
            .collect();
        let Some((progress, Placed { event, occurred_at, .. })) = greatest else {
            // Nothing of a status was said, but the subject is there and should be listed.
            let Some(first) = events.first() else { return Ok(()) };
            return self.introduce(delivery, subject, *first).await;
        };
        let mut update = self
            .update(&partition, SORT)
            .set("status", event.kind.as_str())
            .set("progress", progress.as_str())
            .set("trust", trust.as_str())
            .set("occurred_at", occurred_at)
            .set("time_source", event.time_source.as_str())
            .set("updated_at", delivery.received_at());
        if subject.kind.has_documents() {
            update = update.set_all(index::document(subject, Some(event.kind), occurred_at));
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

    async fn introduce(
        &self,
        delivery: &Proven,
        subject: &Subject,
        Placed { occurred_at, .. }: Placed<'_>,
    ) -> Result<(), LedgerError> {
        let mut update = self
            .update(&subject.partition(), SORT)
            .set("trust", delivery.trust().as_str())
            .set("updated_at", delivery.received_at());
        if subject.kind.has_documents() {
            update = update.set_all(index::document(subject, None, occurred_at));
        }
        update.only_if("attribute_not_exists(#updated_at)", []).was_done().await.map(drop)
    }
}
