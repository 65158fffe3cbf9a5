//! The preconditions of requests, and the checks for parameters that aren't supported.

use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

/// Whether a write requires that the object doesn't exist yet, which is the only precondition of a write.
pub(super) fn exclusive(if_none_match: Option<&ETagCondition>, if_match: Option<&ETagCondition>) -> S3Result<bool> {
    unsupported(if_match.is_some(), "If-Match on a write")?;
    // S3 doesn't support it either.
    unsupported(if_none_match.is_some_and(|condition| !condition.is_any()), "If-None-Match with an ETag")?;
    Ok(if_none_match.is_some())
}

/// The conditions of a read. The AWS CLI reads large objects in ranges, with `If-Match` in each request.
pub(super) fn check_etag(
    etag: &str,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let holds = |condition: &ETagCondition| condition.as_etag().is_none_or(|given| given.value() == etag);
    if if_match.is_some_and(|condition| !holds(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(holds) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// Rejects a request that uses a `feature` which isn't implemented.
pub(super) fn unsupported(is_used: bool, feature: &str) -> S3Result<()> {
    if is_used {
        return Err(s3_error!(NotImplemented, "{feature} is not implemented."));
    }
    Ok(())
}

/// Rejects versions other than `null`, which the objects of a bucket without versioning have.
pub(super) fn unversioned(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NoSuchVersion)),
    }
}
