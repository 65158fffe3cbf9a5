//! The services: how each proves and words its callbacks, and how its API is asked. A new one is a folder here.

pub mod legalesign;
pub mod quicklysign;
pub mod signeasy;

use bytes::Bytes;
use legalesign::{batch::BatchCallback, realtime::RealtimeCallback};
use quicklysign::callback::QuicklysignCallback;
use signeasy::callback::SigneasyCallback;

use crate::{
    archive::{Inspection, Obstacle},
    aws::Aws,
    delivery::{Addressed, Proven, Route},
    event::Event,
    intake::{self, NotProven, Reading, Unreadable},
    ledger::{Ledger, LedgerError},
    outbound::Client,
    provider::Provider,
    secrets::{Cached, Secret},
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

    /// QuicklySign's API.
    #[must_use]
    pub const fn quicklysign(&self) -> &quicklysign::api::Api {
        &self.quicklysign
    }

    /// Legalesign's API.
    #[must_use]
    pub const fn legalesign(&self) -> &legalesign::api::Api {
        &self.legalesign
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

/// What proves the services' callbacks, to prove kept requests again.
pub struct Provers {
    batch: Cached<legalesign::proof::SignedProofSecrets>,
    realtime: Cached<legalesign::proof::ProofSecrets>,
    realtime_callback: RealtimeCallback,
    quicklysign: Cached<quicklysign::callback::ProofSecrets>,
    quicklysign_callback: QuicklysignCallback,
    signeasy: Cached<signeasy::proof::ProofSecrets>,
    signeasy_callback: SigneasyCallback,
}

impl Provers {
    /// The proofs that these settings name.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        fn cached<S: Secret>(provider: Provider, settings: &Settings, aws: &Aws) -> Cached<S> {
            Cached::new(settings.provider(provider).proof.clone(), Some(aws.secrets.clone()))
        }
        Self {
            batch: cached(Provider::Legalesign, settings, aws),
            realtime: cached(Provider::Legalesign, settings, aws),
            realtime_callback: RealtimeCallback::new(&Ok(settings.clone())),
            quicklysign: cached(Provider::Quicklysign, settings, aws),
            quicklysign_callback: QuicklysignCallback::new(&Ok(settings.clone())),
            signeasy: cached(Provider::Signeasy, settings, aws),
            signeasy_callback: SigneasyCallback::new(&Ok(settings.clone())),
        }
    }

    /// Asks for the own proof of a request whose path token was right.
    ///
    /// # Errors
    /// When it is still wrong, or there is nothing to compare it with.
    pub async fn prove(&self, request: Addressed) -> Result<Proven, NotProven> {
        match request.route() {
            Route::Quicklysign => intake::prove_again(&self.quicklysign_callback, &self.quicklysign, request).await,
            Route::LegalesignBatch => intake::prove_again(&BatchCallback, &self.batch, request).await,
            Route::LegalesignRealtime => intake::prove_again(&self.realtime_callback, &self.realtime, request).await,
            Route::Signeasy => intake::prove_again(&self.signeasy_callback, &self.signeasy, request).await,
        }
    }

    /// Proves once more what a token in its body proved, by the seal that is stored in the token's place.
    ///
    /// # Errors
    /// When the seal isn't of a configured path token and a configured token (any more), or the secrets can't be had.
    pub async fn prove_seal(&self, delivery: &Proven) -> Result<(), NotProven> {
        let secrets = self.signeasy.get().await.map_err(NotProven::NotConfigured)?;
        signeasy::proof::prove_seal(delivery.body(), &secrets).map_err(NotProven::Refused)
    }
}
