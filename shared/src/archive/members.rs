//! Which PDF of a zip is which document.
//!
//! A zip with several PDFs is one document of the service. Its PDFs are documents of their own, `<document>-<number>`. They
//! are identified by their content: a PDF that was archived before keeps its number, wherever it is in the zip now. Two
//! members with the same content are two documents. A new PDF is the next version of the one with the same name, or else
//! gets the lowest number that is free.

use std::collections::BTreeSet;

use crate::ledger::Member;

/// What is known of a PDF in a zip.
pub(super) struct Candidate<'a> {
    /// In hex.
    pub(super) sha256: &'a str,
    /// Its name, made safe.
    pub(super) name: Option<&'a str>,
}

/// The numbers of a zip's PDFs, from 1, each of them once. `known` are those of its document in the manifest.
pub(super) fn numbers(known: &[Member], candidates: &[Candidate<'_>]) -> Vec<u32> {
    let mut taken = BTreeSet::new();
    let mut numbers = vec![None; candidates.len()];
    let mut assign = |is_same: &dyn Fn(&Member, &Candidate<'_>) -> bool| {
        for (number, candidate) in numbers.iter_mut().zip(candidates).filter(|(number, _)| number.is_none()) {
            let mut same = known.iter().filter(|member| is_same(member, candidate)).map(|member| member.number);
            *number = same.find(|number| taken.insert(*number));
        }
    };
    assign(&|member, candidate| member.sha256 == candidate.sha256);
    assign(&|member, candidate| member.name.is_some() && member.name.as_deref() == candidate.name);
    let mut free = (1..).filter(|number| !taken.contains(number));
    numbers.into_iter().map(|number| number.or_else(|| free.next()).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u32, sha256: &str, name: Option<&str>) -> Member {
        Member { number, sha256: sha256.to_owned(), name: name.map(str::to_owned) }
    }

    fn numbers_of(known: &[Member], candidates: &[(&str, Option<&str>)]) -> Vec<u32> {
        let candidates: Vec<_> = candidates.iter().map(|(sha256, name)| Candidate { sha256, name: *name }).collect();
        numbers(known, &candidates)
    }

    #[test]
    fn new_pdfs_are_numbered_in_their_order() {
        assert_eq!(numbers_of(&[], &[("a", Some("x")), ("b", Some("x")), ("c", None)]), [1, 2, 3]);
        assert_eq!(numbers_of(&[], &[]), [0_u32; 0]);
    }

    #[test]
    fn known_pdfs_keep_their_numbers_in_any_order() {
        let known = [member(1, "a", Some("x")), member(2, "b", Some("x")), member(3, "c", None)];
        assert_eq!(numbers_of(&known, &[("c", None), ("b", Some("x")), ("a", Some("x"))]), [3, 2, 1]);
        assert_eq!(numbers_of(&known, &[("c", Some("y")), ("d", None), ("a", None)]), [3, 2, 1]);
    }

    #[test]
    fn a_changed_pdf_is_the_next_version_of_the_one_with_its_name() {
        let known = [member(1, "a", Some("x")), member(2, "b", Some("y"))];
        assert_eq!(numbers_of(&known, &[("d", Some("y")), ("c", Some("x"))]), [2, 1]);
        assert_eq!(numbers_of(&known, &[("d", Some("z")), ("a", Some("x"))]), [2, 1]);
        assert_eq!(numbers_of(&known, &[("d", Some("z")), ("e", Some("y")), ("a", Some("y"))]), [3, 2, 1]);
    }

    #[test]
    fn two_versions_of_one_pdf_in_a_zip_get_different_numbers() {
        let known = [member(1, "a", None), member(1, "b", None)];
        assert_eq!(numbers_of(&known, &[("b", None), ("a", None)]), [1, 2]);
    }
}
