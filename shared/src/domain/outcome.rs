//! The outcome of a proven delivery.

use serde::Serialize;

/// The outcome of a proven delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its bytes are stored; its events may not be yet.
    Accepted,
    /// All its events are recorded, and at least one of them is new.
    Recorded,
    /// All its events were known already.
    Duplicate,
    /// It was proven but can't be read. An operator has to look at it.
    SetAside,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Recorded, Self::Duplicate, Self::SetAside];

    /// The name in items and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::SetAside => "set_aside",
        }
    }

    /// Parses [`Outcome::as_str`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}
