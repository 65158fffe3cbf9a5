//! Records the calls of AWS SDK clients as IAM actions on resources.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use countersign::{aws::Aws, ledger::PARTITION_KEY};
use countersign_cli::stack::{BUCKET, TEMPORARY_BUCKET};
use serde_json::Value;

/// An IAM action and its resource, named as in the template: `Table.Arn`, `ArchiveBucket.Arn/<key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub action: String,
    pub resource: String,
    /// The partition keys of the items that it reads or writes, as `dynamodb:LeadingKeys` has them. None for a query.
    pub leading_keys: BTreeSet<String>,
}

/// Records the calls of one function's clients.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<BTreeSet<Call>>>);

impl Recorder {
    pub fn clients(&self, aws: &Aws) -> Aws {
        Aws {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(
                aws.dynamodb.config().to_builder().interceptor(self.clone()).build(),
            ),
            s3: aws_sdk_s3::Client::from_conf(aws.s3.config().to_builder().interceptor(self.clone()).build()).into(),
            secrets: aws_sdk_secretsmanager::Client::from_conf(
                aws.secrets.config().to_builder().interceptor(self.clone()).build(),
            )
            .into(),
        }
    }

    pub fn eventbridge(&self, client: &aws_sdk_eventbridge::Client) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    pub fn calls(&self) -> BTreeSet<Call> {
        self.0.lock().unwrap().clone()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().expect("an operation").name();
        let request = context.request();
        let (action, resource) = match operation {
            "GetSecretValue" => ("secretsmanager:GetSecretValue".to_owned(), text(&body(request)["SecretId"])),
            "ListObjectsV2" => ("s3:ListBucket".to_owned(), place(request)),
            "ListObjectVersions" => ("s3:ListBucketVersions".to_owned(), place(request)),
            "PutObject" | "GetObject" | "DeleteObject" | "GetObjectRetention" => {
                (format!("s3:{operation}"), place(request))
            }
            "PutEvents" => ("events:PutEvents".to_owned(), "EventBus.Arn".to_owned()),
            operation => {
                let index =
                    body(request)["IndexName"].as_str().map_or_else(String::new, |name| format!("/index/{name}"));
                (format!("dynamodb:{}", action_of(operation)), format!("Table.Arn{index}"))
            }
        };
        let leading_keys = if action.starts_with("dynamodb:") { leading_keys(&body(request)) } else { BTreeSet::new() };
        self.0.lock().unwrap().insert(Call { action, resource, leading_keys });
        Ok(())
    }
}

/// The IAM action of an operation, without the service. IAM has an action for each kind of statement, and every statement
/// here is an INSERT.
pub fn action_of(operation: &str) -> &str {
    match operation {
        "BatchExecuteStatement" => "PartiQLInsert",
        operation => operation,
    }
}

/// The bucket or object of a request, as a resource.
fn place(request: &aws_smithy_runtime_api::http::Request) -> String {
    let path = request.uri().split_once("://").and_then(|(_, rest)| rest.split_once('/')).expect("a path").1;
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let (bucket, rest) = path.find('/').map_or((path, ""), |slash| path.split_at(slash));
    match bucket {
        BUCKET => format!("ArchiveBucket.Arn{rest}"),
        TEMPORARY_BUCKET => format!("TemporaryBucket.Arn{rest}"),
        other => panic!("unknown bucket {other}"),
    }
}

/// The partition keys of a request to DynamoDB for items.
fn leading_keys(request: &Value) -> BTreeSet<String> {
    let batches = request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
    let written = batches.clone().filter_map(Value::as_array).flatten().map(|write| &write["PutRequest"]["Item"]);
    let read = batches.filter_map(|batch| batch["Keys"].as_array()).flatten();
    let inserted = request["Statements"].as_array().into_iter().flatten().filter_map(|insert| {
        let (_, fields) = insert["Statement"].as_str()?.split_once("VALUE {")?;
        let place = fields.split(", ").position(|field| field.starts_with(&format!("'{PARTITION_KEY}'")))?;
        insert["Parameters"][place]["S"].as_str()
    });
    let items = [&request["Key"], &request["Item"]].into_iter().chain(written).chain(read);
    let keys = items.filter_map(|item| item[PARTITION_KEY]["S"].as_str()).chain(inserted);
    keys.map(str::to_owned).collect()
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn body(request: &aws_smithy_runtime_api::http::Request) -> Value {
    serde_json::from_slice(request.body().bytes().expect("a body in memory")).expect("JSON")
}
