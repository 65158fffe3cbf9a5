//! The simulated Legalesign: documents, their status and PDFs (`api`), the list of documents (`list`), subscriptions
//! (`subscriptions`), and callbacks (`callbacks`, `posts`).

mod api;
mod callbacks;
mod list;
pub mod posts;
mod subscriptions;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use anyhow::{Context, Result};
use axum::Router;
use countersign::domain::{Provider, SubjectId};
use serde_json::{Value, json};

use super::{
    Script, Simulator,
    callbacks::{CallbackError, Options, Post},
    demo::{Case, cases},
    service::{Event, SimulatedService},
    signing::SigningKey,
    throw_away::random,
};

const SERVICE: Provider = Provider::Legalesign;

/// The simulated Legalesign.
pub struct Legalesign;

/// What only Legalesign remembers.
#[derive(Clone)]
struct State {
    /// From a signer's id to the signer's reason for declining.
    rejections: HashMap<String, String>,
    subscriptions: Vec<subscriptions::Subscription>,
    /// The slug of the group that documents belong to unless scripted.
    group: String,
}

impl Default for State {
    fn default() -> Self {
        Self { rejections: HashMap::new(), subscriptions: Vec::new(), group: posts::GROUP.to_owned() }
    }
}

impl Simulator {
    /// Scripts the Legalesign document with this id. This also adds it to the list of documents.
    pub fn document(&self, id: &str) -> Script {
        self.script(SERVICE, id)
    }

    /// Sets the slug of the group that unscripted Legalesign documents belong to. Default: [`posts::GROUP`].
    pub fn set_group(&self, slug: &str) {
        self.state().own::<State>().group = slug.to_owned();
    }

    /// Sets this Legalesign signer's reason for declining. Unscripted signers have a default reason.
    pub fn reject(&self, signer_id: &str, reason: &str) {
        self.state().own::<State>().rejections.insert(signer_id.to_owned(), reason.to_owned());
    }
}

/// The key that signs the callbacks, from Legalesign's secret.
///
/// # Errors
/// When the secret isn't a throw-away one: only Legalesign has its real key.
pub fn signing_key(secret: &Value) -> Result<SigningKey> {
    let pem = secret["signing_key"].as_str();
    SigningKey::from_pem(pem.context("these secrets have no key to sign as Legalesign with")?)
}

impl SimulatedService for Legalesign {
    fn provider(&self) -> Provider {
        SERVICE
    }

    fn api_path(&self) -> &'static str {
        "/legalesign/api/v1"
    }

    fn routes(&self) -> Router<Simulator> {
        api::routes().merge(subscriptions::routes())
    }

    fn credential_fields(&self) -> &'static [&'static str] {
        &["username", "secret"]
    }

    fn throw_away_secret(&self) -> Result<Value> {
        let signing_key = SigningKey::generate()?;
        Ok(json!({
            "proof": {"url_tokens": [random()?], "certificates": [signing_key.certificate()]},
            "api": {"username": "local", "secret": random()?},
            "signing_key": signing_key.to_pem(),
        }))
    }

    fn events(&self) -> Vec<Event> {
        callbacks::EVENTS.to_vec()
    }

    fn can_prove(&self, secret: &Value) -> bool {
        signing_key(secret).is_ok()
    }

    fn callback(&self, event: &str, id: &SubjectId, _: &Options, secret: &Value) -> Result<Post, CallbackError> {
        callbacks::callback(event, id, signing_key(secret).ok().as_ref())
    }

    fn demo(&self) -> Vec<Case> {
        let batches = cases!(LegalesignBatch in "v1-batch": "other_key_order", "signed_and_completed", "empty");
        let realtime = cases!(
            LegalesignRealtime in "v1-realtime":
            "form_sent", "signed_form_signed", "signed_form_rejected", "webhook_document_finalPdfCreated",
        );
        batches.into_iter().chain(realtime).collect()
    }
}
