//! `GET /document/?group=…`: what changed since a time, page by page. `group` is required; `modified_gt`, `limit`,
//! `offset` and `meta` are the specification's. `cache=1` is the first documentation's, for a first full pass over a
//! large group: "be sure to use the same limit value when iterating with increasing offset values".

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{
    super::{resource, time},
    Api, Document,
};
use crate::{
    archive::{Inspection, Obstacle},
    event::TimeSource,
    subject::{Subject, SubjectId, SubjectKind},
};

/// Documents a page. A page stays well under the largest answer that is read.
pub const PAGE: u64 = 100;

/// Which documents are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The group's slug.
    pub group: &'a str,
    /// Only what was modified after this; everything, where there is none.
    pub modified_after: Option<Timestamp>,
    /// How many to leave out.
    pub offset: u64,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// The documents whose id can be read.
    pub documents: Vec<Listed>,
    /// How many it has, unreadable ones included.
    pub length: u64,
    /// Whether more follow.
    pub more: bool,
}

/// A document in a list.
#[derive(Debug)]
pub struct Listed {
    /// The document.
    pub subject: Subject,
    /// What the list says of it: everything but its files.
    pub inspection: Inspection,
    /// When it was last modified.
    pub modified: Option<(Timestamp, TimeSource)>,
}

impl Api {
    /// Asks for a page of a group's documents.
    ///
    /// # Errors
    /// Why the API can't say.
    pub async fn list(&self, query: Query<'_>) -> Result<Page, Obstacle> {
        let Query { group, modified_after, offset } = query;
        let which = match modified_after {
            // Times without a zone, as the service writes them.
            Some(at) => format!("modified_gt={}", at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S")),
            None => "cache=1".to_owned(),
        };
        let group = SubjectId::parse(group).map_err(|_| Obstacle::failed("invalid_group"))?;
        let path = format!("document/?group={group}&{which}&limit={PAGE}&offset={offset}");
        let (answer, _) = self.get_authorized(&path).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| Obstacle::failed("api_not_json"))?;
        let objects = answer["objects"].as_array().ok_or_else(|| Obstacle::failed("api_unexpected_answer"))?;
        let length = objects.len() as u64;
        let more = match (&answer["meta"]["next"], answer["meta"]["total_count"].as_u64()) {
            (_, Some(total)) => offset + length < total,
            (next, None) => !next.is_null(),
        };
        Ok(Page { documents: objects.iter().filter_map(listed).collect(), length, more: more && length > 0 })
    }
}

fn listed(object: &Value) -> Option<Listed> {
    let by_uri = || resource::subject(object["resource_uri"].as_str()?);
    let by_uuid = || SubjectId::parse(object["uuid"].as_str()?).ok();
    let by_uri = by_uri().filter(|subject| subject.kind == SubjectKind::Document).map(|subject| subject.id);
    let subject = resource::of(SubjectKind::Document, by_uri.or_else(by_uuid)?);
    let inspection = Document::read(object).inspection(&subject);
    Some(Listed { inspection, modified: object["modified"].as_str().and_then(time::parse), subject })
}
