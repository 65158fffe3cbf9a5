//! Deliveries that DynamoDB couldn't take in time, from a provider that isn't known to send again: their exact bytes,
//! with envelope and proof, wait in the bucket until the sweep takes them in.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Ledger, LedgerError};
use crate::{
    delivery::{Envelope, Proof, Proven, Route},
    signature::Signers,
};

/// Where they wait. Lifecycle rules and permissions name it too.
const PREFIX: &str = "deliveries/pending/";

/// A delivery that waits in the bucket, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending(String);

/// A delivery as it waits: everything that makes it a [`Proven`] one again.
#[derive(Serialize, Deserialize)]
struct Parcel {
    id: String,
    route: String,
    received_at: Timestamp,
    headers: BTreeMap<String, String>,
    event: Option<String>,
    token: usize,
    body_token: Option<usize>,
    groups: Vec<String>,
    /// The certificate that proved it, which DynamoDB may not have either.
    pem: Option<String>,
    certificate: Option<String>,
    /// Base64: JSON holds no bytes.
    body: String,
}

impl Ledger {
    /// Puts a delivery that can't be accepted now where the sweep finds it. Asks nothing of DynamoDB.
    ///
    /// # Errors
    /// When S3 can't take it.
    pub async fn leave_pending(&self, delivery: &Proven) -> Result<(), LedgerError> {
        let (envelope, proof) = (delivery.envelope(), delivery.proof());
        let parcel = Parcel {
            id: delivery.id().to_string(),
            route: delivery.route().path().to_owned(),
            received_at: delivery.received_at(),
            headers: envelope.headers.clone(),
            event: envelope.event.clone(),
            token: proof.token,
            body_token: proof.body_token,
            groups: delivery.groups().to_vec(),
            pem: delivery.signer().map(|signer| signer.pem().to_owned()),
            certificate: proof.certificate.map(|certificate| certificate.to_string()),
            body: BASE64_STANDARD.encode(delivery.body()),
        };
        let parcel = serde_json::to_vec(&parcel).map_err(|_| LedgerError::Corrupt { attribute: "pending" })?;
        self.put_object(&format!("{PREFIX}{}", delivery.id()), &Bytes::from(parcel)).await
    }

    /// The deliveries that wait in the bucket, the oldest first.
    ///
    /// # Errors
    /// When S3 can't be asked.
    pub async fn pending(&self, limit: usize) -> Result<Vec<Pending>, LedgerError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX).min(1_000);
        let list = self.s3.list_objects_v2().bucket(&self.bucket).prefix(PREFIX).max_keys(limit).send().await;
        let list = list.map_err(LedgerError::unavailable("ListObjectsV2"))?;
        // Ids sort by time, and so do their keys.
        Ok(list.contents().iter().filter_map(|object| object.key().map(|key| Pending(key.to_owned()))).collect())
    }

    /// Accepts a delivery that waited in the bucket, and only then removes it there. `None` when somebody else has.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't do it, or the object isn't a delivery: it stays where it is.
    pub async fn accept_pending(&self, pending: &Pending) -> Result<Option<Proven>, LedgerError> {
        let Some(parcel) = self.get_object(&pending.0).await? else { return Ok(None) };
        let (delivery, pem) = unpack(&parcel).ok_or(LedgerError::Corrupt { attribute: "pending" })?;
        let (signers, _) = Signers::parse(pem.as_slice());
        for signer in signers.iter() {
            self.keep_certificate(signer, delivery.received_at()).await?;
        }
        self.accept(&delivery).await?;
        let removed = self.s3.delete_object().bucket(&self.bucket).key(&pending.0).send().await;
        removed.map_err(LedgerError::unavailable("DeleteObject"))?;
        Ok(Some(delivery))
    }
}

fn unpack(parcel: &[u8]) -> Option<(Proven, Option<String>)> {
    let parcel: Parcel = serde_json::from_slice(parcel).ok()?;
    let certificate = match parcel.certificate {
        Some(fingerprint) => Some(fingerprint.parse().ok()?),
        None => None,
    };
    let delivery = Proven::recorded(
        parcel.id.parse().ok()?,
        Route::from_path(&parcel.route)?,
        parcel.received_at,
        Envelope { headers: parcel.headers, event: parcel.event },
        BASE64_STANDARD.decode(parcel.body).ok()?.into(),
        Proof { token: parcel.token, certificate, body_token: parcel.body_token },
    );
    Some((delivery.wanting(parcel.groups), parcel.pem))
}
