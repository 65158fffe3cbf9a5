//! Missed callbacks: the calls to our webhooks in QuicklySign's log, compared by count with the recorded events.
//!
//! A callback has neither an id nor a time, so only the number of calls with each name about a pack can be compared. A
//! call that was answered 200 was received. One that failed is repeated until it succeeds, so a name that only failed
//! counts as one. The calls beyond the recorded ones are missing; they get the times of the latest log entries.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    api::Api,
    callback,
    webhooks::{self, CallbackLog, Logs},
};
use crate::{
    domain::{Known, LedgerError, Provider, Stop, Subject, SubjectId, Unavailable},
    outbound::Client,
    providers::MissedCallback,
};

/// The logged calls with one name, about one pack, to our webhooks.
#[derive(Default)]
struct Calls {
    made_at: Vec<Timestamp>,
    /// The number of calls that were answered 200.
    answered: u64,
}

impl Api {
    /// Finds the callbacks about a pack that were made and never recorded, however recent, by name and then by time.
    ///
    /// # Errors
    /// If the API can't report, or the storage can't be queried.
    pub async fn missed_callbacks(
        &self,
        client: &Client,
        pack: &Subject,
        known: &dyn Known,
    ) -> Result<Vec<MissedCallback>, Stop> {
        let logs = webhooks::callback_logs(&self.connect(client), &Logs::OfEntity(pack.id.clone())).await;
        let calls = calls(pack, logs.map_err(Unavailable::from)?, known).await?;
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let recorded = known.event_counts(pack).await?;
        let missed = calls.into_iter().flat_map(|(name, calls)| {
            let recorded = recorded.get(&name).copied().unwrap_or(0);
            missed(pack, &name, calls, recorded)
        });
        Ok(missed.collect())
    }
}

/// The calls with one name beyond the `recorded` ones.
fn missed(pack: &Subject, name: &str, calls: Calls, recorded: u64) -> Vec<MissedCallback> {
    let Calls { mut made_at, answered } = calls;
    made_at.sort_unstable();
    let missing = usize::try_from(answered.max(1).saturating_sub(recorded)).unwrap_or(usize::MAX);
    let latest = made_at.split_off(made_at.len().saturating_sub(missing));
    let callback = |(known, made_at)| MissedCallback {
        subject: pack.clone(),
        name: name.to_owned(),
        kind: callback::kind(name),
        made_at,
        known,
    };
    (recorded..).zip(latest).map(callback).collect()
}

/// The calls to our webhooks, by name. Calls to others say nothing about what should be recorded here.
async fn calls(
    pack: &Subject,
    logs: Vec<CallbackLog>,
    known: &dyn Known,
) -> Result<BTreeMap<String, Calls>, LedgerError> {
    let mut ours: BTreeMap<String, bool> = BTreeMap::new();
    let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
    for log in logs {
        let (Some(webhook), Some(made_at)) = (log.webhook_key, log.date_created) else { continue };
        let is_ours = match ours.get(&webhook) {
            Some(is_ours) => *is_ours,
            None => {
                let known = match SubjectId::parse(webhook.as_str()) {
                    Ok(key) => known.webhook(Provider::Quicklysign, &key).await?,
                    Err(_) => None,
                };
                *ours.entry(webhook).or_insert(known.is_some_and(|known| known.entity == pack.id))
            }
        };
        let is_name = (1..=callback::MAX_NAME).contains(&log.callback_event.len());
        if is_ours && is_name && log.entity_key.as_deref().is_none_or(|entity| entity == pack.id.as_str()) {
            let calls = calls.entry(log.callback_event).or_default();
            calls.made_at.push(made_at);
            calls.answered += u64::from(log.http_status == Some(200));
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kind, SubjectKind};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(60 * minute).unwrap()
    }

    fn missed_of(made_at: &[i64], answered: u64, recorded: u64) -> Vec<(u64, Timestamp)> {
        let id = SubjectId::parse("pack").unwrap();
        let pack = Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id };
        let calls = Calls { made_at: made_at.iter().map(|minute| at(*minute)).collect(), answered };
        let missed = missed(&pack, "entity_updated", calls, recorded);
        assert!(missed.iter().all(|call| call.kind == Kind::Updated && call.subject == pack));
        missed.into_iter().map(|call| (call.known, call.made_at)).collect()
    }

    #[test]
    fn the_latest_calls_beyond_the_recorded_ones_are_missed() {
        assert_eq!(missed_of(&[3, 1, 2], 3, 1), [(1, at(2)), (2, at(3))]);
        assert_eq!(missed_of(&[1, 2], 2, 0), [(0, at(1)), (1, at(2))]);
        assert_eq!(missed_of(&[1, 2], 2, 2), []);
        assert_eq!(missed_of(&[1], 1, 7), []);
    }

    #[test]
    fn a_name_that_only_failed_counts_once() {
        assert_eq!(missed_of(&[1, 2, 3], 0, 0), [(0, at(3))]);
        assert_eq!(missed_of(&[1, 2, 3], 0, 1), []);
    }
}
