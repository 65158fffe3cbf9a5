//! The list of documents. It contains only scripted documents ([`Simulator::document`](super::Simulator::document)),
//! because the unscripted ones are unlimited.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    SERVICE,
    api::{Document, authorised, code},
};
use crate::simulator::behaviour::{Answer, Subject};
use crate::simulator::call::{Call, plain};

/// `GET /document/?group=…`. Confirmed: `group` (a slug, or the group's URI), `modified_gt`, `created_gt`, `status`,
/// `limit`, `offset`, and `cache=1` in older versions, which changes nothing here.
pub(super) async fn documents(call: Call) -> Response {
    if !authorised(&call) {
        return plain(401);
    }
    match Filter::of(&call) {
        Ok(filter) => Json(list(&call, &filter)).into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

struct Filter {
    group: String,
    modified_gt: Option<Timestamp>,
    created_gt: Option<Timestamp>,
    status: Option<u64>,
    limit: usize,
    offset: usize,
}

impl Filter {
    fn of(call: &Call) -> Result<Self, &'static str> {
        let group = call.query("group").ok_or("group is required")?;
        let time = |field| call.query(field).map(moment).transpose();
        let number = |field| call.query(field).map(str::parse::<usize>).transpose();
        Ok(Self {
            group: group.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
            modified_gt: time("modified_gt").map_err(|()| "modified_gt is not a time")?,
            created_gt: time("created_gt").map_err(|()| "created_gt is not a time")?,
            status: call.query("status").map(str::parse).transpose().map_err(|_| "status is not a number")?,
            limit: number("limit").map_err(|_| "limit is not a number")?.unwrap_or(20).clamp(1, 1_000),
            offset: number("offset").map_err(|_| "offset is not a number")?.unwrap_or(0),
        })
    }

    fn matches(&self, document: &Document) -> bool {
        document.group == self.group
            && document.subject.answer != Some(Answer::Unknown)
            && self.modified_gt.is_none_or(|time| document.modified() > time)
            && self.created_gt.is_none_or(|time| document.created() > time)
            && self.status.is_none_or(|status| code(document.subject.status) == status)
    }
}

fn list(call: &Call, filter: &Filter) -> Value {
    let scripted: Vec<(String, Subject)> = {
        let state = call.simulator.state();
        let own = state.subjects.iter().filter(|((service, _), _)| *service == SERVICE);
        own.map(|((_, id), subject)| (id.clone(), subject.clone())).collect()
    };
    let known = scripted.into_iter().map(|(id, subject)| Document::new(&call.simulator, &id, subject));
    let mut documents: Vec<Document> = known.filter(|document| filter.matches(document)).collect();
    // The map is ordered by id. The sort is stable, so documents of the same second stay in that order.
    documents.sort_by_key(Document::modified);
    let (total, Filter { limit, offset, .. }) = (documents.len(), filter);
    let page = documents.iter().skip(*offset).take(*limit);
    let link = |offset: usize| format!("/api/v1/document/?group={}&limit={limit}&offset={offset}", filter.group);
    json!({
        "meta": {
            "limit": limit,
            "offset": offset,
            "total_count": total,
            "next": (offset + limit < total).then(|| link(offset + limit)),
            "previous": (*offset > 0).then(|| link(offset.saturating_sub(*limit))),
        },
        "objects": page.map(Document::to_json).collect::<Vec<_>>(),
    })
}

fn moment(text: &str) -> Result<Timestamp, ()> {
    let zoned = text.parse::<Timestamp>().ok();
    let local = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    zoned.or_else(|| local().map(|zoned| zoned.timestamp())).ok_or(())
}
