//! A webhook that this stack registered, or that an operator named.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{LedgerError, Subject, SubjectId};

/// A webhook that is known to be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownWebhook {
    /// The provider's key of the subject that the webhook watches.
    pub entity: SubjectId,
    /// Since when it is known.
    pub known_since: Timestamp,
}

/// Where webhooks are recorded as ours.
#[async_trait]
pub trait WebhookRegister: Send + Sync {
    /// Records that the webhook `key` is ours and watches `subject`. Doing it again changes nothing.
    ///
    /// # Errors
    /// If it can't be written.
    async fn remember(&self, subject: &Subject, key: &SubjectId) -> Result<(), LedgerError>;
}
