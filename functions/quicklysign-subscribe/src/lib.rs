//! Subscribes Countersign to the changes of a QuicklySign document pack. The system that creates packs invokes this
//! function with `{"entity_key": "<the pack's key>"}` through the AWS API, which needs the permission
//! `lambda:InvokeFunction`. The function has no route that faces the internet, and its caller needs neither
//! QuicklySign's credentials nor the path token.
//!
//! It is idempotent: a pack that already has its webhook gets no second one.

use countersign::{
    aws::Aws,
    domain::SubjectId,
    ledger::Ledger,
    providers::quicklysign::subscribe::{SubscribeError, Subscribed, Subscriber},
    settings::{Problems, Settings},
};
use serde::Deserialize;

/// The function's input: the pack to subscribe to.
#[derive(Clone, Debug, Deserialize)]
pub struct Input {
    /// The pack's key at QuicklySign.
    pub entity_key: String,
}

/// The started function, or the problems with its settings.
pub struct Function(Result<Parts, Problems>);

struct Parts {
    subscriber: Subscriber,
    ledger: Ledger,
}

/// Why the subscription failed. The caller may try again; Lambda retries asynchronous calls by itself.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings are wrong.
    #[error("not configured: {0}")]
    NotConfigured(Problems),
    /// The input's `entity_key` isn't a valid id.
    #[error("entity_key: an id must be 1 to 200 characters of A-Z, a-z, 0-9, _ and -")]
    InvalidKey,
    /// QuicklySign's API or the table failed, or rejected the request.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl Failure {
    /// A stable code, which Lambda passes to the caller as the error's type.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::NotConfigured(_) => "not_configured".to_owned(),
            Self::InvalidKey => "invalid_entity_key".to_owned(),
            Self::Subscribe(error) => error.code(),
        }
    }
}

impl Function {
    /// Starts the function. With wrong settings every call fails with [`Failure::NotConfigured`].
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(settings.map(|settings| Parts {
            subscriber: Subscriber::new(&settings, aws),
            ledger: Ledger::new(aws, settings.storage()),
        }))
    }

    /// Subscribes to one pack.
    ///
    /// # Errors
    /// See [`Failure`]. Steps that succeeded stay done; the next call continues from there.
    pub async fn handle(&self, input: Input) -> Result<Subscribed, Failure> {
        let parts = self.0.as_ref().map_err(|problems| Failure::NotConfigured(problems.clone()))?;
        let Parts { subscriber, ledger } = parts;
        let pack = SubjectId::parse(input.entity_key).map_err(|_| Failure::InvalidKey)?;
        let callback = subscriber.callback().await?;
        Ok(subscriber.subscribe(&pack, &callback, ledger).await?)
    }
}
