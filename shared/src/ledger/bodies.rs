//! Bodies of requests: in the item while they are small, in the bucket when they are larger, and always with their hash.

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;

use super::{
    Item,
    keys::{self, attribute},
    table::Objects,
};
use crate::domain::{DeliveryId, Envelope, LedgerError, Route};

/// The longest body that is stored in its item, in bytes. A PUT to S3 for every small callback would cost more than
/// everything else, and DynamoDB's limit for an item is 400 KB.
const MAX_INLINE_BODY: usize = 8 * 1024;

/// The object key of a large body: by provider and day, so that people find it, too.
pub(super) fn body_key(prefix: &str, route: Route, received_at: Timestamp, id: &DeliveryId) -> String {
    format!("{prefix}/{}/{}/{id}", route.provider(), keys::day(received_at))
}

/// The stored headers and query of a request.
pub(super) fn envelope_of(item: &Item) -> Envelope {
    let headers = item.attribute(attribute::HEADERS).and_then(|value| value.as_m().ok());
    let headers = headers.into_iter().flatten();
    Envelope {
        headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect(),
        event: item.text(attribute::EVENT).map(str::to_owned),
    }
}

impl Objects {
    /// Adds a body to its item, or puts it into the bucket under `key`.
    pub(super) async fn with_body(&self, item: Item, key: &str, body: &Bytes) -> Result<Item, LedgerError> {
        let hash = digest::digest(&digest::SHA256, body);
        let item = item.with(attribute::SIZE, body.len()).with(attribute::SHA256, hex::encode(hash));
        if body.len() <= MAX_INLINE_BODY {
            return Ok(item.with(attribute::BODY, body.as_ref()));
        }
        self.put(key, body).await?;
        Ok(item.with(attribute::BODY_KEY, key))
    }

    /// The body of an item, checked against its hash.
    pub(super) async fn body_of(&self, item: &Item) -> Result<Bytes, LedgerError> {
        if item.text(attribute::FORGOTTEN_AT).is_some() {
            return Err(LedgerError::Forgotten);
        }
        let body = match item.attribute(attribute::BODY).and_then(|value| value.as_b().ok()) {
            Some(body) => Bytes::copy_from_slice(body.as_ref()),
            None => self.get(item.need(attribute::BODY_KEY)?).await?.ok_or(LedgerError::BodyChanged)?,
        };
        let hash = hex::encode(digest::digest(&digest::SHA256, &body));
        if item.need(attribute::SHA256)? == hash { Ok(body) } else { Err(LedgerError::BodyChanged) }
    }
}
