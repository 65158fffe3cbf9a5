//! The services: how each proves and words its callbacks, and how its API is asked. A new one is a folder here.

pub mod legalesign;
pub mod quicklysign;
pub mod signeasy;

use bytes::Bytes;

use crate::{
    archive::{Inspection, Obstacle},
    aws::Aws,
    delivery::{Proven, Route},
    event::Event,
    intake::{Reading, Unreadable},
    ledger::{Ledger, LedgerError},
    outbound::Client,
    provider::Provider,
    secrets::Cached,
    settings::Settings,
    subject::Subject,
};

/// Reads a proven delivery into events.
///
/// # Errors
/// When it isn't what the service documents; the delivery is set aside.
pub fn read(delivery: &Proven) -> Result<Reading, Unreadable> {
    match delivery.route() {
        Route::LegalesignBatch => legalesign::batch::read(delivery),
        Route::LegalesignRealtime => legalesign::realtime::read(delivery),
        Route::Quicklysign => quicklysign::callback::read(delivery),
        Route::Signeasy => signeasy::callback::read(delivery).map(Reading::from),
    }
}

/// Relates the subjects of a delivery's recorded events to others, where a service gives one thing several ids. Doing it
/// again changes nothing.
///
/// # Errors
/// When the ledger can't be asked or written to.
pub async fn relate(ledger: &Ledger, delivery: &Proven, events: &[Event]) -> Result<(), LedgerError> {
    match delivery.route() {
        Route::Signeasy => signeasy::join::relate(ledger, events).await,
        Route::LegalesignBatch | Route::LegalesignRealtime | Route::Quicklysign => Ok(()),
    }
}

/// The bytes that a delivery's sender signed, and the signature over them; `None` where nothing is signed.
pub(crate) fn signed_part(delivery: &Proven) -> Option<SignedPart> {
    match delivery.route() {
        Route::LegalesignBatch => legalesign::batch::signed_part(delivery.envelope(), delivery.body()).ok(),
        Route::LegalesignRealtime => legalesign::realtime::signed_part(delivery.envelope(), delivery.body()).ok()?,
        Route::Quicklysign | Route::Signeasy => None,
    }
}

/// A message and the signature over it.
pub(crate) struct SignedPart {
    /// The message, byte by byte as it was sent.
    pub(crate) message: Bytes,
    /// The signature, in base64.
    pub(crate) signature: Bytes,
}

/// The services' APIs.
pub struct Apis {
    legalesign: legalesign::api::Api,
    quicklysign: quicklysign::api::Api,
    signeasy: signeasy::api::Api,
}

impl Apis {
    /// The APIs at their configured hosts, asked with the connections of `client`.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws, client: &Client) -> Self {
        let legalesign = settings.provider(Provider::Legalesign);
        let legalesign_secrets = Cached::new(legalesign.api.clone(), Some(aws.secrets.clone()));
        let quicklysign = settings.provider(Provider::Quicklysign);
        let secrets = Cached::new(quicklysign.api.clone(), Some(aws.secrets.clone()));
        Self {
            legalesign: legalesign::api::Api::new(client, &legalesign.api_url, legalesign_secrets),
            quicklysign: quicklysign::api::Api::new(client, &quicklysign.api_url, secrets),
            signeasy: signeasy::api::Api::new(client, settings, aws),
        }
    }

    /// Asks a subject's service for its status and its final documents.
    ///
    /// # Errors
    /// Why it can't say, or why there are none yet.
    pub async fn inspect(&self, subject: &Subject) -> Result<Inspection, Obstacle> {
        match subject.provider {
            Provider::Quicklysign => self.quicklysign.inspect(&subject.id).await,
            Provider::Legalesign => self.legalesign.inspect(subject).await,
            Provider::Signeasy => self.signeasy.inspect(subject).await,
        }
    }
}
