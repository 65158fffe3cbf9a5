//! A webhook for each new pack.
//!
//! QuicklySign knows no webhook on an account, only on a pack, so whoever makes a pack must see to it that Countersign is
//! told of it. [`Subscriber::subscribe`] may be called any number of times: a pack that has the webhook gets no second
//! one. After the path token was rotated, calling it again puts the webhook with the new token in the place of the old.

use serde::Serialize;

use super::{
    api::ApiError,
    callback_url::{CallbackUrl, InvalidCallbackUrl},
    webhooks::{Webhook, Webhooks},
};
use crate::{
    aws::Aws,
    ledger::{Ledger, LedgerError},
    provider::Provider,
    secrets::{Cached, NotConfigured, Secret},
    settings::Settings,
    subject::SubjectId,
    time,
};
use secrecy::SecretString;
use serde::Deserialize;

/// Sees to it that packs have their webhook, and that it is known here.
pub struct Subscriber {
    webhooks: Webhooks,
    ledger: Ledger,
    callback: Result<String, NotConfigured>,
    token: Cached<PathToken>,
}

/// What became of a pack's subscription.
#[derive(Clone, Debug, Serialize)]
pub struct Subscribed {
    /// The pack's webhook.
    pub webhook: Webhook,
    /// Whether it was made now.
    pub created: bool,
    /// How many webhooks with an older path token were ended for it.
    pub replaced: usize,
}

/// Why a pack has no webhook that is known here. Asking again is right once the cause is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// QuicklySign's API didn't do it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// It was made, and couldn't be remembered.
    #[error("the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The callback URL or its token isn't configured.
    #[error("the callback URL: {0}")]
    NotConfigured(NotConfigured),
    /// That can't be a callback URL.
    #[error(transparent)]
    InvalidCallback(#[from] InvalidCallbackUrl),
}

impl SubscribeError {
    /// A stable code for people and records.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Api(error) => error.code(),
            Self::Ledger(_) => "unavailable".to_owned(),
            Self::NotConfigured(_) => "not_configured".to_owned(),
            Self::InvalidCallback(_) => "invalid_callback_url".to_owned(),
        }
    }
}

/// The path token that new webhooks carry: the first of the proof's `url_tokens`. While rotating, the new one comes
/// first.
struct PathToken(SecretString);

#[derive(Deserialize)]
struct PathTokens {
    url_tokens: Vec<SecretString>,
}

impl Secret for PathToken {
    type Json = PathTokens;

    fn from_json(json: PathTokens) -> Result<Self, String> {
        // The same rules as for the callback function, or a webhook would be made that is refused.
        crate::token::Tokens::new(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        json.url_tokens.into_iter().next().map(Self).ok_or_else(|| "url_tokens is empty".to_owned())
    }
}

impl Subscriber {
    /// A subscriber with these settings. Needs both of QuicklySign's secrets: the API's, and the proof's for the path
    /// token.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let quicklysign = settings.provider(Provider::Quicklysign);
        let not_set = || NotConfigured("QUICKLYSIGN_CALLBACK_URL is not set".to_owned());
        Self {
            webhooks: Webhooks::of(settings, aws),
            ledger: Ledger::new(aws, &settings.table, &settings.bucket),
            callback: settings.quicklysign.callback_url.clone().ok_or_else(not_set),
            token: Cached::new(quicklysign.proof.clone(), Some(aws.secrets.clone())),
        }
    }

    /// The webhook API that it asks.
    #[must_use]
    pub const fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// The callback URL of the settings, with the path token.
    ///
    /// # Errors
    /// When one of the two isn't configured.
    pub async fn callback(&self) -> Result<CallbackUrl, SubscribeError> {
        let template = self.callback.clone().map_err(SubscribeError::NotConfigured)?;
        self.callback_of(&template).await
    }

    /// A callback URL of which `{token}` stands for the path token; one without is taken as it is.
    ///
    /// # Errors
    /// When it can't be a callback URL, or the token isn't configured.
    pub async fn callback_of(&self, template: &str) -> Result<CallbackUrl, SubscribeError> {
        if !template.contains(CallbackUrl::TOKEN) {
            return Ok(CallbackUrl::parse(template)?);
        }
        let token = self.token.get().await.map_err(SubscribeError::NotConfigured)?;
        Ok(CallbackUrl::with_token(template, &token.0)?)
    }

    /// Sees to it that a pack's changes are told to `callback`, and that its webhook is known here.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing of what was done is undone, and doing it again goes on from there.
    pub async fn subscribe(&self, pack: &SubjectId, callback: &CallbackUrl) -> Result<Subscribed, SubscribeError> {
        let there = self.webhooks.list(Some(pack)).await?;
        // A list that isn't of this pack only would end other packs' webhooks.
        let of_pack = || there.iter().filter(|webhook| webhook.entity_key == pack.as_str());
        let (webhook, created) = match of_pack().find(|webhook| webhook.callback.is(callback)) {
            Some(webhook) => (webhook.clone(), false),
            None => (self.webhooks.create(pack, callback).await?, true),
        };
        self.ledger.remember_webhook(Provider::Quicklysign, &webhook.key, pack, time::now()).await?;
        let mut replaced = 0;
        for old in of_pack().filter(|webhook| callback.is_with_another_token(&webhook.callback)) {
            // It is not in the way: it only calls in vain once its token is gone.
            match self.webhooks.delete(&old.key).await {
                Ok(()) => replaced += 1,
                Err(error) => tracing::warn!(event = "webhook_not_replaced", webhook = %old.key, problem = %error),
            }
        }
        tracing::info!(event = "subscribed", provider = "quicklysign", subject = %pack, webhook = %webhook.key, created, replaced);
        Ok(Subscribed { webhook, created, replaced })
    }
}
