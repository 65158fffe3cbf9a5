//! The entry point where functions' calls fail.
//!
//! A test calls each function itself, so that it knows which call fails, and plays what AWS does afterwards: services send
//! again, the queue delivers messages again, leases expire, the sweep runs. [`Stored`] reads past the proxies.

use std::{ops::Deref, sync::Arc, time::Duration};

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_sdk_dynamodb::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    types::AttributeValue,
};
use countersign::{
    aws::Aws,
    domain::{Route, Subject},
    ledger::{ArchiveState, PARTITION_KEY, SORT_KEY},
    providers::quicklysign::subscribe::Subscribed,
    reconcile::{Reconcile, Reconciled},
    settings::Settings,
    sweep::{Sweep, Swept},
};
use countersign_cli::stack::{Functions, TABLE, eventbridge_client};
use final_document::TIME_LIMIT;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{
    Answer, Embedded, Stored,
    fault_proxy::{Faults, Upstream},
    requests::{failed_messages, gateway_request, queue_message},
    throw_away_secrets,
};
use crate::from_now;

/// Timeout of a call to AWS. A call takes milliseconds, and a fault of silence costs a test all of this time.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Rounds of sweep and work after which nothing may be left to do; each failure of a job takes one.
const ROUNDS: i64 = 12;

/// Functions whose calls to DynamoDB, S3 and the services pass proxies.
pub struct FaultyFunctions {
    /// The faults.
    pub faults: Faults,
    /// The functions' clients of DynamoDB and S3, through the proxies.
    pub proxied_aws: Aws,
    /// The functions' settings, with the services' APIs behind their proxy.
    pub settings: Settings,
    functions: Arc<Functions>,
    /// Records of the table's stream whose events aren't on the bus yet.
    unpublished: Mutex<Vec<EventRecord>>,
    embedded: Embedded,
}

impl FaultyFunctions {
    /// New services, with nothing stored, and functions whose AWS clients make up to `attempts` attempts at each call.
    pub async fn start(attempts: u32) -> Self {
        let embedded = Embedded::start(throw_away_secrets()).await;
        let faults = Faults::default();
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        let dynamodb = faults.proxy(Upstream::DynamoDb, &address(&embedded.dynamodb_url)).await;
        let s3 = faults.proxy(Upstream::S3, &address(&embedded.s3_url)).await;
        let services = faults.proxy(Upstream::Services, &address(&embedded.simulator_url)).await;
        let proxied_aws = with_short_timeouts(&embedded.clients_at(&dynamodb, &s3), attempts);
        let settings = embedded.settings(&services, &[]).expect("settings");
        let eventbridge = faults.proxy(Upstream::EventBridge, &address(&embedded.eventbridge_url)).await;
        let eventbridge =
            eventbridge_with_short_timeouts(&eventbridge_client(&eventbridge, &embedded.key).await, attempts);
        let functions = Arc::new(Functions::start(&settings, &proxied_aws, eventbridge).await);
        faults.clear();
        Self { faults, proxied_aws, settings, functions, unpublished: Mutex::default(), embedded }
    }

    /// Posts a callback; `None` if the function's process died, so that its sender got no answer.
    pub async fn post(
        &self,
        route: Route,
        query: Option<&str>,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Option<Answer> {
        let token = self.secrets.url_token(route.provider()).expect("a path token");
        let request = gateway_request(route, &token, query, headers, body.as_ref());
        let functions = Arc::clone(&self.functions);
        let response = self.faults.process(async move { functions.call(route, request).await }).await?;
        Some(Answer::of_function(&response))
    }

    /// Calls `final-document` with the queue's message for a subject; whether the message was taken.
    pub async fn archive(&self, subject: &Subject) -> bool {
        let (functions, message) = (Arc::clone(&self.functions), queue_message(subject));
        let response =
            self.faults.process(async move { functions.final_document.handle(message, TIME_LIMIT).await }).await;
        response.is_some_and(|response| failed_messages(&response).is_empty())
    }

    /// Runs the sweep as if it were `now`; `None` if it failed or died.
    pub async fn sweep(&self, now: Timestamp) -> Option<Swept> {
        let sweep = Sweep::new(&self.settings, &self.proxied_aws);
        self.faults.process(async move { sweep.run(now).await.ok() }).await.flatten()
    }

    /// Queries the services for missed callbacks as if it were `now`; `None` if that failed or died.
    pub async fn reconcile(&self, now: Timestamp) -> Option<Reconciled> {
        let reconcile = Reconcile::new(&self.settings, &self.proxied_aws);
        self.faults.process(async move { reconcile.run(now).await.ok() }).await.flatten()
    }

    /// Calls `publish` with the records of the table's stream, as Lambda does: those that weren't published before, and
    /// what was written since. Whether all are published.
    pub async fn publish(&self) -> bool {
        let mut records = self.unpublished.lock().await;
        records.extend(self.stream_records().await);
        let mut event = Event::default();
        event.records = records.clone();
        let functions = Arc::clone(&self.functions);
        let Some(response) = self.faults.process(async move { functions.publish.handle(event).await }).await else {
            return false;
        };
        let failed = response.batch_item_failures.into_iter().find_map(|failure| failure.item_identifier);
        let done = failed.map_or(records.len(), |failed| {
            let is_failed = |record: &EventRecord| record.change.sequence_number.as_ref() == Some(&failed);
            records.iter().position(is_failed).expect("a record of the batch")
        });
        records.drain(..done);
        records.is_empty()
    }

    /// Subscribes to a pack; `None` if that failed or died.
    pub async fn subscribe(&self, pack: &str) -> Option<Subscribed> {
        let function = quicklysign_subscribe::Function::start(Ok(self.settings.clone()), &self.proxied_aws);
        let input = quicklysign_subscribe::Input { entity_key: pack.to_owned() };
        self.faults.process(async move { function.handle(input).await.ok() }).await.flatten()
    }

    /// Without faults, until nothing is left to do: leases expire, the sweep runs days later, jobs are done.
    pub async fn finish(&self, subjects: &[Subject]) {
        self.faults.clear();
        let ledger = self.ledger();
        for round in 1..=ROUNDS {
            for subject in subjects {
                self.expire_lease(subject).await;
            }
            let now = from_now(SignedDuration::from_hours(24 * 3 * round));
            let swept = self.sweep(now).await.expect("a sweep without faults");
            assert_eq!(swept.still_unfinished, 0);
            let due = ledger.jobs(ArchiveState::Due, None, 10_000).await.expect("the ledger");
            let waiting = ledger.jobs(ArchiveState::Waiting, None, 10_000).await.expect("the ledger");
            if due.is_empty() && waiting.is_empty() {
                assert!(ledger.unfinished(now, 10_000).await.expect("the ledger").is_empty());
                return;
            }
            for job in due {
                self.archive(&job.subject).await;
            }
        }
        panic!("not finished after {ROUNDS} rounds");
    }

    /// Lets the lease on a subject's archive job expire, if there is one, which takes 16 minutes otherwise.
    async fn expire_lease(&self, subject: &Subject) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.aws.dynamodb.update_item().table_name(TABLE);
        let update = update.key(PARTITION_KEY, text(&subject.partition())).key(SORT_KEY, text("ARCHIVE"));
        let update = update.update_expression("SET claim = :past").condition_expression("attribute_exists(claim)");
        // The condition fails if there is no lease.
        drop(update.expression_attribute_values(":past", text("2000-01-01T00:00:00.000Z")).send().await);
    }
}

impl Deref for FaultyFunctions {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}

fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(1))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build()
}

/// The same client of the event bus with short timeouts and this number of attempts.
fn eventbridge_with_short_timeouts(client: &aws_sdk_eventbridge::Client, attempts: u32) -> aws_sdk_eventbridge::Client {
    let config = client.config().to_builder();
    let config = config.retry_config(retries(attempts)).timeout_config(timeouts()).build();
    aws_sdk_eventbridge::Client::from_conf(config)
}

/// The same clients with short timeouts and this number of attempts.
fn with_short_timeouts(aws: &Aws, attempts: u32) -> Aws {
    let (retries, timeouts) = (retries(attempts), timeouts());
    let dynamodb = aws.dynamodb.config().to_builder();
    let dynamodb = dynamodb.retry_config(retries.clone()).timeout_config(timeouts.clone()).build();
    let s3 = aws.s3.config().to_builder().retry_config(retries).timeout_config(timeouts).build();
    Aws {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        s3: aws_sdk_s3::Client::from_conf(s3).into(),
        secrets: aws.secrets.clone(),
    }
}
