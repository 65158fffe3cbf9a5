//! The e-signature services.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A service that sends callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// <https://legalesign.com>
    Legalesign,
    /// <https://quicklysign.com>
    Quicklysign,
    /// <https://signeasy.com>
    Signeasy,
}

impl Provider {
    /// Every service, in alphabetical order.
    pub const ALL: [Self; 3] = [Self::Legalesign, Self::Quicklysign, Self::Signeasy];

    /// The name in keys, routes and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legalesign => "legalesign",
            Self::Quicklysign => "quicklysign",
            Self::Signeasy => "signeasy",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name is none of [`Provider::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known provider: legalesign, quicklysign or signeasy")]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name).ok_or(UnknownProvider)
    }
}
