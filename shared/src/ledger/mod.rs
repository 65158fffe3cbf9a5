//! The ledger: one DynamoDB table that holds deliveries, events, statuses, archive orders and the manifest of PDFs.
//!
//! Everything about a subject shares its partition (`<provider>#<kind>#<id>`): `STATE`, `ARCHIVE`,
//! `EVENT#<time>#<id>`, `PDF#<document>#<role>#<sha256>`, `SIGNER#<id>`. Deliveries, certificates, webhooks and what
//! joins subjects (`CLUE#…`) have partitions of their own.
//!
//! A delivery is written in steps, each of which may be repeated at any time by anyone without a change of the result:
//! `accepted` with its bytes and proof (from here on nothing can be lost), events, status, archive order, `recorded`.
//! A crash in between leaves it `accepted`, where the sweep finds it and does all of it again. There is no
//! transaction, because none is needed: no step depends on having been the first.

mod batch;
mod bodies;
mod certificates;
mod deliveries;
mod delivery_lists;
mod events;
mod forget;
mod found;
mod index;
mod item;
mod joins;
mod links;
mod observations;
mod orders;
mod pdfs;
mod pending;
mod quarantine;
mod read;
mod requests;
mod status;
mod update;
mod voice;
mod webhooks;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub use certificates::Certificate;
pub use deliveries::{DeliveryRecord, Outcome, StoredDelivery};
pub use delivery_lists::{DeliveryFilter, DeliveryPage};
pub use events::Recorded;
pub use forget::{Erased, FORGOTTEN, Forgetting};
pub use index::{INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY};
pub use item::Item;
pub use joins::{Bearers, Clue, Side};
pub use links::SignerView;
pub use observations::{Cursor, KnownStatus, Observation, Unheard};
pub use orders::{ArchiveState, Claim, CurrentVersion, Order, OrderOutcome};
pub use pdfs::{Pdf, Role};
pub use pending::Pending;
pub use quarantine::{QUARANTINED_FOR, QuarantineRecord, Quarantined, RefusedEntry};
pub(crate) use read::only_completed;
pub use read::{ArchiveView, Document, DocumentPage, EventView, SubjectView, Timeline};
pub use requests::OTHER_GROUP;
pub use webhooks::KnownWebhook;

use crate::aws::{Aws, Lazily};

/// The table's partition key.
pub const PARTITION_KEY: &str = "pk";
/// The table's sort key.
pub const SORT_KEY: &str = "sk";
/// The attribute by which DynamoDB expires items. Only quarantine has it: nothing that was proven expires.
pub const EXPIRES_AT: &str = "expires_at";

/// The table, and the bucket for bodies that are too large for it.
#[derive(Clone)]
pub struct Ledger {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: Lazily<aws_sdk_s3::Client>,
    table: String,
    bucket: String,
    kept_certificates: certificates::Kept,
}

impl Ledger {
    /// The ledger in `table`; large bodies go to `bucket` under `deliveries/`.
    #[must_use]
    pub fn new(aws: &Aws, table: &str, bucket: &str) -> Self {
        Self {
            dynamodb: aws.dynamodb.clone(),
            s3: aws.s3.clone(),
            table: table.to_owned(),
            bucket: bucket.to_owned(),
            kept_certificates: certificates::Kept::default(),
        }
    }
}

/// Why the ledger couldn't do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// DynamoDB or S3 didn't take the call: again later.
    #[error("{operation}: {code}")]
    Unavailable {
        /// The SDK's operation.
        operation: &'static str,
        /// The service's error code, or what kept the call from being answered.
        code: String,
    },
    /// A stored item lacks an attribute, or has one of another type: somebody else wrote it.
    #[error("an item's attribute {attribute} is missing or of another type")]
    Corrupt {
        /// The attribute.
        attribute: &'static str,
    },
    /// A stored body's hash is not the one that was recorded.
    #[error("the stored body of a delivery is missing or was changed")]
    BodyChanged,
    /// The body was erased because the person it is about asked for it.
    #[error("the body of the delivery was erased on request")]
    Forgotten,
    /// A worker is just at the subject's archive order; its claim ends within a quarter of an hour.
    #[error("the subject's documents are just being fetched: try again in a quarter of an hour")]
    Busy,
}

impl LedgerError {
    /// A stable code for people and records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Corrupt { .. } => "corrupt",
            Self::BodyChanged => "body_changed",
            Self::Forgotten => "forgotten",
            Self::Busy => "busy",
        }
    }

    /// Whether it says something of the moment only, and nothing of what is stored.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Busy)
    }

    fn unavailable<E, R>(operation: &'static str) -> impl Fn(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        move |error| {
            let code = match &error {
                SdkError::ServiceError(service) => service.err().code().unwrap_or("unknown").to_owned(),
                SdkError::TimeoutError(_) => "timeout".to_owned(),
                SdkError::DispatchFailure(_) => "dispatch_failure".to_owned(),
                SdkError::ResponseError(_) => "response_error".to_owned(),
                _ => "construction_failure".to_owned(),
            };
            Self::Unavailable { operation, code }
        }
    }
}
