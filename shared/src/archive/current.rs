//! Which versions a job must no longer call current: those of documents that a new version of the request doesn't have.
//!
//! A document can leave a pack, and the zip that comes in place of a document can lose a member or become a single PDF.

use std::collections::BTreeMap;

use crate::{
    domain::FinalDocument,
    ledger::{CurrentVersion, Pdf},
};

/// The slots in `versions` ([`Pdf::slot`]) that belong to none of `documents`, which is all that the service lists. A PDF
/// of a zip belongs to the zip's document, if it has the same version.
pub(super) fn superseded<'a>(
    versions: &'a BTreeMap<String, CurrentVersion>,
    documents: &[FinalDocument],
) -> Vec<&'a str> {
    let belongs = |slot: &str, version: &str, document: &FinalDocument| {
        slot == Pdf::slot(&document.document, document.role)
            || version == document.version && Pdf::is_slot_of_member(slot, &document.document, document.role)
    };
    let is_listed = |slot: &str, current: &CurrentVersion| {
        documents.iter().any(|document| belongs(slot, &current.version, document))
    };
    versions.iter().filter(|(slot, current)| !is_listed(slot, current)).map(|(slot, _)| slot.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    fn document(id: &str, version: &str) -> FinalDocument {
        FinalDocument {
            document: id.to_owned(),
            file_name: None,
            role: Role::Document,
            version: version.to_owned(),
            url: String::new(),
            credential: None,
            sha256: None,
            deferral: None,
        }
    }

    fn superseded_of(versions: &[(&str, &str)], documents: &[FinalDocument]) -> Vec<String> {
        let current = |(slot, version): &(&str, &str)| {
            ((*slot).to_owned(), CurrentVersion { version: (*version).to_owned(), sha256: String::new() })
        };
        let versions = versions.iter().map(current).collect();
        superseded(&versions, documents).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_listed_is_current_in_any_version() {
        let listed = [document("a", "2"), document("b-1", "")];
        assert_eq!(superseded_of(&[("a#document", "1"), ("b-1#document", "1")], &listed), [""; 0]);
    }

    #[test]
    fn a_document_or_role_that_is_not_listed_is_superseded() {
        let versions = [("a#certificate", "1"), ("a#document", "1"), ("b#document", "1")];
        assert_eq!(superseded_of(&versions, &[document("a", "1")]), ["a#certificate", "b#document"]);
    }

    #[test]
    fn members_are_current_with_their_zip() {
        let versions = [("a#document", "2"), ("a-1#document", "2"), ("a-2#document", "1"), ("a-x#document", "2")];
        assert_eq!(superseded_of(&versions, &[document("a", "2")]), ["a-2#document", "a-x#document"]);
    }
}
