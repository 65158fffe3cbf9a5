//! The subject of an event: a document, a signer or a pack of documents, named by the provider's id.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Provider, UnknownProvider};

/// A provider's id that is safe in keys and API paths: `[A-Za-z0-9_-]{1,200}`.
///
/// Only such ids go into a path or a key. Any other text could address another partition, object or endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SubjectId(String);

/// The text is not `[A-Za-z0-9_-]{1,200}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id must be 1 to 200 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidId;

impl SubjectId {
    /// # Errors
    /// When `text` is not `[A-Za-z0-9_-]{1,200}`.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=200).contains(&text.len()) && text.bytes().all(is_safe) { Ok(Self(text)) } else { Err(InvalidId) }
    }

    /// The id as the provider writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for SubjectId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for SubjectId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for SubjectId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The kinds of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A document, or a request to sign one.
    Document,
    /// A person who signs, approves or witnesses a document.
    Signer,
    /// Several documents that are signed together (QuicklySign).
    DocumentPack,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Document, Self::Signer, Self::DocumentPack];

    /// The name in keys and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Signer => "signer",
            Self::DocumentPack => "document_pack",
        }
    }

    /// Whether it can have final PDFs. Such subjects are listed as documents.
    #[must_use]
    pub const fn has_documents(self) -> bool {
        matches!(self, Self::Document | Self::DocumentPack)
    }
}

/// The name isn't one of [`SubjectKind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of subject: document, signer or document_pack")]
pub struct UnknownSubjectKind;

impl FromStr for SubjectKind {
    type Err = UnknownSubjectKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownSubjectKind)
    }
}

/// The subject of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// The service that it belongs to.
    pub provider: Provider,
    /// Its kind.
    pub kind: SubjectKind,
    /// The service's id for it.
    pub id: SubjectId,
}

impl Subject {
    /// The partition key of everything that is stored about it: `<provider>#<kind>#<id>`.
    #[must_use]
    pub fn partition(&self) -> String {
        format!("{}#{}#{}", self.provider, self.kind.as_str(), self.id)
    }
}

/// The text is not a subject's partition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a subject's partition key (<provider>#<kind>#<id>)")]
pub struct InvalidPartition;

impl From<UnknownProvider> for InvalidPartition {
    fn from(_: UnknownProvider) -> Self {
        Self
    }
}

impl From<UnknownSubjectKind> for InvalidPartition {
    fn from(_: UnknownSubjectKind) -> Self {
        Self
    }
}

impl From<InvalidId> for InvalidPartition {
    fn from(_: InvalidId) -> Self {
        Self
    }
}

impl FromStr for Subject {
    type Err = InvalidPartition;

    /// Parses [`Subject::partition`].
    fn from_str(partition: &str) -> Result<Self, Self::Err> {
        let mut parts = partition.splitn(3, '#');
        let (Some(provider), Some(kind), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidPartition);
        };
        Ok(Self { provider: provider.parse()?, kind: kind.parse()?, id: SubjectId::parse(id)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_safe_in_keys_and_paths_are_accepted() {
        for good in ["a", "ahFzfnF1aWNrbHlzaWdu-_09", &"x".repeat(200)] {
            assert!(SubjectId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a#b", "a/b", "..", "a b", "ä", "a\n", "a%2fb", &"x".repeat(201)] {
            assert_eq!(SubjectId::parse(bad), Err(InvalidId), "{bad}");
        }
    }

    #[test]
    fn a_partition_key_reads_back() {
        let subject = Subject {
            provider: Provider::Quicklysign,
            kind: SubjectKind::DocumentPack,
            id: SubjectId::parse("abc_-9").unwrap(),
        };
        assert_eq!(subject.partition(), "quicklysign#document_pack#abc_-9");
        assert_eq!(subject.partition().parse(), Ok(subject));
        for bad in ["", "quicklysign", "quicklysign#pack#a", "other#signer#a", "quicklysign#signer#a#b", "DELIVERY#1"] {
            assert_eq!(bad.parse::<Subject>(), Err(InvalidPartition), "{bad}");
        }
    }
}
