//! `countersign trigger`: sends a callback as the service would.

use std::path::Path;

use clap::Args;
use countersign::domain::{Provider, SubjectId};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    output::{Failure, Output},
    provider, storage,
};
use crate::{
    secrets::Secrets,
    simulator::callbacks::{self, Payload},
};

/// The command.
#[derive(Debug, Args)]
pub struct Trigger {
    /// The service: legalesign, quicklysign or signeasy
    #[arg(value_parser = provider)]
    provider: Provider,

    /// Name of the event. legalesign: batch, signed, sent, rejected, realtime; quicklysign: entity_updated,
    /// document_status_changed, final_document_generated, … (any name is sent); signeasy: rs.initiated, rs.completed,
    /// document.signed, …
    event: String,

    /// Id of the document or pack [default: a new one]
    #[arg(long, value_parser = id)]
    id: Option<SubjectId>,

    /// Key of the QuicklySign webhook that the callback names [default: an unknown one]
    #[arg(long, value_name = "KEY", value_parser = id)]
    webhook_key: Option<SubjectId>,

    /// Version of SignEasy's payload
    #[arg(long, value_enum, default_value = "v3")]
    payload: Payload,

    /// Callback URL to post to, with its path token [default: the local stack's]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

fn id(text: &str) -> Result<SubjectId, String> {
    SubjectId::parse(text).map_err(|error| error.to_string())
}

/// The callback that was sent, and its answer.
#[derive(Debug, Serialize)]
struct Triggered {
    provider: Provider,
    event: String,
    id: SubjectId,
    http_status: u16,
    #[serde(flatten)]
    answer: Value,
}

impl Trigger {
    /// Sends the callback, and returns the answer.
    ///
    /// # Errors
    /// When no stack runs on `data` and no URL is given, or the callback can't be made or sent.
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let id = match self.id {
            Some(id) => id,
            None => callbacks::new_id(self.provider)?,
        };
        let running = match storage::running(data).await {
            Ok(endpoints) => Ok((Secrets::read(&endpoints.secrets)?, endpoints)),
            Err(failure) => Err(failure),
        };
        let callback = match (self.provider, &self.webhook_key) {
            (Provider::Quicklysign, Some(key)) => callbacks::quicklysign(&self.event, &id, key.as_str()),
            _ => {
                let proof = running.as_ref().map(|(secrets, _)| secrets.callback_proof()).unwrap_or_default();
                callbacks::callback(self.provider, &self.event, self.payload, &id, &proof)?
            }
        };
        let url = match self.to {
            Some(url) => url,
            None => {
                let (secrets, endpoints) = running?;
                let token = secrets.url_token(self.provider)?;
                format!("{}{}", endpoints.http, callback.route.path().replace("{token}", &token))
            }
        };
        let (status, answer) = callback.send(&url).await?;
        let outcome = answer["outcome"].as_str().unwrap_or("no outcome").to_owned();
        let text = format!("{} {} {id}: {} {outcome}\n", self.provider, self.event, status.as_u16());
        let (provider, event) = (self.provider, self.event);
        let answer = if answer.is_object() { answer } else { json!({"answer": answer}) };
        let triggered = Triggered { provider, event, id, http_status: status.as_u16(), answer };
        Ok(Output::new(&triggered, text)?.failed_unless(status.is_success()))
    }
}
