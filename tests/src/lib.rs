//! The harness of the end-to-end tests. [`harness`] says which of its entry points to take; the other modules are tools.

pub mod browser;
pub mod dropbox_sign;
pub mod harness;
pub mod legalesign;
pub mod quicklysign;
pub mod raw_http;
pub mod signeasy;

use std::time::Duration;

use countersign::{
    domain::{Provider, Subject, SubjectId, SubjectKind},
    time,
};
use jiff::{SignedDuration, Timestamp};

pub use harness::{Answer, DirectFunctions, Embedded, FaultyFunctions, LocalStack, Stored};
pub use quicklysign::pack;

/// Timeout for things that usually happen within a second: CI machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A subject.
#[must_use]
pub fn subject(provider: Provider, kind: SubjectKind, id: &str) -> Subject {
    Subject { provider, kind, id: SubjectId::parse(id).expect("an id") }
}

/// SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Now plus `by`, which may be negative.
#[must_use]
pub fn from_now(by: SignedDuration) -> Timestamp {
    time::now().checked_add(by).expect("a time")
}
