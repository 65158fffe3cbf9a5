//! The services. Each is one folder behind the trait [`Service`], and one entry in the list [`SERVICES`].
//!
//! A service knows how its callbacks are proven and read, and how its API is queried. It never imports the ledger, the
//! intake or the archive: questions about what is stored go through [`Known`], and what it learns is returned as data,
//! which generic code writes.

pub mod dropbox_sign;
mod http;
pub mod legalesign;
pub mod quicklysign;
pub mod signeasy;
mod verify;

use async_trait::async_trait;
use jiff::Timestamp;

pub use verify::{NotProven, NotVerified, Rejected};

use crate::{
    aws::Aws,
    domain::{
        Addressed, Inspection, Kind, Known, Proven, Provider, Reading, Route, SignedPart, Stop, Subject, TimeSource,
        Unavailable, Unproven, Unreadable,
    },
    outbound::Client,
    proof::signature::ParseSigners,
    secrets::NotConfigured,
    settings::{Problems, ServiceVariables, Settings},
};

/// Every service, in the order of [`Provider::ALL`]. This is the only list of them.
pub const SERVICES: [Registration; Provider::ALL.len()] =
    [dropbox_sign::REGISTRATION, legalesign::REGISTRATION, quicklysign::REGISTRATION, signeasy::REGISTRATION];

/// The variables of every service. A constant of its own, so that a function that reads settings doesn't link services
/// that it never starts.
const VARIABLES: [ServiceVariables; SERVICES.len()] = {
    let mut variables = [SERVICES[0].variables; SERVICES.len()];
    let mut index = 1;
    while index < SERVICES.len() {
        variables[index] = SERVICES[index].variables;
        index += 1;
    }
    variables
};

/// A service's entry in the list.
pub struct Registration {
    /// Which service it is.
    pub provider: Provider,
    /// Where its callbacks are posted to.
    pub endpoints: &'static [Endpoint],
    /// Its settings.
    pub variables: ServiceVariables,
    /// Makes the service with these settings. Reads no secret yet. Without [`ParseSigners`], it verifies no signatures.
    pub start: fn(&Settings, &Aws, Option<ParseSigners>) -> Box<dyn Service>,
}

/// A route of a service, and how its requests are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The route.
    pub route: Route,
    /// The headers that proof or parser need, by lower-case name. All others are dropped.
    pub kept_headers: &'static [&'static str],
    /// Whether the service sends a callback again that wasn't acknowledged.
    pub redelivery: Redelivery,
    /// The body that the service insists on in an answer with status 200. `None` if any will do.
    pub acknowledgement: Option<&'static str>,
}

/// Whether a service sends a callback again that wasn't acknowledged. It decides how often a delivery is written, and what
/// is answered if it can't be recorded: see [`crate::intake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// It does, until the callback is acknowledged.
    UntilAcknowledged,
    /// It does after a failure; it isn't known how often.
    AfterFailure,
    /// It isn't known to.
    Unknown,
}

/// A service that sends callbacks.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Reads the secrets that prove callbacks to `route`, so that the first request needn't wait for them.
    ///
    /// # Errors
    /// If they are missing or unusable.
    async fn warm(&self, route: Route) -> Result<(), NotConfigured>;

    /// Checks the path token and then the service's own proof, over the bytes. The only way to a [`Proven`] delivery.
    ///
    /// Secrets are read again, at most once a minute, if a check fails: they may have been rotated.
    ///
    /// # Errors
    /// Why the request isn't verified.
    async fn verify(&self, request: Unproven) -> Result<Proven, NotVerified>;

    /// Checks the service's own proof of a request from quarantine, whose path token was valid when it arrived.
    ///
    /// # Errors
    /// If the proof still fails, or the secrets can't be read.
    async fn verify_quarantined(&self, request: Addressed) -> Result<Proven, NotProven>;

    /// Reads a proven delivery.
    ///
    /// # Errors
    /// If it isn't what the service documents. The delivery is set aside.
    fn read(&self, delivery: &Proven) -> Result<Reading, Unreadable>;

    /// The bytes that the sender signed, with the signature; `None` if the service signs nothing.
    fn signed_part(&self, _: &Proven) -> Option<SignedPart> {
        None
    }

    /// Proves a stored delivery once more by the secrets, if anything but a signature and the path token proved it.
    ///
    /// # Errors
    /// If the proof fails with today's secrets, or they can't be read.
    async fn reverify(&self, _: &Proven) -> Result<(), NotProven> {
        Ok(())
    }

    /// Tries every form that an incompletely documented proof may have, on a stored delivery; `None` if the service has no
    /// such proof.
    ///
    /// # Errors
    /// If the secrets for it can't be read, or are missing.
    async fn probe(&self, _: &Proven) -> Result<Option<Probe>, NotConfigured> {
        Ok(None)
    }

    /// Queries the API for a subject's status, signers and final documents.
    ///
    /// # Errors
    /// Why the API can't report, or why there are no final documents yet.
    async fn inspect(&self, client: &Client, subject: &Subject, known: &dyn Known) -> Result<Inspection, Unavailable>;

    /// How missed callbacks are found.
    ///
    /// # Errors
    /// If the settings for it are missing.
    async fn discovery(&self) -> Result<Discovery, NotConfigured> {
        Ok(Discovery::OpenSubjects)
    }

    /// One page of what changed, for services with [`Discovery::Feeds`].
    ///
    /// # Errors
    /// Why the API can't report.
    async fn changes(&self, _: &Client, _: ChangesQuery<'_>) -> Result<ChangesPage, Unavailable> {
        Ok(ChangesPage::default())
    }

    /// The callbacks about an open subject that the service made and that were never recorded, for services with
    /// [`Discovery::OpenSubjects`] that keep a log of their calls.
    ///
    /// # Errors
    /// If the API can't report, or what is stored can't be queried.
    async fn missed_callbacks(&self, _: &Client, _: &Subject, _: &dyn Known) -> Result<Vec<MissedCallback>, Stop> {
        Ok(Vec::new())
    }
}

/// How missed callbacks of a service are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// By what changed in each of these feeds since the last pass: see [`Service::changes`].
    Feeds(Vec<String>),
    /// By inspecting each subject without a terminal status.
    OpenSubjects,
}

/// Which changes are wanted.
#[derive(Clone, Copy, Debug)]
pub struct ChangesQuery<'a> {
    /// The feed's name.
    pub feed: &'a str,
    /// Only what was modified after this; `None` for everything.
    pub modified_after: Option<Timestamp>,
    /// The number of entries to skip.
    pub offset: u64,
}

/// A page of changes.
#[derive(Debug, Default)]
pub struct ChangesPage {
    /// The documents whose id can be read.
    pub documents: Vec<Change>,
    /// The number of entries on the page, unreadable ones included.
    pub length: u64,
    /// Whether more pages follow.
    pub more: bool,
}

/// A document in a page of changes.
#[derive(Debug)]
pub struct Change {
    /// The document.
    pub subject: Subject,
    /// What the API reports about it: everything but its files.
    pub inspection: Inspection,
    /// When it was last modified.
    pub modified: Option<(Timestamp, TimeSource)>,
}

/// A callback that a service says it made and that was never recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedCallback {
    /// Its subject.
    pub subject: Subject,
    /// The event's name.
    pub name: String,
    /// The event's meaning.
    pub kind: Kind,
    /// When it was made, as the service says.
    pub made_at: Timestamp,
    /// The number of recorded events with this name before it. It identifies the callback.
    pub known: u64,
}

/// A delivery whose proof is documented only in part, and the forms of it that were tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The variable that names the form.
    pub setting: &'static str,
    /// The names of all forms.
    pub forms: Vec<&'static str>,
    /// The names of those that hold; `None` if the delivery carries no such proof.
    pub matching: Option<Vec<&'static str>>,
}

/// All services, started with the same settings.
pub struct Services([Box<dyn Service>; Provider::ALL.len()]);

impl Services {
    /// Starts every service of [`SERVICES`], to read deliveries and query the APIs. Reads no secret yet. Such services
    /// verify no signatures, so a function that uses them doesn't link OpenSSL.
    #[must_use]
    pub fn start(settings: &Settings, aws: &Aws) -> Self {
        Self(SERVICES.map(|service| (service.start)(settings, aws, None)))
    }

    /// Starts every service of [`SERVICES`] to verify signatures, too.
    #[cfg(feature = "openssl")]
    #[must_use]
    pub fn verifying(settings: &Settings, aws: &Aws) -> Self {
        Self(SERVICES.map(|service| (service.start)(settings, aws, Some(crate::proof::signature::Signers::parse))))
    }

    /// Starts every service without settings. Such services read stored deliveries; they prove nothing.
    #[must_use]
    pub fn without_settings(aws: &Aws) -> Self {
        Self::start(&unset_settings(), aws)
    }

    /// One service.
    #[must_use]
    pub fn of(&self, provider: Provider) -> &dyn Service {
        &*self.0[provider as usize]
    }

    /// Reads a proven delivery with its service's parser.
    ///
    /// # Errors
    /// As [`Service::read`].
    pub fn read(&self, delivery: &Proven) -> Result<Reading, Unreadable> {
        self.of(delivery.route().provider()).read(delivery)
    }
}

/// The endpoint of a route: which headers are kept, and whether the service sends callbacks again.
#[must_use]
pub fn endpoint(route: Route) -> &'static Endpoint {
    let endpoints = SERVICES[route.provider() as usize].endpoints;
    endpoints.iter().find(|endpoint| endpoint.route == route).unwrap_or(&endpoints[0])
}

/// Reads the settings of the stack and of every service; `lookup` returns a variable's value.
///
/// # Errors
/// Everything that is missing or wrong.
pub fn settings(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, Problems> {
    Settings::read(&VARIABLES, lookup)
}

/// Settings of which nothing is set: see [`Settings::unset`].
#[must_use]
pub fn unset_settings() -> Settings {
    Settings::unset(&VARIABLES)
}

/// Reads the settings from the process's environment.
///
/// # Errors
/// Everything that is missing or wrong.
pub fn settings_from_env() -> Result<Settings, Problems> {
    settings(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_provider_in_order_and_every_route_once() {
        assert_eq!(SERVICES.map(|service| service.provider), Provider::ALL);
        let routes: Vec<Route> =
            SERVICES.iter().flat_map(|service| service.endpoints).map(|endpoint| endpoint.route).collect();
        assert_eq!(routes, Route::ALL);
        for service in SERVICES {
            assert!(service.endpoints.iter().all(|endpoint| endpoint.route.provider() == service.provider));
        }
    }
}
