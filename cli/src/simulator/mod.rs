//! The three e-signature services, played on loopback.
//!
//! An archive needs a service to fetch its PDFs from, and an account there takes days. This module answers the
//! documented APIs of QuicklySign, Legalesign and SignEasy inside the local stack's own process, so that a newcomer
//! sees an archive at once, and so that tests can make a service misbehave on purpose.
//!
//! Left alone, it knows every well-formed id: whatever a callback names is a finished document, pack or request, and
//! its names, parties and number of documents follow from a hash of the id ([`facts`]). Nothing needs to be kept, so
//! an id means the same after a restart. A test changes that subject by subject ([`Simulator::pack`],
//! [`Simulator::document`], [`Simulator::request`], see [`Script`]) or for the next requests
//! ([`Simulator::fail_next`]), and reads afterwards what was asked ([`Simulator::requests`]).
//!
//! Where a fact about a service is not its own documentation's, the handler's comment says so: **confirmed** is the
//! vendor's page, specification or a recorded exchange, **third party** is other people's code, **inferred** is a
//! guess that the product must not lean on.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::middleware;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use behaviour::{Answer, Download, Part, Promise, Service, Status};
pub use call::Request;
pub use script::Script;

mod behaviour;
mod call;
mod download;
pub mod facts;
pub mod legalesign;
mod paper;
pub mod pdf;
mod quicklysign;
mod script;
mod signeasy;
pub mod signing;
mod state;
mod subscriptions;
mod webhooks;
mod zip;

#[cfg(test)]
mod client;
#[cfg(test)]
mod tests;

use state::State;

/// What the product has to present to each service: the same JSON as its `…_API` settings.
///
/// There is no `Debug`: a derived one would print the secrets.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// Legalesign's user name and secret.
    pub legalesign: LegalesignCredentials,
    /// QuicklySign's client and API key.
    pub quicklysign: QuicklysignCredentials,
    /// SignEasy's access token.
    pub signeasy: SigneasyCredentials,
}

/// `Authorization: ApiKey username:secret`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct LegalesignCredentials {
    /// The account's user name.
    pub username: String,
    /// The API secret that belongs to it.
    pub secret: String,
}

/// What an access token is asked for with; the first two also go with every webhook call.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct QuicklysignCredentials {
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// The API key of the user on whose behalf the client acts.
    pub api_key: String,
}

/// `Authorization: Bearer …`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct SigneasyCredentials {
    /// The OAuth access token.
    pub access_token: String,
}

/// The simulated services. Clones share everything.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    state: Mutex<State>,
    /// Turns true when the server ends, so that bodies that would never end do.
    closing: watch::Sender<bool>,
}

impl Simulator {
    /// Services that accept exactly these credentials, with nothing scripted.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Inner { credentials, state: Mutex::new(State::default()), closing: watch::Sender::new(false) }))
    }

    /// All three services, under `/quicklysign/v1/…`, `/legalesign/api/v1/…` and `/signeasy/v3/…`, and `/files/…`,
    /// where some of their downloads are redirected to.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(quicklysign::routes())
            .merge(webhooks::routes())
            .merge(legalesign::routes())
            .merge(subscriptions::routes())
            .merge(signeasy::routes())
            .merge(download::routes())
            .fallback(call::no_such_route)
            .layer(middleware::from_fn_with_state(self.clone(), call::gate))
            .with_state(self.clone())
    }

    /// The URL that links in answers start with, such as `http://127.0.0.1:3000`. Without it they follow the
    /// request's own `Host` header.
    pub fn set_base_url(&self, url: &str) {
        self.state().base_url = Some(url.trim_end_matches('/').to_owned());
    }

    /// The next `times` requests whose path starts with `prefix` are answered with this HTTP status and a plain text
    /// body, as a proxy in front of the service would, before any credential is looked at. 429 and 503 bring a
    /// `Retry-After`. Later calls for the same prefix queue up behind earlier ones.
    pub fn fail_next(&self, times: usize, prefix: &str, status: u16) {
        self.state().fail_next(times, prefix, status);
    }

    /// What was asked so far, oldest first. The newest 10,000 requests are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.iter().cloned().collect()
    }

    /// Those of [`Self::requests`] whose path starts with `prefix`.
    #[must_use]
    pub fn requests_to(&self, prefix: &str) -> Vec<Request> {
        let state = self.state();
        let asked = state.requests.iter();
        asked.filter(|request| request.path.starts_with(prefix)).cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// Ends every QuicklySign access token and every short-lived download location that is out.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.access_tokens.clear();
        state.locations.clear();
    }

    /// Each QuicklySign access token given out from now on is good for so many calls.
    pub fn tokens_last(&self, calls: u32) {
        self.state().token_calls = calls;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the state is still the best there is.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Resolves when the server ends.
    async fn closed(&self) {
        let mut closing = self.0.closing.subscribe();
        // An error would mean that the sender is gone, and it lives in `self`.
        drop(closing.wait_for(|closing| *closing).await);
    }
}

/// Serves the simulator until `shutdown` resolves, then lets requests finish; downloads that never would are cut off.
///
/// # Errors
/// The listener's own: accepting failed for good.
pub async fn serve(
    listener: TcpListener,
    simulator: Simulator,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = simulator.router();
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            shutdown.await;
            simulator.0.closing.send_replace(true);
        })
        .await
}
