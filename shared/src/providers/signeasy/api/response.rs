//! The API's responses. Their fields are those of the callbacks, and their types vary in the same way.

use http::StatusCode;
use serde_json::Value;

use super::Miss;
use crate::{
    domain::{Kind, Link, Provider, Subject, SubjectId, SubjectKind},
    providers::signeasy::payload::{MAX_RECIPIENTS, id, recipient_status},
};

/// The responses about one request; `None` where the API doesn't know it.
#[derive(Debug)]
pub(super) struct Responses {
    /// `rs/envelope/{request}`
    pub(super) envelope: Option<Value>,
    /// `rs/envelope/signed/pending/{request}`
    pub(super) signed: Option<Value>,
    /// `rs/envelope/signed/{file}`
    pub(super) by_file: Option<Value>,
    /// The status of the endpoints that returned nothing: 404, unless one had another.
    pub(super) nothing: StatusCode,
}

impl Default for Responses {
    fn default() -> Self {
        Self { envelope: None, signed: None, by_file: None, nothing: StatusCode::NOT_FOUND }
    }
}

impl Responses {
    /// The response; `None` if the endpoint returned nothing. Keeps the status of that: a 403 rather than another one,
    /// any other rather than 404.
    pub(super) fn known(&mut self, response: Result<Value, Miss>) -> Result<Option<Value>, Miss> {
        match response {
            Ok(response) => Ok(Some(response)),
            Err(Miss::Nothing(status)) => {
                if self.nothing == StatusCode::NOT_FOUND || status == StatusCode::FORBIDDEN {
                    self.nothing = status;
                }
                Ok(None)
            }
            Err(miss) => Err(miss),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        [&self.envelope, &self.signed, &self.by_file].into_iter().flatten()
    }

    /// The id of the file that the request became.
    pub(super) fn file_id(&self) -> Option<SubjectId> {
        SubjectId::parse(id(&self.signed.as_ref()?["id"])?).ok()
    }

    /// The request's status; `sent` for one that isn't finished.
    pub(super) fn status(&self) -> Option<Kind> {
        self.all().find_map(status)
    }

    /// What the sender called the document.
    pub(super) fn name(&self) -> Option<&str> {
        self.all().find_map(|response| response["name"].as_str())
    }

    /// The request's recipients, with the status of each.
    pub(super) fn signers(&self, document: &Subject) -> Vec<(Link, Option<Kind>)> {
        let recipients = self.all().find_map(|response| response["recipients"].as_array());
        let link = |recipient: &Value| {
            let id = SubjectId::parse(id(&recipient["recipient_id"])?).ok()?;
            let signer = Subject { provider: Provider::Signeasy, kind: SubjectKind::Signer, id };
            Some((Link { signer, document: document.clone() }, recipient_status(recipient)))
        };
        recipients.into_iter().flatten().take(MAX_RECIPIENTS).filter_map(link).collect()
    }
}

/// A request's status. Callbacks about declined requests had `complete`, so the recipients count as well.
fn status(response: &Value) -> Option<Kind> {
    let recipients = response["recipients"].as_array().into_iter().flatten();
    let declined = recipients.map(recipient_status).any(|status| status == Some(Kind::Declined));
    match response["status"].as_str()? {
        "complete" if declined => Some(Kind::Declined),
        "complete" => Some(Kind::Completed),
        "incomplete" => Some(Kind::Sent),
        "recipient_declined" => Some(Kind::Declined),
        "canceled" => Some(Kind::Voided),
        // Not documented; named like the event rs.expired.
        "expired" => Some(Kind::Expired),
        _ => None,
    }
}
