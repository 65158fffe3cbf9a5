//! What the API's answers say. Their fields are those of the callbacks, and drift like them.

use http::StatusCode;
use serde_json::Value;

use super::Miss;
use crate::{
    archive::Obstacle,
    event::Kind,
    intake::Link,
    provider::Provider,
    providers::signeasy::payload::id,
    subject::{Subject, SubjectId, SubjectKind},
};

/// So many recipients are taken over.
const MAX_RECIPIENTS: usize = 200;

/// What the API said of one request. What it doesn't know is `None`.
#[derive(Debug)]
pub(super) struct Found {
    /// `rs/envelope/{request}`
    pub(super) envelope: Option<Value>,
    /// `rs/envelope/signed/pending/{request}`
    pub(super) signed: Option<Value>,
    /// `rs/envelope/signed/{file}`
    pub(super) by_file: Option<Value>,
    /// How it last said that it doesn't know.
    pub(super) unknown: StatusCode,
}

impl Default for Found {
    fn default() -> Self {
        Self { envelope: None, signed: None, by_file: None, unknown: StatusCode::NOT_FOUND }
    }
}

impl Found {
    /// Tells what the API doesn't know from what it can't say.
    pub(super) fn note(&mut self, answer: Result<Value, Miss>) -> Result<Option<Value>, Miss> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Miss::Unknown(status)) => {
                self.unknown = status;
                Ok(None)
            }
            Err(miss) => Err(miss),
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.answers().next().is_none()
    }

    fn answers(&self) -> impl Iterator<Item = &Value> {
        [&self.envelope, &self.signed, &self.by_file].into_iter().flatten()
    }

    /// The id of the file that the request became.
    pub(super) fn file_id(&self) -> Option<SubjectId> {
        SubjectId::parse(id(&self.signed.as_ref()?["id"])?).ok()
    }

    /// The request's status; `sent` for one that isn't finished.
    pub(super) fn status(&self) -> Option<Kind> {
        self.answers().find_map(status)
    }

    /// Who signs it, and how far each has come.
    pub(super) fn signers(&self, document: &Subject) -> Vec<(Link, Option<Kind>)> {
        let recipients = self.answers().find_map(|answer| answer["recipients"].as_array());
        let link = |recipient: &Value| {
            let id = SubjectId::parse(id(&recipient["recipient_id"])?).ok()?;
            let signer = Subject { provider: Provider::Signeasy, kind: SubjectKind::Signer, id };
            Some((Link { signer, document: document.clone() }, recipient_status(recipient)))
        };
        recipients.into_iter().flatten().take(MAX_RECIPIENTS).filter_map(link).collect()
    }
}

/// A request's status. `complete` was seen in callbacks about declined requests, so the recipients count as well.
fn status(answer: &Value) -> Option<Kind> {
    let recipients = answer["recipients"].as_array().into_iter().flatten();
    let declined = recipients.map(recipient_status).any(|status| status == Some(Kind::Declined));
    match answer["status"].as_str()? {
        "complete" if declined => Some(Kind::Declined),
        "complete" => Some(Kind::Completed),
        "incomplete" => Some(Kind::Sent),
        "recipient_declined" => Some(Kind::Declined),
        "canceled" => Some(Kind::Voided),
        // Not documented: the word for what the event rs.expired tells.
        "expired" => Some(Kind::Expired),
        _ => None,
    }
}

fn recipient_status(recipient: &Value) -> Option<Kind> {
    match recipient["status"].as_str()? {
        "not_viewed" => Some(Kind::Sent),
        "viewed" => Some(Kind::Viewed),
        // `complete` is version 1's.
        "finalized" | "complete" => Some(Kind::Signed),
        "declined" => Some(Kind::Declined),
        _ => None,
    }
}

impl From<Obstacle> for Miss {
    fn from(obstacle: Obstacle) -> Self {
        Self::Obstacle(obstacle)
    }
}
