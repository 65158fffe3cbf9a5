//! QuicklySign: the calls to our webhooks that its log tells of, compared by count with the events that are recorded.
//!
//! A callback has neither an id nor a time, so all that can be compared is how many of each name there are about a pack.
//! Each call that was answered 200 was taken in by somebody; one that failed is tried again until it is, so of a name
//! that only failed at least one is due. What is missing beyond that, and has been for longer than a callback takes, is
//! recorded as if it had come, with the time of its latest entries.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Asked, GRACE, LedgerError, Reconcile};
use crate::{
    archive::Obstacle,
    ledger::Unheard,
    provider::Provider,
    providers::quicklysign::{
        callback,
        webhooks::{CallbackLog, Logs},
    },
    subject::{Subject, SubjectId},
};

/// The calls of one name that the log tells of, about one pack, by our webhooks.
#[derive(Default)]
struct Calls {
    made_at: Vec<Timestamp>,
    answered: u64,
}

impl Reconcile {
    /// Records what the log of a pack's callbacks tells of and nobody has heard.
    ///
    /// # Errors
    /// When DynamoDB can't be asked or written to; within, why the service can't be asked.
    pub(super) async fn compare_logs(
        &self,
        pack: &Subject,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<Result<(), Obstacle>, LedgerError> {
        let logs = match self.webhooks.callback_logs(&Logs::OfEntity(pack.id.clone())).await {
            Ok(logs) => logs,
            Err(error) => return Ok(Err(error.into())),
        };
        let calls = self.calls(pack, logs).await?;
        if calls.is_empty() {
            return Ok(Ok(()));
        }
        let recorded = self.ledger.event_counts(pack).await?;
        for (name, Calls { mut made_at, answered }) in calls {
            made_at.sort_unstable();
            let recorded = recorded.get(&name).copied().unwrap_or(0);
            let missing = answered.max(1).saturating_sub(recorded);
            let latest = made_at.iter().rev().take(usize::try_from(missing).unwrap_or(usize::MAX)).rev();
            for (known, made_at) in (recorded..).zip(latest) {
                if made_at.checked_add(GRACE).is_ok_and(|end| end > now) {
                    asked.maybe_late += 1;
                    continue;
                }
                let kind = callback::kind(&name);
                let unheard = Unheard { subject: pack.clone(), name: name.clone(), kind, made_at: *made_at, known };
                if self.ledger.record_unheard(&unheard, now).await? {
                    asked.recorded += 1;
                    asked.never_came += 1;
                    tracing::warn!(event = "callback_never_came", provider = %pack.provider, subject = %pack.id, name);
                }
            }
        }
        Ok(Ok(()))
    }

    /// The calls to webhooks that are ours, by name. Others' say nothing of what should be here.
    async fn calls(&self, pack: &Subject, logs: Vec<CallbackLog>) -> Result<BTreeMap<String, Calls>, LedgerError> {
        let mut ours: BTreeMap<String, bool> = BTreeMap::new();
        let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
        for log in logs {
            let (Some(webhook), Some(made_at)) = (log.webhook_key, log.date_created) else { continue };
            let is_ours = match ours.get(&webhook) {
                Some(is_ours) => *is_ours,
                None => {
                    let known = match SubjectId::parse(webhook.as_str()) {
                        Ok(key) => self.ledger.webhook(Provider::Quicklysign, &key).await?,
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
}
