//! Legalesign's callbacks as its documentation describes them, signed with the local stack's throw-away key.

use aws_lc_rs::hmac;
use countersign::domain::Route;
use jiff::Timestamp;
use openssl::error::ErrorStack;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{
    SERVICE,
    api::{local, signer_id},
};
use crate::simulator::{facts::Facts, signing::SigningKey};

pub use crate::simulator::callbacks::Post;

const FORM: &str = "application/x-www-form-urlencoded";

/// The group that documents belong to, unless a simulator is configured otherwise.
pub const GROUP: &str = "simulator";

fn form_post(route: Route, fields: &[(&str, &str)]) -> Post {
    let body = Serializer::new(String::new()).extend_pairs(fields).finish().into();
    Post { route, query: None, headers: vec![("content-type", FORM.to_owned())], body }
}

/// An entry of a batch: a status of a document or signer.
#[must_use]
pub fn status(kind: &str, id: &str, code: u32, at: Timestamp) -> Value {
    let uri = format!("/api/v1/{kind}/{id}/");
    json!({"timestamp": local(at), "name": "status", "value": code.to_string(), "resource_uri": uri})
}

/// A batch with this text as its `data`.
///
/// # Errors
/// When it can't be signed.
pub fn batch(key: &SigningKey, data: &str) -> Result<Post, ErrorStack> {
    Ok(form_post(Route::LegalesignBatch, &[("data", data), ("signed", &key.sign(data.as_bytes())?)]))
}

/// The realtime form about a document, unsigned.
#[must_use]
pub fn form(document: &str, group: &str) -> Post {
    let [uri, group, name] = fields(document, group);
    let fields = [("resource_uri", &*uri), ("group", &group), ("name", &name), ("uuid", document)];
    form_post(Route::LegalesignRealtime, &fields)
}

/// The realtime form about a document, with its fields repeated in the signed `json_signed`.
///
/// # Errors
/// When it can't be signed.
pub fn signed_form(key: &SigningKey, document: &str, group: &str) -> Result<Post, ErrorStack> {
    let [uri, group, name] = fields(document, group);
    let signed = json!({"resource_uri": uri, "group": group, "name": name, "uuid": document}).to_string();
    let fields =
        [("resource_uri", &*uri), ("group", &group), ("name", &name), ("uuid", document), ("json_signed", &signed)];
    let mut post = form_post(Route::LegalesignRealtime, &fields);
    post.headers.push(("x-signed", key.sign(signed.as_bytes())?));
    Ok(post)
}

fn fields(document: &str, group: &str) -> [String; 3] {
    let name = Facts::new(SERVICE, document).title().to_owned();
    [format!("/api/v1/document/{document}/"), format!("/api/v1/group/{group}/"), name]
}

/// The JSON webhook with this id and `event`, about a document and its signers.
#[must_use]
pub fn webhook(id: &str, event: &str, document: &str, group: &str, at: Timestamp) -> Post {
    let [uri, group_uri, name] = fields(document, group);
    let recipients = signers(document).into_iter().map(|signer| json!({"uuid": signer, "status": 40}));
    let body = json!({
        "version": "1",
        "id": id,
        "object": "document",
        "event": event,
        "created": at.as_second(),
        "data": {
            "uuid": document,
            "name": name,
            "group": group,
            "groupResourceUri": group_uri,
            "resourceUri": uri,
            "status": 30,
            "statusText": "Signed",
            "recipients": recipients.collect::<Vec<_>>(),
        },
    });
    Post::json(Route::LegalesignRealtime, &body)
}

/// A webhook with its HMAC under this key, encoded by `encode`. The encoding isn't documented.
#[must_use]
pub fn with_hmac(mut post: Post, key: &[u8], encode: impl Fn(&[u8]) -> String) -> Post {
    let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &post.body);
    post.headers.push(("x-hmac-sha256", encode(code.as_ref())));
    post
}

/// The ids of a document's signers.
#[must_use]
pub fn signers(document: &str) -> Vec<String> {
    let facts = Facts::new(SERVICE, document);
    (0..facts.parties().len()).map(|order| signer_id(&facts, order)).collect()
}
