//! A simulator of the e-signature services, on loopback.
//!
//! Archiving needs a service to download PDFs from, and getting an account there takes days. This module implements
//! the documented APIs of the services inside the local stack's own process. A new user sees an archive at once, and
//! tests can make a service misbehave on purpose.
//!
//! Each service is one folder behind the trait [`SimulatedService`], and one entry in the list [`SERVICES`].
//!
//! Without a script, every well-formed id is known: it is a finished document, pack or request, whose names, parties
//! and number of documents follow from a hash of the id ([`facts`]). Nothing needs to be stored, so an id gives the
//! same data after a restart. A test can script single subjects ([`Simulator::pack`], [`Simulator::document`],
//! [`Simulator::request`], [`Simulator::signature_request`], see [`Script`]) or the next requests ([`Simulator::fail_next`]), and read the requests
//! afterwards ([`Simulator::requests`]).
//!
//! Comments state the source of each fact about a service: **confirmed** is the vendor's page, its specification or a
//! recorded exchange, **third party** is the code of other programs, **inferred** is a guess that the product must not
//! rely on.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::middleware;
use countersign::domain::Provider;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use behaviour::{Answer, Download, Part, Promise, Status};
pub use call::Request;
pub use credentials::{Credentials, WrongShape};
pub use demo::Case;
pub use script::Script;
pub use service::{Event, SimulatedService};

mod behaviour;
mod call;
pub mod callbacks;
mod credentials;
mod demo;
mod download;
pub mod dropbox_sign;
pub mod facts;
pub mod legalesign;
mod paper;
pub mod pdf;
pub mod quicklysign;
mod script;
mod service;
mod signeasy;
pub mod signing;
mod state;
mod throw_away;
mod zip;

#[cfg(test)]
mod client;
#[cfg(test)]
mod tests;

use state::State;

/// Every simulated service, in the order of [`Provider::ALL`]. This is the only list of them.
pub const SERVICES: [&dyn SimulatedService; Provider::ALL.len()] =
    [&dropbox_sign::DropboxSign, &legalesign::Legalesign, &quicklysign::Quicklysign, &signeasy::Signeasy];

/// One simulated service.
#[must_use]
pub fn service(provider: Provider) -> &'static dyn SimulatedService {
    SERVICES[provider as usize]
}

/// The simulated services. Clones share everything.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    state: Mutex<State>,
    /// Becomes true when the server shuts down, which ends bodies that are endless.
    closing: watch::Sender<bool>,
}

impl Simulator {
    /// Unscripted services that accept exactly these credentials.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Inner { credentials, state: Mutex::new(State::default()), closing: watch::Sender::new(false) }))
    }

    /// The routes of all services, and `/files/…`, the target of redirected downloads.
    pub fn router(&self) -> Router {
        let services = SERVICES.iter().map(|service| service.routes()).reduce(Router::merge).unwrap_or_default();
        services
            .merge(download::routes())
            .fallback(call::no_such_route)
            .layer(middleware::from_fn_with_state(self.clone(), call::gate))
            .with_state(self.clone())
    }

    /// Sets the base URL of links in responses, such as `http://127.0.0.1:3000`. Default: the request's own `Host`.
    pub fn set_base_url(&self, url: &str) {
        self.state().base_url = Some(url.trim_end_matches('/').to_owned());
    }

    /// Makes the next `times` requests whose path starts with `prefix` fail with this HTTP status and a plain text
    /// body, before credentials are checked, as a proxy in front of the service would. 429 and 503 come with a
    /// `Retry-After`. Failures of several calls for the same prefix happen in the order of the calls.
    pub fn fail_next(&self, times: usize, prefix: &str, status: u16) {
        self.state().fail_next(times, prefix, status);
    }

    /// The requests so far, oldest first. Only the latest 10,000 are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.iter().cloned().collect()
    }

    /// The [`Self::requests`] whose path starts with `prefix`.
    #[must_use]
    pub fn requests_to(&self, prefix: &str) -> Vec<Request> {
        let state = self.state();
        let requests = state.requests.iter();
        requests.filter(|request| request.path.starts_with(prefix)).cloned().collect()
    }

    /// Clears the list of requests.
    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock. If it did, continuing with the state would still be best.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Resolves when the server shuts down.
    async fn closed(&self) {
        let mut closing = self.0.closing.subscribe();
        // An error would mean that the sender was dropped, but `self` owns it.
        drop(closing.wait_for(|closing| *closing).await);
    }
}

/// Serves the simulator until `shutdown` resolves, then waits for running requests. Endless downloads are cut off.
///
/// # Errors
/// When the listener can't accept connections any more.
pub async fn serve(
    listener: TcpListener,
    simulator: Simulator,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = simulator.router().layer(axum::middleware::from_fn(crate::programs_only::check));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            shutdown.await;
            simulator.0.closing.send_replace(true);
        })
        .await
}
