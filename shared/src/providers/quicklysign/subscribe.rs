//! A webhook for each new pack.
//!
//! QuicklySign has no webhook for an account, only for a pack, so the creator of a pack must subscribe Countersign to it.
//! [`Subscriber::subscribe`] may be called any number of times, concurrently too: a pack keeps one webhook. After a
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
        let subject = Subject { provider: Provider::Quicklysign, kind: SubjectKind::DocumentPack, id: pack.clone() };
        let mut existing = self.webhooks_of(pack).await?;
        let mut created = None;
        if !existing.iter().any(|webhook| webhook.callback.is(callback)) {
            let own = self.webhooks.create(pack, callback).await?;
            // It may call at once.
            register.remember(&subject, &own.key).await?;
            // Another caller may have created one at the same time. Whoever lists after both were created sees both.
            existing = self.webhooks_of(pack).await?;
            if !existing.iter().any(|webhook| webhook.key == own.key) {
                existing.push(own.clone());
            }
            created = Some(own.key);
        }
        let (mut same, others): (Vec<_>, Vec<_>) =
            existing.into_iter().partition(|webhook| webhook.callback.is(callback));
        // All callers keep the same one: the oldest.
        same.sort_by(|one, other| (one.date_created, &one.key).cmp(&(other.date_created, &other.key)));
        let mut same = same.into_iter();
        let webhook = same.next().ok_or(ApiError::Missing("webhook"))?;
        let created = created.as_ref() == Some(&webhook.key);
        if !created {
            register.remember(&subject, &webhook.key).await?;
        }
        for duplicate in same {
            if let Err(error) = self.webhooks.delete(&duplicate.key).await {
                // Another caller may have deleted it. If not, the next call does.
                tracing::warn!(event = "duplicate_webhook_not_deleted", webhook = %duplicate.key, problem = %error);
            }
        }
        let mut replaced = 0;
        for old in others.iter().filter(|webhook| callback.is_with_another_token(&webhook.callback)) {
            // A failure is harmless: once the old token is removed, the old webhook's calls are rejected.
            match self.webhooks.delete(&old.key).await {
                Ok(()) => replaced += 1,
                Err(error) => tracing::warn!(event = "webhook_not_replaced", webhook = %old.key, problem = %error),
            }
        }
        tracing::info!(event = "subscribed", provider = "quicklysign", subject = %pack, webhook = %webhook.key, created, replaced);
        Ok(Subscribed { webhook, created, replaced })
    }

    /// A pack's webhooks. The service's list may hold other packs' webhooks, which must not be deleted.
    async fn webhooks_of(&self, pack: &SubjectId) -> Result<Vec<Webhook>, ApiError> {
        let mut webhooks = self.webhooks.list(Some(pack)).await?;
        webhooks.retain(|webhook| webhook.entity_key == pack.as_str());
        Ok(webhooks)
    }
}
