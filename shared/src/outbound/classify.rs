//! Maps errors of the HTTP stack to [`OutboundError`].
//!
//! The SDK's connector erases types: the errors of hyper and rustls are boxed, and neither crate is a dependency of
//! this one. The mapping relies on, from most to least stable: public types (our own [`AddressRefused`], the SDK's
//! `ResolveDnsError` and error kinds, `io::Error`), whether a connection was established, and for TLS the text of one
//! error whose type is private to the SDK. The tests pin all of these, so they fail if an update changes one.

use super::error::{OutboundError, Phase};
use super::resolver::AddressRefused;
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::retry::ErrorKind;
use std::error::Error;
use std::io;

/// The `Display` of aws-smithy-http-client's private `TlsConnectError`.
const TLS_FAILED: &str = "TLS handshake failed";

const MAX_REASON_LENGTH: usize = 200;

/// Maps a failure before the response head arrived. `connected` is whether a connection had been established.
pub(super) fn exchange_failure(host: &str, error: &ConnectorError, connected: bool) -> OutboundError {
    let host = host.to_owned();
    if find::<AddressRefused>(error).is_some() {
        return OutboundError::Address { host };
    }
    if error.is_timeout() {
        // The connect timeout is the only one that the connector is given.
        let phase = Phase::Connect;
        return OutboundError::Timeout { host, phase };
    }
    if find::<ResolveDnsError>(error).is_some() {
        return OutboundError::Dns { host };
    }
    if connected {
        // The connector reports a connection that ends early as I/O, or as "transient" if it was closed cleanly.
        return if error.is_io() || error.as_other() == Some(ErrorKind::TransientError) {
            OutboundError::Disconnected { host }
        } else {
            OutboundError::Protocol { host }
        };
    }
    if chain(error).any(|error| error.to_string() == TLS_FAILED) {
        let reason = chain(error).last().map(|error| printable(&error.to_string())).unwrap_or_default();
        return OutboundError::Tls { host, reason };
    }
    let kind = find::<io::Error>(error).map_or(io::ErrorKind::Other, innermost_kind);
    OutboundError::Connect { host, kind }
}

/// Maps a failure while reading the body. hyper reports a body that ends early (a reset, or less than the announced
/// length) as I/O, and broken framing (chunk sizes) as invalid data.
pub(super) fn body_failure(host: &str, error: &(dyn Error + 'static)) -> OutboundError {
    let host = host.to_owned();
    match find::<io::Error>(error).map(innermost_kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => OutboundError::Protocol { host },
        _ => OutboundError::Truncated { host },
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes. `io::Error::source` skips the error that it wraps, so `get_ref` is used instead.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// The kind of the innermost I/O error: TLS wraps I/O errors in I/O errors of kind "other".
fn innermost_kind(error: &io::Error) -> io::ErrorKind {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).last().map_or(error.kind(), io::Error::kind)
}

/// Reduces an error text to printable ASCII: it can quote the server's certificate, which must not break a log line.
fn printable(text: &str) -> String {
    text.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').take(MAX_REASON_LENGTH).collect()
}
