//! The HTTP endpoint of the embedded DynamoDB. dynoxide has a server of its own, which answers every web page and takes
//! any key; no access control can be put before it.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpListener;

use crate::programs_only::{Key, serve_with_key};

/// The largest body that DynamoDB accepts, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Serves `database` to programs that know `key`, until `shutdown`; then finishes the requests in flight.
pub async fn serve(
    listener: TcpListener,
    database: Database,
    key: Key,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new().route("/", post(handle)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(database);
    if let Err(problem) = serve_with_key(listener, router, key, shutdown).await {
        tracing::error!(event = "dynamodb_ended", %problem);
    }
}

async fn handle(State(database): State<Database>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.split_once('.')).map_or("", |(_, operation)| operation);
    let (status, body) = match run(&database, operation, &body) {
        Ok(output) => (StatusCode::OK, output),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, problem.to_json())
        }
    };
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}

fn run(database: &Database, operation: &str, body: &[u8]) -> dynoxide::Result<String> {
    match operation {
        "BatchExecuteStatement" => call(body, |input| database.batch_execute_statement(input)),
        "BatchGetItem" => call(body, |input| database.batch_get_item(input)),
        "BatchWriteItem" => call(body, |input| database.batch_write_item(input)),
        "CreateTable" => call(body, |input| database.create_table(input)),
        "DeleteItem" => call(body, |input| database.delete_item(input)),
        "DescribeStream" => call(body, |input| database.describe_stream(input)),
        "DescribeTable" => call(body, |input| database.describe_table(input)),
        "DescribeTimeToLive" => call(body, |input| database.describe_time_to_live(input)),
        "ExecuteStatement" => call(body, |input| database.execute_statement(input)),
        "GetItem" => call(body, |input| database.get_item(input)),
        "GetRecords" => call(body, |input| database.get_records(input)),
        "GetShardIterator" => call(body, |input| database.get_shard_iterator(input)),
        "ListStreams" => call(body, |input| database.list_streams(input)),
        "ListTables" => call(body, |input| database.list_tables(input)),
        "PutItem" => call(body, |input| database.put_item(input)),
        "Query" => call(body, |input| database.query(input)),
        "Scan" => call(body, |input| database.scan(input)),
        "TransactGetItems" => call(body, |input| database.transact_get_items(input)),
        "TransactWriteItems" => call(body, |input| database.transact_write_items(input)),
        "UpdateItem" => call(body, |input| database.update_item(input)),
        "UpdateTable" => call(body, |input| database.update_table(input)),
        "UpdateTimeToLive" => call(body, |input| database.update_time_to_live(input)),
        _ => Err(DynoxideError::ValidationException("the embedded DynamoDB has no such operation".to_owned())),
    }
}

fn call<I: DeserializeOwned, O: Serialize>(
    body: &[u8],
    execute: impl FnOnce(I) -> dynoxide::Result<O>,
) -> dynoxide::Result<String> {
    let input = serde_json::from_slice(body);
    let output = execute(input.map_err(|problem| DynoxideError::SerializationException(problem.to_string()))?)?;
    serde_json::to_string(&output).map_err(|problem| DynoxideError::InternalServerError(problem.to_string()))
}
