//! Reads a body piece by piece, within limits.

use super::classify::body_failure;
use super::error::{OutboundError, Phase};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::timeout;

/// A body that is being read. One piece is in memory at a time: a few hundred kilobytes at most, which is the size of
/// hyper's buffer.
pub(super) struct BoundedBody {
    host: String,
    body: SdkBody,
    limit: u64,
    stall: Duration,
    size: u64,
    length_known: bool,
}

impl BoundedBody {
    /// Looks at the head before anything is read.
    ///
    /// # Errors
    /// [`OutboundError::Encoded`] for any `Content-Encoding`, [`OutboundError::TooLarge`] if the announced length is
    /// over `limit` bytes already.
    pub(super) fn new(
        host: String,
        headers: &HeaderMap,
        body: SdkBody,
        limit: u64,
        stall: Duration,
    ) -> Result<Self, OutboundError> {
        let plain =
            |encoding: &HeaderValue| encoding.is_empty() || encoding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
            return Err(OutboundError::Encoded { host });
        }
        // hyper has refused lengths that are no numbers or contradict each other.
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(OutboundError::TooLarge { host, limit });
        }
        Ok(Self {
            host,
            body,
            limit,
            stall,
            size: 0,
            length_known: announced.is_some() || headers.contains_key(TRANSFER_ENCODING),
        })
    }

    /// The next piece, never empty; nothing at the end.
    ///
    /// # Errors
    /// [`OutboundError`]: stalled, too large, truncated, or not HTTP.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, OutboundError> {
        loop {
            let Ok(frame) = timeout(self.stall, self.body.frame()).await else {
                let (host, phase) = (self.host.clone(), Phase::Stall);
                return Err(OutboundError::Timeout { host, phase });
            };
            let piece = match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(body_failure(&self.host, error.as_ref())),
                // What isn't data is trailers, which say nothing about a document.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            self.size += piece.len() as u64;
            if self.size > self.limit {
                let (host, limit) = (self.host.clone(), self.limit);
                return Err(OutboundError::TooLarge { host, limit });
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Bytes read so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the transfer marks its own end, so that a cut is seen as one.
    pub(super) fn length_known(&self) -> bool {
        self.length_known
    }
}
