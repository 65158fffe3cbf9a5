//! Ids of events: a hash of the fact that an event reports.
//!
//! An id has to be the same whenever the same fact is published again: by a repeated stream record, a redelivered callback
//! in another order, a replay, or another process that found the same. So it is computed from the fact alone, and never from
//! a time of writing, a counter or a random number:
//!
//! | event | fact |
//! |---|---|
//! | a status | subject, type |
//! | `document.conflict` | subject, type |
//! | `document.archived` | subject, type, document, role and hash of each current PDF |
//! | `document.archive_failed` | subject, type, reason, and the same of the PDFs that are archived |
//! | `document.archive_blocked` | subject, type, reason with the host, and the same |
//! | `document.forgotten`, `signer.forgotten` | subject, type, time of the operator's request |
//! | `delivery.set_aside` | delivery, type |

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::DetailType;
use crate::{domain::Parts, ledger::CurrentVersion};

/// The id of a fact: SHA-256, in hex. `partition` is the partition key of what the fact is about, which no two subjects
/// share; `more` distinguishes the facts of one type.
pub(super) fn id(partition: &str, detail_type: DetailType, more: &[&str]) -> String {
    let parts: Vec<&str> = [partition, detail_type.as_str()].into_iter().chain(more.iter().copied()).collect();
    hex::encode(digest(&SHA256, Parts::of(&parts).as_bytes()))
}

/// What identifies the archived PDFs: each one's document and role, and its hash.
pub(super) fn content(versions: &BTreeMap<String, CurrentVersion>) -> Vec<&str> {
    versions.iter().flat_map(|(slot, current)| [slot.as_str(), current.sha256.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_known_fact_never_changes() {
        // SHA-256 over the texts, each after its length in eight bytes, computed with another implementation.
        let completed = id("quicklysign#document_pack#P-1", DetailType::DocumentCompleted, &[]);
        assert_eq!(completed, "f0e25e04b4e8b594968ff47e6ecace3456757edb9b1c343fade8cf911667d910");
    }

    #[test]
    fn different_facts_have_different_ids() {
        let failed = |more: &[&str]| id("signeasy#document#1", DetailType::DocumentArchiveFailed, more);
        let ids = [
            failed(&[]),
            failed(&["api_http_500"]),
            failed(&["api_http_500", "d#document", "00"]),
            failed(&["api_http_500", "d#document00"]),
            id("signeasy#document#2", DetailType::DocumentArchiveFailed, &[]),
            id("signeasy#document#1", DetailType::DocumentArchiveBlocked, &[]),
        ];
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
