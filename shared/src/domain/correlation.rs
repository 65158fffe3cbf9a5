//! One document under two ids: what a request and its signed file have in common.
//!
//! A service may use the id of the signed file for a finished request. Which request a file belongs to follows from what
//! both name: a recipient, say, or data of the sender. Each such value is a [`CorrelationKey`]. It names the requests that
//! the file may belong to; the service's API decides which it is.

use std::collections::BTreeSet;

use super::{Provider, Subject, SubjectId};

/// The two ids that a document can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The request's id.
    Request,
    /// The signed file's id, unless it turns out to be a request's own id.
    File,
}

/// A value that a request and its signed file share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationKey {
    /// The service.
    pub provider: Provider,
    /// The shared value, safe in a key of the table.
    pub key: String,
    /// A value that must not differ between the two, if both have one.
    pub mark: Option<String>,
}

/// What one event contributes to the correlation of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The subject of the event.
    pub subject: Subject,
    /// Which of the two ids the subject's is.
    pub side: Side,
    /// The values that the event names.
    pub keys: Vec<CorrelationKey>,
}

/// An id that was seen with a correlation key, and the key's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The id.
    pub id: SubjectId,
    /// The mark; `None` if the event had none.
    pub mark: Option<String>,
}

impl Candidate {
    fn agrees_with(&self, other: &Self) -> bool {
        self.mark.is_none() || other.mark.is_none() || self.mark == other.mark
    }
}

/// All ids that were seen with a correlation key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Ids of requests.
    pub requests: Vec<Candidate>,
    /// Ids of signed files.
    pub files: Vec<Candidate>,
}

impl Candidates {
    fn request_ids(&self) -> BTreeSet<&SubjectId> {
        self.requests.iter().map(|request| &request.id).collect()
    }

    /// The ids of the requests that a file may belong to, by its mark.
    #[must_use]
    pub fn requests_of(&self, file: &Candidate) -> BTreeSet<&SubjectId> {
        self.requests.iter().filter(|request| request.agrees_with(file)).map(|request| &request.id).collect()
    }

    /// Each file with each request that it may belong to. A file whose id is also a request's id needs no other.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&SubjectId, &SubjectId)> {
        let requests = self.request_ids();
        let files = self.files.iter().filter(|file| !requests.contains(&file.id));
        let pairs = files.flat_map(|file| {
            let fitting = self.requests.iter().filter(|request| request.agrees_with(file));
            fitting.map(|request| (&file.id, &request.id))
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(texts: &[(&str, &str)]) -> Vec<Candidate> {
        let candidate = |(id, mark): &(&str, &str)| Candidate {
            id: SubjectId::parse(*id).unwrap(),
            mark: Some((*mark).to_owned()).filter(|mark| mark != "-"),
        };
        texts.iter().map(candidate).collect()
    }

    fn pairs(requests: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<(String, String)> {
        let candidates = Candidates { requests: candidates(requests), files: candidates(files) };
        candidates.pairs().into_iter().map(|(file, request)| (file.to_string(), request.to_string())).collect()
    }

    #[test]
    fn a_file_pairs_with_requests_whose_marks_do_not_differ() {
        let pair = |file: &str, request: &str| (file.to_owned(), request.to_owned());
        assert_eq!(pairs(&[("R", "7")], &[("S", "7")]), [pair("S", "R")]);
        assert_eq!(pairs(&[("R", "-")], &[("S", "7")]), [pair("S", "R")]);
        assert_eq!(pairs(&[("R", "7")], &[("S", "-")]), [pair("S", "R")]);
        assert_eq!(pairs(&[("R", "7"), ("Q", "8")], &[("S", "7")]), [pair("S", "R")]);
        assert_eq!(pairs(&[("R", "7"), ("Q", "7")], &[("S", "7")]), [pair("S", "R"), pair("S", "Q")]);
        assert_eq!(pairs(&[("R", "7")], &[("S", "8")]), []);
        assert_eq!(pairs(&[("R", "7")], &[]), []);
    }

    #[test]
    fn a_file_whose_id_is_a_request_id_pairs_with_none() {
        assert_eq!(pairs(&[("R", "7"), ("S", "7")], &[("S", "7")]), []);
    }
}
