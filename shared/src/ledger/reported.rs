//! What a service's API reports: statuses and missed callbacks.
//!
//! The API's reports result in the same events, statuses and jobs as callbacks. Their events have an identity of their own
//! and the source `reconcile`, so that a callback that arrives later is recorded as another event. A status without a time
//! counts less than any callback's report of the same status.

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::{
    Item, Ledger,
    events::Recording,
    keys::{self, attribute},
    origin::Origin,
    status,
    table::{Update, Updated},
};
use crate::domain::{Event, Identity, Kind, LedgerError, Link, Reading, Subject, TimeSource};

/// A subject's status as its service's API reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedStatus {
    /// The subject.
    pub subject: Subject,
    /// The status.
    pub status: Kind,
    /// When the status was reached or last changed, and whether that time has a zone; `None` if the API gives no time.
    pub changed_at: Option<(Timestamp, TimeSource)>,
}

impl ReportedStatus {
    fn event(&self, at: Timestamp) -> Event {
        let (occurred_at, time_source) = self.changed_at.unwrap_or((at, TimeSource::Received));
        let Self { subject, status, .. } = self;
        Event {
            subject: subject.clone(),
            name: "status".to_owned(),
            value: Some(status.as_str().to_owned()),
            kind: *status,
            occurred_at,
            time_source,
            local_time: None,
            identity: Identity::observed(&[&subject.partition(), status.as_str()]),
            position: 0,
            payload: "null".into(),
        }
    }
}

/// What is known of a subject's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownStatus {
    /// Its status.
    pub status: Option<Kind>,
    /// The terminal kinds that were reported.
    terminals: Vec<Kind>,
    /// Whether the API confirmed its status.
    pub confirmed: bool,
    /// The status that the API reported and no callback did, and since when.
    pub missing: Option<(Kind, Timestamp)>,
}

impl KnownStatus {
    pub(super) fn of(state: &Item) -> Self {
        let kind = |name| state.text(name).and_then(Kind::parse);
        let status = status::status_of(state);
        Self {
            status,
            terminals: Kind::ALL
                .into_iter()
                .filter(|kind| state.set_has(attribute::TERMINALS, kind.as_str()))
                .collect(),
            confirmed: kind(attribute::CONFIRMED_STATUS) == status,
            missing: kind("missing_status").zip(state.optional_time("missing_since")),
        }
    }

    /// Whether this status, or one that comes after it, is known. A terminal status only covers itself.
    #[must_use]
    pub fn covers(&self, status: Kind) -> bool {
        let beyond = self.status.and_then(Kind::rank) >= status.rank();
        self.status == Some(status) || self.terminals.contains(&status) || (beyond && !status.is_terminal())
    }
}

impl Ledger {
    /// What is known of a subject's status.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn known_status(&self, subject: &Subject) -> Result<KnownStatus, LedgerError> {
        let state = self.table.get(&subject.partition(), keys::STATE).await?;
        Ok(KnownStatus::of(&state.unwrap_or_default()))
    }

    /// Notes that the API reports a status that no callback has reported yet.
    ///
    /// # Errors
    /// When DynamoDB can't be written to.
    pub async fn note_missing(&self, subject: &Subject, status: Kind, at: Timestamp) -> Result<(), LedgerError> {
        self.table
            .update(&subject.partition(), keys::STATE)
            .set("missing_status", status.as_str())
            .set("missing_since", at)
            .send()
            .await
            .map(drop)
    }

    /// Records a status that the API reports and no callback did: its event, the archive job of a completed document, the
    /// signers in `links`, the status. `true` if its event is new.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn report_missed(
        &self,
        reported: &ReportedStatus,
        links: &[Link],
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let reading = Reading::default();
        let recording = Recording { origin: Origin::Api { at }, reading: &reading };
        // The event comes first, because of its time: a worker that starts on the job reports the same status without one.
        let (event, is_new) = self.put_reported(recording, reported.event(at)).await?;
        self.enqueue(recording.origin, &reading, &reported.subject, &[&event]).await?;
        for link in links {
            self.link(link).await?;
        }
        self.store_reported(recording, reported, &event, at).await?;
        Ok(is_new)
    }

    /// Records the status that the API reported at `at`. A known status is confirmed. A status that isn't covered by what
    /// is known is recorded with an event and as the subject's status, and is confirmed, too.
    ///
    /// It enqueues no archive job: that would make a worker's own completion fail. [`Ledger::report_missed`] does.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn report(&self, reported: &ReportedStatus, at: Timestamp) -> Result<(), LedgerError> {
        match self.confirm(reported, at).await? {
            Updated::Done(_) => Ok(()),
            Updated::ConditionFailed(state) => self.report_unconfirmed(reported, at, &state).await,
        }
    }

    /// Links a signer to its document, and records the signer's status as the API reports it. A signer that no callback
    /// ever mentioned gets no item of its own.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn confirm_signer(&self, link: &Link, status: Option<Kind>, at: Timestamp) -> Result<(), LedgerError> {
        self.link(link).await?;
        let Some(status) = status else { return Ok(()) };
        self.confirm_link(link, status, at).await?;
        let reported = ReportedStatus { subject: link.signer.clone(), status, changed_at: None };
        if let Updated::ConditionFailed(state) = self.confirm(&reported, at).await?
            && state.text(attribute::UPDATED_AT).is_some()
        {
            self.report_unconfirmed(&reported, at, &state).await?;
        }
        Ok(())
    }

    /// Records a status that isn't the one in `state`, unless `state` covers it.
    async fn report_unconfirmed(
        &self,
        reported: &ReportedStatus,
        at: Timestamp,
        state: &Item,
    ) -> Result<(), LedgerError> {
        if reported.status.rank().is_none() || KnownStatus::of(state).covers(reported.status) {
            return Ok(());
        }
        let reading = Reading::default();
        let recording = Recording { origin: Origin::Api { at }, reading: &reading };
        let (event, _) = self.put_reported(recording, reported.event(at)).await?;
        self.store_reported(recording, reported, &event, at).await
    }

    /// Stores the status of a stored event. It comes last: until it is stored, the next
    /// report finds it missing and does all of this again.
    async fn store_reported(
        &self,
        recording: Recording<'_>,
        reported: &ReportedStatus,
        event: &Event,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        self.follow(recording, &reported.subject, &[event]).await?;
        self.confirm(reported, at).await.map(drop)
    }

    /// Notes that the API reports the subject's status. The condition fails if the status in `STATE` is another one, or if
    /// there is none, so that no empty `STATE` is created.
    async fn confirm(&self, reported: &ReportedStatus, at: Timestamp) -> Result<Updated, LedgerError> {
        let update = self.table.update(&reported.subject.partition(), keys::STATE);
        confirmed(update, reported.status, at).only_if("#status = ?", [reported.status.as_str().into()]).send().await
    }

    /// Notes the status that the API reports of a signer in the document's partition.
    async fn confirm_link(&self, link: &Link, status: Kind, at: Timestamp) -> Result<(), LedgerError> {
        let update = self.table.update(&link.document.partition(), &keys::signer(&link.signer.id));
        confirmed(update, status, at).send().await.map(drop)
    }

    /// Records a callback that the service made at `made_at` and that never arrived: event, status, archive job. `name` is
    /// the event's name. `known` is the number of events with this name that are already recorded for the subject; two
    /// calls with the same number record the same event. `true` if the event is new.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn record_missed_callback(
        &self,
        subject: &Subject,
        name: &str,
        kind: Kind,
        made_at: Timestamp,
        known: u64,
        at: Timestamp,
    ) -> Result<bool, LedgerError> {
        let event = Event {
            subject: subject.clone(),
            name: name.to_owned(),
            value: None,
            kind,
            occurred_at: made_at,
            time_source: TimeSource::Provider,
            local_time: None,
            identity: Identity::observed(&[&subject.partition(), name, &known.to_string()]),
            position: 0,
            payload: "null".into(),
        };
        // The event comes last: the next call counts the events to find what is missing.
        let reading = Reading::default();
        let recording = Recording { origin: Origin::Api { at }, reading: &reading };
        self.follow(recording, subject, &[&event]).await?;
        self.enqueue(recording.origin, &reading, subject, &[&event]).await?;
        Ok(self.put_reported(recording, event).await?.1)
    }

    /// Writes an event that the API reported. Returns it with the time of its first report, and whether it is new.
    async fn put_reported(&self, recording: Recording<'_>, mut event: Event) -> Result<(Event, bool), LedgerError> {
        let (partition, sort) = recording.key(&event);
        let update = self.table.update(&partition, &sort).set_all_if_absent(recording.item(&event));
        let (Updated::Done(before) | Updated::ConditionFailed(before)) =
            update.returning(ReturnValue::UpdatedOld).send().await?;
        event.occurred_at = before.time(attribute::OCCURRED_AT).unwrap_or(event.occurred_at);
        Ok((event, before.text(attribute::ID).is_none()))
    }
}

fn confirmed(update: Update<'_>, status: Kind, at: Timestamp) -> Update<'_> {
    update.set(attribute::CONFIRMED_STATUS, status.as_str()).set(attribute::CONFIRMED_AT, at)
}
