//! What can go wrong with a request, one variant per cause.
//!
//! The errors of the HTTP stack are read once, in `classify`, and not carried along: their texts are nobody's promise.
//! What is carried is the host, never a path, a query, a header or a body.

use super::policy::Refused;
use std::io;

/// A request that brought no usable answer. A status other than 200 is an answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL, or the target of a redirect, may not be requested.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name can't be resolved.
    #[error("the name {host} could not be resolved")]
    Dns {
        /// The name.
        host: String,
    },
    /// The name resolves to nothing but addresses that may not be connected to.
    #[error("{host} resolves to no public address")]
    Address {
        /// The name.
        host: String,
    },
    /// No TCP connection, or one that ended before TLS stood.
    #[error("no connection to {host}: {kind}")]
    Connect {
        /// The URL's host.
        host: String,
        /// What the operating system said.
        kind: io::ErrorKind,
    },
    /// TLS was refused by either side: a certificate that isn't trusted or is for another name, an alert, no TLS at all.
    #[error("no TLS with {host}: {reason}")]
    Tls {
        /// The URL's host.
        host: String,
        /// The TLS library's reason: printable ASCII, at most 200 characters.
        reason: String,
    },
    /// A limit of time was reached.
    #[error("{host} took too long ({phase})")]
    Timeout {
        /// The host that was asked first or, within one exchange, the one that was waited for.
        host: String,
        /// Which limit.
        phase: Phase,
    },
    /// The connection ended before an answer began.
    #[error("{host} closed the connection without an answer")]
    Disconnected {
        /// The URL's host.
        host: String,
    },
    /// What came is not HTTP; or the server reset an HTTP/2 stream before answering.
    #[error("{host} doesn't speak proper HTTP")]
    Protocol {
        /// The URL's host.
        host: String,
    },
    /// The body is compressed, though `identity` was asked for.
    #[error("the body from {host} is encoded")]
    Encoded {
        /// The URL's host.
        host: String,
    },
    /// The body is, or says that it is, longer than the limit.
    #[error("the body from {host} is larger than {limit} bytes")]
    TooLarge {
        /// The URL's host.
        host: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The connection ended inside the body.
    #[error("the body from {host} was cut off")]
    Truncated {
        /// The URL's host.
        host: String,
    },
    /// More redirects than [`MAX_REDIRECTS`](super::MAX_REDIRECTS).
    #[error("too many redirects, the last one by {host}")]
    TooManyRedirects {
        /// The host that redirected once more.
        host: String,
    },
    /// A redirect that doesn't say where to.
    #[error("{host} redirects without a location")]
    RedirectWithoutLocation {
        /// The host that answered so.
        host: String,
    },
    /// The local file can't be written.
    #[error("the local file can't be written: {kind}")]
    Disk {
        /// What the operating system said.
        kind: io::ErrorKind,
    },
}

/// Which limit of time was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// DNS, TCP and TLS.
    Connect,
    /// From the request to the head of the answer.
    FirstByte,
    /// Between two pieces of the body.
    Stall,
    /// Everything together, redirects included.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for an answer",
            Self::Stall => "the body stopped",
            Self::Total => "in all",
        })
    }
}

impl OutboundError {
    /// A stable code for people and records.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code(),
            Self::Dns { .. } => "dns_failed",
            // The same for a literal and for a name: either way, the address is what is wrong.
            Self::Address { .. } => "address_not_public",
            Self::Connect { .. } => "connect_failed",
            Self::Tls { .. } => "tls_failed",
            Self::Timeout { phase, .. } => match phase {
                Phase::Connect => "timeout_connect",
                Phase::FirstByte => "timeout_first_byte",
                Phase::Stall => "timeout_stall",
                Phase::Total => "timeout_total",
            },
            Self::Disconnected { .. } => "disconnected",
            Self::Protocol { .. } => "protocol_error",
            Self::Encoded { .. } => "content_encoded",
            Self::TooLarge { .. } => "too_large",
            Self::Truncated { .. } => "truncated",
            Self::TooManyRedirects { .. } => "too_many_redirects",
            Self::RedirectWithoutLocation { .. } => "redirect_without_location",
            Self::Disk { .. } => "disk_failed",
        }
    }

    /// The host that it is about, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => refused.host(),
            Self::Disk { .. } => None,
            Self::Dns { host }
            | Self::Address { host }
            | Self::Connect { host, .. }
            | Self::Tls { host, .. }
            | Self::Timeout { host, .. }
            | Self::Disconnected { host }
            | Self::Protocol { host }
            | Self::Encoded { host }
            | Self::TooLarge { host, .. }
            | Self::Truncated { host }
            | Self::TooManyRedirects { host }
            | Self::RedirectWithoutLocation { host } => Some(host),
        }
    }

    /// Whether the same request could succeed later without anybody changing a setting here. A hint: a misconfigured
    /// server counts as transient, since its owner may mend it; what the rules or the limit of size refuse does not.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Address { .. } | Self::TooLarge { .. })
    }
}
