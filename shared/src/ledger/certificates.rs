//! Certificates whose signatures were accepted: kept for good, so that what they signed can be proven again when the
//! settings name them no more.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use super::{Item, Ledger, LedgerError};
use crate::signature::{Fingerprint, Signer};

const SORT: &str = "CERT";

fn partition(fingerprint: &Fingerprint) -> String {
    format!("CERT#{fingerprint}")
}

/// A certificate or public key as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 over its DER.
    pub fingerprint: Fingerprint,
    /// Its text.
    pub pem: String,
    /// When a delivery that it proved first came in.
    pub known_since: Timestamp,
}

/// The certificates that this process knows to be kept: one write for each, not one for each callback.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<BTreeSet<Fingerprint>>>);

impl Kept {
    fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.lock().is_ok_and(|kept| kept.contains(fingerprint))
    }

    fn insert(&self, fingerprint: Fingerprint) {
        if let Ok(mut kept) = self.0.lock() {
            kept.insert(fingerprint);
        }
    }
}

impl Ledger {
    /// Keeps a certificate that proved a delivery which came in at `at`. Doing it again changes nothing.
    pub(super) async fn keep_certificate(&self, signer: &Signer, at: Timestamp) -> Result<(), LedgerError> {
        let fingerprint = signer.fingerprint();
        if self.kept_certificates.contains(&fingerprint) {
            return Ok(());
        }
        let item = Item::default()
            .with("pem", signer.pem())
            .with("known_since", at)
            .with_some("not_before", signer.not_before())
            .with_some("not_after", signer.not_after());
        self.update(&partition(&fingerprint), SORT).set_all_if_absent(item).send().await?;
        self.kept_certificates.insert(fingerprint);
        Ok(())
    }

    /// A certificate that was kept; `None` when there is none of that fingerprint.
    ///
    /// # Errors
    /// When DynamoDB can't be asked.
    pub async fn certificate(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, LedgerError> {
        let Some(item) = self.get(&partition(fingerprint), SORT).await? else { return Ok(None) };
        Ok(Some(Certificate {
            fingerprint: *fingerprint,
            pem: item.need("pem")?.to_owned(),
            known_since: item.time("known_since")?,
        }))
    }
}
