//! What nobody told us: a status that only the provider's API gave, when it was asked.
//!
//! It is recorded as an event whose source is `reconcile`. Its identity is the subject and the status, so that finding
//! it again adds nothing. What a callback says of the same status goes before it, whenever that comes in.

use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::{
    Item, Ledger, LedgerError, index,
    item::set,
    status::SORT,
    update::{Update, Updated},
};
use crate::{
    event::{Event, Identity, Kind, TimeSource, Trust},
    subject::Subject,
};

/// Whoever asked the API presented a credential; nobody signed the answer.
const TRUST: Trust = Trust::Token;

impl Ledger {
    /// Notes that the provider's own API says that the subject has this status. Where no event told of one as great,
    /// an event is recorded that says so.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn confirm(&self, subject: &Subject, status: Kind, at: Timestamp) -> Result<(), LedgerError> {
        // Only a status that is recorded can be confirmed; the condition keeps an empty STATE from appearing.
        let confirmed = self.confirmation(subject, status, at).send().await?;
        let Updated::Refused(state) = confirmed else { return Ok(()) };
        let told = state.text("status").and_then(Kind::parse).and_then(Kind::rank);
        if state.text("updated_at").is_none() || status.rank() <= told {
            return Ok(());
        }
        self.record_found(subject, status, at).await?;
        self.confirmation(subject, status, at).was_done().await.map(drop)
    }

    fn confirmation(&self, subject: &Subject, status: Kind, at: Timestamp) -> Update<'_> {
        let update = self.update(&subject.partition(), SORT);
        let update = update.set("confirmed_status", status.as_str()).set("confirmed_at", at);
        update.only_if("#status = ?", [status.as_str().into()])
    }

    /// Records that a subject has a status of which no callback told.
    async fn record_found(&self, subject: &Subject, status: Kind, at: Timestamp) -> Result<(), LedgerError> {
        let Some(rank) = status.rank() else { return Ok(()) };
        let found = Event {
            subject: subject.clone(),
            name: "status".to_owned(),
            value: Some(status.as_str().to_owned()),
            kind: status,
            occurred_at: at,
            time_source: TimeSource::Received,
            identity: Identity::observed(&[&subject.partition(), status.as_str()]),
            position: 0,
            payload: "null".into(),
        };
        let item = Item::default()
            .with("id", found.id(TRUST).to_string())
            .with("kind", status.as_str())
            .with("name", found.name.as_str())
            .with_some("value", found.value.as_deref())
            .with("occurred_at", at)
            .with("time_source", found.time_source.as_str())
            .with("received_at", at)
            .with("trust", TRUST.as_str())
            .with("source", "reconcile");
        let partition = subject.partition();
        let event = self.update(&partition, &found.sort_key(TRUST)).set_all_if_absent(item);
        let Updated::Done(event) = event.returning(ReturnValue::AllNew).send().await? else { return Ok(()) };
        let found_at = event.time("occurred_at").unwrap_or(at);

        // Before every event of the same rank: what is told outweighs what was found.
        let progress = format!("{rank:02}#");
        let mut update = self
            .update(&partition, SORT)
            .set("status", status.as_str())
            .set("progress", progress.as_str())
            .set("trust", TRUST.as_str())
            .set("occurred_at", found_at)
            .set("time_source", TimeSource::Received.as_str())
            .set("updated_at", found_at);
        if subject.kind.has_documents() {
            update = update.set_all(index::document(subject, Some(status), found_at));
        }
        if status.is_terminal() {
            update = update.add("terminals", set([status.as_str().to_owned()]));
        }
        let condition = "attribute_not_exists(#progress) OR #progress < ?";
        update.only_if(condition, [progress.as_str().into()]).was_done().await.map(drop)
    }
}
