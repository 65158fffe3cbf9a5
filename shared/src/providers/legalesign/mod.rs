//! Legalesign: documents, their signers, and three kinds of callback.
//!
//! - The batch ([`batch`]): every six minutes, everything that changed, signed.
//! - On an event ([`realtime`]): a form about one document, which doesn't say what happened; signed or not.
//! - Today's webhook ([`realtime`]): JSON about one document or recipient, with signatures of an undocumented scheme.
//!
//! One certificate signs for every customer of Legalesign, and a batch names no customer. Only the path token shows that a
//! delivery is meant for this stack; the API ([`api`]) shows which documents are ours.

pub mod api;
pub mod batch;
mod proof;
pub mod realtime;
mod resource;
mod settings;
mod status;
mod time;

use async_trait::async_trait;

use self::{
    api::Api,
    batch::Batch,
    proof::{ProofSecrets, SignedProofSecrets},
    realtime::{HmacForm, Realtime},
    settings::LegalesignSettings,
};
use super::{
    ChangesPage, ChangesQuery, Discovery, Endpoint, NotProven, NotVerified, Probe, Redelivery, Registration, Service,
    verify::Verifier,
};
use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::{
    aws::Aws,
    domain::{
        Addressed, Envelope, Inspection, Known, Proven, Provider, Reading, Rejection, Route, SignedPart, Subject,
        Trust, Unavailable, Unproven, Unreadable,
    },
    form::{Form, FormError},
    outbound::Client,
    proof::signature::ParseSigners,
    secrets::{Cached, NotConfigured},
    settings::Settings,
};

/// Legalesign's entry in the list of services.
pub(super) const REGISTRATION: Registration = Registration {
    provider: Provider::Legalesign,
    endpoints: &[BATCH, REALTIME],
    variables: settings::VARIABLES,
    start: |settings, aws, parse_signers| Box::new(Legalesign::start(settings, aws, parse_signers)),
};

/// The batch. Legalesign isn't known to send anything again.
pub const BATCH: Endpoint = Endpoint {
    route: Route::LegalesignBatch,
    kept_headers: &["content-type"],
    redelivery: Redelivery::Unknown,
    acknowledgement: None,
};

/// Callbacks about one document. "Legalesign retries on failure" (docs.legalesign.com, "real-time events"), and gives no
/// schedule.
pub const REALTIME: Endpoint = Endpoint {
    route: Route::LegalesignRealtime,
    kept_headers: &realtime::KEPT_HEADERS,
    redelivery: Redelivery::AfterFailure,
    acknowledgement: None,
};

/// The service.
pub struct Legalesign {
    batch: Verifier<Batch>,
    realtime: Verifier<Realtime>,
    api: Api,
    /// The zone of times that Legalesign writes without one.
    time_zone: TimeZone,
}

impl Legalesign {
    /// The service with these settings.
    #[cfg(feature = "openssl")]
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        Self::start(settings, aws, Some(crate::proof::signature::Signers::parse))
    }

    /// The service with these settings. Without `parse_signers` it has no certificates, as if none were configured.
    fn start(settings: &Settings, aws: &Aws, parse_signers: Option<ParseSigners>) -> Self {
        let settings = settings.service(Provider::Legalesign);
        let LegalesignSettings { realtime_must_be_signed, hmac, time_zone } = settings::parse(settings).0;
        let batch = Cached::with(&settings.proof, aws, move |json| SignedProofSecrets::new(json, parse_signers));
        let realtime = Cached::with(&settings.proof, aws, move |json| ProofSecrets::new(json, parse_signers));
        Self {
            batch: Verifier::with(Batch, batch),
            realtime: Verifier::with(Realtime { must_be_signed: realtime_must_be_signed, hmac }, realtime),
            api: Api::new(settings, aws, time_zone.clone()),
            time_zone,
        }
    }
}

#[async_trait]
impl Service for Legalesign {
    async fn warm(&self, route: Route) -> Result<(), NotConfigured> {
        match route {
            Route::LegalesignBatch => self.batch.warm().await,
            _ => self.realtime.warm().await,
        }
    }

    async fn verify(&self, request: Unproven) -> Result<Proven, NotVerified> {
        match request.posted_to() {
            Route::LegalesignBatch => self.batch.verify(request).await,
            _ => self.realtime.verify(request).await,
        }
    }

    async fn verify_quarantined(&self, request: Addressed) -> Result<Proven, NotProven> {
        match request.route() {
            Route::LegalesignBatch => self.batch.verify_quarantined(request).await,
            _ => self.realtime.verify_quarantined(request).await,
        }
    }

    fn read(&self, delivery: &Proven) -> Result<Reading, Unreadable> {
        match delivery.route() {
            Route::LegalesignBatch => batch::read(delivery, &self.time_zone),
            _ => realtime::read(delivery),
        }
    }

    fn signed_part(&self, delivery: &Proven) -> Option<SignedPart> {
        let part = match delivery.route() {
            Route::LegalesignBatch => batch::proven_part(delivery),
            _ => realtime::proven_part(delivery),
        };
        part.ok()
    }

    async fn reverify(&self, delivery: &Proven) -> Result<(), NotProven> {
        if delivery.trust() != Trust::Hmac {
            return Ok(());
        }
        let secrets = self.realtime.secrets().await.map_err(NotProven::NotConfigured)?;
        realtime::prove_hmac(delivery, &secrets).map_err(NotProven::Rejected)
    }

    async fn probe(&self, delivery: &Proven) -> Result<Option<Probe>, NotConfigured> {
        let secrets = self.realtime.secrets().await?;
        if secrets.hmac_secrets().is_empty() {
            return Err(NotConfigured("hmac_secrets: there is none".to_owned()));
        }
        let matching = realtime::matching_forms(delivery, &secrets);
        Ok(Some(Probe { setting: settings::HMAC_FORM, forms: HmacForm::ALL.map(|form| form.name).to_vec(), matching }))
    }

    async fn inspect(&self, client: &Client, subject: &Subject, _: &dyn Known) -> Result<Inspection, Unavailable> {
        self.api.inspect(client, subject).await
    }

    async fn discovery(&self) -> Result<Discovery, NotConfigured> {
        Ok(Discovery::Feeds(self.realtime.secrets().await?.groups().to_vec()))
    }

    async fn changes(&self, client: &Client, query: ChangesQuery<'_>) -> Result<ChangesPage, Unavailable> {
        self.api.changes(client, query).await
    }
}

/// The part that was proven: the very bytes that were verified, or, for a delivery that was read back, those that the
/// stored body holds. If a stored body may be several forms, its proof says which of them.
fn proven_part(
    delivery: &Proven,
    stored: impl FnOnce() -> Result<Vec<SignedPart>, &'static str>,
) -> Result<SignedPart, Unreadable> {
    if let Some(part) = delivery.signed() {
        return Ok(part.clone());
    }
    let mut parts = stored().map_err(|code| Unreadable::new(code, "."))?;
    let part = match delivery.proof().part {
        Some(id) => parts.into_iter().find(|part| part.id() == id),
        None => parts.pop().filter(|_| parts.is_empty()),
    };
    part.ok_or_else(|| Unreadable::new(FormError::Ambiguous.code(), "."))
}

/// The signed part of each form that a body may be: more than one, if the content type has several boundaries.
///
/// # Errors
/// Why the body is no form, or why the first form has no signed part if none has one.
fn parts_of_forms(
    envelope: &Envelope,
    body: &Bytes,
    part: impl Fn(&Form) -> Result<SignedPart, &'static str>,
) -> Result<Vec<SignedPart>, &'static str> {
    let forms = Form::read_all(envelope.header("content-type"), body).map_err(FormError::code)?;
    let (mut parts, mut first_error) = (Vec::new(), None);
    for form in &forms {
        match part(form) {
            Ok(part) => parts.push(part),
            Err(code) => first_error = first_error.or(Some(code)),
        }
    }
    match first_error {
        Some(code) if parts.is_empty() => Err(code),
        _ => Ok(parts),
    }
}

/// A malformed request.
fn malformed(code: &'static str) -> Rejection {
    Rejection::Malformed(code)
}
