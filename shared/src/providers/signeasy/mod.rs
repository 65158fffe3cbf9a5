//! SignEasy: requests to sign (envelopes), and documents that a user signed alone.
//!
//! A callback carries a token of the customer's choice in its body, and nothing else proves it: no signature, no id, no
//! attempt counter. So the token's value doesn't leave `proof`; an event is identified by all of its content
//! (`lossless_json`); and the API is queried for the facts (`api`). A request and its signed file may have two ids
//! (`aliases`).

mod aliases;
pub mod api;
mod callback;
mod history;
mod lossless_json;
mod payload;
mod proof;
mod settings;
mod spelling;

#[cfg(test)]
mod tests;

use async_trait::async_trait;

use self::{api::Api, callback::Callback};
use super::{Endpoint, NotProven, NotVerified, Redelivery, Registration, Service, verify::Verifier};
use crate::{
    aws::Aws,
    domain::{
        Addressed, Inspection, Known, Proven, Provider, Reading, Route, Subject, Unavailable, Unproven, Unreadable,
    },
    outbound::Client,
    secrets::NotConfigured,
    settings::Settings,
};

/// SignEasy's entry in the list of services.
pub(super) const REGISTRATION: Registration = Registration {
    provider: Provider::Signeasy,
    endpoints: &[ENDPOINT],
    variables: settings::VARIABLES,
    start: |settings, aws, _| Box::new(Signeasy::new(settings, aws)),
};

/// A callback is repeated for a day; a webhook that keeps failing is disabled.
pub const ENDPOINT: Endpoint = Endpoint {
    route: Route::Signeasy,
    kept_headers: &["content-type"],
    redelivery: Redelivery::UntilAcknowledged,
    acknowledgement: None,
};

/// The service.
pub struct Signeasy {
    callbacks: Verifier<Callback>,
    api: Api,
}

impl Signeasy {
    /// The service with these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let settings = settings.service(Provider::Signeasy);
        let own = settings::parse(settings).0;
        Self {
            callbacks: Verifier::new(Callback { token: own.token }, settings, aws),
            api: Api::new(settings, &own.api_path, aws),
        }
    }
}

#[async_trait]
impl Service for Signeasy {
    async fn warm(&self, _: Route) -> Result<(), NotConfigured> {
        self.callbacks.warm().await
    }

    async fn verify(&self, request: Unproven) -> Result<Proven, NotVerified> {
        self.callbacks.verify(request).await
    }

    async fn verify_quarantined(&self, request: Addressed) -> Result<Proven, NotProven> {
        self.callbacks.verify_quarantined(request).await
    }

    fn read(&self, delivery: &Proven) -> Result<Reading, Unreadable> {
        callback::read(delivery)
    }

    async fn reverify(&self, delivery: &Proven) -> Result<(), NotProven> {
        if delivery.proof().body_token.is_none() {
            return Ok(());
        }
        let secrets = self.callbacks.secrets().await.map_err(NotProven::NotConfigured)?;
        proof::prove_seal(delivery.body(), &secrets).map_err(NotProven::Rejected)
    }

    async fn inspect(&self, client: &Client, subject: &Subject, known: &dyn Known) -> Result<Inspection, Unavailable> {
        self.api.inspect(client, subject, known).await
    }
}
