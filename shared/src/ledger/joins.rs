//! Requests and their signed files: one thing under two ids.
//!
//! A service may call a finished request by the id of its signed file (SignEasy does, in some versions). Which request a
//! file is of has to be found out from what both name: the same recipients, or the same data of the sender. Callbacks
//! come in any order, so whichever of the two is second has to find the first.
//!
//! What could join them is a clue: a text that both sides name, with an item of its own (`CLUE#…`). Each event adds its
//! id to that item, on the side that it speaks of, and gets the whole item back by the same call. DynamoDB does
//! the updates of one item one after another, so of a request and a file that come at the same moment at least one sees
//! the other; and each has written its own status before. Everything is a set or takes the greater of two, so nothing
//! depends on the order, and doing it again changes nothing.
//!
//! To join is to give the request the file's status, to point from each to the other, and to take the file off the list
//! of documents. No event and no PDF moves: a request's timeline takes in its file's.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ReturnValue;

use super::{
    Item, Ledger, LedgerError, Timeline,
    index::{self, INDEX_PARTITION_KEY, INDEX_SORT_KEY},
    item::{Value, one},
    status,
    update::Updated,
};
use crate::{
    event::Kind,
    provider::Provider,
    subject::{Subject, SubjectId, SubjectKind},
};

const SORT: &str = "CLUE";

/// A clue that more ids of one side have than this joins nothing: it is the same for all of a sender's requests, say.
const MAX_MEMBERS: usize = 25;

/// What stands for a mark that isn't known.
const NO_MARK: &str = "-";

/// Which of the two an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A request.
    Request,
    /// A signed file, if it isn't a request's own id after all.
    File,
}

/// What requests and files may have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clue {
    /// The service.
    pub provider: Provider,
    /// What they share, fit for a key.
    pub key: String,
    /// What must not differ between them, where both know it.
    pub mark: Option<String>,
}

impl Clue {
    fn partition(&self) -> String {
        format!("CLUE#{}#{}", self.provider, self.key)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    id: SubjectId,
    mark: String,
}

impl Member {
    fn agrees_with(&self, other: &Self) -> bool {
        self.mark == other.mark || self.mark == NO_MARK || other.mark == NO_MARK
    }
}

/// All that bear a clue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearers {
    requests: Vec<Member>,
    files: Vec<Member>,
}

impl Bearers {
    fn read(item: &Item) -> Self {
        let members = |name| {
            let texts = item.attribute(name).and_then(|value| value.as_ss().ok());
            let members = texts.into_iter().flatten().filter_map(|text| {
                let (id, mark) = text.split_once(' ')?;
                Some(Member { id: SubjectId::parse(id).ok()?, mark: mark.to_owned() })
            });
            members.collect()
        };
        Self { requests: members("requests"), files: members("files") }
    }

    /// The requests that bear it.
    pub fn requests(&self) -> BTreeSet<&SubjectId> {
        self.requests.iter().map(|member| &member.id).collect()
    }

    /// Each file with a request that it may be of. A file that is known as a request has its request's id.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&SubjectId, &SubjectId)> {
        let requests = self.requests();
        let files = self.files.iter().filter(|file| !requests.contains(&file.id));
        let pairs = files.flat_map(|file| {
            let fitting = self.requests.iter().filter(|request| request.agrees_with(file));
            fitting.map(|request| (&file.id, &request.id))
        });
        pairs.collect()
    }

    fn is_full(&self) -> bool {
        self.requests.len().max(self.files.len()) >= MAX_MEMBERS
    }
}

impl Ledger {
    /// Notes that `id` bears a clue, and gives all that bear it; none once too many do.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn note_clue(&self, clue: &Clue, side: Side, id: &SubjectId) -> Result<Bearers, LedgerError> {
        let (own, other) = match side {
            Side::Request => ("requests", "files"),
            Side::File => ("files", "requests"),
        };
        let member = format!("{id} {}", clue.mark.as_deref().unwrap_or(NO_MARK));
        // Once it is full, nothing is written any more.
        let room = |name| format!("(attribute_not_exists(#{name}) OR size(#{name}) < ?)");
        let updated = self
            .update(&clue.partition(), SORT)
            .add(own, one(member))
            .only_if(&format!("{} AND {}", room(own), room(other)), [MAX_MEMBERS.into(), MAX_MEMBERS.into()])
            .returning(ReturnValue::AllNew)
            .send()
            .await?;
        let (Updated::Done(item) | Updated::Refused(item)) = updated;
        Ok(Some(Bearers::read(&item)).filter(|bearers| !bearers.is_full()).unwrap_or_default())
    }

    /// All that bear a clue.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn bearers(&self, clue: &Clue) -> Result<Bearers, LedgerError> {
        let item = self.get(&clue.partition(), SORT).await?.unwrap_or_default();
        Ok(Bearers::read(&item))
    }

    /// Notes that a document is known by what may be the id of a request's signed file.
    ///
    /// # Errors
    /// When DynamoDB can't take it.
    pub async fn note_signed_file(&self, file: &Subject) -> Result<(), LedgerError> {
        self.update(&file.partition(), status::SORT).set("signed_file", true).send().await.map(drop)
    }

    /// Joins a signed file to its request. Doing it again changes nothing.
    ///
    /// # Errors
    /// When DynamoDB can't be asked or written to.
    pub async fn join(&self, request: &Subject, file: &Subject) -> Result<(), LedgerError> {
        let of_file = self.get(&file.partition(), status::SORT).await?.unwrap_or_default();
        self.update(&request.partition(), status::SORT).add("signed_files", one(file.id.as_str())).send().await?;
        self.pass_status_on(request, &of_file).await?;
        self.update(&file.partition(), status::SORT)
            .set("request", request.id.as_str())
            .remove(INDEX_PARTITION_KEY)
            .remove(INDEX_SORT_KEY)
            .send()
            .await
            .map(drop)
    }

    /// Brings a request's status up to its file's.
    async fn pass_status_on(&self, request: &Subject, of_file: &Item) -> Result<(), LedgerError> {
        let partition = request.partition();
        let terminals = of_file.attribute("terminals").cloned();
        if let Some(terminals) = terminals {
            self.update(&partition, status::SORT).add("terminals", Value(terminals)).send().await?;
        }
        let Some(progress) = of_file.text("progress") else { return Ok(()) };
        let told = ["status", "progress", "trust", "occurred_at", "time_source", "updated_at"];
        let told = told.into_iter().filter_map(|name| Some((name, of_file.attribute(name)?.clone())));
        let listed =
            index::document(request, of_file.text("status").and_then(Kind::parse), of_file.time("occurred_at")?);
        told.fold(self.update(&partition, status::SORT), |update, (name, value)| update.set(name, Value(value)))
            .set_all(listed)
            .only_if("attribute_not_exists(#progress) OR #progress < ?", [progress.into()])
            .was_done()
            .await
            .map(drop)
    }

    /// Everything about one subject; `None` when nothing is known of it. A request's includes its signed file's.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn timeline(&self, subject: &Subject) -> Result<Option<Timeline>, LedgerError> {
        self.joined_timeline(subject, true).await
    }

    /// The same, if wanted without its signers.
    pub(super) async fn joined_timeline(
        &self,
        subject: &Subject,
        with_signers: bool,
    ) -> Result<Option<Timeline>, LedgerError> {
        let Some(mut timeline) = self.own_timeline(subject, with_signers).await? else { return Ok(None) };
        for id in timeline.document.signed_files.clone() {
            let id = SubjectId::parse(id).map_err(|_| LedgerError::Corrupt { attribute: "signed_files" })?;
            let file = Subject { provider: subject.provider, kind: SubjectKind::Document, id };
            if let Some(of_file) = self.own_timeline(&file, with_signers).await? {
                timeline.take_in(of_file);
            }
        }
        Ok(Some(timeline))
    }
}

impl Timeline {
    fn take_in(&mut self, file: Self) {
        let document = &mut self.document;
        let same_status = file.document.status == document.status;
        document.confirmed_at = document.confirmed_at.max(file.document.confirmed_at.filter(|_| same_status));
        document.archive = document.archive.take().or(file.document.archive);
        document.events += file.events.len();
        document.pdfs += file.pdfs.len();
        self.events.extend(file.events);
        self.events.sort_by(super::read::in_order);
        self.signers
            .extend(file.signers.into_iter().filter(|signer| !self.signers.contains(signer)).collect::<Vec<_>>());
        self.pdfs.extend(file.pdfs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(texts: &[(&str, &str)]) -> Vec<Member> {
        texts.iter().map(|(id, mark)| Member { id: SubjectId::parse(*id).unwrap(), mark: (*mark).to_owned() }).collect()
    }

    fn pairs(requests: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<(String, String)> {
        let bearers = Bearers { requests: members(requests), files: members(files) };
        bearers.pairs().into_iter().map(|(file, request)| (file.to_string(), request.to_string())).collect()
    }

    #[test]
    fn a_file_fits_requests_whose_marks_do_not_differ() {
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
    fn a_file_that_is_a_request_itself_is_its_own() {
        assert_eq!(pairs(&[("R", "7"), ("S", "7")], &[("S", "7")]), []);
    }
}
