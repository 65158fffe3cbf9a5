//! Sees to it that a QuicklySign pack tells Countersign of its changes. Whoever makes packs calls this with
//! `{"entity_key": "<the pack's key>"}`, by the AWS API and its permissions (`lambda:InvokeFunction`): it has no route
//! that faces the internet, and the caller needs neither QuicklySign's credentials nor the path token.
//!
//! Calling it twice is right: a pack that has its webhook gets no second one.

use countersign::{
    aws::Aws,
    providers::quicklysign::subscribe::{SubscribeError, Subscribed, Subscriber},
    settings::{Problems, Settings},
    subject::SubjectId,
};
use serde::Deserialize;

/// What the caller asks for.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// The key that QuicklySign gave the pack.
    pub entity_key: String,
}

/// The function, once it has been started.
pub struct Function(Result<Subscriber, Problems>);

/// Why it couldn't be done. The caller, or Lambda for an asynchronous call, tries again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings are wrong.
    #[error("not configured: {0}")]
    NotConfigured(Problems),
    /// That is no key of QuicklySign's.
    #[error("entity_key: an id must be 1 to 200 characters of A-Z, a-z, 0-9, _ and -")]
    InvalidKey,
    /// QuicklySign's API or the table refused.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl Failure {
    /// A stable code: the error's type, for the caller.
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
    /// Starts the function.
    #[must_use]
    pub fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        Self(settings.map(|settings| Subscriber::new(&settings, aws)))
    }

    /// Subscribes to one pack.
    ///
    /// # Errors
    /// When it couldn't be done; what was done stays, and the next call goes on from there.
    pub async fn handle(&self, order: Order) -> Result<Subscribed, Failure> {
        let subscriber = self.0.as_ref().map_err(|problems| Failure::NotConfigured(problems.clone()))?;
        let pack = SubjectId::parse(order.entity_key).map_err(|_| Failure::InvalidKey)?;
        let callback = subscriber.callback().await?;
        Ok(subscriber.subscribe(&pack, &callback).await?)
    }
}
