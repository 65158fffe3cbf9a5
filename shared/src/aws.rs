//! The AWS clients, made once per process.

use std::time::Duration;

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};

/// The SDK's defaults as they were on this day, so that a new SDK doesn't change retries or timeouts unnoticed.
#[must_use]
pub fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Clients of the services that Countersign is built on. Endpoints follow the SDK's `AWS_ENDPOINT_URL_…` variables.
#[derive(Clone)]
pub struct Aws {
    /// The ledger's.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The archive's.
    pub s3: aws_sdk_s3::Client,
    /// The secrets'.
    pub secrets: aws_sdk_secretsmanager::Client,
}

impl Aws {
    /// Clients as the environment sets them; path-style S3 when `AWS_S3_FORCE_PATH_STYLE` is `true`.
    pub async fn from_env() -> Self {
        let config = aws_config::defaults(behavior_version())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts())
            .load()
            .await;
        let path_style = std::env::var("AWS_S3_FORCE_PATH_STYLE").is_ok_and(|value| value == "true");
        Self::new(&config, path_style)
    }

    /// Clients of this configuration.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, path_style: bool) -> Self {
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style);
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            secrets: aws_sdk_secretsmanager::Client::new(config),
        }
    }
}

const CONNECT: Duration = Duration::from_secs(2);

/// An attempt must leave time for another within the 20 seconds in which a callback is answered.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(12))
        .build()
}

/// Putting a PDF of 300 MB takes longer than a table's answer, and the SDK's limits count the sending of the body too.
/// One that stalls is given up sooner, by the SDK's own watch over streams.
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
