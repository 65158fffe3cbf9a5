//! Reads a response body chunk by chunk, within limits of size and time.

use super::classify::body_failure;
use super::error::{OutboundError, Phase};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::timeout;

/// A body that is being read. One chunk is in memory at a time: a few hundred kilobytes at most, the size of hyper's
/// buffer.
pub(super) struct BoundedBody {
    host: String,
    body: SdkBody,
    limit: u64,
    stall: Duration,
    size: u64,
    length_known: bool,
}

impl BoundedBody {
    /// Checks the headers before any of the body is read. `limit` is in bytes; `stall` is the longest wait for a chunk.
    ///
    /// # Errors
    /// [`OutboundError::TooLarge`] if the announced length exceeds `limit`.
    pub(super) fn new(
        host: String,
        headers: &HeaderMap,
        body: SdkBody,
        limit: u64,
        stall: Duration,
    ) -> Result<Self, OutboundError> {
        // hyper has already refused lengths that are not numbers or that contradict each other.
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

    /// The next chunk, never empty; `None` at the end of the body.
    ///
    /// # Errors
    /// [`OutboundError`]: the body stalled, is too large, was cut off, or isn't valid HTTP.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, OutboundError> {
        loop {
            let Ok(frame) = timeout(self.stall, self.body.frame()).await else {
                let (host, phase) = (self.host.clone(), Phase::Stall);
                return Err(OutboundError::Timeout { host, phase });
            };
            let chunk = match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(body_failure(&self.host, error.as_ref())),
                // A frame without data holds trailers, which are irrelevant to a document.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            self.size += chunk.len() as u64;
            if self.size > self.limit {
                let (host, limit) = (self.host.clone(), self.limit);
                return Err(OutboundError::TooLarge { host, limit });
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Bytes read so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the response announces its length or is chunked, so that a truncated body is detected.
    pub(super) fn length_known(&self) -> bool {
        self.length_known
    }
}
