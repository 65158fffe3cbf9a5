//! The scripted behaviour of a subject. Tests set it through a [`super::Script`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::facts::Facts;

/// How far a subject has come. Each service has its own words for it, see its module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// Not sent yet.
    Setup,
    /// Sent; at least one signature is missing.
    Awaiting,
    /// Every field is filled in, but a signature or approval is missing. Legalesign's code 20; the other services have
    /// no word of their own for it.
    Filled,
    /// All parties have signed.
    #[default]
    Complete,
    /// A signer declined to sign.
    Declined,
    /// The sender withdrew it.
    Voided,
    /// It wasn't signed in time.
    Expired,
    /// The service couldn't convert the uploaded file (QuicklySign).
    Failed,
}

/// A scripted response of the API, in place of the documented one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The id is unknown: 404.
    Unknown,
    /// The credentials are not accepted for it: 401.
    Unauthorised,
    /// 429 with this `Retry-After`, in seconds.
    RateLimited {
        /// Seconds.
        retry_after: u32,
    },
    /// Any other HTTP status, with an error body in the service's format.
    Status(u16),
    /// HTTP 200, with this status in QuicklySign's envelope. The other services have no envelope; they use it as the
    /// HTTP status.
    Envelope(u16),
    /// HTTP 200 with this text, declared as JSON.
    Json(String),
}

/// The response to the download of a PDF.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Download {
    /// The PDF.
    #[default]
    Pdf,
    /// The PDF, declared as this content type.
    ContentType(String),
    /// These bytes, declared as a PDF.
    Bytes(Bytes),
    /// These bytes, declared as a PDF with this `Content-Encoding`, whatever the request accepts.
    Coded {
        /// The header's value, which need not be valid.
        coding: String,
        /// The body as it is sent.
        bytes: Bytes,
    },
    /// A sign-in page with HTTP 200.
    Html,
    /// An empty body, declared as a PDF.
    Empty,
    /// The first half of the PDF, in a response that is complete and correct as HTTP: only the file's second half with
    /// its trailer is missing.
    NoTrailer,
    /// The full `Content-Length`, but the connection ends after half of the bytes.
    Truncated,
    /// The PDF, then an endless stream of spaces, without `Content-Length`.
    Endless,
    /// The first 1,024 bytes of the PDF; then the connection stays open without data.
    Stall,
    /// The PDF, one byte at a time.
    Drip {
        /// Pause before each byte.
        every: Duration,
    },
    /// A redirect (302) to a location that serves the PDF, and rejects requests with credentials.
    Moved,
    /// A redirect (302) to this location, a path or a URL.
    Redirect(String),
    /// This HTTP status; 429 and 503 with a `Retry-After`.
    Status(u16),
    /// Legalesign's 201: the document is being restored from cold storage, available within four hours.
    Dearchiving,
}

/// A file of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A signed document by its position, from 0. Legalesign's final PDF and SignEasy's merged PDF have position 0.
    Document(usize),
    /// The audit log or certificate.
    Record,
}

/// The content of Legalesign's `hash_value`, relative to the final PDF.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Promise {
    /// Its SHA-256.
    #[default]
    Right,
    /// The SHA-256 of another file.
    Wrong,
    /// `null`.
    Missing,
}

/// The script of one subject. An unscripted subject has the default.
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
    /// Whether the final PDF is available.
    pub fn finished(&self) -> bool {
        self.status == Status::Complete && self.ready
    }

    pub fn name(&self, facts: &Facts) -> String {
        self.name.clone().unwrap_or_else(|| facts.title().to_owned())
    }

    pub fn documents(&self, facts: &Facts) -> usize {
        self.documents.unwrap_or_else(|| facts.documents())
    }

    /// How many times the document at this position was regenerated.
    pub fn version_of(&self, position: usize) -> u32 {
        self.version + self.document_versions.get(&position).copied().unwrap_or(0)
    }

    /// When the document at this position last changed. Each version is one second later than the previous one.
    pub fn updated(&self, facts: &Facts, position: usize) -> Timestamp {
        let first = self.modified.unwrap_or_else(|| facts.completed());
        let updated = first.as_second() + i64::from(self.version_of(position));
        Timestamp::from_second(updated).unwrap_or(first)
    }

    /// When any of its documents last changed.
    pub fn last_updated(&self, facts: &Facts) -> Timestamp {
        let newest = self.document_versions.iter().max_by_key(|(_, version)| **version);
        self.updated(facts, newest.map_or(0, |(position, _)| *position))
    }
}
