//! `GET /document/?group=…`: the documents of a group that changed after a time, page by page. `group` is required;
//! `modified_gt`, `limit`, `offset` and `meta` are the specification's. `cache=1` is the first documentation's, for a first
//! full pass over a large group: "be sure to use the same limit value when iterating with increasing offset values".

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{
    super::{resource, time},
    Api,
    document::Document,
};
use crate::{
    domain::{SubjectId, SubjectKind, Unavailable},
    outbound::Client,
    providers::{Change, ChangesPage, ChangesQuery},
};

/// Maximum number of documents on a page. Keeps a page well under the largest response that is read.
const PAGE: u64 = 100;

impl Api {
    /// Queries one page of a group's changed documents; the feed's name is the group's slug.
    ///
    /// # Errors
    /// Why the API can't report.
    pub async fn changes(&self, client: &Client, query: ChangesQuery<'_>) -> Result<ChangesPage, Unavailable> {
        let ChangesQuery { feed: group, modified_after, offset } = query;
        let filter = match modified_after {
            // Times without a zone, as the service writes them.
            Some(at) => format!("modified_gt={}", at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S")),
            None => "cache=1".to_owned(),
        };
        let group = SubjectId::parse(group).map_err(|_| Unavailable::failed("invalid_group"))?;
        let path = format!("document/?group={group}&{filter}&limit={PAGE}&offset={offset}");
        let page = self.http.get_object(client, &path).await?;
        let objects = page["objects"].as_array().ok_or_else(|| Unavailable::failed("api_unexpected_answer"))?;
        let length = objects.len() as u64;
        let more = match (&page["meta"]["next"], page["meta"]["total_count"].as_u64()) {
            (_, Some(total)) => offset + length < total,
            (next, None) => !next.is_null(),
        };
        Ok(ChangesPage {
            documents: objects.iter().filter_map(|object| change(object, &self.zone)).collect(),
            length,
            more: more && length > 0,
        })
    }
}

fn change(object: &Value, zone: &TimeZone) -> Option<Change> {
    let by_uri = || resource::subject(object["resource_uri"].as_str()?);
    let by_uuid = || SubjectId::parse(object["uuid"].as_str()?).ok();
    let by_uri = by_uri().filter(|subject| subject.kind == SubjectKind::Document).map(|subject| subject.id);
    let subject = resource::of(SubjectKind::Document, by_uri.or_else(by_uuid)?);
    let inspection = Document::read(object).inspection(&subject);
    let modified = object["modified"].as_str().and_then(|modified| time::parse(modified, zone));
    Some(Change { inspection, modified: modified.map(|time| (time.at, time.source)), subject })
}
