//! The AWS clients, created once per process.

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_smithy_http_client::{Connector, tls};

/// The SDK's defaults as of this date, so that an SDK update doesn't change retries or timeouts unnoticed.
#[must_use]
pub fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Clients of the AWS services that Countersign uses. Endpoints follow the SDK's `AWS_ENDPOINT_URL_…` variables.
#[derive(Clone)]
pub struct Aws {
    /// For the ledger.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// For the archive, and for bodies too large for the table.
    pub s3: Lazy<aws_sdk_s3::Client>,
    /// For the proof secrets and API credentials.
    pub secrets: Lazy<aws_sdk_secretsmanager::Client>,
}

/// Names of a stack's table and buckets.
#[derive(Clone, Copy, Debug)]
pub struct StorageNames<'a> {
    /// The table.
    pub table: &'a str,
    /// The bucket for what is kept: archived PDFs and large bodies of deliveries. Object Lock may hold its objects.
    pub archive: &'a str,
    /// The bucket for what expires: large bodies of rejected requests, and spooled deliveries. It has no Object Lock.
    pub temporary: &'a str,
}

/// A client that is created on first use: few callbacks need S3, and each client adds to a cold start.
pub struct Lazy<C>(Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>);

impl<C> Lazy<C> {
    fn new(make: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<C: Send + 'static> From<C> for Lazy<C> {
    fn from(client: C) -> Self {
        Self::new(|| client)
    }
}

impl<C> Clone for Lazy<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl Aws {
    /// Clients for a Lambda function. Region, credentials and endpoints come only from environment variables, where
    /// Lambda puts them: looking into profiles, containers and instance metadata would link a large part of the SDK and
    /// run it at each cold start, for nothing. S3 is path-style if `AWS_S3_FORCE_PATH_STYLE` is `true`.
    #[must_use]
    pub fn of_function() -> Self {
        read_certificates_early();
        let config = config_of_function();
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&config);
        dynamodb.set_endpoint_url(endpoint_url("DYNAMODB"));
        let mut s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style());
        s3.set_endpoint_url(endpoint_url("S3"));
        let mut secrets = aws_sdk_secretsmanager::config::Builder::from(&config);
        secrets.set_endpoint_url(endpoint_url("SECRETS_MANAGER"));
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            s3: Lazy::new(|| aws_sdk_s3::Client::from_conf(s3.build())),
            secrets: Lazy::new(|| aws_sdk_secretsmanager::Client::from_conf(secrets.build())),
        }
    }

    /// Clients for the command line: with any credentials that the SDK finds (profiles, containers, instance metadata).
    /// S3 is path-style if `AWS_S3_FORCE_PATH_STYLE` is `true`.
    pub async fn from_env() -> Self {
        let config = aws_config::defaults(behavior_version()).retry_config(retries()).timeout_config(timeouts());
        Self::new(&config.load().await, path_style())
    }

    /// Clients with this configuration.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, path_style: bool) -> Self {
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style);
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()).into(),
            secrets: aws_sdk_secretsmanager::Client::new(config).into(),
        }
    }
}

/// Reads the system's trusted certificates on another thread, while the function starts. The SDK would read them for its
/// first connection, in the middle of the first callback, which takes a millisecond. It keeps them for the process, so
/// making a connector is enough.
fn read_certificates_early() {
    // A local endpoint without TLS needs none.
    if endpoint_url("DYNAMODB").is_some_and(|url| url.starts_with("http:")) {
        return;
    }
    std::thread::spawn(|| {
        let rustls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        Connector::builder().tls_provider(rustls).build()
    });
}

/// A client of EventBridge for a Lambda function, configured as those of [`Aws::of_function`]. It isn't one of them, because
/// only one function uses it, and the others would have to link it.
#[must_use]
pub fn eventbridge_of_function() -> aws_sdk_eventbridge::Client {
    let mut eventbridge = aws_sdk_eventbridge::config::Builder::from(&config_of_function());
    eventbridge.set_endpoint_url(endpoint_url("EVENTBRIDGE"));
    aws_sdk_eventbridge::Client::from_conf(eventbridge.build())
}

/// Region, credentials, retries and timeouts of a Lambda function's clients.
fn config_of_function() -> SdkConfig {
    let flag = |name: &str| set(name).map(|value| value.eq_ignore_ascii_case("true"));
    let mut config = SdkConfig::builder();
    config.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT")).set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    config
        .behavior_version(behavior_version())
        .region(set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .retry_config(retries())
        .timeout_config(timeouts())
        .build()
}

/// The URL of a service, if an environment variable sets one.
fn endpoint_url(service: &str) -> Option<String> {
    set(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| set("AWS_ENDPOINT_URL"))
}

/// An environment variable, unless it is empty.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether S3 addressing is path-style: `AWS_S3_FORCE_PATH_STYLE` is `true`.
#[must_use]
pub fn path_style() -> bool {
    std::env::var("AWS_S3_FORCE_PATH_STYLE").is_ok_and(|value| value == "true")
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(4)
}

const CONNECT: Duration = Duration::from_secs(2);

/// Timeouts of all calls but uploads. An attempt must leave time for another one within the 20 seconds in which a
/// callback is answered.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(12))
        .build()
}

/// Timeouts of uploads. A PDF of 300 MB takes longer than a DynamoDB call, and the SDK's timeouts include sending the
/// body. A stalled upload ends sooner, by the SDK's stalled-stream protection.
#[must_use]
pub fn upload_timeouts() -> TimeoutConfig {
    let attempt = Duration::from_secs(120);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(Duration::from_secs(240))
        .build()
}
