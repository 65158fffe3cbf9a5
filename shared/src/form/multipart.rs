//! Parses `multipart/form-data` (RFC 7578). Django, the receiver in Legalesign's own examples, accepts it as well.
//!
//! `multer` splits the body. It is made for streams; the whole body is passed in as one chunk, so its future never
//! waits and completes on the first poll. The body is copied once, into `multer`'s buffer; values are slices of that.
//! The name is the only header of a part that counts: file name, charset and transfer encoding are ignored.

use bytes::{Bytes, BytesMut};
use futures::future::{FutureExt, ready};
use futures::stream::once;

use super::{Field, FormError, push};

/// RFC 2046, section 5.1.1: 1 to 70 characters.
const BOUNDARY_LEN: std::ops::RangeInclusive<usize> = 1..=70;

/// Whether a content type is `multipart/form-data`, with any parameters.
pub(super) fn is_multipart(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Splits a body at the boundary given in the content type.
pub(super) fn read(content_type: &str, body: &Bytes) -> Result<Vec<Field>, FormError> {
    let boundary = boundary(content_type).ok_or(FormError::Boundary)?.to_owned();
    // The only chunk is ready, so the future is never pending; if it ever is, that counts as malformed.
    split(boundary, body.clone()).now_or_never().unwrap_or(Err(FormError::Multipart))
}

/// The `boundary` parameter, quoted or not. `multer::parse_boundary` is too strict for real senders: it refuses a space
/// before a `;`, and characters that should have been quoted.
fn boundary(content_type: &str) -> Option<&str> {
    let (_, mut rest) = content_type.split_once(';')?;
    loop {
        let (name, value) = rest.split_once('=')?;
        // Skip parameters without a value before this one.
        let name = name.rsplit(';').next().unwrap_or_default().trim();
        let (value, next) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let (token, next) = value.split_once(';').unwrap_or((value, ""));
                (token.trim(), next)
            }
        };
        if name.eq_ignore_ascii_case("boundary") {
            return BOUNDARY_LEN.contains(&value.len()).then_some(value);
        }
        rest = next;
    }
}

async fn split(boundary: String, body: Bytes) -> Result<Vec<Field>, FormError> {
    let mut parts = multer::Multipart::new(once(ready(Ok::<_, std::convert::Infallible>(body))), boundary);
    let mut fields = Vec::new();
    // `multer`'s errors contain names of posted fields, so they are dropped.
    while let Some(mut part) = parts.next_field().await.map_err(|_| FormError::Multipart)? {
        let name = part.name().ok_or(FormError::Multipart)?.to_owned();
        let mut value = part.chunk().await.map_err(|_| FormError::Multipart)?.unwrap_or_default();
        // One chunk in gives one chunk out. If that ever changes, the value must still be complete.
        while let Some(more) = part.chunk().await.map_err(|_| FormError::Multipart)? {
            let mut joined = BytesMut::from(value);
            joined.extend_from_slice(&more);
            value = joined.freeze();
        }
        push(&mut fields, name.into(), value)?;
    }
    Ok(fields)
}
