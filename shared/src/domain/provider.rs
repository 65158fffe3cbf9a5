//! The services, and the routes that they post to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A service that sends callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// <https://sign.dropbox.com>, once HelloSign
    DropboxSign,
    /// <https://legalesign.com>
    Legalesign,
    /// <https://quicklysign.com>
    Quicklysign,
    /// <https://signeasy.com>
    Signeasy,
}

impl Provider {
    /// Every service, in alphabetical order.
    pub const ALL: [Self; 4] = [Self::DropboxSign, Self::Legalesign, Self::Quicklysign, Self::Signeasy];

    /// The name in keys, routes and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DropboxSign => "dropbox-sign",
            Self::Legalesign => "legalesign",
            Self::Quicklysign => "quicklysign",
            Self::Signeasy => "signeasy",
        }
    }

    /// The name as the service spells it, for people.
    #[must_use]
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::DropboxSign => "Dropbox Sign",
            Self::Legalesign => "Legalesign",
            Self::Quicklysign => "QuicklySign",
            Self::Signeasy => "SignEasy",
        }
    }

    /// The name of one of its environment variables: its name in upper case, with underscores, before `suffix`, such as
    /// `DROPBOX_SIGN_API_URL` for `API_URL`.
    #[must_use]
    pub fn variable(self, suffix: &str) -> String {
        format!("{}_{suffix}", self.as_str().to_ascii_uppercase().replace('-', "_"))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name isn't one of [`Provider::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known provider: {}", Provider::ALL.map(Provider::as_str).join(", "))]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name).ok_or(UnknownProvider)
    }
}

/// The path that a callback is posted to. It decides which proof and which parser a delivery needs, also at a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Dropbox Sign.
    DropboxSign,
    /// Legalesign: everything that changed in the last six minutes.
    LegalesignBatch,
    /// Legalesign: one document changed.
    LegalesignRealtime,
    /// QuicklySign.
    Quicklysign,
    /// SignEasy.
    Signeasy,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 5] =
        [Self::DropboxSign, Self::LegalesignBatch, Self::LegalesignRealtime, Self::Quicklysign, Self::Signeasy];

    /// The path as API Gateway's routes spell it; `{token}` stands for the path token.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::DropboxSign => "/callbacks/dropbox-sign/{token}",
            Self::LegalesignBatch => "/callbacks/legalesign/batch/{token}",
            Self::LegalesignRealtime => "/callbacks/legalesign/realtime/{token}",
            Self::Quicklysign => "/callbacks/quicklysign/{token}",
            Self::Signeasy => "/callbacks/signeasy/{token}",
        }
    }

    /// The path up to the path token, with the slash before it.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        self.path().trim_end_matches("{token}")
    }

    /// The route that catches every path below [`Route::prefix`], such as one with a slash at its end, as API Gateway's
    /// routes spell it.
    #[must_use]
    pub fn any_path(self) -> String {
        format!("{}{{path+}}", self.prefix())
    }

    /// Whether the path may name an event before the path token, for forms that refuse URLs with a query:
    /// `…/{event}/{token}` instead of `…/{token}?event={event}`.
    #[must_use]
    pub const fn names_event(self) -> bool {
        matches!(self, Self::LegalesignRealtime)
    }

    /// The service that posts there.
    #[must_use]
    pub const fn provider(self) -> Provider {
        match self {
            Self::DropboxSign => Provider::DropboxSign,
            Self::LegalesignBatch | Self::LegalesignRealtime => Provider::Legalesign,
            Self::Quicklysign => Provider::Quicklysign,
            Self::Signeasy => Provider::Signeasy,
        }
    }

    /// The route with this [`Route::path`].
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }
}
