//! How an event was proven, and which proof is the stronger one.

use serde::{Deserialize, Serialize};

/// How an event was proven. Several values can be equally strong: they have the same [`Trust::rank`], by which strength is
/// compared. The order of all values, that of [`Trust::sort_text`], is by rank, and in a fixed way within a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The sender knew a shared secret, which it sent along.
    Token,
    /// The sender hashed a part of the bytes with a shared key. The part doesn't name the subject, so whoever saw one
    /// such hash can send it again about another subject: that is no more than a token.
    EventHash,
    /// The sender computed an HMAC of the bytes with a shared key. Whoever has the key can do so, too.
    Hmac,
    /// The sender signed the bytes.
    Signature,
}

impl Trust {
    /// Every value, in ascending order.
    pub const ALL: [Self; 4] = [Self::Token, Self::EventHash, Self::Hmac, Self::Signature];

    /// How strong the proof is. Only the order of ranks has a meaning, and a rank isn't stored.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Token | Self::EventHash => 10,
            Self::Hmac => 15,
            Self::Signature => 20,
        }
    }

    /// Whether this proof is stronger than `other`.
    #[must_use]
    pub const fn is_stronger_than(self, other: Self) -> bool {
        self.rank() > other.rank()
    }

    /// The weaker one of the two; `self` if they are equally strong.
    #[must_use]
    pub const fn weaker(self, other: Self) -> Self {
        if self.is_stronger_than(other) { other } else { self }
    }

    /// A text that sorts by rank, and differs between all values: of two events that differ in nothing else, always the
    /// same one gives the status. It is stored, so it never changes; a value between two others gets a longer text, such
    /// as `05`.
    #[must_use]
    pub const fn sort_text(self) -> &'static str {
        match self {
            Self::Token => "0",
            Self::EventHash => "00",
            Self::Hmac => "05",
            Self::Signature => "1",
        }
    }

    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::EventHash => "event_hash",
            Self::Hmac => "hmac",
            Self::Signature => "signature",
        }
    }

    /// Parses [`Trust::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_sort_by_rank_and_their_texts_differ() {
        for pair in Trust::ALL.windows(2) {
            assert!(!pair[0].is_stronger_than(pair[1]), "{pair:?}");
            assert!(pair[0] < pair[1] && pair[0].sort_text() < pair[1].sort_text(), "{pair:?}");
        }
        assert!(Trust::Signature.is_stronger_than(Trust::EventHash));
        assert!(Trust::Signature.is_stronger_than(Trust::Hmac) && Trust::Hmac.is_stronger_than(Trust::EventHash));
        assert!(!Trust::EventHash.is_stronger_than(Trust::Token), "it is as strong as a token");
        assert_eq!(Trust::Signature.weaker(Trust::EventHash), Trust::EventHash);
        assert_eq!(Trust::Token.weaker(Trust::Signature), Trust::Token);
        assert!(Trust::ALL.into_iter().all(|trust| Trust::parse(trust.as_str()) == Some(trust)));
    }
}
