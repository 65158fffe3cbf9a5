//! Forgetting: erases the personal data of one subject, where the law asks for it.
//!
//! Erased are the payloads of its events, the bodies of the deliveries that told of nothing else, and its PDFs, every
//! version of them. What remains is a tombstone: that the subject was there, which statuses it had and when, and of each
//! body and PDF its size, hash and proof, so that whoever has the bytes can still show that they are the ones. A
//! delivery that told of others too is kept, since their evidence is in it, and is named. So is what Object Lock keeps.
//!
//! What else holds copies forgets by itself, in its time: DynamoDB's point-in-time recovery within 35 days, its stream
//! within a day, quarantine within thirty days. A callback that comes later is new, and is stored like all others.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    delivery::DeliveryId,
    ledger::{Erased, Ledger, LedgerError},
    provider::Provider,
    providers,
    subject::{Subject, SubjectId, SubjectKind},
};

/// What was forgotten, and what wasn't.
#[derive(Clone, Debug, Serialize)]
pub struct Forgotten {
    /// The subjects: one id may be that of a document and of a signer.
    pub subjects: Vec<Subject>,
    /// When.
    pub forgotten_at: Timestamp,
    /// How many events' payloads were erased.
    pub events: usize,
    /// The deliveries whose bodies were erased.
    pub deliveries: Vec<DeliveryId>,
    /// The deliveries that are kept, because they told of other subjects too or can't be read.
    pub shared_deliveries: Vec<DeliveryId>,
    /// Objects of the bucket that were erased.
    pub objects: Vec<String>,
    /// Objects of which Object Lock, or a missing permission, keeps a version.
    pub kept_objects: Vec<String>,
}

/// Forgets whatever of a provider has this id; `None` when nothing is known of it. Doing it again finds what came since,
/// and tries once more what couldn't be erased.
///
/// # Errors
/// When the ledger can't do it, or a worker is just fetching its documents; doing it again continues.
pub async fn forget(
    ledger: &Ledger,
    provider: Provider,
    id: &SubjectId,
    at: Timestamp,
) -> Result<Option<Forgotten>, LedgerError> {
    let mut forgotten = Forgotten {
        subjects: Vec::new(),
        forgotten_at: at,
        events: 0,
        deliveries: Vec::new(),
        shared_deliveries: Vec::new(),
        objects: Vec::new(),
        kept_objects: Vec::new(),
    };
    for kind in SubjectKind::ALL {
        let subject = Subject { provider, kind, id: id.clone() };
        let Some(found) = ledger.forget_subject(&subject, at).await? else { continue };
        forgotten.events += found.events;
        for delivery in found.deliveries {
            if is_about(ledger, &subject, &delivery).await? {
                forgotten.add(ledger.forget_body(&delivery, at).await?);
                forgotten.deliveries.push(delivery);
            } else {
                forgotten.shared_deliveries.push(delivery);
            }
        }
        forgotten.subjects.push(subject);
    }
    if forgotten.subjects.is_empty() {
        return Ok(None);
    }
    // An id holds no slash, so no other subject's objects begin like this.
    forgotten.add(ledger.erase(&format!("{provider}/{id}/")).await?);
    tracing::info!(
        event = "forgotten",
        provider = %provider,
        events = forgotten.events,
        deliveries = forgotten.deliveries.len(),
        objects = forgotten.objects.len(),
        kept_objects = forgotten.kept_objects.len(),
    );
    Ok(Some(forgotten))
}

impl Forgotten {
    fn add(&mut self, erased: Erased) {
        self.objects.extend(erased.erased);
        self.kept_objects.extend(erased.kept);
    }
}

/// Whether a delivery told of this subject and of nothing else. One whose body was erased before did.
async fn is_about(ledger: &Ledger, subject: &Subject, id: &DeliveryId) -> Result<bool, LedgerError> {
    match ledger.delivery(id).await {
        Ok(Some(stored)) => Ok(providers::read(&stored.delivery).is_ok_and(|reading| {
            !reading.events.is_empty() && reading.events.iter().all(|event| event.subject == *subject)
        })),
        Ok(None) => Ok(false),
        Err(LedgerError::Forgotten) => Ok(true),
        Err(problem) => Err(problem),
    }
}
