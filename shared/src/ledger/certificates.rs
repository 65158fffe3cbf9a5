//! Certificates whose signatures were accepted. They never expire, so that what they signed can be proven again after
//! they were removed from the settings.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use super::{
    Item, Ledger,
    keys::{self, attribute},
};
use crate::{
    domain::LedgerError,
    proof::signature::{Fingerprint, Signer},
};

/// A stored certificate or public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 over its DER.
    pub fingerprint: Fingerprint,
    /// Its text, as PEM.
    pub pem: String,
    /// When the first delivery that it proved arrived.
    pub known_since: Timestamp,
}

/// The certificates that this process knows to be stored, so that each is written once and not with every callback.
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
    /// Stores a certificate that proved a delivery that arrived at `at`. Doing it again changes nothing.
    pub(super) async fn keep_certificate(&self, signer: &Signer, at: Timestamp) -> Result<(), LedgerError> {
        let fingerprint = signer.fingerprint();
        if self.kept_certificates.contains(&fingerprint) {
            return Ok(());
        }
        let item = Item::default()
            .with("pem", signer.pem())
            .with(attribute::KNOWN_SINCE, at)
            .with_some(attribute::NOT_BEFORE, signer.not_before())
            .with_some("not_after", signer.not_after());
        let update = self.table.update(&keys::certificate(&fingerprint), keys::CERTIFICATE);
        update.set_all_if_absent(item).send().await?;
        self.kept_certificates.insert(fingerprint);
        Ok(())
    }

    /// A stored certificate; `None` if there is none with this fingerprint.
    ///
    /// # Errors
    /// When DynamoDB can't be read.
    pub async fn certificate(&self, fingerprint: &Fingerprint) -> Result<Option<Certificate>, LedgerError> {
        let item = self.table.get(&keys::certificate(fingerprint), keys::CERTIFICATE).await?;
        let Some(item) = item else { return Ok(None) };
        Ok(Some(Certificate {
            fingerprint: *fingerprint,
            pem: item.need("pem")?.to_owned(),
            known_since: item.time(attribute::KNOWN_SINCE)?,
        }))
    }
}
