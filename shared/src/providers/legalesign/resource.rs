//! Parses a `resource_uri` into the subject or group that it names. It is never used as a URL to request.

use crate::domain::{Provider, Subject, SubjectId, SubjectKind};

/// Longest accepted URI, in bytes: a path with an id of at most 200 characters. Documented ones are shorter.
pub(super) const MAX_URI: usize = 300;

/// A Legalesign subject.
pub(super) const fn of(kind: SubjectKind, id: SubjectId) -> Subject {
    Subject { provider: Provider::Legalesign, kind, id }
}

/// The subject that `/api/v1/document/<id>/` or `/api/v1/signer/<id>/` names.
pub(super) fn subject(uri: &str) -> Option<Subject> {
    let (kind, id) = parts(uri)?;
    let kind = match kind {
        "document" => SubjectKind::Document,
        "signer" => SubjectKind::Signer,
        _ => return None,
    };
    Some(of(kind, SubjectId::parse(id).ok()?))
}

/// The slug of the group that `/api/v1/group/<slug>/` names.
pub(super) fn group(uri: &str) -> Option<&str> {
    match parts(uri)? {
        ("group", slug) => Some(slug),
        _ => None,
    }
}

/// The last two segments of `/api/v1/<sort>/<id>/`. The last slash is optional, and the URI may start with a host.
fn parts(uri: &str) -> Option<(&str, &str)> {
    if uri.len() > MAX_URI {
        return None;
    }
    let path = match uri.split_once("://") {
        Some(("https" | "http", rest)) => &rest[rest.find('/')?..],
        Some(_) => return None,
        None => uri,
    };
    let path = path.strip_prefix("/api/v1/")?;
    let (sort, id) = path.strip_suffix('/').unwrap_or(path).split_once('/')?;
    (!sort.is_empty() && !id.is_empty() && !id.contains('/')).then_some((sort, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_and_signers_with_valid_ids_are_subjects() {
        for (uri, partition) in [
            ("/api/v1/document/3f6f-0A_b/", "legalesign#document#3f6f-0A_b"),
            ("/api/v1/signer/s/", "legalesign#signer#s"),
            ("/api/v1/signer/s", "legalesign#signer#s"),
            ("https://eu-api.legalesign.com/api/v1/document/d/", "legalesign#document#d"),
        ] {
            assert_eq!(subject(uri).unwrap().partition(), partition, "{uri}");
        }
        let long = format!("/api/v1/document/{}/", "x".repeat(201));
        for uri in [
            "",
            "/",
            "d",
            "/api/v1/document/",
            "/api/v1/document//",
            "/api/v1/document/d//",
            "/api/v1/document/d/auditlog/",
            "/api/v1/document/../signer/",
            "/api/v1/document/a#b/",
            "/api/v1/document/%2e%2e/",
            "/api/v1/group/g/",
            "/api/v2/document/d/",
            "document/d",
            "https://evil.example",
            "ftp://legalesign.com/api/v1/document/d/",
            &long,
        ] {
            assert_eq!(subject(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_group_uri_gives_its_slug() {
        assert_eq!(group("/api/v1/group/your-group/"), Some("your-group"));
        for other in ["", "your-group", "/api/v1/group/", "/api/v1/document/d/"] {
            assert_eq!(group(other), None, "{other}");
        }
    }
}
