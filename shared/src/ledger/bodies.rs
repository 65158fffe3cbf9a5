//! Bodies of requests: in the item while they are small, in the bucket when they are larger, and always with their hash.

use aws_lc_rs::digest;
use aws_sdk_s3::{operation::get_object::GetObjectError, primitives::ByteStream, types::ChecksumAlgorithm};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;

use super::{Item, Ledger, LedgerError};
use crate::{
    delivery::{DeliveryId, Envelope, Route},
    time,
};

/// Up to this size a body stands in its item: a PUT to S3 for every small callback would cost more than all the rest,
/// and an item over 400 KB isn't possible.
const MAX_INLINE_BODY: usize = 8 * 1024;

/// Where a large body is kept: by provider and day, so that people find it too.
pub(super) fn body_key(prefix: &str, route: Route, received_at: Timestamp, id: &DeliveryId) -> String {
    format!("{prefix}/{}/{}/{id}", route.provider(), &time::format(received_at)[..10])
}

/// What an item says of a request beside its body.
pub(super) fn envelope_of(item: &Item) -> Envelope {
    let headers = item.attribute("headers").and_then(|value| value.as_m().ok());
    let headers = headers.into_iter().flatten();
    Envelope {
        headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect(),
        event: item.text("event").map(str::to_owned),
    }
}

impl Ledger {
    /// Puts a body into its item, or into the bucket under `key`.
    pub(super) async fn with_body(&self, item: Item, key: &str, body: &Bytes) -> Result<Item, LedgerError> {
        let hash = digest::digest(&digest::SHA256, body);
        let item = item.with("size", body.len()).with("sha256", hex::encode(hash));
        if body.len() <= MAX_INLINE_BODY {
            return Ok(item.with("body", body.as_ref()));
        }
        self.put_object(key, body).await?;
        Ok(item.with("body_key", key))
    }

    /// The body of an item, which must be what its hash says.
    pub(super) async fn body_of(&self, item: &Item) -> Result<Bytes, LedgerError> {
        if item.text("forgotten_at").is_some() {
            return Err(LedgerError::Forgotten);
        }
        let body = match item.attribute("body").and_then(|value| value.as_b().ok()) {
            Some(body) => Bytes::copy_from_slice(body.as_ref()),
            None => self.get_object(item.need("body_key")?).await?.ok_or(LedgerError::BodyChanged)?,
        };
        let hash = hex::encode(digest::digest(&digest::SHA256, &body));
        if item.need("sha256")? == hash { Ok(body) } else { Err(LedgerError::BodyChanged) }
    }

    pub(super) async fn put_object(&self, key: &str, body: &Bytes) -> Result<(), LedgerError> {
        let hash = digest::digest(&digest::SHA256, body);
        self.s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/octet-stream")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(BASE64_STANDARD.encode(hash))
            .body(ByteStream::from(body.clone()))
            .send()
            .await
            .map(drop)
            .map_err(LedgerError::unavailable("PutObject"))
    }

    /// An object's bytes; `None` where there is none.
    pub(super) async fn get_object(&self, key: &str) -> Result<Option<Bytes>, LedgerError> {
        let object = match self.s3.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) if matches!(error.as_service_error(), Some(GetObjectError::NoSuchKey(_))) => return Ok(None),
            Err(error) => return Err(LedgerError::unavailable("GetObject")(error)),
        };
        let body = object.body.collect().await;
        let cut_off = |_| LedgerError::Unavailable { operation: "GetObject", code: "response_error".to_owned() };
        body.map(|body| Some(body.into_bytes())).map_err(cut_off)
    }
}
