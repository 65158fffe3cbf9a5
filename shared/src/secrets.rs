//! Secrets: read once, cached, and read again after a failed proof, because the secret may have been rotated.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::{
    aws::{Aws, Lazy},
    settings::SecretSource,
};

/// Minimum interval between two reads after failed proofs: a flood of wrong tokens must not become a flood of paid
/// calls. A rotated secret is therefore noticed within a minute.
const REREAD_AFTER: Duration = Duration::from_secs(60);

/// How long a failed read is cached if there is no earlier value. Short, because nothing works without the secret.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A secret's content: JSON of a known shape.
pub trait Secret: Sized + Send + Sync + 'static {
    /// The shape of the JSON.
    type Json: DeserializeOwned;

    /// Validates and converts the JSON.
    ///
    /// # Errors
    /// Why the content can't be used, without repeating any of it.
    fn from_json(json: Self::Json) -> Result<Self, String>;
}

/// The secret is missing, unreadable or invalid. Contains the reason, and nothing of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotConfigured(pub String);

/// Parses, validates and converts the JSON.
type FromJson<S> = Box<dyn Fn(&str) -> serde_json::Result<Result<S, String>> + Send + Sync>;

/// One secret with the result of its last read.
pub struct Cached<S> {
    source: SecretSource,
    client: Option<Lazy<aws_sdk_secretsmanager::Client>>,
    from_json: FromJson<S>,
    last: Mutex<Option<Reading<S>>>,
}

struct Reading<S> {
    at: Instant,
    result: Result<Arc<S>, NotConfigured>,
}

impl<S: Secret> Cached<S> {
    /// A secret that hasn't been read yet.
    #[must_use]
    pub fn new(source: &SecretSource, aws: &Aws) -> Self {
        Self::with(source, aws, S::from_json)
    }

    /// A secret that isn't in Secrets Manager.
    #[cfg(test)]
    pub(crate) fn without_client(source: SecretSource) -> Self {
        Self::read_with(source, None, S::from_json)
    }
}

impl<S> Cached<S> {
    /// The same, for a secret whose conversion needs more than the JSON.
    pub fn with<Json: DeserializeOwned>(
        source: &SecretSource,
        aws: &Aws,
        from_json: impl Fn(Json) -> Result<S, String> + Send + Sync + 'static,
    ) -> Self {
        Self::read_with(source.clone(), Some(aws.secrets.clone()), from_json)
    }

    /// A secret that this client, if there is one, reads from Secrets Manager.
    fn read_with<Json: DeserializeOwned>(
        source: SecretSource,
        client: Option<Lazy<aws_sdk_secretsmanager::Client>>,
        from_json: impl Fn(Json) -> Result<S, String> + Send + Sync + 'static,
    ) -> Self {
        let from_json: FromJson<S> = Box::new(move |text| Ok(from_json(serde_json::from_str(text)?)));
        Self { source, client, from_json, last: Mutex::new(None) }
    }

    /// The secret, from the cache if it has been read before.
    ///
    /// # Errors
    /// [`NotConfigured`] if the secret is missing or invalid, or can't be read at the moment.
    pub async fn get(&self) -> Result<Arc<S>, NotConfigured> {
        self.read_unless(|last| last.result.is_ok() || last.at.elapsed() < RETRY_AFTER).await
    }

    /// Reads the secret again, to retry a failed proof. `None` if it was read within the last minute, or if it can't be
    /// read.
    pub async fn reread(&self) -> Option<Arc<S>> {
        let before = self.get().await.ok()?;
        let now = self.read_unless(|last| last.at.elapsed() < REREAD_AFTER).await.ok()?;
        (!Arc::ptr_eq(&before, &now)).then_some(now)
    }

    async fn read_unless(&self, good_enough: impl Fn(&Reading<S>) -> bool) -> Result<Arc<S>, NotConfigured> {
        // The lock is held during the read, so that concurrent requests share one call.
        let mut last = self.last.lock().await;
        if let Some(reading) = last.as_ref().filter(|reading| good_enough(reading)) {
            return reading.result.clone();
        }
        let mut result = self.read().await.map(Arc::new);
        if let (Err(problem), Some(Reading { result: Ok(before), .. })) = (&result, last.as_ref()) {
            // While Secrets Manager is unavailable, the last value is better than none.
            tracing::warn!(event = "secret_reread_failed", problem = %problem);
            result = Ok(Arc::clone(before));
        }
        *last = Some(Reading { at: Instant::now(), result: result.clone() });
        result
    }

    async fn read(&self) -> Result<S, NotConfigured> {
        let json = match (&self.source, &self.client) {
            (SecretSource::Inline(json), _) => json.clone(),
            (SecretSource::SecretsManager(id), Some(client)) => fetch(client, id).await?,
            (SecretSource::SecretsManager(_), None) => {
                return Err(NotConfigured("no Secrets Manager client is available".to_owned()));
            }
            (SecretSource::Missing(variables), _) => {
                return Err(NotConfigured(format!("{variables} is not set")));
            }
        };
        // serde's messages can contain values, so only the position is reported.
        let secret = (self.from_json)(json.expose_secret()).map_err(|error| {
            NotConfigured(format!(
                "the secret is not JSON of the expected shape (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        secret.map_err(NotConfigured)
    }
}

async fn fetch(client: &aws_sdk_secretsmanager::Client, id: &str) -> Result<SecretString, NotConfigured> {
    let response = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        NotConfigured(format!("Secrets Manager: {}", error.code().unwrap_or("no response")))
    })?;
    let text = response.secret_string().ok_or_else(|| NotConfigured("the secret is empty or binary".to_owned()))?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word(String);

    impl Secret for Word {
        type Json = std::collections::HashMap<String, String>;

        fn from_json(mut json: Self::Json) -> Result<Self, String> {
            json.remove("word").map(Self).ok_or_else(|| "`word` is missing".to_owned())
        }
    }

    async fn read(source: SecretSource) -> Result<Arc<Word>, NotConfigured> {
        Cached::without_client(source).get().await
    }

    #[tokio::test]
    async fn errors_give_the_reason_without_the_content() {
        assert_eq!(read(SecretSource::Inline(r#"{"word":"w"}"#.into())).await.unwrap().0, "w");
        for (source, problem) in [
            (SecretSource::Missing("A or B".to_owned()), "A or B is not set"),
            (SecretSource::Inline("{}".into()), "`word` is missing"),
            (SecretSource::Inline("hush".into()), "the secret is not JSON of the expected shape (line 1, column 1)"),
        ] {
            assert_eq!(read(source).await.err().unwrap().to_string(), problem);
        }
    }

    #[tokio::test]
    async fn an_unchanged_secret_is_not_read_again_within_the_minute() {
        let secret: Cached<Word> = Cached::without_client(SecretSource::Inline(r#"{"word":"w"}"#.into()));
        secret.get().await.unwrap();
        assert!(secret.reread().await.is_none());
    }
}
