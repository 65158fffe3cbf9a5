//! What makes an archive order due: an event that says that a document is complete, and one that says only that
//! something changed.

use super::{
    Item, Ledger, LedgerError,
    events::Placed,
    index,
    item::{Value, one},
    orders::{ArchiveState, SORT},
    update::{Update, Updated},
    voice::Voice,
};
use crate::{event::Kind, intake::Reading, subject::Subject, time};

/// Requests that an order remembers; one beyond them makes it due without being remembered, so that it isn't lost.
const MAX_REMEMBERED_REQUESTS: usize = 200;

/// So many characters of an event's id are enough to tell requests of one subject apart.
const REQUEST_CHARS: usize = 32;

/// The reason of an order for a group whose documents aren't wanted.
pub const OTHER_GROUP: &str = "other_group";

impl Ledger {
    /// Makes the archive order of a subject due if one of `events` asks for it and hasn't before.
    pub(super) async fn order(
        &self,
        voice: Voice<'_>,
        reading: &Reading,
        subject: &Subject,
        events: &[Placed<'_>],
    ) -> Result<(), LedgerError> {
        if !subject.kind.has_documents() {
            return Ok(());
        }
        if reading.foreign {
            return self.leave_to_others(subject).await;
        }
        for event in events {
            let id = event.event.id(voice.trust()).to_string();
            if event.event.kind == Kind::Completed {
                let due = self.make_due(voice, subject, &id).set("complete", true);
                self.request(due, &id[..REQUEST_CHARS]).await?;
            } else if let Some(delivery) = voice.delivery().filter(|_| reading.ask) {
                // The same event may come again because something else changed: each delivery asks anew.
                self.request(self.make_due(voice, subject, &id), delivery.as_str()).await?;
            }
        }
        Ok(())
    }

    /// Makes an order due by `due`, unless this very request has already.
    async fn request(&self, due: Update<'_>, request: &str) -> Result<(), LedgerError> {
        let unless_known = due
            .clone()
            .add("requests", one(request))
            .only_if(
                "attribute_not_exists(#requests) OR (NOT contains(#requests, ?) AND size(#requests) < ?)",
                [request.into(), MAX_REMEMBERED_REQUESTS.into()],
            )
            .send()
            .await?;
        if let Updated::Refused(item) = unless_known
            && !item.set_has("requests", request)
        {
            due.send().await?;
        }
        Ok(())
    }

    fn make_due(&self, voice: Voice<'_>, subject: &Subject, source_event: &str) -> Update<'_> {
        let update = self.due_anew(subject).set("source_event", source_event);
        let groups = voice.groups();
        if groups.is_empty() { update.remove("groups") } else { update.set("groups", Value::from(groups)) }
    }

    /// Says that a subject's documents aren't wanted, unless something else is known of them.
    async fn leave_to_others(&self, subject: &Subject) -> Result<(), LedgerError> {
        let (partition, now) = (subject.partition(), time::now());
        let item = Item::default()
            .with("state", ArchiveState::Foreign.as_str())
            .with("reason", OTHER_GROUP)
            .with("settled_at", now);
        let update = self.update(&partition, SORT).set_all(item);
        let update = update.set_all(index::archive(&partition, ArchiveState::Foreign, now));
        update.only_if("attribute_not_exists(#state)", []).was_done().await.map(drop)
    }
}
