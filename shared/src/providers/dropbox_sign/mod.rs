//! Dropbox Sign: signature requests. `docs/dropbox-sign.md` has every fact about the service, with its source.
//!
//! A callback is a form with the field `json`. Its `event_hash` is a code over two fields of the event, its type and its
//! time, and covers nothing else: not the signature request, and not its status (`proof`). So a callback is trusted like a
//! token, and no callback says that a request is complete: the API is queried (`callback`, `api`).

mod api;
mod callback;
mod payload;
mod proof;
mod settings;

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

/// Dropbox Sign's entry in the list of services.
pub(super) const REGISTRATION: Registration = Registration {
    provider: Provider::DropboxSign,
    endpoints: &[ENDPOINT],
    variables: settings::VARIABLES,
    start: |settings, aws, _| Box::new(DropboxSign::new(settings, aws)),
};

/// A callback is repeated for about three days, unless it is answered with 200 and exactly this text.
pub const ENDPOINT: Endpoint = Endpoint {
    route: Route::DropboxSign,
    kept_headers: &["content-type"],
    redelivery: Redelivery::UntilAcknowledged,
    acknowledgement: Some("Hello API Event Received"),
};

/// The service.
pub struct DropboxSign {
    callbacks: Verifier<Callback>,
    api: Api,
}

impl DropboxSign {
    /// The service with these settings.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let settings = settings.service(Provider::DropboxSign);
        let (file_type, _) = settings::parse(settings);
        Self { callbacks: Verifier::new(Callback, settings, aws), api: Api::new(settings, file_type, aws) }
    }
}

#[async_trait]
impl Service for DropboxSign {
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
        let secrets = self.callbacks.secrets().await.map_err(NotProven::NotConfigured)?;
        proof::prove(delivery.envelope(), delivery.body(), &secrets).map_err(NotProven::Rejected)
    }

    async fn inspect(&self, client: &Client, subject: &Subject, _: &dyn Known) -> Result<Inspection, Unavailable> {
        self.api.inspect(client, subject).await
    }
}
