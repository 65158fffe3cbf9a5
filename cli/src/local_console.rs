//! The local stack's console. This is the one module that knows both.

use std::time::Duration;

use anyhow::Result;
use axum::Router;

use crate::{
    console::{self, Gateway},
    stack::{BUCKET, ConsoleContext, TABLE, TEMPORARY_BUCKET},
};

/// How often an open page is refreshed in addition to every write, for what changes with time alone.
const POLL: Duration = Duration::from_secs(10);

/// Builds the console of a local stack, for [`crate::stack::Options::console`].
///
/// # Errors
/// When the operating system gives no random numbers.
pub fn router(stack: ConsoleContext) -> Result<Router> {
    console::router(console::Options {
        aws: stack.aws,
        bus: Some(stack.bus),
        table: TABLE.to_owned(),
        bucket: BUCKET.to_owned(),
        temporary_bucket: TEMPORARY_BUCKET.to_owned(),
        label: "local stack".to_owned(),
        place: stack.folder.display().to_string(),
        allow_retry: true,
        settings: Some(stack.settings),
        gateway: Some(Gateway { url: stack.url, secrets: stack.secrets }),
        port: stack.port,
        key: None,
        poll: POLL,
        changes: Some(stack.changes),
        stopping: stack.stopping,
    })
}
