//! From the HTTP stack's errors to ours.
//!
//! The SDK's connector erases types: hyper's and rustls' errors are boxed, and neither crate is a dependency of this
//! one. What is used here, in order of trust: types that are public (our own [`AddressRefused`], the SDK's
//! `ResolveDnsError` and kinds, `io::Error`), whether a connection stood, and for TLS the text of one error whose type
//! the SDK keeps private. The tests pin all of it, so an update that changes something shows.

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

/// An exchange that failed before the head of the answer was there. `connected` says whether a connection stood.
pub(super) fn exchange_failure(host: &str, error: &ConnectorError, connected: bool) -> OutboundError {
    let host = host.to_owned();
    if find::<AddressRefused>(error).is_some() {
        return OutboundError::Address { host };
    }
    if error.is_timeout() {
        // The connector is given no other limit than the one for connecting.
        let phase = Phase::Connect;
        return OutboundError::Timeout { host, phase };
    }
    if find::<ResolveDnsError>(error).is_some() {
        return OutboundError::Dns { host };
    }
    if connected {
        // A connection that ends early is I/O to the connector, or "transient" when it ended tidily.
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

/// A body that failed on the way. hyper reports a body that ends early, by a reset or before its announced end, as
/// I/O, and one whose framing is broken (chunk sizes) as invalid data.
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

/// An error and its causes. `io::Error::source` skips the error that it was made from, so that is asked for itself.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

/// TLS wraps I/O errors in I/O errors of kind "other".
fn innermost_kind(error: &io::Error) -> io::ErrorKind {
    chain(error).filter_map(|error| error.downcast_ref::<io::Error>()).last().map_or(error.kind(), io::Error::kind)
}

/// The other side's certificate can appear in the reason: nothing of it may break a log line.
fn printable(text: &str) -> String {
    text.chars().filter(|char| char.is_ascii_graphic() || *char == ' ').take(MAX_REASON_LENGTH).collect()
}
