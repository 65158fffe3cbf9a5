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
    simulator::{SERVICES, callbacks},
};

/// The command.
#[derive(Debug, Args)]
pub struct Trigger {
    /// The service
    #[arg(value_parser = provider())]
    provider: Provider,

    #[arg(help = event_help())]
    event: String,

    /// Id of the document or pack [default: a new one]
    #[arg(long, value_parser = |id: &str| SubjectId::parse(id))]
    id: Option<SubjectId>,

    #[command(flatten)]
    options: callbacks::Options,

    /// Callback URL to post to, with its path token [default: the local stack's]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

/// The help text of the event's name.
fn event_help() -> String {
    let events = SERVICES.map(|service| {
        let names: Vec<&str> = service.events().iter().map(|event| event.name).collect();
        format!("{}: {}", service.provider(), names.join(", "))
    });
    format!("Name of the event. {}", events.join("; "))
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
        let secret = running.as_ref().map(|(secrets, _)| secrets.secret(self.provider).clone()).unwrap_or_default();
        let callback = callbacks::callback(self.provider, &self.event, &id, &self.options, &secret)?;
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
