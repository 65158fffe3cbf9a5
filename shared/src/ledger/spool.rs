//! The spool: deliveries that DynamoDB couldn't accept in time, from a provider that isn't known to send again. Their exact
//! bytes, with envelope, proof and policy, wait in the temporary bucket until the sweep accepts them.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Erased, Ledger};
use crate::{
    domain::{DeliveryId, Envelope, LedgerError, Policy, Proof, Proven, Route, SubscriptionPolicy, Trust},
    proof::signature::Signer,
};

/// The prefix of their keys. Lifecycle rules and permissions name it, too.
const PREFIX: &str = "pending/";

/// A spooled delivery, by its key in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled(String);

/// The stored form of a spooled delivery: everything that makes it a [`Proven`] one again.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    route: String,
    received_at: Timestamp,
    headers: BTreeMap<String, String>,
    event: Option<String>,
    /// How it was proven. Missing in what older versions spooled: then the certificate tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
    token: usize,
    body_token: Option<usize>,
    groups: Vec<String>,
    /// [`SubscriptionPolicy::as_str`]. Missing in what older versions spooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_subscription: Option<String>,
    /// The certificate that proved it, which DynamoDB may not have either.
    pem: Option<String>,
    certificate: Option<String>,
    /// Which part was signed, if the body can be read in several ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_part: Option<String>,
    /// The certificate's validity. Missing in what older versions spooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    validity: Option<(Timestamp, Timestamp)>,
    /// Base64, since JSON can't hold bytes.
    body: String,
}

impl Ledger {
    /// Puts a delivery that can't be accepted now into the bucket, for the sweep. Doesn't call DynamoDB.
    ///
    /// # Errors
    /// When S3 can't be written to.
    pub async fn spool(&self, delivery: &Proven) -> Result<(), LedgerError> {
        let stored = serde_json::to_vec(&store(delivery)).map_err(|_| LedgerError::Corrupt { attribute: "pending" })?;
        self.temporary.put(&format!("{PREFIX}{}", delivery.id()), &Bytes::from(stored)).await
    }

    /// The spooled deliveries, the oldest first; at most `limit`, and at most 1,000.
    ///
    /// # Errors
    /// When S3 can't be read.
    pub async fn spooled(&self, limit: usize) -> Result<Vec<Spooled>, LedgerError> {
        // Ids sort by time, and so do their keys.
        Ok(self.temporary.list(PREFIX, limit).await?.into_iter().map(Spooled).collect())
    }

    /// Accepts a spooled delivery, and only then removes it from the bucket. `None` if another process has done so.
    ///
    /// # Errors
    /// When DynamoDB or S3 can't be read or written to, or the object isn't a delivery. The object stays in the bucket.
    pub async fn accept_spooled(&self, spooled: &Spooled) -> Result<Option<Proven>, LedgerError> {
        let Some(stored) = self.temporary.get(&spooled.0).await? else { return Ok(None) };
        let (delivery, signer) = restore(&stored).ok_or(LedgerError::Corrupt { attribute: "pending" })?;
        if let Some(signer) = signer {
            self.keep_certificate(&signer, delivery.received_at()).await?;
        }
        self.accept(&delivery).await?;
        self.temporary.delete(&spooled.0).await?;
        Ok(Some(delivery))
    }

    /// Erases a spooled delivery.
    pub(super) async fn erase_spooled(&self, id: &DeliveryId) -> Result<Erased, LedgerError> {
        self.temporary.delete_versions(&format!("{PREFIX}{id}")).await.map(Erased::from)
    }
}

fn store(delivery: &Proven) -> Stored {
    let (envelope, proof, policy) = (delivery.envelope(), delivery.proof(), delivery.policy());
    let signer = delivery.signer();
    Stored {
        id: delivery.id().to_string(),
        route: delivery.route().path().to_owned(),
        received_at: delivery.received_at(),
        headers: envelope.headers.clone(),
        event: envelope.event.clone(),
        trust: Some(proof.trust),
        token: proof.token,
        body_token: proof.body_token,
        groups: policy.groups.clone(),
        unknown_subscription: policy.subscription.as_str().map(str::to_owned),
        pem: signer.map(|signer| signer.pem().to_owned()),
        certificate: proof.certificate.map(|certificate| certificate.to_string()),
        signed_part: proof.part.map(|part| part.to_string()),
        validity: signer.and_then(|signer| signer.not_before().zip(signer.not_after())),
        body: BASE64_STANDARD.encode(delivery.body()),
    }
}

/// The delivery, and the certificate or key that proved it.
fn restore(stored: &[u8]) -> Option<(Proven, Option<Signer>)> {
    let stored: Stored = serde_json::from_slice(stored).ok()?;
    let certificate = match stored.certificate {
        Some(fingerprint) => Some(fingerprint.parse().ok()?),
        None => None,
    };
    let part = match stored.signed_part {
        Some(id) => Some(id.parse().ok()?),
        None => None,
    };
    let by_certificate = if certificate.is_some() { Trust::Signature } else { Trust::Token };
    let trust = stored.trust.unwrap_or(by_certificate);
    let delivery = Proven::recorded(
        stored.id.parse().ok()?,
        Route::from_path(&stored.route)?,
        stored.received_at,
        Envelope { headers: stored.headers, event: stored.event },
        BASE64_STANDARD.decode(stored.body).ok()?.into(),
        Proof { trust, token: stored.token, certificate, part, body_token: stored.body_token },
        Policy {
            groups: stored.groups,
            subscription: SubscriptionPolicy::parse(stored.unknown_subscription.as_deref()),
        },
    );
    let signer = certificate.zip(stored.pem).map(|(fingerprint, pem)| Signer::new(fingerprint, pem, stored.validity));
    Some((delivery, signer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SignedPart;

    fn part() -> SignedPart {
        SignedPart { message: Bytes::from_static(b"[]"), signature: Bytes::from_static(b"AAAA") }
    }

    fn delivery(policy: Policy) -> Proven {
        Proven::recorded(
            "019abcde-0000-7000-8000-000000000000".parse().unwrap(),
            Route::Quicklysign,
            "2026-11-22T02:27:06.123Z".parse().unwrap(),
            Envelope::default(),
            Bytes::from_static(b"body"),
            Proof {
                trust: Trust::EventHash,
                token: 1,
                certificate: None,
                part: Some(part().id()),
                body_token: Some(0),
            },
            policy,
        )
    }

    #[test]
    fn a_spooled_delivery_keeps_its_policy_and_which_part_was_proven() {
        for subscription in [SubscriptionPolicy::Ignore, SubscriptionPolicy::Note, SubscriptionPolicy::SetAside] {
            let policy = Policy { groups: vec!["g".to_owned()], subscription };
            let stored = serde_json::to_vec(&store(&delivery(policy.clone()))).unwrap();
            let (restored, signer) = restore(&stored).unwrap();
            assert!(restored.policy() == &policy && signer.is_none());
            assert_eq!((restored.body().as_ref(), restored.proof().part), (&b"body"[..], Some(part().id())));
        }
    }

    #[test]
    fn a_delivery_spooled_without_a_subscription_policy_is_readable() {
        let mut stored = serde_json::to_value(store(&delivery(Policy::default()))).unwrap();
        assert!(stored.as_object_mut().unwrap().remove("unknown_subscription").is_none(), "none is written");
        let (restored, _) = restore(stored.to_string().as_bytes()).unwrap();
        assert_eq!(restored.policy(), &Policy::default());
    }
}
