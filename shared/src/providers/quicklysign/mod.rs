//! QuicklySign: document packs, and webhooks on them.
//!
//! A callback carries no signature, no time and no id. It is only a hint that a pack changed, trusted for the secret in its
//! path; the facts are queried from the API. A webhook watches one pack, so each new pack needs its own: [`subscribe`].

pub mod api;
mod callback;
mod callback_url;
mod missed;
mod redact;
pub mod settings;
pub mod subscribe;
pub mod webhooks;

use async_trait::async_trait;

pub use callback_url::{CallbackUrl, InvalidCallbackUrl};

use self::{api::Api, callback::Callback};
use super::{Endpoint, MissedCallback, NotProven, NotVerified, Redelivery, Registration, Service, verify::Verifier};
use crate::{
    aws::Aws,
    domain::{
        Addressed, Inspection, Known, Proven, Provider, Reading, Route, Stop, Subject, Unavailable, Unproven,
        Unreadable,
    },
    outbound::Client,
    secrets::NotConfigured,
    settings::Settings,
};

/// QuicklySign's entry in the list of services.
pub(super) const REGISTRATION: Registration = Registration {
    provider: Provider::Quicklysign,
    endpoints: &[ENDPOINT],
    variables: settings::VARIABLES,
    start: |settings, aws, _| Box::new(Quicklysign::new(settings, aws)),
};

/// A callback is repeated until it is answered 200.
pub const ENDPOINT: Endpoint = Endpoint {
    route: Route::Quicklysign,
    kept_headers: &["content-type"],
    redelivery: Redelivery::UntilAcknowledged,
    acknowledgement: None,
};

/// The service.
pub struct Quicklysign {
    callbacks: Verifier<Callback>,
    api: Api,
}

impl Quicklysign {
    /// The service with these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let settings = settings.service(Provider::Quicklysign);
        Self {
            callbacks: Verifier::new(Callback::new(settings::parse(settings).0), settings, aws),
            api: Api::new(settings, aws),
        }
    }
}

#[async_trait]
impl Service for Quicklysign {
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

    async fn inspect(&self, client: &Client, subject: &Subject, _: &dyn Known) -> Result<Inspection, Unavailable> {
        self.api.inspect(client, subject).await
    }

    async fn missed_callbacks(
        &self,
        client: &Client,
        subject: &Subject,
        known: &dyn Known,
    ) -> Result<Vec<MissedCallback>, Stop> {
        self.api.missed_callbacks(client, subject, known).await
    }
}
