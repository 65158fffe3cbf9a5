//! A webhook for each new pack.
//!
//! QuicklySign has no webhook for an account, only for a pack, so the creator of a pack must subscribe Countersign to it.
//! [`Subscriber::subscribe`] may be called any number of times: a pack that has the webhook gets no second one. After a
//! rotation of the path token, calling it again replaces the webhook with the old token by one with the new token.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    api::ApiError,
    callback_url::{CallbackUrl, InvalidCallbackUrl},
    settings,
    webhooks::{Webhook, Webhooks},
};
use crate::{
    aws::Aws,
    domain::{LedgerError, Provider, Subject, SubjectId, SubjectKind, WebhookRegister},
    secrets::{Cached, NotConfigured, Secret},
    settings::Settings,
};

/// Subscribes Countersign to packs.
pub struct Subscriber {
    webhooks: Webhooks,
    callback: Result<String, NotConfigured>,
    token: Cached<PathToken>,
}

/// A pack's subscription.
#[derive(Clone, Debug, Serialize)]
pub struct Subscribed {
    /// The pack's webhook.
    pub webhook: Webhook,
    /// Whether it was created now.
    pub created: bool,
    /// The number of webhooks with an older path token that were deleted.
    pub replaced: usize,
}

/// Why a pack wasn't subscribed to. It may be tried again once the cause is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// QuicklySign's API failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The webhook was created but couldn't be recorded.
    #[error("the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The callback URL or its token isn't configured.
    #[error("the callback URL: {0}")]
    NotConfigured(NotConfigured),
    /// The text isn't a callback URL.
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

/// The path token of new webhooks: the first of the proof's `url_tokens`. During a rotation the new token is the first.
struct PathToken(SecretString);

#[derive(Deserialize)]
struct PathTokens {
    url_tokens: Vec<SecretString>,
}

impl Secret for PathToken {
    type Json = PathTokens;

    fn from_json(json: PathTokens) -> Result<Self, String> {
        // The same rules as for the callback function, or the calls of a new webhook would be rejected.
        crate::proof::token::Tokens::in_urls(&json.url_tokens).map_err(|problem| format!("url_tokens: {problem}"))?;
        json.url_tokens.into_iter().next().map(Self).ok_or_else(|| "url_tokens is empty".to_owned())
    }
}

impl Subscriber {
    /// A subscriber with these settings. It needs both of QuicklySign's secrets: the API's, and the proof's for the path
    /// token. Reads no secret yet.
    #[must_use]
    pub fn new(settings: &Settings, aws: &Aws) -> Self {
        let quicklysign = settings.service(Provider::Quicklysign);
        let not_set = || NotConfigured("QUICKLYSIGN_CALLBACK_URL is not set".to_owned());
        Self {
            webhooks: Webhooks::new(settings, aws),
            callback: settings::parse(quicklysign).0.callback_url.ok_or_else(not_set),
            token: Cached::new(&quicklysign.proof, aws),
        }
    }

    /// The webhook API that it calls.
    #[must_use]
    pub const fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// The callback URL of the settings, with the path token.
    ///
    /// # Errors
    /// If one of the two isn't configured.
    pub async fn callback(&self) -> Result<CallbackUrl, SubscribeError> {
        let template = self.callback.clone().map_err(SubscribeError::NotConfigured)?;
        self.callback_of(&template).await
    }

    /// The callback URL of a template, whose `{token}` is replaced by the path token. A template without it is the URL.
    ///
    /// # Errors
    /// If it isn't a callback URL, or the token isn't configured.
    pub async fn callback_of(&self, template: &str) -> Result<CallbackUrl, SubscribeError> {
        if !template.contains(CallbackUrl::TOKEN) {
            return Ok(CallbackUrl::parse(template)?);
        }
        let token = self.token.get().await.map_err(SubscribeError::NotConfigured)?;
        Ok(CallbackUrl::with_token(template, &token.0)?)
    }

    /// Makes a pack's webhook call `callback`, and records the webhook in `register`.
    ///
    /// # Errors
    /// [`SubscribeError`]. Completed steps stay, and another call continues from there.
    pub async fn subscribe(
        &self,
        pack: &SubjectId,
        callback: &CallbackUrl,
        register: &dyn WebhookRegister,
    ) -> Result<Subscribed, SubscribeError> {
        let existing = self.webhooks.list(Some(pack)).await?;
        // The list may hold other packs' webhooks, which must not be deleted.
        let of_pack = || existing.iter().filter(|webhook| webhook.entity_key == pack.as_str());
        let (webhook, created) = match of_pack().find(|webhook| webhook.callback.is(callback)) {
            Some(webhook) => (webhook.clone(), false),
            None => (self.webhooks.create(pack, callback).await?, true),
        };
        let subject = Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id: pack.clone() };
        register.remember(&subject, &webhook.key).await?;
        let mut replaced = 0;
        for old in of_pack().filter(|webhook| callback.is_with_another_token(&webhook.callback)) {
            // A failure is harmless: once the old token is removed, the old webhook's calls are rejected.
            match self.webhooks.delete(&old.key).await {
                Ok(()) => replaced += 1,
                Err(error) => tracing::warn!(event = "webhook_not_replaced", webhook = %old.key, problem = %error),
            }
        }
        tracing::info!(event = "subscribed", provider = "quicklysign", subject = %pack, webhook = %webhook.key, created, replaced);
        Ok(Subscribed { webhook, created, replaced })
    }
}
