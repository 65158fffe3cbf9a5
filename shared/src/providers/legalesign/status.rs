//! Legalesign's status codes (OpenAPI enumerations, and apidocs.legalesign.com/docs/troubleshooting). The same code has
//! different meanings for documents and for signers.

use crate::domain::{Kind, SubjectKind};

/// The meaning of a code. An undocumented one is [`Kind::Updated`], which changes no status.
pub(super) fn kind(subject: SubjectKind, code: &str) -> Kind {
    match (subject, code) {
        (SubjectKind::Document, "10") => Kind::Sent,
        (SubjectKind::Document, "30") => Kind::Completed,
        (SubjectKind::Document, "40") => Kind::Removed,
        (SubjectKind::Document, "50") => Kind::Declined,
        // Unsent, and scheduled.
        (SubjectKind::Signer, "4" | "5") => Kind::Draft,
        (SubjectKind::Signer, "10") => Kind::Sent,
        // The e-mail was opened; the page was visited.
        (SubjectKind::Signer, "15" | "20") => Kind::Viewed,
        (SubjectKind::Signer, "40") => Kind::Signed,
        (SubjectKind::Signer, "60") => Kind::Declined,
        // Documents: 20, fields were completed. Signers: 30, 35, 39, fields complete or waiting for a witness; 50, downloaded.
        _ => Kind::Updated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_depend_on_the_subject_kind() {
        let kinds = |subject| {
            ["4", "5", "10", "15", "20", "30", "35", "39", "40", "50", "60"].map(|code| kind(subject, code).as_str())
        };
        let [u, s] = ["updated", "sent"];
        assert_eq!(kinds(SubjectKind::Document), [u, u, s, u, u, "completed", u, u, "removed", "declined", u]);
        assert_eq!(
            kinds(SubjectKind::Signer),
            ["draft", "draft", s, "viewed", "viewed", u, u, u, "signed", u, "declined"]
        );
        for unknown in ["", "99", "040", "40 ", "signed"] {
            assert_eq!(kind(SubjectKind::Signer, unknown), Kind::Updated, "{unknown}");
        }
    }
}
