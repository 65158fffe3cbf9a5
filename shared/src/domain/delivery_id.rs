//! The id of a delivery.

use std::{fmt, ops::Deref, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A delivery's id: a UUID of version 7, so that ids sort by the time of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a delivery id (a UUID)")]
pub struct InvalidDeliveryId;

impl DeliveryId {
    /// A new id, of a delivery that arrived at this time.
    pub(super) fn new(received_at: Timestamp) -> Self {
        let seconds = u64::try_from(received_at.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(received_at.subsec_nanosecond()).unwrap_or(0);
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
        Self(uuid::Uuid::new_v7(time).to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for DeliveryId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidDeliveryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text).map(|id| Self(id.to_string())).map_err(|_| InvalidDeliveryId)
    }
}

impl TryFrom<String> for DeliveryId {
    type Error = InvalidDeliveryId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeliveryId> for String {
    fn from(id: DeliveryId) -> Self {
        id.0
    }
}
