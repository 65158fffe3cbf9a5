//! The minimum work of archiving a document: each event downloads `PLAIN_DOCUMENT` to a file, with
//! `PLAIN_AUTHORIZATION`, and puts the file into the bucket with the same SDK. No check, no hash, no record.

mod document;

use aws_config::BehaviorVersion;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

use crate::document::Document;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await;
    let document = &Document::from_env(&config)?;
    let copy = |_: LambdaEvent<Value>| async move { Ok::<_, Error>(json!({"bytes": document.copy().await?})) };
    run(service_fn(copy)).await
}
