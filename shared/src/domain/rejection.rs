//! Why a request is rejected.

/// Why a request with a valid path token is rejected. The cause goes to log, metric and quarantine, never to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The proof is wrong.
    Unproven(&'static str),
    /// The request has no place where a proof could be.
    Malformed(&'static str),
    /// The secret that the proof would be compared with isn't configured.
    NotConfigured(&'static str),
}

impl Rejection {
    /// The exact cause, as a stable code.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Unproven(cause) | Self::Malformed(cause) | Self::NotConfigured(cause) => cause,
        }
    }
}
