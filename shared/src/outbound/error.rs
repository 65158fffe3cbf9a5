//! The errors of an outbound request, one variant per cause.
//!
//! `classify` maps the HTTP stack's errors to these and drops the originals: their texts are not a stable interface.
//! An error carries the host, never a path, a query, a header or a body.

use super::policy::Refused;
use std::io;

/// A request without a usable response. A status other than 200 is a response, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The policy refuses the URL, or the target of a redirect.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name can't be resolved.
    #[error("the name {host} could not be resolved")]
    Dns {
        /// The name.
        host: String,
    },
    /// Every address that the name resolves to is refused.
    #[error("{host} resolves to no public address")]
    Address {
        /// The name.
        host: String,
    },
    /// No TCP connection, or one that closed during the TLS handshake.
    #[error("could not connect to {host}: {kind}")]
    Connect {
        /// The URL's host.
        host: String,
        /// The operating system's error.
        kind: io::ErrorKind,
    },
    /// The TLS handshake failed on either side: a certificate that isn't trusted or is for another name, an alert, or a
    /// server that doesn't speak TLS.
    #[error("the TLS handshake with {host} failed: {reason}")]
    Tls {
        /// The URL's host.
        host: String,
        /// The TLS library's reason: printable ASCII, at most 200 characters.
        reason: String,
    },
    /// A time limit was exceeded.
    #[error("{host} took too long ({phase})")]
    Timeout {
        /// The host of the first URL for the total limit, otherwise the host of the current request.
        host: String,
        /// Which limit was exceeded.
        phase: Phase,
    },
    /// The connection closed before the response began.
    #[error("{host} closed the connection without a response")]
    Disconnected {
        /// The URL's host.
        host: String,
    },
    /// The response is not valid HTTP, or the server reset the HTTP/2 stream before responding.
    #[error("{host} didn't send a valid HTTP response")]
    Protocol {
        /// The URL's host.
        host: String,
    },
    /// The body of an API's response has a content coding (compression), although the request accepts `identity` only.
    #[error("the body from {host} has a content coding")]
    Encoded {
        /// The URL's host.
        host: String,
    },
    /// The body, or its announced length, exceeds the limit.
    #[error("the body from {host} is larger than {limit} bytes")]
    TooLarge {
        /// The URL's host.
        host: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The connection closed within the body.
    #[error("the body from {host} was cut off")]
    Truncated {
        /// The URL's host.
        host: String,
    },
    /// More redirects than [`MAX_REDIRECTS`](super::MAX_REDIRECTS).
    #[error("too many redirects, the last one from {host}")]
    TooManyRedirects {
        /// The host that sent the last redirect.
        host: String,
    },
    /// A redirect without a `Location` header.
    #[error("{host} redirects without a `Location` header")]
    RedirectWithoutLocation {
        /// The host that sent it.
        host: String,
    },
    /// The local file can't be written.
    #[error("the local file can't be written: {kind}")]
    Disk {
        /// The operating system's error.
        kind: io::ErrorKind,
    },
}

/// Which time limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// DNS, TCP and TLS.
    Connect,
    /// From the request to the head of the response.
    FirstByte,
    /// Between two chunks of the body.
    Stall,
    /// Everything together, redirects included.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for a response",
            Self::Stall => "the body stalled",
            Self::Total => "in total",
        })
    }
}

impl OutboundError {
    /// A stable code for logs, records and operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.code(),
            Self::Dns { .. } => "dns_failed",
            // The same code as for an address literal in a URL: in both cases the address is at fault.
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

    /// The host that the error is about, if there is one.
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

    /// Whether the same request could succeed later without a change to our settings. A hint: a misconfigured server
    /// counts as transient, since its owner may fix it; a URL, address or size that is refused does not.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Address { .. } | Self::TooLarge { .. })
    }
}
