//! Aliases: one document under two ids, that of the request and that of its signed file.
//!
//! A service may report a finished request under the id of its signed file (SignEasy does, in some versions). Which
//! request a file belongs to follows from values that both name: the same recipients, or the same data of the sender.
//! Callbacks come in any order, so whichever of the two is second has to find the first.
//!
//! Each such value is a correlation key, with an item of its own (`CLUE#…`), which has the ids that were seen with it, on
//! the request's and on the file's side. What they share is a hint and not more: whether another request shares it as well
//! may become known later. So callbacks join nothing. The API decides: the file's archive worker queries which of the
//! requests became this file, and joins it to that one.
//!
//! The worker has to run after both ids are known, whichever is second. A file's id is added to its keys before its archive
//! job is made due, so a later request finds it there and makes the job due again. An earlier request is there when the
//! worker reads the keys. DynamoDB serializes the updates of one item, so this is certain if both arrive at the same moment.
//! The requests that a file may belong to are noted with it (`candidates`) until it is joined: with more than one, the
//! join is ambiguous until the API answers.
//!
//! To join means to give the request the file's status, to point from each to the other, and to take the file off the
//! list of documents. No event and no PDF moves: a request's timeline includes its file's. The file's pointer is written
//! last and returns the file's item. So the request has every status of the file that was stored before the pointer; whoever
//! stores a later one gets the pointer back, and passes the status on. Each write adds to a set or takes the greater of
//! two values, so the order doesn't matter and repeating is safe.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::ReturnValue;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    Item, Ledger,
    keys::{self, INDEX_PARTITION_KEY, INDEX_SORT_KEY, attribute},
    status,
    table::{CONCURRENT, Updated, Value, one},
};
use crate::domain::{Candidate, Candidates, Correlation, CorrelationKey, LedgerError, Side, Subject, SubjectId};

/// Maximum number of ids on each side of a correlation key. A key with more joins nothing: for example, a sender may use
/// the same value for all requests.
const MAX_CANDIDATES: usize = 25;

/// Stands for a missing mark.
const NO_MARK: &str = "-";

/// Writes a candidate as it is stored: `<id> <mark>`.
fn candidate_text(candidate: &Candidate) -> String {
    format!("{} {}", candidate.id, candidate.mark.as_deref().unwrap_or(NO_MARK))
}

/// Parses [`candidate_text`].
fn parse_candidate(text: &str) -> Option<Candidate> {
    let (id, mark) = text.split_once(' ')?;
    Some(Candidate { id: SubjectId::parse(id).ok()?, mark: Some(mark.to_owned()).filter(|mark| mark != NO_MARK) })
}

fn own_candidate(correlation: &Correlation, key: &CorrelationKey) -> Candidate {
    Candidate { id: correlation.subject.id.clone(), mark: key.mark.clone() }
}

fn candidates_of(item: &Item) -> Candidates {
    let candidates = |name| item.set(name).iter().filter_map(|text| parse_candidate(text)).collect();
    Candidates { requests: candidates(attribute::REQUESTS), files: candidates("files") }
}

/// The candidates, or none if there are too many.
fn usable(candidates: Candidates) -> Candidates {
    let is_full = candidates.requests.len().max(candidates.files.len()) >= MAX_CANDIDATES;
    if is_full { Candidates::default() } else { candidates }
}

/// What a delivery's events contribute to the correlation of their subjects, with what is known of each key.
#[derive(Debug, Default)]
pub struct Clues<'a>(Vec<Clue<'a>>);

#[derive(Debug)]
struct Clue<'a> {
    correlation: &'a Correlation,
    key: &'a CorrelationKey,
    known: Candidates,
}

impl Clues<'_> {
    /// The requests that each signed file may belong to.
    #[must_use]
    pub fn candidates(&self) -> BTreeMap<Subject, BTreeSet<SubjectId>> {
        let mut requests: BTreeMap<Subject, BTreeSet<SubjectId>> = BTreeMap::new();
        for Clue { correlation: Correlation { subject, side, .. }, known, .. } in &self.0 {
            let pairs = known.pairs().into_iter().filter(|(file, _)| *side == Side::File && **file == subject.id);
            for (_, request) in pairs {
                requests.entry(subject.clone()).or_default().insert(request.clone());
            }
        }
        for (file, requests) in &requests {
            report_ambiguity(file, requests.len());
        }
        requests
    }
}

/// A request and a signed file that may belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    request: SubjectId,
    file: Subject,
}

/// Logs that a file may belong to more than one request.
fn report_ambiguity(file: &Subject, requests: usize) {
    if requests > 1 {
        tracing::warn!(event = "join_ambiguous", provider = %file.provider, file = %file.id, requests);
    }
}

impl Ledger {
    /// The first of three steps that lead to a join: adds the ids of signed files to their keys, and reads what is known of
    /// the keys of requests. Doing all of them again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to.
    pub async fn clues<'a>(&self, correlations: &'a [Correlation]) -> Result<Clues<'a>, LedgerError> {
        let pairs = correlations.iter().flat_map(|each| each.keys.iter().map(move |key| (each, key)));
        let pairs: Vec<_> = pairs.collect();
        let reads = (0..pairs.len()).map(|index| {
            let (correlation, key) = pairs[index];
            async move {
                match correlation.side {
                    Side::File => self.note_candidate(correlation, key).await,
                    Side::Request => self.candidates(key).await,
                }
            }
        });
        let known: Vec<Candidates> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
        let clue = |((correlation, key), known)| Clue { correlation, key, known };
        Ok(Clues(pairs.into_iter().zip(known).map(clue).collect()))
    }

    /// The second step: adds the ids of requests to the keys that don't have them yet, and returns the files that may be
    /// theirs.
    ///
    /// # Errors
    /// When DynamoDB can't be written to; repeating the call is safe.
    pub async fn note_clues(&self, clues: Clues<'_>) -> Result<BTreeSet<Match>, LedgerError> {
        let clues: Vec<_> = clues.0.into_iter().filter(|clue| clue.correlation.side == Side::Request).collect();
        let notes = (0..clues.len()).map(|index| self.note_request(&clues[index]));
        let candidates: Vec<Candidates> = stream::iter(notes).buffered(CONCURRENT).try_collect().await?;
        let mut matches = BTreeSet::new();
        for (clue, candidates) in clues.iter().zip(&candidates) {
            let subject = &clue.correlation.subject;
            let pairs = candidates.pairs().into_iter().filter(|(_, request)| **request == subject.id);
            matches.extend(pairs.map(|(file, request)| Match {
                request: request.clone(),
                file: Subject { id: file.clone(), ..subject.clone() },
            }));
        }
        Ok(matches)
    }

    /// The last step: for each file that isn't joined, has the API queried for its request.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to; repeating the call is safe.
    pub async fn query_requests(&self, matches: &BTreeSet<Match>) -> Result<(), LedgerError> {
        for Match { request, file } in matches {
            self.query_request(request, file).await?;
        }
        Ok(())
    }

    async fn query_request(&self, request: &SubjectId, file: &Subject) -> Result<(), LedgerError> {
        let partition = file.partition();
        let state = self.table.get(&partition, keys::STATE).await?.unwrap_or_default();
        if state.text(attribute::REQUEST).is_some() {
            return Ok(());
        }
        self.query_again(file, request).await?;
        if state.set_has(attribute::CANDIDATES, request.as_str()) {
            return Ok(());
        }
        let update = self.table.update(&partition, keys::STATE).add(attribute::CANDIDATES, one(request.as_str()));
        let (Updated::Done(state) | Updated::ConditionFailed(state)) =
            update.returning(ReturnValue::AllNew).send().await?;
        report_ambiguity(file, state.set_size(attribute::CANDIDATES));
        Ok(())
    }

    /// Adds a request's id to a correlation key, unless it is there, and returns all of its ids.
    async fn note_request(&self, clue: &Clue<'_>) -> Result<Candidates, LedgerError> {
        let Clue { correlation, key, known } = clue;
        if known.requests.contains(&own_candidate(correlation, key)) {
            return Ok(usable(known.clone()));
        }
        self.note_candidate(correlation, key).await
    }

    /// Adds a subject's id to a correlation key, and returns all of its ids; none once there are too many.
    async fn note_candidate(&self, correlation: &Correlation, key: &CorrelationKey) -> Result<Candidates, LedgerError> {
        let (name, other) = match correlation.side {
            Side::Request => (attribute::REQUESTS, "files"),
            Side::File => ("files", attribute::REQUESTS),
        };
        // Once it is full, nothing is written any more.
        let has_room = |name| format!("(attribute_not_exists(#{name}) OR size(#{name}) < ?)");
        let updated = self
            .table
            .update(&keys::correlation(key), keys::CORRELATION)
            .add(name, one(candidate_text(&own_candidate(correlation, key))))
            .only_if(
                &format!("{} AND {}", has_room(name), has_room(other)),
                [MAX_CANDIDATES.into(), MAX_CANDIDATES.into()],
            )
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        let (Updated::Done(item) | Updated::ConditionFailed(item)) = updated;
        Ok(usable(candidates_of(&item)))
    }

    /// The ids that were seen with a correlation key.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn candidates(&self, key: &CorrelationKey) -> Result<Candidates, LedgerError> {
        let item = self.table.get(&keys::correlation(key), keys::CORRELATION).await?;
        Ok(candidates_of(&item.unwrap_or_default()))
    }

    /// Joins a signed file to its request. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be read or written to; repeating the call is safe.
    pub async fn join(&self, request: &Subject, file: &Subject) -> Result<(), LedgerError> {
        let before = self.table.get(&file.partition(), keys::STATE).await?.unwrap_or_default();
        if before.text(attribute::REQUEST) == Some(request.id.as_str()) {
            return self.follow_joined(file, &before).await;
        }
        let update = self.table.update(&request.partition(), keys::STATE);
        update.add(attribute::SIGNED_FILES, one(file.id.as_str())).send().await?;
        self.pass_status_on(request, &before).await?;
        let pointed = self
            .table
            .update(&file.partition(), keys::STATE)
            .set(attribute::REQUEST, request.id.as_str())
            .remove(attribute::CANDIDATES)
            .remove(INDEX_PARTITION_KEY)
            .remove(INDEX_SORT_KEY)
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        let (Updated::Done(after) | Updated::ConditionFailed(after)) = pointed;
        let is_as_before = before.text(attribute::PROGRESS) == after.text(attribute::PROGRESS)
            && status::reports_of(&before) == status::reports_of(&after);
        if !is_as_before {
            self.pass_status_on(request, &after).await?;
        }
        tracing::info!(event = "joined", provider = %request.provider, request = %request.id, file = %file.id);
        Ok(())
    }

    /// Passes the status of a signed file on to its request, if it was joined to one, and keeps the file off the list.
    /// `state` is the file's `STATE` item.
    pub(super) async fn follow_joined(&self, file: &Subject, state: &Item) -> Result<(), LedgerError> {
        let Some(request) = state.text(attribute::REQUEST) else { return Ok(()) };
        let id = SubjectId::parse(request).map_err(|_| LedgerError::Corrupt { attribute: attribute::REQUEST })?;
        self.pass_status_on(&Subject { id, ..file.clone() }, state).await?;
        if state.text(INDEX_PARTITION_KEY).is_none() {
            return Ok(());
        }
        let update = self.table.update(&file.partition(), keys::STATE);
        update.remove(INDEX_PARTITION_KEY).remove(INDEX_SORT_KEY).send().await.map(drop)
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
        // An event without a rank gives no status.
        let Some(occurred_at) = of_file.optional_time(attribute::OCCURRED_AT) else { return Ok(()) };
        let listed = keys::listed_document(request, status::status_of(of_file), occurred_at);
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
        for (mark, text) in [(Some("7".to_owned()), "R-1 7"), (None, "R-1 -")] {
            let candidate = Candidate { id: id.clone(), mark };
            assert_eq!(candidate_text(&candidate), text);
            assert_eq!(parse_candidate(text), Some(candidate));
        }
        assert_eq!(parse_candidate("R-1"), None);
        assert_eq!(parse_candidate("a/b 7"), None);
    }
}
