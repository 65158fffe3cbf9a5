//! The simulated Dropbox Sign: signature requests and their files (`api`), and callbacks (`callbacks`).

mod api;
mod callbacks;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use anyhow::Result;
use axum::Router;
use countersign::domain::{Provider, SubjectId};
use serde_json::{Value, json};

use super::{
    Script, Simulator,
    callbacks::{CallbackError, Options, Post},
    demo::{Case, cases},
    service::{Event, SimulatedService},
    throw_away::random,
};

pub use callbacks::form;

const SERVICE: Provider = Provider::DropboxSign;

/// The simulated Dropbox Sign.
pub struct DropboxSign;

impl Simulator {
    /// Scripts the Dropbox Sign request with this id.
    pub fn signature_request(&self, id: &str) -> Script {
        self.script(SERVICE, id)
    }
}

/// The key that the callbacks' hashes are computed with, from Dropbox Sign's secret.
fn api_key(secret: &Value) -> Option<&str> {
    secret["proof"]["api_keys"][0].as_str()
}

impl SimulatedService for DropboxSign {
    fn provider(&self) -> Provider {
        SERVICE
    }

    fn api_path(&self) -> &'static str {
        "/dropbox-sign/v3"
    }

    fn routes(&self) -> Router<Simulator> {
        api::routes()
    }

    fn credential_fields(&self) -> &'static [&'static str] {
        &["api_key"]
    }

    /// The documents of a request.
    fn documents(&self) -> RangeInclusive<usize> {
        1..=3
    }

    /// One key for both: the hashes are computed with the account's API key.
    fn throw_away_secret(&self) -> Result<Value> {
        let key = random()?;
        Ok(json!({"proof": {"url_tokens": [random()?], "api_keys": [key]}, "api": {"api_key": key}}))
    }

    fn events(&self) -> Vec<Event> {
        callbacks::offered()
    }

    fn can_prove(&self, secret: &Value) -> bool {
        api_key(secret).is_some()
    }

    fn callback(&self, event: &str, id: &SubjectId, _: &Options, secret: &Value) -> Result<Post, CallbackError> {
        callbacks::callback(event, id, api_key(secret))
    }

    fn demo(&self) -> Vec<Case> {
        let cases = cases!(
            DropboxSign in "dropbox-sign-callback":
            "callback_test",
            "signature_request_sent",
            "signature_request_viewed",
            "signature_request_signed",
            "signature_request_all_signed",
            "signature_request_downloadable",
            "signature_request_declined",
        );
        cases.to_vec()
    }

    fn script_demo(&self, simulator: &Simulator) {
        simulator.signature_request(DECLINED).status(super::Status::Declined);
    }
}

/// The request of the demo that is declined.
const DECLINED: &str = "d10338cad145e1cb68afc828000000000000dec1";
