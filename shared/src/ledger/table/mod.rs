//! Access to one DynamoDB table and one S3 bucket. Nothing here knows what the items mean.
//!
//! The futures of calls about one item are boxed, because the SDK's are large and deep, and several of them run together.

mod batch;
mod index;
mod item;
mod objects;
mod query;
mod update;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub(super) use batch::{Key, MAX_GET, MAX_WRITE};
pub use index::Page;
pub(super) use index::{END, Entry, FIRST, Range, next_place};
pub use item::Item;
pub(super) use item::{Value, one, set};
pub use objects::Held;
pub(super) use objects::{DeletedVersions, Objects};
pub(super) use update::{Update, Updated};

use crate::domain::LedgerError;

/// Maximum number of single items that are read or written concurrently.
pub(super) const CONCURRENT: usize = 16;

/// One DynamoDB table.
#[derive(Clone)]
pub(super) struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl Table {
    pub(super) fn new(client: aws_sdk_dynamodb::Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }
}

/// Maps an SDK error of `operation` to [`LedgerError::Unavailable`] with the service's error code.
pub(super) fn unavailable<E, R>(operation: &'static str) -> impl Fn(SdkError<E, R>) -> LedgerError
where
    E: ProvideErrorMetadata,
{
    move |error| {
        let code = match &error {
            SdkError::ServiceError(service) => service.err().code().unwrap_or("unknown").to_owned(),
            SdkError::TimeoutError(_) => "timeout".to_owned(),
            SdkError::DispatchFailure(_) => "dispatch_failure".to_owned(),
            SdkError::ResponseError(_) => "response_error".to_owned(),
            _ => "construction_failure".to_owned(),
        };
        LedgerError::Unavailable { operation, code }
    }
}
