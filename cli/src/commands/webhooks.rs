//! `countersign webhooks`: QuicklySign's webhooks, each on one document pack.
//!
//! Credentials come from where the functions have theirs: `QUICKLYSIGN_API` or `QUICKLYSIGN_API_SECRET_ID` in the
//! environment, else the stack that runs on the data folder. No secret needs to be on the command line: in `--callback`,
//! `{token}` stands for the path token.

use std::path::Path;

use clap::{Args, Subcommand};
use countersign::{
    aws::Aws,
    domain::{Provider, Route, SubjectId},
    ledger::Ledger,
    providers::{
        self,
        quicklysign::{
            api::ApiError,
            subscribe::{SubscribeError, Subscriber},
            webhooks::{CallbackLog, Logs, Webhook, Webhooks as Client},
        },
    },
    settings::{SecretSource, Settings},
};
use serde_json::json;

use super::{
    output::{Failure, Output, or_dash, table},
    storage::{self, Access},
};
use crate::{
    secrets::Secrets,
    stack::{self, BUCKET, Endpoints, Key, TABLE, TEMPORARY_BUCKET},
};

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// Create a webhook on a document pack, unless there is one already
    Create(Create),
    /// List the webhooks of the account, or of one document pack
    List(List),
    /// Show one webhook
    Get(Get),
    /// Delete one webhook, or all webhooks of a document pack
    Delete(Delete),
    /// Show QuicklySign's log of calls to webhooks
    Logs(ShowLogs),
}

#[derive(Debug, Args)]
pub struct Create {
    /// Key of the document pack
    #[arg(long, value_name = "KEY", value_parser = key)]
    entity_key: SubjectId,

    /// URL that QuicklySign is to call; {token} stands for the first path token [default: QUICKLYSIGN_CALLBACK_URL, or the
    /// local stack's]
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Only webhooks on this document pack
    #[arg(long, value_name = "KEY", value_parser = key)]
    entity_key: Option<SubjectId>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// Key of the webhook
    #[arg(value_parser = key)]
    key: SubjectId,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Delete {
    /// Key of the webhook
    #[arg(value_parser = key)]
    key: Option<SubjectId>,

    /// All webhooks on the document pack with this key
    #[arg(long, value_name = "KEY", value_parser = key)]
    entity_key: Option<SubjectId>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct ShowLogs {
    /// Only calls about this document pack
    #[arg(long, value_name = "KEY", value_parser = key)]
    entity_key: Option<SubjectId>,

    /// Only calls of this webhook
    #[arg(long, value_name = "KEY", value_parser = key)]
    webhook_key: Option<SubjectId>,
}

fn key(text: &str) -> Result<SubjectId, String> {
    SubjectId::parse(text).map_err(|error| error.to_string())
}

impl Webhooks {
    pub async fn run(self, data: &Path) -> Result<Output, Failure> {
        let site = Site::find(data).await?;
        match self {
            Self::Create(create) => create.run(site, data).await,
            Self::List(list) => {
                let webhooks = site.client().await.list(list.entity_key.as_ref()).await.map_err(api_failure)?;
                let text = if webhooks.is_empty() { "no webhooks\n".to_owned() } else { webhooks_table(&webhooks) };
                Output::new(&json!({"webhooks": webhooks}), text)
            }
            Self::Get(get) => {
                let webhook = site.client().await.get(&get.key).await.map_err(api_failure)?;
                let text = webhooks_table(std::slice::from_ref(&webhook));
                Output::new(&json!({"webhook": webhook}), text)
            }
            Self::Delete(delete) => delete.run(&site).await,
            Self::Logs(which) => {
                let which = match (which.entity_key, which.webhook_key) {
                    (Some(key), _) => Logs::OfEntity(key),
                    (None, Some(key)) => Logs::OfWebhook(key),
                    (None, None) => Logs::All,
                };
                let logs = site.client().await.callback_logs(&which).await.map_err(api_failure)?;
                let text = if logs.is_empty() { "no calls\n".to_owned() } else { logs_table(&logs) };
                Output::new(&json!({"logs": logs}), text)
            }
        }
    }
}

impl Create {
    async fn run(self, site: Site, data: &Path) -> Result<Output, Failure> {
        // Held while the ledger is in use.
        let access;
        let aws = if site.deployed_table {
            Aws::from_env().await
        } else {
            access = Access::local(data).await?;
            Aws { secrets: site.aws().await.secrets, ..access.aws.clone() }
        };
        let subscriber = Subscriber::new(&site.settings, &aws);
        let callback = match &self.callback {
            Some(callback) => subscriber.callback_of(callback).await,
            None => subscriber.callback().await,
        };
        let callback = callback.map_err(not_subscribed)?;
        let ledger = Ledger::new(&aws, site.settings.storage());
        let subscribed = subscriber.subscribe(&self.entity_key, &callback, &ledger).await.map_err(not_subscribed)?;
        let (webhook, done) = (&subscribed.webhook, if subscribed.created { "created" } else { "exists already" });
        let mut text = format!("webhook {} on {}: {done}, calls {}\n", webhook.key, self.entity_key, webhook.callback);
        if subscribed.replaced > 0 {
            text.push_str(&format!("deleted {} with an older path token\n", subscribed.replaced));
        }
        Output::new(&subscribed, text)
    }
}

impl Delete {
    async fn run(self, site: &Site) -> Result<Output, Failure> {
        let client = site.client().await;
        let (deleted, json, text) = match (self.key, self.entity_key) {
            (Some(key), _) => {
                (client.delete(&key).await, json!({"deleted": {"key": key}}), format!("webhook {key}: deleted\n"))
            }
            (None, Some(key)) => {
                let json = json!({"deleted": {"entity_key": key}});
                (client.delete_of_entity(&key).await, json, format!("webhooks on {key}: deleted\n"))
            }
            (None, None) => return Err(Failure::usage(&"give the webhook's key or --entity-key")),
        };
        deleted.map_err(|error| match &error {
            ApiError::Response(answered) if !answered.in_envelope && matches!(answered.status, 404 | 405) => Failure::new(
                "no_such_path",
                format!("{error}, not in QuicklySign's own form: its DELETE paths may be spelt differently; try QUICKLYSIGN_DELETE_PATHS=plural"),
            ),
            _ => api_failure(error),
        })?;
        Output::new(&json, text)
    }
}

/// The QuicklySign account, and the settings to reach it.
struct Site {
    settings: Settings,
    /// Whether the environment names a table in AWS.
    deployed_table: bool,
}

impl Site {
    /// The account in the environment, else that of the stack that runs on the data folder.
    async fn find(data: &Path) -> Result<Self, Failure> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if environment("QUICKLYSIGN_API").or_else(|| environment("QUICKLYSIGN_API_SECRET_ID")).is_some() {
            let settings = providers::settings(|name| environment(name).or_else(|| local_name(name)))?;
            return Ok(Self { settings, deployed_table: environment("TABLE_NAME").is_some() });
        }
        let Ok(endpoints) = storage::running(data).await else {
            let hint = "set QUICKLYSIGN_API or QUICKLYSIGN_API_SECRET_ID, or start a stack with `countersign serve`";
            return Err(Failure::new("not_configured", format!("no credentials for QuicklySign's API: {hint}")));
        };
        let secrets = Secrets::read(&endpoints.secrets)?;
        let local = |name: &str| of_stack(name, &endpoints, &secrets).or_else(|| local_name(name));
        let settings = providers::settings(|name| local(name).or_else(|| environment(name)))?;
        Ok(Self { settings, deployed_table: false })
    }

    async fn client(&self) -> Client {
        Client::new(&self.settings, &self.aws().await)
    }

    /// Clients of AWS if the credentials are there, and unused ones otherwise.
    async fn aws(&self) -> Aws {
        match &self.settings.service(Provider::Quicklysign).api {
            SecretSource::SecretsManager(_) => Aws::from_env().await,
            // Never used. Looking for a region and credentials would take seconds if there are none.
            _ => {
                let key = Key { id: "unused".to_owned(), secret: "unused".to_owned() };
                stack::clients("http://127.0.0.1", "http://127.0.0.1", &key).await
            }
        }
    }
}

fn local_name(name: &str) -> Option<String> {
    match name {
        "TABLE_NAME" => Some(TABLE.to_owned()),
        "ARCHIVE_BUCKET" => Some(BUCKET.to_owned()),
        "TEMPORARY_BUCKET" => Some(TEMPORARY_BUCKET.to_owned()),
        _ => None,
    }
}

/// The settings that a running stack gives its functions.
fn of_stack(name: &str, endpoints: &Endpoints, secrets: &Secrets) -> Option<String> {
    let (proof, api) = secrets.of(Provider::Quicklysign);
    match name {
        "QUICKLYSIGN_PROOF" => Some(proof.to_string()),
        "QUICKLYSIGN_API" => Some(api.to_string()),
        "QUICKLYSIGN_API_URL" => endpoints.apis.get(&Provider::Quicklysign).cloned(),
        "QUICKLYSIGN_CALLBACK_URL" => Some(format!("{}{}", endpoints.http, Route::Quicklysign.path())),
        "ALLOW_INSECURE_DOWNLOADS" => Some("true".to_owned()),
        _ => None,
    }
}

/// A failure with the API's own code and message, if it gave them.
fn api_failure(error: ApiError) -> Failure {
    let message = error.to_string();
    match &error {
        ApiError::Response(answered) if answered.status == 404 && answered.in_envelope => Failure::not_found(message),
        ApiError::Response(answered) => Failure::new(answered.code.clone().unwrap_or_else(|| error.code()), message),
        _ => Failure::new(error.code(), message),
    }
}

fn not_subscribed(error: SubscribeError) -> Failure {
    match error {
        SubscribeError::Api(error) => api_failure(error),
        SubscribeError::InvalidCallback(error) => Failure::usage(&error),
        _ => Failure::new(error.code(), error.to_string()),
    }
}

fn webhooks_table(webhooks: &[Webhook]) -> String {
    table(
        ["key", "document pack", "calls", "since"],
        webhooks.iter().map(|webhook| {
            let (key, entity) = (webhook.key.to_string(), webhook.entity_key.clone());
            [key, entity, webhook.callback.to_string(), or_dash(webhook.date_created)]
        }),
    )
}

fn logs_table(logs: &[CallbackLog]) -> String {
    table(
        ["at", "event", "document pack", "webhook", "answer", "log"],
        logs.iter().map(|log| {
            [
                or_dash(log.date_created),
                log.callback_event.clone(),
                or_dash(log.entity_key.as_ref()),
                or_dash(log.webhook_key.as_ref()),
                or_dash(log.http_status),
                log.log.clone(),
            ]
        }),
    )
}
