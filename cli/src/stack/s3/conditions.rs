//! What a request may require of the object, and what it may not ask at all.

use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};

/// Whether the object must not exist yet: the one precondition of a write that there is.
pub(super) fn exclusive(if_none_match: Option<&ETagCondition>, if_match: Option<&ETagCondition>) -> S3Result<bool> {
    unsupported(if_match.is_some(), "If-Match on a write")?;
    // So it is in S3.
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

pub(super) fn unsupported(asked: bool, what: &str) -> S3Result<()> {
    if asked {
        return Err(s3_error!(NotImplemented, "{what} is not implemented."));
    }
    Ok(())
}

/// Objects of a bucket without versions have the version `null`.
pub(super) fn unversioned(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NoSuchVersion)),
    }
}
