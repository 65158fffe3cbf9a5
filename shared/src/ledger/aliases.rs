//! Aliases: one document under two ids, that of the request and that of its signed file.
//!
//! A service may report a finished request under the id of its signed file (SignEasy does, in some versions). Which
//! request a file belongs to follows from values that both name: the same recipients, or the same data of the sender.
//! Callbacks come in any order, so whichever of the two is second has to find the first.
//!
//! Each such value is a correlation key, with an item of its own (`CLUE#…`). Each event adds its id to that item, on its
//! side, and gets the whole item back by the same call. DynamoDB serializes the updates of one item, so if a request and a
//! file arrive at the same moment, at least one of them sees the other; and each has stored its own status before. Each
//! write adds to a set or takes the greater of two values, so the order doesn't matter and repeating is safe.
//!
//! To join means to give the request the file's status, to point from each to the other, and to take the file off the
//! list of documents. No event and no PDF moves: a request's timeline includes its file's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::ReturnValue;

use super::{
    Item, Ledger,
    keys::{self, INDEX_PARTITION_KEY, INDEX_SORT_KEY, attribute},
    status,
    table::{Updated, Value, one},
};
use crate::domain::{Candidate, Candidates, Correlation, CorrelationKey, LedgerError, Side, Subject, SubjectId};

/// Maximum number of ids on each side of a correlation key. A key with more joins nothing: for example, a sender may use
/// the same value for all requests.
const MAX_CANDIDATES: usize = 25;

/// Stands for a missing mark.
const NO_MARK: &str = "-";

/// Writes a candidate as it is stored: `<id> <mark>`.
fn candidate_text(id: &SubjectId, mark: Option<&str>) -> String {
    format!("{id} {}", mark.unwrap_or(NO_MARK))
}

/// Parses [`candidate_text`].
fn parse_candidate(text: &str) -> Option<Candidate> {
    let (id, mark) = text.split_once(' ')?;
    Some(Candidate { id: SubjectId::parse(id).ok()?, mark: Some(mark.to_owned()).filter(|mark| mark != NO_MARK) })
}

fn candidates_of(item: &Item) -> Candidates {
    let candidates = |name| item.set(name).iter().filter_map(|text| parse_candidate(text)).collect();
    Candidates { requests: candidates(attribute::REQUESTS), files: candidates("files") }
}

impl Ledger {
    /// Stores what events contribute to the correlation of their subjects. Joins each signed file for which this leaves
    /// exactly one request. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to; repeating the call is safe.
    pub async fn correlate(&self, correlations: &[Correlation]) -> Result<(), LedgerError> {
        for Correlation { subject, side, keys } in correlations {
            if *side == Side::File {
                self.note_signed_file(subject).await?;
            }
            let mut requests: BTreeMap<SubjectId, BTreeSet<SubjectId>> = BTreeMap::new();
            for key in keys {
                for (file, request) in self.note_candidate(key, *side, &subject.id).await?.pairs() {
                    requests.entry(file.clone()).or_default().insert(request.clone());
                }
            }
            for (file, requests) in requests {
                let mut requests = requests.into_iter();
                if let (Some(request), None) = (requests.next(), requests.next()) {
                    let with_id = |id| Subject { id, ..subject.clone() };
                    self.join(&with_id(request), &with_id(file)).await?;
                }
            }
        }
        Ok(())
    }

    /// Adds `id` to a correlation key, and returns all of its ids; none once there are too many.
    async fn note_candidate(
        &self,
        key: &CorrelationKey,
        side: Side,
        id: &SubjectId,
    ) -> Result<Candidates, LedgerError> {
        let (own, other) = match side {
            Side::Request => (attribute::REQUESTS, "files"),
            Side::File => ("files", attribute::REQUESTS),
        };
        // Once it is full, nothing is written any more.
        let has_room = |name| format!("(attribute_not_exists(#{name}) OR size(#{name}) < ?)");
        let updated = self
            .table
            .update(&keys::correlation(key), keys::CORRELATION)
            .add(own, one(candidate_text(id, key.mark.as_deref())))
            .only_if(
                &format!("{} AND {}", has_room(own), has_room(other)),
                [MAX_CANDIDATES.into(), MAX_CANDIDATES.into()],
            )
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        let (Updated::Done(item) | Updated::ConditionFailed(item)) = updated;
        let candidates = candidates_of(&item);
        let is_full = candidates.requests.len().max(candidates.files.len()) >= MAX_CANDIDATES;
        Ok(if is_full { Candidates::default() } else { candidates })
    }

    /// The ids that were seen with a correlation key.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn candidates(&self, key: &CorrelationKey) -> Result<Candidates, LedgerError> {
        let item = self.table.get(&keys::correlation(key), keys::CORRELATION).await?;
        Ok(candidates_of(&item.unwrap_or_default()))
    }

    /// Notes that a document's id may be that of a request's signed file.
    async fn note_signed_file(&self, file: &Subject) -> Result<(), LedgerError> {
        self.table.update(&file.partition(), keys::STATE).set(attribute::SIGNED_FILE, true).send().await.map(drop)
    }

    /// Joins a signed file to its request. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to.
    pub async fn join(&self, request: &Subject, file: &Subject) -> Result<(), LedgerError> {
        let of_file = self.table.get(&file.partition(), keys::STATE).await?.unwrap_or_default();
        let update = self.table.update(&request.partition(), keys::STATE);
        update.add(attribute::SIGNED_FILES, one(file.id.as_str())).send().await?;
        self.pass_status_on(request, &of_file).await?;
        self.table
            .update(&file.partition(), keys::STATE)
            .set(attribute::REQUEST, request.id.as_str())
            .remove(INDEX_PARTITION_KEY)
            .remove(INDEX_SORT_KEY)
            .send()
            .await?;
        tracing::info!(event = "joined", provider = %request.provider, request = %request.id, file = %file.id);
        Ok(())
    }

    /// Brings a request's status up to its file's.
    async fn pass_status_on(&self, request: &Subject, of_file: &Item) -> Result<(), LedgerError> {
        let partition = request.partition();
        let reports = status::reports_of(of_file);
        if reports != Item::default() {
            self.table.remember(&partition, of_file.set(attribute::TERMINALS).to_vec(), reports).await?;
        }
        let Some(progress) = of_file.text(attribute::PROGRESS) else { return Ok(()) };
        let status = [
            attribute::STATUS,
            attribute::PROGRESS,
            attribute::TRUST,
            attribute::OCCURRED_AT,
            attribute::TIME_SOURCE,
            attribute::UPDATED_AT,
        ];
        let status = status.into_iter().filter_map(|name| Some((name, of_file.attribute(name)?.clone())));
        let listed = keys::listed_document(request, status::status_of(of_file), of_file.time(attribute::OCCURRED_AT)?);
        status
            .fold(self.table.update(&partition, keys::STATE), |update, (name, value)| update.set(name, Value(value)))
            .set_all(listed)
            .only_if("attribute_not_exists(#progress) OR #progress < ?", [progress.into()])
            .was_done()
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_reads_back() {
        let id = SubjectId::parse("R-1").unwrap();
        assert_eq!(candidate_text(&id, Some("7")), "R-1 7");
        assert_eq!(candidate_text(&id, None), "R-1 -");
        assert_eq!(parse_candidate("R-1 7"), Some(Candidate { id: id.clone(), mark: Some("7".to_owned()) }));
        assert_eq!(parse_candidate("R-1 -"), Some(Candidate { id, mark: None }));
        assert_eq!(parse_candidate("R-1"), None);
        assert_eq!(parse_candidate("a/b 7"), None);
    }
}
