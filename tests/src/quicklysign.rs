//! QuicklySign's callbacks.

use countersign::domain::{Provider, Route, Subject, SubjectKind};
use serde_json::json;

use crate::{Answer, LocalStack, harness::requests::gateway_request, subject};

impl LocalStack {
    /// Posts a callback about a pack.
    pub async fn post_quicklysign(&self, event: &str, pack: &str) -> Answer {
        self.post(Route::Quicklysign, "application/json", body(event, pack)).await
    }
}

/// A pack.
#[must_use]
pub fn pack(id: &str) -> Subject {
    subject(Provider::Quicklysign, SubjectKind::DocumentPack, id)
}

/// The body of a callback about a pack.
#[must_use]
pub fn body(event: &str, pack: &str) -> String {
    json!({"webhook_key": "key", "entity_type": "Document", "entity_key": pack, "callback_event": event}).to_string()
}

/// A callback's request to a function, with JSON's content type.
#[must_use]
pub fn request(token: &str, body: impl AsRef<[u8]>) -> http::Request<bytes::Bytes> {
    let headers = [("content-type", "application/json")];
    gateway_request(Route::Quicklysign, token, None, &headers, body.as_ref())
}
