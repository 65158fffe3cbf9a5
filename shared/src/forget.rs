//! Forgetting: erases the personal data of one subject on request (GDPR). A request and its signed files are one: whichever
//! id is given, all of them are erased.
//!
//! Erased are the payloads of its events, their values and names unless they are codes of the service, the bodies of
//! deliveries about nothing else, every version of its PDFs, their file names, and the names of those who signed within
//! them. A tombstone remains: that the subject existed, its statuses with their times, and the size, hash and proof of each body
//! and PDF, so that a holder of the bytes can still show that they are the original ones. A delivery that is also about
//! other subjects is kept, because it is their evidence, and is named in the result. So are objects that Object Lock keeps.
//!
//! Other copies expire by themselves: DynamoDB's point-in-time recovery within 35 days, its stream within a day, quarantine
//! within thirty days. A later callback is new, and is stored like any other.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{DeliveryId, LedgerError, Provider, Subject, SubjectId, SubjectKind},
    ledger::{Erased, Held, Ledger},
    providers::Services,
};

/// What was erased, and what wasn't.
#[derive(Clone, Debug, Serialize)]
pub struct Forgotten {
    /// The subjects: one id may belong to a document and to a signer, and a request is joined to its signed files.
    pub subjects: Vec<Subject>,
    /// When.
    pub forgotten_at: Timestamp,
    /// The number of events whose payload was erased.
    pub events: usize,
    /// The deliveries whose bodies were erased.
    pub deliveries: Vec<DeliveryId>,
    /// Deliveries that are kept, because they are about other subjects too or can't be read.
    pub shared_deliveries: Vec<DeliveryId>,
    /// Objects of the bucket that were erased.
    pub objects: Vec<String>,
    /// Objects with a version that Object Lock or a missing permission keeps.
    pub kept_objects: Vec<String>,
}

/// Objects that [`forget`] would leave, because Object Lock holds them. Nothing is changed.
///
/// # Errors
/// If the ledger can't be read.
pub async fn held(
    ledger: &Ledger,
    services: &Services,
    provider: Provider,
    id: &SubjectId,
) -> Result<Vec<Held>, LedgerError> {
    let mut subjects = BTreeSet::new();
    for kind in SubjectKind::ALL {
        subjects.extend(ledger.with_joined(&Subject { provider, kind, id: id.clone() }).await?);
    }
    let (mut prefixes, mut deliveries) = (BTreeSet::new(), BTreeSet::new());
    for subject in &subjects {
        prefixes.insert(objects_of(provider, &subject.id));
        for delivery in ledger.deliveries_about(subject).await? {
            if is_only_about(ledger, services, &subjects, &delivery).await? {
                deliveries.insert(delivery);
            }
        }
    }
    ledger.held(&prefixes, &deliveries).await
}

/// Erases everything of a provider with this id; `None` if the id isn't known. Repeating it erases what arrived since, and
/// retries what couldn't be erased.
///
/// # Errors
/// If the ledger can't do it, or a worker is fetching the documents right now. Repeating it continues.
pub async fn forget(
    ledger: &Ledger,
    services: &Services,
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
    let mut subjects = BTreeSet::new();
    for kind in SubjectKind::ALL {
        subjects.extend(ledger.with_joined(&Subject { provider, kind, id: id.clone() }).await?);
    }
    if subjects.is_empty() {
        return Ok(None);
    }
    // All jobs first: nothing is erased while a worker could still add to it.
    for subject in &subjects {
        ledger.close_job(subject, at).await?;
    }
    let mut deliveries = BTreeSet::new();
    for subject in &subjects {
        let found = ledger.forget_subject(subject, at).await?;
        forgotten.events += found.events;
        deliveries.extend(found.deliveries);
    }
    for delivery in deliveries {
        if is_only_about(ledger, services, &subjects, &delivery).await? {
            forgotten.add(ledger.forget_body(&delivery, at).await?);
            forgotten.deliveries.push(delivery);
        } else {
            forgotten.shared_deliveries.push(delivery);
        }
    }
    let ids: BTreeSet<&SubjectId> = subjects.iter().map(|subject| &subject.id).collect();
    for id in ids {
        forgotten.add(ledger.erase(&objects_of(provider, id)).await?);
    }
    forgotten.subjects = subjects.into_iter().collect();
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

/// The prefix of a subject's PDFs. An id contains no slash, so no other subject's objects have it.
fn objects_of(provider: Provider, id: &SubjectId) -> String {
    format!("{provider}/{id}/")
}

impl Forgotten {
    fn add(&mut self, erased: Erased) {
        self.objects.extend(erased.erased);
        self.kept_objects.extend(erased.kept);
    }
}

/// Whether a delivery is about these subjects and nothing else. A delivery whose body was erased before was.
async fn is_only_about(
    ledger: &Ledger,
    services: &Services,
    subjects: &BTreeSet<Subject>,
    id: &DeliveryId,
) -> Result<bool, LedgerError> {
    match ledger.delivery(id).await {
        Ok(Some(stored)) => Ok(services.read(&stored.delivery).is_ok_and(|reading| {
            !reading.events.is_empty() && reading.events.iter().all(|event| subjects.contains(&event.subject))
        })),
        Ok(None) => Ok(false),
        Err(LedgerError::Forgotten) => Ok(true),
        // What a body that can't be read is about isn't known.
        Err(LedgerError::BodyChanged | LedgerError::BodyDenied) => Ok(false),
        Err(problem) => Err(problem),
    }
}
