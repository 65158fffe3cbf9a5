//! Archive orders: the one `ARCHIVE` item of a subject is the job of fetching its final PDFs.
//!
//! The table's stream hands an order over when it is `due` and nobody has claimed it. A worker claims it, does the
//! work and writes the outcome. An event that asks again meanwhile raises `revision`; then the worker's outcome is
//! refused, the claim is given up, and that very write hands the order over once more. So neither can two workers
//! fetch the same document twice, nor can a request get lost between a worker's last look and its outcome.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Item, Ledger, LedgerError,
    index::{self, INDEX_PARTITION_KEY, INDEX_SORT_KEY, List, Range},
    item::Value,
    update::Updated,
};
use crate::{subject::Subject, time};

pub(super) const SORT: &str = "ARCHIVE";

/// Where an archive order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveState {
    /// To be done now.
    Due,
    /// To be done when its time has come.
    Waiting,
    /// Done.
    Archived,
    /// Somebody has to allow a host first.
    Blocked,
    /// Tried often enough, in vain.
    Failed,
    /// The provider's API doesn't know the subject as ours.
    Foreign,
}

impl ArchiveState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Due, Self::Waiting, Self::Archived, Self::Blocked, Self::Failed, Self::Foreign];

    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Waiting => "waiting",
            Self::Archived => "archived",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Foreign => "foreign",
        }
    }

    /// Reads what [`ArchiveState::as_str`] wrote.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// An archive order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose documents.
    pub subject: Subject,
    /// Where it stands.
    pub state: ArchiveState,
    /// How often it failed since it was last asked for.
    pub attempts: u32,
    /// When it is due again, while it waits.
    pub not_before: Option<Timestamp>,
    /// Since when it has been due, however often it was handed over since.
    pub due_since: Option<Timestamp>,
    /// Why it stands there: a stable code, with a host where one is blocked.
    pub reason: Option<String>,
    /// How many events asked for it.
    pub requests: usize,
    /// The event that asked last.
    pub source_event: Option<String>,
    /// Whether an event said that the subject is complete. Otherwise the provider's API was only to be asked.
    pub complete: bool,
    /// The groups whose documents are wanted; all, where there is none.
    pub groups: Vec<String>,
    /// The version of each current document, by [`super::Pdf::slot`]: what needn't be fetched again.
    pub versions: BTreeMap<String, CurrentVersion>,
    revision: u64,
    /// The provider's host that isn't allowed, while the order is blocked.
    pub blocked_host: Option<String>,
    /// Whether the subject's personal data was erased on request: nothing of it is fetched again.
    pub forgotten: bool,
}

/// What is archived for one document in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentVersion {
    /// The provider's marker of its version; empty where it gives none.
    pub version: String,
    /// The archived file's hash, in hex.
    pub sha256: String,
}

/// An order that this worker alone is working on, until the claim's time is over.
#[derive(Debug)]
pub struct Claim {
    /// The order.
    pub order: Order,
    until: Timestamp,
}

/// Nobody asked again since the order was claimed, and the claim still holds.
const UNCHANGED: &str = "#revision = ? AND #claim = ?";

impl Claim {
    fn unchanged(&self) -> [Value; 2] {
        [self.order.revision.into(), self.until.into()]
    }
}

/// What the work on an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderOutcome {
    /// All its documents are in the archive.
    Archived,
    /// Again at that time; `failed` when it counts as an attempt.
    Waiting {
        /// When.
        not_before: Timestamp,
        /// Why.
        reason: String,
        /// Whether an attempt failed, or it was only too early.
        failed: bool,
    },
    /// A host must be allowed first.
    Blocked {
        /// The host.
        host: String,
    },
    /// Given up.
    Failed {
        /// Why.
        reason: String,
    },
    /// Not ours.
    Foreign {
        /// How the API said so.
        reason: String,
    },
    /// The API was asked, and there is nothing to be archived: there is no order any more.
    Withdrawn,
}

impl Ledger {
    /// The update that makes an order due as if it were new.
    pub(super) fn due_anew(&self, subject: &Subject) -> super::update::Update<'_> {
        self.due_again(subject, time::now()).set("attempts", 0_u32).remove("reason")
    }

    fn due_again(&self, subject: &Subject, now: Timestamp) -> super::update::Update<'_> {
        let partition = subject.partition();
        self.update(&partition, SORT)
            .set("state", ArchiveState::Due.as_str())
            .set_all(index::archive(&partition, ArchiveState::Due, now))
            .set_all_if_absent(Item::default().with("due_since", now))
            .add("revision", 1_u32)
            .remove("not_before")
            .remove("blocked_host")
    }

    /// Takes an order on, for so long that no worker can still be at it afterwards. `None` when it isn't due, or
    /// another worker is at it.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn claim(&self, subject: &Subject, lasting: SignedDuration) -> Result<Option<Claim>, LedgerError> {
        let now = time::now();
        let until = now.checked_add(lasting).unwrap_or(now);
        let updated = self
            .update(&subject.partition(), SORT)
            .set("claim", until)
            .only_if(
                "#state = ? AND (attribute_not_exists(#claim) OR #claim < ?)",
                [ArchiveState::Due.as_str().into(), now.into()],
            )
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        match updated {
            Updated::Done(item) => Ok(Some(Claim { order: order(subject.clone(), &item)?, until })),
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Notes that one document of a claimed order is in the archive, so that it isn't fetched again even if the rest
    /// of the order fails.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn note_version(
        &self,
        subject: &Subject,
        slot: &str,
        current: &CurrentVersion,
    ) -> Result<(), LedgerError> {
        // A map inside the item would need a second write to exist first; one attribute for each document doesn't.
        self.update(&subject.partition(), SORT)
            .set(&version_attribute(slot), format!("{} {}", current.sha256, current.version))
            .send()
            .await
            .map(drop)
    }

    /// Writes what the work came to and gives up the claim. When the order was asked for again meanwhile, it stays
    /// due and is handed over once more.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn settle(&self, claim: &Claim, outcome: &OrderOutcome) -> Result<(), LedgerError> {
        let now = time::now();
        let partition = claim.order.subject.partition();
        let (state, reason, attempts) = match outcome {
            OrderOutcome::Archived => (ArchiveState::Archived, None, claim.order.attempts),
            OrderOutcome::Waiting { reason, failed, .. } => {
                (ArchiveState::Waiting, Some(reason.clone()), claim.order.attempts + u32::from(*failed))
            }
            OrderOutcome::Blocked { host } => {
                (ArchiveState::Blocked, Some(format!("host_not_allowed: {host}")), claim.order.attempts)
            }
            OrderOutcome::Failed { reason } => (ArchiveState::Failed, Some(reason.clone()), claim.order.attempts + 1),
            OrderOutcome::Foreign { reason } => (ArchiveState::Foreign, Some(reason.clone()), claim.order.attempts),
            OrderOutcome::Withdrawn => return self.withdraw(claim).await,
        };
        let mut update = self.update(&partition, SORT);
        let mut listed_at = now;
        if let OrderOutcome::Waiting { not_before, .. } = outcome {
            update = update.set("not_before", *not_before);
            listed_at = *not_before;
        }
        if let OrderOutcome::Blocked { host } = outcome {
            update = update.set("blocked_host", host.as_str());
        }
        update = match reason {
            Some(reason) => update.set("reason", reason),
            None => update.remove("reason"),
        };
        let settled = update
            .set("state", state.as_str())
            .set("attempts", attempts)
            .set("settled_at", now)
            .set_all(index::archive(&partition, state, listed_at))
            .remove("claim")
            .remove("due_since")
            .only_if(UNCHANGED, claim.unchanged())
            .was_done()
            .await?;
        if !settled {
            self.release(claim).await?;
        }
        Ok(())
    }

    /// Takes an order back, as if it had never been due; what it remembers stays.
    async fn withdraw(&self, claim: &Claim) -> Result<(), LedgerError> {
        let update = self.update(&claim.order.subject.partition(), SORT);
        let gone = ["state", "reason", "claim", "due_since", INDEX_PARTITION_KEY, INDEX_SORT_KEY];
        let update = gone.into_iter().fold(update, super::update::Update::remove);
        let withdrawn = update.only_if(UNCHANGED, claim.unchanged()).was_done().await?;
        if withdrawn { Ok(()) } else { self.release(claim).await }
    }

    /// Gives up a claim without an outcome: the order is due, and is handed over again.
    async fn release(&self, claim: &Claim) -> Result<(), LedgerError> {
        let update = self.update(&claim.order.subject.partition(), SORT).remove("claim");
        update.only_if("#claim = ?", [claim.until.into()]).was_done().await.map(drop)
    }

    /// Hands over a due order whose worker is known to be dead, without waiting for its claim to end.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn reclaim(&self, order: &Order) -> Result<bool, LedgerError> {
        self.due_again(&order.subject, time::now())
            .remove("claim")
            .only_if("#state = ? AND #revision = ?", [order.state.as_str().into(), order.revision.into()])
            .was_done()
            .await
    }

    /// Makes an order due by hand, as if it were new and of any group; `false` when there is none for this subject.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn retry(&self, subject: &Subject) -> Result<bool, LedgerError> {
        let update = self.due_anew(subject).remove("claim").remove("groups");
        update.only_if("attribute_exists(#state)", []).was_done().await
    }

    /// Makes a waiting, blocked or forgotten order due, unless it has changed since it was read.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn wake(&self, order: &Order) -> Result<bool, LedgerError> {
        let now = time::now();
        let unchanged: [Value; 3] = [order.state.as_str().into(), order.revision.into(), now.into()];
        self.due_again(&order.subject, now)
            .remove("claim")
            .only_if("#state = ? AND #revision = ? AND (attribute_not_exists(#claim) OR #claim < ?)", unchanged)
            .was_done()
            .await
    }

    /// The orders of a state that entered it, or are due again, before `before`; the oldest first.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn orders(
        &self,
        state: ArchiveState,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Order>, LedgerError> {
        let range = Range { prefix: "", before: before.map(time::format), descending: false, limit };
        let mut orders = Vec::new();
        for entry in self.list(&List::Archive(state), &range).await? {
            // The index lags behind: what it says was true a moment ago.
            let item = self.get(&entry.partition, SORT).await?.unwrap_or_default();
            if item.text("state") != Some(state.as_str()) {
                continue;
            }
            let subject = entry.partition.parse().map_err(|_| LedgerError::Corrupt { attribute: super::PARTITION_KEY });
            match subject.and_then(|subject| order(subject, &item)) {
                Ok(order) => orders.push(order),
                // One that somebody else wrote must not keep the others from being done.
                Err(problem) => tracing::error!(event = "order_unreadable", partition = entry.partition, %problem),
            }
        }
        Ok(orders)
    }
}

const VERSION_PREFIX: &str = "version:";

fn version_attribute(slot: &str) -> String {
    format!("{VERSION_PREFIX}{slot}")
}

pub(super) fn order(subject: Subject, item: &Item) -> Result<Order, LedgerError> {
    let number = |name| item.number(name).unwrap_or_default();
    let versions = item.attributes().filter_map(|(name, value)| {
        let (slot, AttributeValue::S(text)) = (name.strip_prefix(VERSION_PREFIX)?, value) else { return None };
        let (sha256, version) = text.split_once(' ')?;
        Some((slot.to_owned(), CurrentVersion { version: version.to_owned(), sha256: sha256.to_owned() }))
    });
    Ok(Order {
        subject,
        state: item.parse("state", ArchiveState::parse)?,
        attempts: u32::try_from(number("attempts")).unwrap_or(u32::MAX),
        not_before: item.text("not_before").and_then(|text| text.parse().ok()),
        due_since: item.text("due_since").and_then(|text| text.parse().ok()),
        reason: item.text("reason").map(str::to_owned),
        requests: item.set_size("requests"),
        source_event: item.text("source_event").map(str::to_owned),
        complete: item.flag("complete"),
        groups: item.list("groups"),
        versions: versions.collect(),
        revision: number("revision"),
        blocked_host: item.text("blocked_host").map(str::to_owned),
        forgotten: item.text("forgotten_at").is_some(),
    })
}
