//! What a provider's API reports about a subject: its status, its signers and its final documents.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{FileName, Kind, Link, SubjectId, TimeSource};
use crate::outbound::{Credential, OutboundError, Refused};

/// What a provider's API reports about a subject.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The subject's status.
    pub status: Option<Kind>,
    /// The group that it belongs to, for services with groups.
    pub group: Option<String>,
    /// Its signers, with the status of each.
    pub signers: Vec<(Link, Option<Kind>)>,
    /// The final documents.
    pub documents: Vec<FinalDocument>,
    /// When the status was reached or last changed, if the API reports it.
    pub changed_at: Option<(Timestamp, TimeSource)>,
    /// Why not all final documents are available yet.
    pub unavailable: Option<Unavailable>,
    /// The request that the subject is the signed file of, if the API revealed it.
    pub request: Option<SubjectId>,
}

/// A final document to download.
#[derive(Debug)]
pub struct FinalDocument {
    /// The document's id.
    pub document: String,
    /// A file name, if the service reports a name for the document.
    pub file_name: Option<FileName>,
    /// What it is.
    pub role: Role,
    /// The service's marker of its version; empty if the service has none.
    pub version: String,
    /// Where it is.
    pub url: String,
    /// The credential for the service's own host.
    pub credential: Option<Credential>,
    /// The document's SHA-256 in hex, if the service reports it.
    pub sha256: Option<String>,
    /// The HTTP status with which the service says that it still prepares the document.
    pub deferral: Option<Deferral>,
}

/// An HTTP status with which a service says that it still prepares a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// The status.
    pub status: u16,
    /// Its meaning, as a stable code.
    pub reason: &'static str,
    /// The usual time until the document is ready, unless the service sends `Retry-After`.
    pub after: SignedDuration,
}

/// What a PDF is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The signed document.
    Document,
    /// The service's certificate of completion.
    Certificate,
    /// The service's record of who did what.
    AuditLog,
}

impl Role {
    /// The name in keys and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Certificate => "certificate",
            Self::AuditLog => "audit_log",
        }
    }

    /// Parses [`Role::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Document, Self::Certificate, Self::AuditLog].into_iter().find(|role| role.as_str() == name)
    }
}

/// Why an API can't report on a subject, or why a final document isn't available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// The document isn't ready. This isn't a failure: the job waits.
    NotReady {
        /// Why, as a stable code.
        reason: String,
        /// The pause that the service asks for.
        after: Option<SignedDuration>,
    },
    /// The subject isn't complete, so there is no final document.
    NotComplete {
        /// Why, as a stable code.
        reason: String,
        /// Whether it never will be: it was declined or removed.
        ended: bool,
    },
    /// The API limits the rate of requests (429).
    RateLimited {
        /// The pause that the service asks for.
        after: Option<SignedDuration>,
    },
    /// The credentials for the API are missing or unusable.
    NotConfigured,
    /// The API doesn't accept our credentials (401), or not for this subject (403). It says nothing about whose subject it
    /// is: a disabled API user, a token of another account, and a list of allowed addresses all give this response.
    Denied {
        /// The API's response, as a stable code.
        reason: String,
    },
    /// It failed; a later attempt may succeed.
    Failed {
        /// Why, as a stable code.
        reason: String,
    },
    /// The API doesn't know the subject, perhaps because a callback can be faster than the service's own tables. One more
    /// query decides.
    Unknown {
        /// The API's response, as a stable code.
        reason: String,
    },
    /// The API doesn't know the subject, so it isn't ours.
    Foreign {
        /// The API's response, as a stable code.
        reason: String,
    },
    /// The subject belongs to a group whose documents aren't wanted.
    Unwanted {
        /// Why, as a stable code.
        reason: String,
    },
    /// The document is on a host that isn't allowed.
    HostNotAllowed {
        /// The host.
        host: String,
    },
}

/// The longest pause that a service can ask for. A longer one would be a mistake that no alarm shows.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

impl Unavailable {
    /// A failure with this code.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    /// Why, as a stable code.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NotReady { reason, .. }
            | Self::NotComplete { reason, .. }
            | Self::Failed { reason }
            | Self::Denied { reason }
            | Self::Unknown { reason }
            | Self::Foreign { reason }
            | Self::Unwanted { reason } => reason,
            Self::RateLimited { .. } => "api_http_429",
            Self::NotConfigured => "not_configured",
            Self::HostNotAllowed { .. } => "host_not_allowed",
        }
    }

    /// The host that isn't allowed.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        if let Self::HostNotAllowed { host } = self { Some(host) } else { None }
    }
}

impl From<OutboundError> for Unavailable {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Refused(Refused::Host { host }) => Self::HostNotAllowed { host },
            error => Self::failed(error.code()),
        }
    }
}
