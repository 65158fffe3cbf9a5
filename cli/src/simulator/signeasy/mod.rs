//! The simulated SignEasy: signature requests, self-signed documents and their files (`api`), and callbacks
//! (`callbacks`).

mod api;
mod callbacks;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use anyhow::Result;
use axum::Router;
use countersign::domain::{InvalidId, Provider, SubjectId};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use callbacks::Payload;

use super::{
    Script, Simulator,
    callbacks::{CallbackError, Options, Post},
    demo::{Case, cases},
    service::{Event, SimulatedService},
    throw_away::random,
};

const SERVICE: Provider = Provider::Signeasy;

/// The requests of the demo whose signed files have ids of their own.
const SIGNED_FILES: [(&str, &str); 2] = [("373340", "100002311"), ("2373543", "22342821")];

/// The self-signed document of the demo, and its checksum in SignEasy's example, which is replaced by the checksum of
/// the simulator's document.
const SELF_SIGNED: (&str, &str) = ("110565575", "eaae8847ba4b579f0c404cc51ea4aa0a2b4cc828099ead9c8ff9c68f0abd4e38");

/// The simulated SignEasy.
pub struct Signeasy;

impl Simulator {
    /// Scripts the SignEasy request or self-signed document with this id. For a request with two ids, it is the pending
    /// one.
    pub fn request(&self, id: &str) -> Script {
        self.script(SERVICE, id)
    }
}

impl SimulatedService for Signeasy {
    fn provider(&self) -> Provider {
        SERVICE
    }

    fn api_path(&self) -> &'static str {
        "/signeasy"
    }

    fn routes(&self) -> Router<Simulator> {
        api::routes()
    }

    fn credential_fields(&self) -> &'static [&'static str] {
        &["access_token"]
    }

    /// The sources of a request.
    fn documents(&self) -> RangeInclusive<usize> {
        1..=2
    }

    /// The documented callbacks of version 1 carry no token.
    fn settings(&self, _: &str) -> Vec<(&'static str, String)> {
        vec![("SIGNEASY_TOKEN", "if_present".to_owned())]
    }

    fn throw_away_secret(&self) -> Result<Value> {
        Ok(json!({
            "proof": {"url_tokens": [random()?], "tokens": [random()?]},
            "api": {"access_token": random()?},
        }))
    }

    /// A number, as all of SignEasy's ids are.
    fn new_id(&self) -> Result<SubjectId, InvalidId> {
        SubjectId::parse(Timestamp::now().as_microsecond().to_string())
    }

    fn events(&self) -> Vec<Event> {
        callbacks::offered()
    }

    fn callback(&self, event: &str, id: &SubjectId, options: &Options, secret: &Value) -> Result<Post, CallbackError> {
        callbacks::callback(event, id, options.payload, secret["proof"]["tokens"][0].as_str())
    }

    fn demo(&self) -> Vec<Case> {
        let cases = cases!(
            Signeasy in "signeasy-callback":
            "rs_initiated_v1",
            "rs_link_sent_v2",
            "rs_viewed_v2",
            "rs_reminded_v2",
            "rs_signed_v1",
            "rs_completed_v2",
            "rs_declined_v3",
            "rs_initiated_v3",
            "rs_viewed_v3_drifted",
            "rs_completed_v3_file_id_only",
            "rs_completed_v3_own_file_id",
            "document_signed",
        );
        cases.to_vec()
    }

    fn script_demo(&self, simulator: &Simulator) {
        for (request, file) in SIGNED_FILES {
            simulator.request(request).signed_as(file);
        }
    }

    fn adapt_demo(&self, event: &str, simulator: &Simulator) -> String {
        let (document, checksum) = SELF_SIGNED;
        event.replace(checksum, &simulator.signed_checksum(document))
    }
}
