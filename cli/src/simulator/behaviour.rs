//! What a subject can be made to do. Tests say it through a [`super::Script`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::facts::Facts;

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Legalesign: single documents.
    Legalesign,
    /// QuicklySign: document packs.
    Quicklysign,
    /// SignEasy: signature requests and documents that one person signs alone.
    Signeasy,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Legalesign, Self::Quicklysign, Self::Signeasy];

    /// The name in paths and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Legalesign => "legalesign",
            Self::Quicklysign => "quicklysign",
            Self::Signeasy => "signeasy",
        }
    }

    /// The name as the service writes it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Legalesign => "Legalesign",
            Self::Quicklysign => "QuicklySign",
            Self::Signeasy => "SignEasy",
        }
    }
}

/// How far a subject has come. Each service has its own words for it, see its module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Not sent to anybody.
    Setup,
    /// Sent; somebody has yet to sign.
    Awaiting,
    /// Every field is filled in, and a signature or approval is still missing (Legalesign's 20; elsewhere as awaiting).
    Filled,
    /// Everybody has signed.
    #[default]
    Complete,
    /// A signer refused.
    Declined,
    /// The sender took it back.
    Voided,
    /// Nobody signed in time.
    Expired,
    /// The service could not convert what was uploaded (QuicklySign).
    Failed,
}

/// An answer of the API instead of the documented one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The id is not known: 404.
    Unknown,
    /// The credentials are not accepted for it: 401.
    Unauthorised,
    /// 429 with this `Retry-After`, in seconds.
    RateLimited {
        /// Seconds.
        retry_after: u32,
    },
    /// Any other HTTP status, with the service's form of an error.
    Status(u16),
    /// HTTP 200, while the status in QuicklySign's envelope says this. The other services have no envelope and
    /// answer with the status itself.
    Envelope(u16),
    /// This text, as JSON, with HTTP 200.
    Json(String),
}

/// What comes from where a PDF should come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Download {
    /// The PDF.
    #[default]
    Pdf,
    /// The PDF, under this content type.
    ContentType(String),
    /// These bytes, declared to be a PDF.
    Bytes(Bytes),
    /// A sign-in page with HTTP 200.
    Html,
    /// No bytes at all, declared to be a PDF.
    Empty,
    /// The first half of the PDF as an answer complete in itself: only the file's trailer is missing.
    NoTrailer,
    /// The full `Content-Length`, half of the bytes, and the end of the connection.
    Truncated,
    /// A PDF's head, then bytes without end and without `Content-Length`.
    Endless,
    /// A PDF's head, then silence.
    Stall,
    /// The PDF, one byte at a time.
    Drip {
        /// The pause before each byte.
        every: Duration,
    },
    /// A redirect (302) to a location that has the PDF and refuses credentials.
    Moved,
    /// A redirect (302) to this location, which may be a path or any URL.
    Redirect(String),
    /// This HTTP status; 429 and 503 bring a `Retry-After`.
    Status(u16),
    /// Legalesign's 201: the document comes back from cold storage within four hours.
    Dearchiving,
}

/// A file of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A signed document, counted from 0. The final PDF of Legalesign and the merged one of SignEasy are 0.
    Document(usize),
    /// The audit log or certificate.
    Record,
}

/// What Legalesign's `hash_value` says of the final PDF.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Promise {
    /// Its SHA-256.
    #[default]
    Right,
    /// The SHA-256 of something else.
    Wrong,
    /// Nothing.
    Missing,
}

/// Everything scripted about one subject.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub status: Status,
    pub ready: bool,
    pub name: Option<String>,
    pub group: Option<String>,
    pub documents: Option<usize>,
    pub page_size: Option<usize>,
    pub version: u32,
    pub document_versions: BTreeMap<usize, u32>,
    pub modified: Option<Timestamp>,
    pub size: Option<u64>,
    pub promise: Promise,
    pub answer: Option<Answer>,
    pub next_answers: VecDeque<Answer>,
    pub download: Download,
    pub downloads: BTreeMap<Part, Download>,
    pub next_downloads: VecDeque<Download>,
    pub file_url: Option<String>,
    pub nesting: Option<Vec<String>>,
    pub protected: bool,
    pub inline: bool,
    pub signed_as: Option<String>,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            status: Status::Complete,
            ready: true,
            name: None,
            group: None,
            documents: None,
            page_size: None,
            version: 0,
            document_versions: BTreeMap::new(),
            modified: None,
            size: None,
            promise: Promise::Right,
            answer: None,
            next_answers: VecDeque::new(),
            download: Download::Pdf,
            downloads: BTreeMap::new(),
            next_downloads: VecDeque::new(),
            file_url: None,
            nesting: None,
            protected: false,
            inline: false,
            signed_as: None,
        }
    }
}

impl Subject {
    /// Whether the final PDF can be had.
    pub fn finished(&self) -> bool {
        self.status == Status::Complete && self.ready
    }

    pub fn name(&self, facts: &Facts) -> String {
        self.name.clone().unwrap_or_else(|| facts.title().to_owned())
    }

    pub fn documents(&self, facts: &Facts) -> usize {
        self.documents.unwrap_or_else(|| facts.documents())
    }

    /// How often the document at this position was made anew.
    pub fn version_of(&self, position: usize) -> u32 {
        self.version + self.document_versions.get(&position).copied().unwrap_or(0)
    }

    /// When the document at this position last changed: each new version is a second younger than the one before.
    pub fn updated(&self, facts: &Facts, position: usize) -> Timestamp {
        let first = self.modified.unwrap_or_else(|| facts.completed());
        let updated = first.as_second() + i64::from(self.version_of(position));
        Timestamp::from_second(updated).unwrap_or(first)
    }

    /// When anything of it last changed.
    pub fn last_updated(&self, facts: &Facts) -> Timestamp {
        let newest = self.document_versions.iter().max_by_key(|(_, version)| **version);
        self.updated(facts, newest.map_or(0, |(position, _)| *position))
    }
}
