//! Secrets: read once, cached, and read again when a proof failed, since the secret may have been rotated.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::{aws::Lazily, settings::SecretSource};

/// A flood of wrong tokens must not become a flood of paid calls, so a rotated secret is noticed within a minute.
const REREAD_AFTER: Duration = Duration::from_secs(60);

/// A secret that can't be read or isn't there yet is asked for again soon: nothing works until it is.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A secret's content: JSON of a known shape.
pub trait Secret: Sized + Send + Sync + 'static {
    /// The JSON's shape.
    type Json: DeserializeOwned;

    /// Takes in what the JSON says.
    ///
    /// # Errors
    /// Why that can't be used, without repeating any of it.
    fn from_json(json: Self::Json) -> Result<Self, String>;
}

/// The secret is missing, unreadable or unfit. Says why, and repeats none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotConfigured(pub String);

/// One secret, and what was read of it last.
pub struct Cached<S> {
    source: SecretSource,
    client: Option<Lazily<aws_sdk_secretsmanager::Client>>,
    last: Mutex<Option<Reading<S>>>,
}

struct Reading<S> {
    at: Instant,
    result: Result<Arc<S>, NotConfigured>,
}

impl<S: Secret> Cached<S> {
    /// A secret that hasn't been read yet; `client` is needed for those in Secrets Manager.
    #[must_use]
    pub fn new(source: SecretSource, client: Option<Lazily<aws_sdk_secretsmanager::Client>>) -> Self {
        Self { source, client, last: Mutex::new(None) }
    }

    /// The secret, from the cache if it was read before.
    ///
    /// # Errors
    /// When it is missing or unfit, or can't be read at the moment.
    pub async fn get(&self) -> Result<Arc<S>, NotConfigured> {
        self.read_unless(|last| last.result.is_ok() || last.at.elapsed() < RETRY_AFTER).await
    }

    /// The secret as it is now, for a second look after a proof failed; `None` when it was read within the last
    /// minute, or says the same as before.
    pub async fn reread(&self) -> Option<Arc<S>> {
        let before = self.get().await.ok()?;
        let now = self.read_unless(|last| last.at.elapsed() < REREAD_AFTER).await.ok()?;
        (!Arc::ptr_eq(&before, &now)).then_some(now)
    }

    async fn read_unless(&self, good_enough: impl Fn(&Reading<S>) -> bool) -> Result<Arc<S>, NotConfigured> {
        // The lock is held while reading, so that concurrent requests share one call.
        let mut last = self.last.lock().await;
        if let Some(reading) = last.as_ref().filter(|reading| good_enough(reading)) {
            return reading.result.clone();
        }
        let mut result = self.read().await.map(Arc::new);
        if let (Err(problem), Some(Reading { result: Ok(before), .. })) = (&result, last.as_ref()) {
            // What was right a minute ago is better than nothing while Secrets Manager can't be reached.
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
                return Err(NotConfigured("there is no client of Secrets Manager".to_owned()));
            }
            (SecretSource::Missing(variables), _) => {
                return Err(NotConfigured(format!("{variables} is not set")));
            }
        };
        // serde's messages can repeat values, so only the place is told.
        let json = serde_json::from_str(json.expose_secret()).map_err(|error| {
            NotConfigured(format!(
                "the secret is not JSON of the expected shape (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        S::from_json(json).map_err(NotConfigured)
    }
}

async fn fetch(client: &aws_sdk_secretsmanager::Client, id: &str) -> Result<SecretString, NotConfigured> {
    let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
        NotConfigured(format!("Secrets Manager: {}", error.code().unwrap_or("no answer")))
    })?;
    let text = answer.secret_string().ok_or_else(|| NotConfigured("the secret is empty or binary".to_owned()))?;
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
        Cached::new(source, None).get().await
    }

    #[tokio::test]
    async fn says_what_is_wrong_without_repeating_it() {
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
        let secret: Cached<Word> = Cached::new(SecretSource::Inline(r#"{"word":"w"}"#.into()), None);
        secret.get().await.unwrap();
        assert!(secret.reread().await.is_none());
    }
}
