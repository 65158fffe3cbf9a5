//! What callbacks told about a document whose PDFs are wanted.

use crate::{
    event::Kind,
    ledger::{Clue, EventView, Ledger, LedgerError, Side, Timeline, only_completed},
    providers::signeasy::{join::Traces, payload::Payload},
    subject::{Subject, SubjectId},
};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The file that a request became.
    Request {
        /// The file's id, as it was told.
        file: Option<SubjectId>,
    },
    /// What somebody signed alone.
    SignedAlone {
        /// The SHA-256 that it should have, in hex.
        checksum: Option<String>,
        /// What tells one version of it from another.
        version: String,
    },
}

/// What callbacks told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) what: What,
    /// The request that it was joined to, when it is known by its file's id.
    pub(super) request: Option<SubjectId>,
    /// What it may have in common with its request, as long as that isn't known.
    pub(super) clues: Vec<Clue>,
    /// Why its archive order waited before.
    pub(super) waits_because: Option<String>,
}

impl Told {
    /// Reads it from the ledger.
    pub(super) async fn read(ledger: &Ledger, subject: &Subject) -> Result<Self, LedgerError> {
        let Some(timeline) = ledger.timeline(subject).await? else { return Ok(Self::nothing()) };
        let body = match completion(&timeline, subject).and_then(|event| event.delivery.as_ref()?.parse().ok()) {
            // The event's own payload may have been too large to be kept with it.
            Some(delivery) => ledger.delivery(&delivery).await?,
            None => None,
        };
        let body = body.map(|stored| String::from_utf8_lossy(stored.delivery.body()).into_owned());
        Ok(Self::of(&timeline, body.as_deref().unwrap_or_default()))
    }

    fn nothing() -> Self {
        Self { what: What::Request { file: None }, request: None, clues: Vec::new(), waits_because: None }
    }

    fn of(timeline: &Timeline, body: &str) -> Self {
        let document = &timeline.document;
        let request = document.request.as_ref().and_then(|id| SubjectId::parse(id.as_str()).ok());
        let waits_because = document.archive.as_ref().and_then(|archive| archive.reason.clone());
        let told = Self { request, waits_because, ..Self::nothing() };
        let Ok(payload) = Payload::read(body) else { return told };
        let what = if payload.event_type().is_ok_and(|name| name == SIGNED_ALONE) {
            let checksum = payload.checksum();
            let modified = payload.last_modified().map(|time| time.as_second().to_string());
            What::SignedAlone { version: checksum.clone().or(modified).unwrap_or_default(), checksum }
        } else {
            What::Request { file: payload.signed_file() }
        };
        // Not `document.unjoined`, which a callback writes after its events, and so perhaps after its order was taken up.
        let may_be_a_file = document.request.is_none() && only_completed(&timeline.events);
        let traces = Traces::of(body).filter(|traces| traces.side == Side::File && may_be_a_file);
        Self { what, clues: traces.map(|traces| traces.clues).unwrap_or_default(), ..told }
    }
}

const SIGNED_ALONE: &str = "document.signed";

/// The latest callback that said that it is complete. That a document was signed alone is told without a token, so it
/// counts only where nothing with one says otherwise.
fn completion<'a>(timeline: &'a Timeline, subject: &Subject) -> Option<&'a EventView> {
    let latest = |signed_alone: bool| {
        let mut events = timeline.events.iter().rev().filter(|event| event.subject.id == subject.id.as_str());
        events.find(|event| {
            let is_callback = event.kind == Kind::Completed && event.delivery.is_some();
            is_callback && (event.name == SIGNED_ALONE) == signed_alone
        })
    };
    latest(false).or_else(|| latest(true))
}
