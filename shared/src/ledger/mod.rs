//! The ledger: one DynamoDB table that holds deliveries, events, statuses, archive jobs and the manifest of PDFs. The
//! chart of its items is in `keys`.
//!
//! A delivery is written in steps: its bytes and proof, events and statuses, archive jobs, its outcome if it wasn't written
//! at once. Each step may be repeated at any time, by any process, without changing the result. So what is interrupted is
//! finished by doing all steps again. There is no transaction, because none is needed: no step depends on having been the
//! first.

mod aliases;
mod archive_jobs;
mod bodies;
mod certificates;
mod cursors;
mod deliveries;
mod delivery_lists;
mod erasure;
mod event_view;
mod events;
mod keys;
mod known;
mod origin;
mod pdfs;
mod quarantine;
mod reported;
mod signers;
mod spool;
mod status;
mod stream;
mod table;
mod views;
mod webhooks;

pub use aliases::{Clues, Match};
pub use archive_jobs::{ArchiveJob, ArchiveState, CurrentVersion, JobOutcome, Lease, OTHER_GROUP};
pub use certificates::Certificate;
pub use cursors::Cursor;
pub use deliveries::{DeliveryRecord, Finished, StoredDelivery};
pub use delivery_lists::{DeliveryFilter, DeliveryPage};
pub use erasure::{Erased, FORGOTTEN, Forgetting};
pub use event_view::{EventView, SubjectView};
pub use events::{FEW, Recorded, TIME_AFTER_RECEIPT};
pub use keys::{EXPIRES_AT, INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY, PARTITION_KEY, SORT_KEY};
pub use pdfs::{HashedBytes, Member, Pdf};
pub use quarantine::{QUARANTINED_FOR, QuarantineRecord, Quarantined, RejectedEntry};
pub use reported::{KnownStatus, ReportedStatus};
pub use signers::SignerView;
pub use spool::Spooled;
pub use stream::{Change, Report, StatusImage, change};
pub use table::{Held, Item, Page};
pub use views::{ArchiveView, DocumentPage, DocumentView, Timeline};

use crate::aws::{Aws, StorageNames};
pub use crate::domain::LedgerError;

/// The table, and the buckets for bodies that are too large for it.
#[derive(Clone)]
pub struct Ledger {
    table: table::Table,
    objects: table::Objects,
    /// The bucket for rejected requests and the spool.
    temporary: table::Objects,
    kept_certificates: certificates::Kept,
}

impl Ledger {
    /// The ledger in this table and these buckets.
    #[must_use]
    pub fn new(aws: &Aws, names: StorageNames<'_>) -> Self {
        Self {
            table: table::Table::new(aws.dynamodb.clone(), names.table),
            objects: table::Objects::new(aws.s3.clone(), names.archive),
            temporary: table::Objects::new(aws.s3.clone(), names.temporary),
            kept_certificates: certificates::Kept::default(),
        }
    }

    /// The same ledger, which also erases objects that Object Lock holds in mode governance. Needs the permission
    /// `s3:BypassGovernanceRetention`.
    #[must_use]
    pub fn bypassing_governance(self) -> Self {
        Self { objects: self.objects.bypassing_governance(), ..self }
    }
}
