//! The services: how each proves and words its callbacks, and how its API is asked. A new one is a folder here.

pub mod quicklysign;

use quicklysign::callback::QuicklysignCallback;

use crate::{
    archive::{Inspection, Obstacle},
    aws::Aws,
    delivery::{Addressed, Proven, Route},
    event::Event,
    intake::{self, NotProven, Refusal, Unreadable},
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
pub fn read(delivery: &Proven) -> Result<Vec<Event>, Unreadable> {
    match delivery.route() {
        Route::Quicklysign => quicklysign::callback::read(delivery),
        Route::LegalesignBatch | Route::LegalesignRealtime | Route::Signeasy => Err(Unreadable::new("no_reader", ".")),
    }
}

/// The services' APIs.
pub struct Apis {
    quicklysign: quicklysign::api::Api,
}

impl Apis {
    /// The APIs at their configured hosts, asked with the connections of `client`.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws, client: &Client) -> Self {
        let quicklysign = settings.provider(Provider::Quicklysign);
        let secrets = Cached::new(quicklysign.api.clone(), Some(aws.secrets.clone()));
        Self { quicklysign: quicklysign::api::Api::new(client, &quicklysign.api_url, secrets) }
    }

    /// Asks a subject's service for its status and its final documents.
    ///
    /// # Errors
    /// Why it can't say, or why there are none yet.
    pub async fn inspect(&self, subject: &Subject) -> Result<Inspection, Obstacle> {
        match subject.provider {
            Provider::Quicklysign => self.quicklysign.inspect(&subject.id).await,
            Provider::Legalesign | Provider::Signeasy => Err(Obstacle::failed("no_api")),
        }
    }
}

/// What proves the services' callbacks, to prove kept requests again.
pub struct Provers {
    quicklysign: Cached<quicklysign::callback::ProofSecrets>,
}

impl Provers {
    /// The proofs that these settings name.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        fn cached<S: Secret>(provider: Provider, settings: &Settings, aws: &Aws) -> Cached<S> {
            Cached::new(settings.provider(provider).proof.clone(), Some(aws.secrets.clone()))
        }
        Self { quicklysign: cached(Provider::Quicklysign, settings, aws) }
    }

    /// Asks for the own proof of a request whose path token was right.
    ///
    /// # Errors
    /// When it is still wrong, or there is nothing to compare it with.
    pub async fn prove(&self, request: Addressed) -> Result<Proven, NotProven> {
        match request.route() {
            Route::Quicklysign => intake::prove_again(&QuicklysignCallback, &self.quicklysign, request).await,
            Route::LegalesignBatch | Route::LegalesignRealtime | Route::Signeasy => {
                Err(NotProven::Refused(Refusal::Unproven("no_prover")))
            }
        }
    }
}
