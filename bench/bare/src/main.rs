//! A function that only repeats the recorded DynamoDB calls of another function, with the same SDK: the other function
//! without verification, parsing and building of items.
//!
//! `BARE_CALLS` is the path of a file of JSON lines; each line is the list of calls of one event. The n-th event makes
//! the calls of the n-th line; its content is ignored. The calls of a small callback are made in the rounds in which the
//! other function made them. Those of a batch run with the concurrency of the ledger.

mod calls;

use std::sync::Mutex;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use lambda_http::{Error, Request, Response, service_fn};
use serde_json::json;

use crate::calls::Calls;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Configured like the functions, but with only this client.
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .endpoint_url(std::env::var("AWS_ENDPOINT_URL_DYNAMODB")?)
        .build();
    let client = aws_sdk_dynamodb::Client::new(&config);
    let events = Calls::read(&client, &std::fs::read_to_string(std::env::var("BARE_CALLS")?)?)?;
    let events = &Mutex::new(events.into_iter());
    let make = |_: Request| async move {
        let next = events.lock().map_err(|_| "poisoned")?.next();
        let done = next.ok_or("no more calls")?.make().await?;
        Ok::<_, Error>(Response::new(json!({"calls": done}).to_string()))
    };
    lambda_http::run(service_fn(make)).await
}
