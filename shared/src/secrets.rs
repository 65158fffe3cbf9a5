//! Secrets: cached for five minutes at most, so that a value that was removed stops being accepted. Before that time is
//! over, a secret is read again in the background. After a failed proof it is read again at once, because it may have been
//! rotated.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::{
    aws::{Aws, Lazy},
    settings::SecretSource,
};

/// How long a value is used after it was read.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// Age from which a value is read again in the background, while it is still used.
const REFRESH_AFTER: Duration = Duration::from_secs(4 * 60);

/// Minimum interval between two reads after failed proofs: a flood of wrong tokens must not become a flood of paid
/// calls. Also the interval of attempts while Secrets Manager is unavailable.
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

/// Gets the JSON.
type Fetch = Box<dyn Fn() -> BoxFuture<'static, Result<SecretString, NotConfigured>> + Send + Sync>;

/// The time, which tests advance.
type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// One secret with the result of its last read.
pub struct Cached<S>(Arc<Inner<S>>);

struct Inner<S> {
    fetch: Fetch,
    from_json: FromJson<S>,
    clock: Clock,
    last: RwLock<Option<Reading<S>>>,
    /// Held during a read, so that concurrent requests share one call.
    reading: Arc<Mutex<()>>,
}

struct Reading<S> {
    at: Instant,
    refresh_at: Instant,
    ends_at: Instant,
    result: Result<Arc<S>, NotConfigured>,
}

/// Why a read gave no value.
enum ReadError {
    /// The content can't be had.
    NotRead(NotConfigured),
    /// The content can't be used.
    Unusable(NotConfigured),
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
        Self::read_with(fetch_from(source, None), Box::new(Instant::now), S::from_json)
    }
}

impl<S: Send + Sync + 'static> Cached<S> {
    /// The same, for a secret whose conversion needs more than the JSON.
    pub fn with<Json: DeserializeOwned>(
        source: &SecretSource,
        aws: &Aws,
        from_json: impl Fn(Json) -> Result<S, String> + Send + Sync + 'static,
    ) -> Self {
        let fetch = fetch_from(source.clone(), Some(aws.secrets.clone()));
        Self::read_with(fetch, Box::new(Instant::now), from_json)
    }

    fn read_with<Json: DeserializeOwned>(
        fetch: Fetch,
        clock: Clock,
        from_json: impl Fn(Json) -> Result<S, String> + Send + Sync + 'static,
    ) -> Self {
        let from_json: FromJson<S> = Box::new(move |text| Ok(from_json(serde_json::from_str(text)?)));
        Self(Arc::new(Inner { fetch, from_json, clock, last: RwLock::new(None), reading: Arc::default() }))
    }

    /// The secret, from the cache if it was read within the last five minutes.
    ///
    /// # Errors
    /// [`NotConfigured`] if the secret is missing or invalid, or can't be read and never could.
    pub async fn get(&self) -> Result<Arc<S>, NotConfigured> {
        let now = (self.0.clock)();
        if let Some((result, is_aging)) =
            self.0.last(|last| (now < last.ends_at).then(|| (last.result.clone(), now >= last.refresh_at)))
        {
            if is_aging {
                self.refresh_in_background();
            }
            return result;
        }
        self.0.read_unless(|last| (self.0.clock)() < last.ends_at).await
    }

    /// Reads the secret again, to retry what failed with `used`. `None` if there is no other value, or none can be read. At
    /// most one read a minute.
    pub async fn reread(&self, used: &Arc<S>) -> Option<Arc<S>> {
        let is_recent = |last: &Reading<S>| (self.0.clock)() < last.at + REREAD_AFTER;
        let current = self.0.read_unless(is_recent).await.ok()?;
        (!Arc::ptr_eq(used, &current)).then_some(current)
    }

    fn refresh_in_background(&self) {
        // If it can't be locked, a read is under way.
        if let Ok(lock) = Arc::clone(&self.0.reading).try_lock_owned() {
            let inner = Arc::clone(&self.0);
            tokio::spawn(async move {
                drop(inner.read().await);
                drop(lock);
            });
        }
    }
}

impl<S> Inner<S> {
    /// What `pick` takes from the last reading.
    fn last<T>(&self, pick: impl FnOnce(&Reading<S>) -> Option<T>) -> Option<T> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(pick)
    }

    async fn read_unless(&self, good_enough: impl Fn(&Reading<S>) -> bool) -> Result<Arc<S>, NotConfigured> {
        let _reading = self.reading.lock().await;
        match self.last(|last| good_enough(last).then(|| last.result.clone())) {
            Some(result) => result,
            None => self.read().await,
        }
    }

    /// Reads the secret and remembers the result. What is stored in Secrets Manager counts, even if it can't be used: it
    /// may have been emptied to revoke everything. Only while it can't be read, the last value is better than none.
    async fn read(&self) -> Result<Arc<S>, NotConfigured> {
        let (result, refresh_after, life) = match self.fetch_and_convert().await {
            Ok(secret) => (Ok(Arc::new(secret)), REFRESH_AFTER, LIFE),
            Err(ReadError::Unusable(problem)) => (Err(problem), RETRY_AFTER, RETRY_AFTER),
            Err(ReadError::NotRead(problem)) => match self.last(|last| last.result.clone().ok()) {
                Some(before) => {
                    tracing::warn!(event = "secret_reread_failed", problem = %problem);
                    (Ok(before), REREAD_AFTER, LIFE)
                }
                None => (Err(problem), RETRY_AFTER, RETRY_AFTER),
            },
        };
        let at = (self.clock)();
        let reading = Reading { at, refresh_at: at + refresh_after, ends_at: at + life, result: result.clone() };
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        result
    }

    async fn fetch_and_convert(&self) -> Result<S, ReadError> {
        let json = (self.fetch)().await.map_err(ReadError::NotRead)?;
        // serde's messages can contain values, so only the position is reported.
        let secret = (self.from_json)(json.expose_secret()).map_err(|error| {
            ReadError::Unusable(NotConfigured(format!(
                "the secret is not JSON of the expected shape (line {}, column {})",
                error.line(),
                error.column()
            )))
        })?;
        secret.map_err(|problem| ReadError::Unusable(NotConfigured(problem)))
    }
}

/// Gets the JSON from this source; from Secrets Manager only with a client.
fn fetch_from(source: SecretSource, client: Option<Lazy<aws_sdk_secretsmanager::Client>>) -> Fetch {
    Box::new(move || {
        let (source, client) = (source.clone(), client.clone());
        Box::pin(async move {
            match (source, client) {
                (SecretSource::Inline(json), _) => Ok(json),
                (SecretSource::SecretsManager(id), Some(client)) => fetch(&client, &id).await,
                (SecretSource::SecretsManager(_), None) => {
                    Err(NotConfigured("no Secrets Manager client is available".to_owned()))
                }
                (SecretSource::Missing(variables), _) => Err(NotConfigured(format!("{variables} is not set"))),
            }
        })
    })
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
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

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
        let used = secret.get().await.unwrap();
        assert!(secret.reread(&used).await.is_none());
    }

    /// A secret whose stored content changes. `None` if it can't be read.
    #[derive(Clone, Default)]
    struct Stored {
        content: Arc<std::sync::Mutex<Option<&'static str>>>,
        reads: Arc<AtomicUsize>,
        /// Held by a test in which reads don't end.
        gate: Arc<Mutex<()>>,
        /// The time since the start, in seconds.
        now: Arc<AtomicU64>,
    }

    impl Stored {
        fn set(&self, content: Option<&'static str>) {
            *self.content.lock().unwrap() = content;
        }

        fn advance(&self, time: Duration) {
            self.now.fetch_add(time.as_secs(), SeqCst);
        }

        fn reads(&self) -> usize {
            self.reads.load(SeqCst)
        }

        fn cached(&self) -> Cached<Word> {
            let stored = self.clone();
            let fetch: Fetch = Box::new(move || {
                let stored = stored.clone();
                Box::pin(async move {
                    stored.reads.fetch_add(1, SeqCst);
                    drop(stored.gate.lock().await);
                    let content = *stored.content.lock().unwrap();
                    content.map(SecretString::from).ok_or_else(|| NotConfigured("unavailable".to_owned()))
                })
            });
            let (start, now) = (Instant::now(), Arc::clone(&self.now));
            let seconds = move || now.load(SeqCst);
            Cached::read_with(fetch, Box::new(move || start + Duration::from_secs(seconds())), Word::from_json)
        }
    }

    const OLD: Option<&str> = Some(r#"{"word":"old"}"#);
    const NEW: Option<&str> = Some(r#"{"word":"new"}"#);

    /// The current value, or why there is none.
    async fn word(secret: &Cached<Word>) -> Result<String, String> {
        secret.get().await.map(|word| word.0.clone()).map_err(|problem| problem.to_string())
    }

    #[tokio::test]
    async fn a_removed_value_is_not_used_after_five_minutes() {
        let stored = Stored::default();
        stored.set(OLD);
        let secret = stored.cached();
        assert_eq!(word(&secret).await.as_deref(), Ok("old"));
        stored.set(NEW);
        stored.advance(REFRESH_AFTER - Duration::from_secs(1));
        assert_eq!((word(&secret).await.as_deref(), stored.reads()), (Ok("old"), 1));
        // Without any request in the last minute of its life.
        stored.advance(Duration::from_secs(61));
        assert_eq!((word(&secret).await.as_deref(), stored.reads()), (Ok("new"), 2));
        // A secret that was emptied doesn't leave the last value valid.
        stored.set(Some("{}"));
        stored.advance(LIFE);
        assert_eq!(word(&secret).await, Err("`word` is missing".to_owned()));
    }

    #[tokio::test]
    async fn no_request_waits_for_the_read_of_an_aging_secret() {
        let stored = Stored::default();
        stored.set(OLD);
        let secret = stored.cached();
        assert_eq!(word(&secret).await.as_deref(), Ok("old"));
        stored.set(NEW);
        stored.advance(REFRESH_AFTER);
        let closed = Arc::clone(&stored.gate).lock_owned().await;
        for _ in 0..10 {
            assert_eq!(word(&secret).await.as_deref(), Ok("old"));
            tokio::task::yield_now().await;
        }
        assert_eq!(stored.reads(), 2, "one read for all requests");
        drop(closed);
        // The background read ends before this lock is given.
        drop(secret.0.reading.lock().await);
        assert_eq!((word(&secret).await.as_deref(), stored.reads()), (Ok("new"), 2));
    }

    #[tokio::test]
    async fn the_last_value_is_used_while_the_secret_cannot_be_read() {
        let stored = Stored::default();
        let secret = stored.cached();
        assert_eq!(word(&secret).await, Err("unavailable".to_owned()));
        stored.set(OLD);
        stored.advance(RETRY_AFTER);
        assert_eq!(word(&secret).await.as_deref(), Ok("old"));
        stored.set(None);
        for _ in 0..3 {
            stored.advance(LIFE);
            assert_eq!(word(&secret).await.as_deref(), Ok("old"));
        }
    }

    #[tokio::test]
    async fn a_value_that_was_replaced_meanwhile_is_found_by_a_failed_proof() {
        let stored = Stored::default();
        stored.set(OLD);
        let secret = stored.cached();
        let used = secret.get().await.unwrap();
        stored.set(NEW);
        stored.advance(LIFE);
        assert_eq!(word(&secret).await.as_deref(), Ok("new"), "another request read it");
        assert_eq!(secret.reread(&used).await.unwrap().0, "new");
        assert_eq!(stored.reads(), 2);
    }
}
