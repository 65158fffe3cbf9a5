//! The functions over the embedded DynamoDB, S3 and services, with a [`Faults`] proxy before each of them.
//!
//! No queue, pipe or schedule runs here: a test calls each function itself, so that it knows which call goes wrong, and
//! plays what AWS does afterwards: services send again, messages come back, claims end, the sweep runs. What is stored
//! is looked at past the proxies.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    types::AttributeValue,
};
use countersign::{
    aws::Aws,
    delivery::{DeliveryId, Route},
    ledger::{ArchiveState, Ledger, PARTITION_KEY, SORT_KEY},
    provider::Provider,
    providers::quicklysign::subscribe::Subscribed,
    reconcile::{Reconcile, Reconciled},
    settings::Settings,
    subject::Subject,
    sweep::{Sweep, Swept},
    time,
};
use countersign_cli::{
    simulator::{self, Credentials, Simulator, signing::SigningKey},
    stack::{BUCKET, Functions, Secrets, Storage, TABLE, clients},
};
use jiff::{SignedDuration, Timestamp};
use lambda_http::{Body, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::fault_proxy::{Faults, Upstream};

/// So long does a client wait for AWS. A call takes milliseconds, and a fault of silence costs a test all of it.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Rounds of sweep and work after which everything must be quiet; each failure of an order takes one.
const ROUNDS: i64 = 12;

/// The functions, with everything they talk to.
pub struct Rig {
    /// What goes wrong.
    pub faults: Faults,
    /// The services.
    pub simulator: Simulator,
    /// Clients past the proxies.
    pub aws: Aws,
    /// Clients through the proxies, as the functions have them.
    pub faulty: Aws,
    /// The functions' settings.
    pub settings: Settings,
    functions: Arc<Functions>,
    secrets: Secrets,
    _stop: watch::Sender<bool>,
    _parts: JoinSet<()>,
    _folder: TempDir,
}

/// What a sender was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// What became of it.
    pub outcome: String,
    /// The delivery, where one was kept.
    pub delivery: Option<DeliveryId>,
}

impl Rig {
    /// A rig whose AWS clients try each call `attempts` times.
    pub async fn start(attempts: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (stop, stopping) = watch::channel(false);
        let mut parts = JoinSet::new();
        let storage = Storage::open(folder.path(), &mut parts, &stopping).await.expect("the embedded AWS");

        let secrets = Secrets::throw_away().expect("secrets");
        let simulator = Simulator::new(credentials(&secrets));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let services = listener.local_addr().expect("an address").to_string();
        let served = simulator.clone();
        parts.spawn(async move { drop(simulator::serve(listener, served, std::future::pending()).await) });

        let faults = Faults::default();
        let address = |url: &str| url.trim_start_matches("http://").to_owned();
        let dynamodb = faults.before(Upstream::DynamoDb, &address(&storage.dynamodb)).await;
        let s3 = faults.before(Upstream::S3, &address(&storage.s3)).await;
        let services = faults.before(Upstream::Services, &services).await;
        let faulty = impatient(&clients(&dynamodb, &s3).await, attempts);
        let settings = settings(&secrets, &services);
        let functions = Arc::new(Functions::start(&settings, &faulty).await);
        faults.none();
        let aws = storage.aws;
        Self {
            faults,
            simulator,
            aws,
            faulty,
            settings,
            functions,
            secrets,
            _stop: stop,
            _parts: parts,
            _folder: folder,
        }
    }

    /// The ledger, past the proxies.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.aws, TABLE, BUCKET)
    }

    /// The secrets of all.
    #[must_use]
    pub const fn all_secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The key that Legalesign signs with.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.secrets.signing_key().expect("throw-away secrets have one")
    }

    /// A provider's proof and API secrets.
    #[must_use]
    pub fn secrets(&self, provider: Provider) -> (&Value, &Value) {
        self.secrets.of(provider)
    }

    /// Posts a callback; `None` when the function's process died over it, and the sender heard nothing.
    pub async fn post(
        &self,
        route: Route,
        query: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Option<Told> {
        let token = self.secrets.url_token(route.provider()).expect("a path token");
        let mut request = Request::new(Body::Binary(body.into()));
        *request.method_mut() = http::Method::POST;
        let path = route.path().replace("{token}", &token);
        let uri = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        *request.uri_mut() = uri.parse().expect("a path");
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            request.headers_mut().insert(name, value.parse().expect("a header's value"));
        }
        let functions = Arc::clone(&self.functions);
        let work = async move { functions.call(route, request).await };
        let response = self.faults.process(work).await?;
        let body: Value = serde_json::from_str(response.body()).expect("JSON");
        Some(Told {
            status: response.status().as_u16(),
            outcome: body["outcome"].as_str().unwrap_or_default().to_owned(),
            delivery: body["delivery"].as_str().map(|id| id.parse().expect("a delivery's id")),
        })
    }

    /// Hands a subject's order to the worker, as the queue does; whether the message was taken.
    pub async fn work(&self, subject: &Subject) -> bool {
        let mut message = SqsMessage::default();
        message.message_id = Some("message".to_owned());
        message.body = Some(json!({"pk": subject.partition()}).to_string());
        let mut event = SqsEvent::default();
        event.records = vec![message];
        let functions = Arc::clone(&self.functions);
        let answer = self.faults.process(async move { functions.final_document.handle(event).await }).await;
        answer.is_some_and(|answer| answer.batch_item_failures.is_empty())
    }

    /// Runs the sweep through the proxies, as if it were `now`; `None` when it failed or died.
    pub async fn sweep(&self, now: Timestamp) -> Option<Swept> {
        let ledger = Ledger::new(&self.faulty, TABLE, BUCKET);
        let hosts = self.settings.download_hosts.clone();
        self.faults.process(async move { Sweep::new(ledger, hosts).run(now).await.ok() }).await.flatten()
    }

    /// Asks the services through the proxies, as if it were `now`; `None` when it failed or died.
    pub async fn ask(&self, now: Timestamp) -> Option<Reconciled> {
        let asking = Reconcile::new(&self.settings, &self.faulty);
        self.faults.process(async move { asking.run(now).await.ok() }).await.flatten()
    }

    /// Asks for a pack's webhook through the proxies; `None` when it failed or died.
    pub async fn subscribe(&self, pack: &str) -> Option<Subscribed> {
        let function = quicklysign_subscribe::Function::start(Ok(self.settings.clone()), &self.faulty);
        let order = quicklysign_subscribe::Order { entity_key: pack.to_owned() };
        self.faults.process(async move { function.handle(order).await.ok() }).await.flatten()
    }

    /// Without faults, until nothing is left to do: claims end, the sweep runs days later, the queue hands orders over.
    pub async fn settle(&self, subjects: &[Subject]) {
        self.faults.none();
        let ledger = self.ledger();
        for round in 1..=ROUNDS {
            for subject in subjects {
                self.end_claim(subject).await;
            }
            let now = days_later(3 * round);
            let swept = self.sweep(now).await.expect("nothing is wrong any more");
            assert_eq!(swept.still_unfinished, 0);
            let due = ledger.orders(ArchiveState::Due, None, 10_000).await.expect("the ledger");
            let waiting = ledger.orders(ArchiveState::Waiting, None, 10_000).await.expect("the ledger");
            if due.is_empty() && waiting.is_empty() {
                assert!(ledger.unfinished(now, 10_000).await.expect("the ledger").is_empty());
                return;
            }
            for order in due {
                self.work(&order.subject).await;
            }
        }
        panic!("not quiet after {ROUNDS} rounds");
    }

    /// Ends the claim on a subject's order, as a quarter of an hour does.
    pub async fn end_claim(&self, subject: &Subject) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.aws.dynamodb.update_item().table_name(TABLE);
        let update = update.key(PARTITION_KEY, text(&subject.partition())).key(SORT_KEY, text("ARCHIVE"));
        let update = update.update_expression("SET claim = :past").condition_expression("attribute_exists(claim)");
        // Refused where there is no claim.
        drop(update.expression_attribute_values(":past", text("2000-01-01T00:00:00.000Z")).send().await);
    }

    /// The bytes of an object, past the proxies.
    pub async fn object(&self, key: &str) -> Vec<u8> {
        let object = self.aws.s3.get_object().bucket(BUCKET).key(key).send().await.expect("an object");
        object.body.collect().await.expect("its bytes").to_vec()
    }

    /// The keys of the objects under `prefix`.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let pages = self.aws.s3.list_objects_v2().bucket(BUCKET).prefix(prefix).into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.expect("a list");
        pages.iter().flat_map(|page| page.contents()).filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// All items of the table.
    pub async fn items(&self) -> Vec<countersign::ledger::Item> {
        let scan = self.aws.dynamodb.scan().table_name(TABLE).into_paginator().items();
        let items: Result<Vec<_>, _> = scan.send().collect().await;
        items.expect("a scan").into_iter().map(Into::into).collect()
    }
}

/// So many days from now.
#[must_use]
pub fn days_later(days: i64) -> Timestamp {
    time::now().checked_add(SignedDuration::from_hours(24 * days)).expect("a time")
}

/// The same clients, with a test's patience.
fn impatient(aws: &Aws, attempts: u32) -> Aws {
    let retries = RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(1));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    let dynamodb = aws.dynamodb.config().to_builder();
    let dynamodb = dynamodb.retry_config(retries.clone()).timeout_config(timeouts.clone()).build();
    let s3 = aws.s3.config().to_builder().retry_config(retries).timeout_config(timeouts).build();
    Aws {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        s3: aws_sdk_s3::Client::from_conf(s3).into(),
        secrets: aws.secrets.clone(),
    }
}

fn credentials(secrets: &Secrets) -> Credentials {
    let apis = Provider::ALL.map(|provider| (provider.to_string(), secrets.of(provider).1.clone()));
    serde_json::from_value(Value::Object(apis.into_iter().collect())).expect("credentials")
}

fn settings(secrets: &Secrets, services: &str) -> Settings {
    let mut environment: HashMap<String, String> = [
        ("TABLE_NAME", TABLE.to_owned()),
        ("ARCHIVE_BUCKET", BUCKET.to_owned()),
        ("ALLOW_INSECURE_DOWNLOADS", "true".to_owned()),
        ("SIGNEASY_TOKEN", "if_present".to_owned()),
        ("LEGALESIGN_API_URL", format!("{services}/legalesign/api/v1")),
        ("QUICKLYSIGN_API_URL", format!("{services}/quicklysign")),
        ("QUICKLYSIGN_CALLBACK_URL", format!("https://x.example{}", Route::Quicklysign.path())),
        ("SIGNEASY_API_URL", format!("{services}/signeasy")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for provider in Provider::ALL {
        let name = provider.as_str().to_ascii_uppercase();
        let (proof, api) = secrets.of(provider);
        environment.insert(format!("{name}_PROOF"), proof.to_string());
        environment.insert(format!("{name}_API"), api.to_string());
    }
    Settings::read(|name| environment.get(name).cloned()).expect("settings")
}
