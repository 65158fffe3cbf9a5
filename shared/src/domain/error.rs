//! Why stored data can't be read or written, and why work on a subject stops.

use super::Unavailable;

/// Why the ledger couldn't do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// DynamoDB or S3 didn't accept the call. A later attempt may succeed.
    #[error("{operation}: {code}")]
    Unavailable {
        /// The SDK's operation.
        operation: &'static str,
        /// The service's error code, or why there was no response.
        code: String,
    },
    /// A stored item lacks an attribute, or has one of another type: some other program wrote it.
    #[error("an item's attribute {attribute} is missing or of another type")]
    Corrupt {
        /// The attribute.
        attribute: &'static str,
    },
    /// The hash of a stored body is not the recorded one.
    #[error("the stored body of a delivery is missing or was changed")]
    BodyChanged,
    /// S3 doesn't let these credentials read a stored body, or it is missing: without `s3:ListBucket`, S3's response is the
    /// same.
    #[error("the stored body of a delivery is missing, or these credentials may not read it")]
    BodyDenied,
    /// The body was erased on request.
    #[error("the body of the delivery was erased on request")]
    Forgotten,
    /// A worker holds the lease of the subject's archive job. The lease ends within a quarter of an hour.
    #[error("the subject's documents are being fetched right now: try again in a quarter of an hour")]
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
            Self::BodyDenied => "body_denied",
            Self::Forgotten => "forgotten",
            Self::Busy => "busy",
        }
    }

    /// Whether a later attempt may succeed without any change to what is stored.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Busy)
    }
}

/// Why work on a subject stops: the service's side, or our own storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The service can't deliver.
    Unavailable(Unavailable),
    /// The ledger can't be read or written.
    Ledger(LedgerError),
}

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
