//! DynamoDB Local and moto's S3 instead of the embedded services, as a second opinion: the same tests over another
//! implementation. `tests/second-opinion.sh` starts them.

use aws_lambda_events::event::dynamodb::EventRecord;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use bytes::Bytes;
use countersign_cli::stack::{BUCKET, REGION, TABLE, TEMPORARY_BUCKET, dynamodb};
use http::Request;
use serde_json::{Value, json};

use super::client_of;

/// The URL of the DynamoDB Local that tests use, whose databases aren't shared; `None` if they use the embedded DynamoDB.
pub fn dynamodb_url() -> Option<String> {
    variable("COUNTERSIGN_TEST_DYNAMODB")
}

/// The URL of the moto server that tests use; `None` if they use the embedded S3.
pub fn s3_url() -> Option<String> {
    variable("COUNTERSIGN_TEST_S3")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|url| !url.is_empty())
}

/// A client of moto's S3 at this URL, with empty buckets. moto has one set of buckets for all clients, so it is emptied
/// first, and tests can't run at the same time.
pub async fn s3(embedded: &aws_sdk_s3::Client, url: &str) -> aws_sdk_s3::Client {
    let reset = Request::post(format!("{url}/moto-api/reset")).body(Bytes::new()).expect("a request");
    let response = client_of(url).call(reset, 1 << 20).await.expect("an answer");
    assert!(response.status().is_success(), "moto can't be emptied");
    let client = aws_sdk_s3::Client::from_conf(embedded.config().to_builder().endpoint_url(url).build());
    let region =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
    for bucket in [BUCKET, TEMPORARY_BUCKET] {
        let create = client.create_bucket().bucket(bucket).create_bucket_configuration(region.clone());
        create.send().await.expect("a bucket in moto");
    }
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let versioning = client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(versioning);
    versioning.send().await.expect("a bucket with versions");
    client
}

/// A client of DynamoDB Local at this URL, with an empty table, and a reader of the table's stream. DynamoDB Local has a
/// database of its own for each access key. It accepts letters and digits in them.
pub async fn dynamodb(
    embedded: &aws_sdk_dynamodb::Client,
    url: String,
    name: &str,
) -> (aws_sdk_dynamodb::Client, Stream) {
    let access_key: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let config = embedded.config().to_builder().endpoint_url(&url);
    let config = config.credentials_provider(Credentials::new(&access_key, "secret", None, None, "tests")).build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    dynamodb::create_table(&client, TABLE).await.expect("a table in DynamoDB Local");
    (client, Stream { url, access_key, iterator: None })
}

/// A reader of the stream of DynamoDB Local's table. Its first call reads from the stream's beginning.
pub struct Stream {
    url: String,
    access_key: String,
    iterator: Option<String>,
}

impl Stream {
    /// The records since the last call, as Lambda passes them: DynamoDB's streams and Lambda have the same JSON.
    pub async fn read(&mut self) -> Vec<EventRecord> {
        let mut all = Vec::new();
        let mut iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.first_iterator().await,
        };
        loop {
            let answer = self.call("GetRecords", &json!({"ShardIterator": iterator})).await;
            let mut records = answer["Records"].clone();
            restore_empty_maps(&mut records);
            let records: Vec<EventRecord> = serde_json::from_value(records).expect("records");
            iterator = answer["NextShardIterator"].as_str().expect("an open shard").to_owned();
            if records.is_empty() {
                self.iterator = Some(iterator);
                return all;
            }
            all.extend(records);
        }
    }

    async fn first_iterator(&self) -> String {
        let streams = self.call("ListStreams", &json!({"TableName": TABLE})).await;
        let arn = &streams["Streams"][0]["StreamArn"];
        let described = self.call("DescribeStream", &json!({"StreamArn": arn})).await;
        let shards = described["StreamDescription"]["Shards"].as_array().expect("shards");
        let [shard] = &shards[..] else { panic!("one shard: {described}") };
        let request = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        self.call("GetShardIterator", &request).await["ShardIterator"].as_str().expect("an iterator").to_owned()
    }

    /// Calls an operation. DynamoDB Local reads the access key from the signature's header, and verifies no signature.
    async fn call(&self, operation: &str, input: &Value) -> Value {
        let scope = format!("{}/20260101/{REGION}/dynamodb/aws4_request", self.access_key);
        let request = Request::post(&self.url)
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(input.to_string()))
            .expect("a request");
        let response = client_of(&self.url).call(request, 64 << 20).await.expect("an answer");
        assert!(response.status().is_success(), "{operation}: {}", String::from_utf8_lossy(response.body()));
        serde_json::from_slice(response.body()).expect("JSON")
    }
}

/// Writes empty maps of records as DynamoDB does. DynamoDB Local 3.3 writes them as `{}`. By DynamoDB's API reference, an
/// attribute's value names its type: `{"M": {}}`.
fn restore_empty_maps(records: &mut Value) {
    for record in records.as_array_mut().expect("a list") {
        for image in ["NewImage", "OldImage"] {
            let Some(image) = record["dynamodb"][image].as_object_mut() else { continue };
            for value in image.values_mut().filter(|value| **value == json!({})) {
                *value = json!({"M": {}});
            }
        }
    }
}
