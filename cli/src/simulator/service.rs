//! What the local stack needs to know about a simulated service: its API, its secrets and its callbacks.

use std::ops::RangeInclusive;

use anyhow::Result;
use axum::Router;
use countersign::domain::{InvalidId, Provider, SubjectId};
use http::header::{AUTHORIZATION, HeaderName};
use serde_json::Value;

use super::{
    Simulator,
    callbacks::{CallbackError, Options, Post},
    demo::Case,
};

/// A simulated service. Each is one folder, and one entry in the list [`SERVICES`](super::SERVICES).
///
/// Its *secret* is the JSON object `{"proof": {…}, "api": {…}}` that the local stack keeps for it, or `null` if there is
/// none. A service may keep more in it.
pub trait SimulatedService: Sync {
    /// Which service it is.
    fn provider(&self) -> Provider;

    /// The base of its API's paths, such as `/quicklysign`. With the simulator's URL before it, it is the value of
    /// `…_API_URL`.
    fn api_path(&self) -> &'static str;

    /// The routes of its API, below [`Self::api_path`].
    fn routes(&self) -> Router<Simulator>;

    /// The names of the fields of its API credentials, each of which is a text.
    fn credential_fields(&self) -> &'static [&'static str];

    /// The header in which requests to its API carry a credential.
    fn credential_header(&self) -> HeaderName {
        AUTHORIZATION
    }

    /// The fields of a query in which requests to its API carry a credential.
    fn secret_query_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// The number of documents that an unscripted subject may have.
    fn documents(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// Its settings in the local stack, if the environment doesn't set them. `gateway` is the gateway's URL.
    fn settings(&self, _gateway: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Generates a throw-away secret.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    fn throw_away_secret(&self) -> Result<Value>;

    /// A new id, of the form that its ids have.
    ///
    /// # Errors
    /// Never, if the form is that of an id.
    fn new_id(&self) -> Result<SubjectId, InvalidId> {
        SubjectId::parse(uuid::Uuid::now_v7().simple().to_string())
    }

    /// The documented events that people are offered to send.
    fn events(&self) -> Vec<Event>;

    /// Whether `secret` is enough to prove its callbacks, besides the path token.
    fn can_prove(&self, _secret: &Value) -> bool {
        true
    }

    /// Makes the callback for `event` about the subject `id`, proven by `secret` as far as that is possible.
    ///
    /// # Errors
    /// When there is no such event, or `secret` lacks the key that must sign it.
    fn callback(&self, event: &str, id: &SubjectId, options: &Options, secret: &Value) -> Result<Post, CallbackError>;

    /// The callbacks that `countersign demo` sends.
    fn demo(&self) -> Vec<Case>;

    /// Scripts the subjects of [`Self::demo`], before the first callback is sent.
    fn script_demo(&self, _simulator: &Simulator) {}

    /// Adapts an event of [`Self::demo`] to what this simulator serves. `event` is the text of a file in `events/`.
    fn adapt_demo(&self, event: &str, _simulator: &Simulator) -> String {
        event.to_owned()
    }
}

/// A callback that people can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name, in the service's own words.
    pub name: &'static str,
    /// What it means, for people.
    pub meaning: &'static str,
}
