//! The entry point where a test calls functions directly.

use std::{ops::Deref, time::Duration};

use aws_lambda_events::event::dynamodb::Event;
use countersign::{
    aws::Aws,
    domain::{Provider, Subject},
    ledger::{ArchiveJob, ArchiveState},
    publish::PublishedEvent,
    settings::{Problems, Settings},
    sweep::{Sweep, Swept},
};
use final_document::TIME_LIMIT;
use jiff::Timestamp;
use serde_json::json;

use super::{
    Embedded, PATH_TOKEN, Stored,
    published::published,
    requests::{failed_messages, queue_message},
    throw_away_secrets, unreachable_aws,
};

/// Functions, and embedded services for them. No gateway, pipe, queue or schedule runs.
pub struct DirectFunctions {
    embedded: Embedded,
    settings: Settings,
    /// One for all archive jobs: reading the trusted certificates for a new one takes a while.
    final_document: final_document::Function,
    publish: publish::Function,
}

impl DirectFunctions {
    /// New services, with nothing stored. The path token of QuicklySign's callbacks is [`PATH_TOKEN`].
    pub async fn start() -> Self {
        let mut secrets = throw_away_secrets();
        secrets.set_proof(Provider::Quicklysign, json!({"url_tokens": [PATH_TOKEN]}));
        let embedded = Embedded::start(secrets).await;
        let settings = embedded.settings(&embedded.simulator_url, &[]).expect("settings");
        let final_document = final_document::Function::start(Ok(settings.clone()), &embedded.aws);
        let eventbridge = embedded.eventbridge().await;
        let publish = publish::Function::start(Ok(settings.clone()), &embedded.aws, eventbridge);
        Self { embedded, settings, final_document, publish }
    }

    /// The functions' settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// The functions' settings, but with these variables; an empty value counts as unset.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settings_with(&self, changes: &[(&str, &str)]) -> Result<Settings, Problems> {
        self.embedded.settings(&self.simulator_url, changes)
    }

    /// `quicklysign-callback`.
    pub async fn quicklysign_callback(&self) -> quicklysign_callback::Function {
        quicklysign_callback::Function::start(Ok(self.settings()), &self.aws).await
    }

    /// `final-document`.
    #[must_use]
    pub fn final_document(&self) -> final_document::Function {
        final_document::Function::start(Ok(self.settings()), &self.aws)
    }

    /// Calls `final-document` with the queue's message for a subject, whose archive job it does if it is due.
    pub async fn archive(&self, subject: &Subject) {
        self.archive_with(&self.final_document, subject).await;
    }

    /// The same with this `final-document`.
    pub async fn archive_with(&self, function: &final_document::Function, subject: &Subject) {
        let response = function.handle(queue_message(subject), TIME_LIMIT).await;
        assert_eq!(failed_messages(&response), [""; 0], "the job's result could not be stored");
    }

    /// The same, with `final-document` being ended after this time.
    pub async fn archive_within(&self, subject: &Subject, time_left: Duration) {
        let response = self.final_document.handle(queue_message(subject), time_left).await;
        assert_eq!(failed_messages(&response), [""; 0], "the job's result could not be stored");
    }

    /// Calls `publish` with the records of the table's stream since the last call. Returns all events on the bus.
    pub async fn publish(&self) -> Vec<PublishedEvent> {
        let mut event = Event::default();
        event.records = self.stream_records().await;
        let response = self.publish.handle(event).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
        published(&self.bus).await
    }

    /// Runs the sweep as if it were `now`.
    pub async fn sweep(&self, now: Timestamp) -> Swept {
        Sweep::new(&self.settings, &self.aws).run(now).await.expect("a sweep")
    }

    /// The archive job of a subject, which must be in this state.
    pub async fn job(&self, subject: &Subject, state: ArchiveState) -> ArchiveJob {
        let jobs = self.ledger().jobs(state, None, 1000).await.expect("the ledger");
        let job = jobs.into_iter().find(|job| job.subject == *subject);
        job.unwrap_or_else(|| panic!("no job of {} is {}", subject.id, state.as_str()))
    }

    /// Clients of this DynamoDB, and of an S3 that can't be reached.
    pub async fn aws_without_s3(&self) -> Aws {
        Aws { s3: unreachable_aws().await.s3, ..self.aws.clone() }
    }
}

impl Deref for DirectFunctions {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}
