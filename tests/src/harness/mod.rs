//! One harness with three entry points:
//!
//! - [`LocalStack`], over HTTP: the whole local stack, with gateway, pipe and queue. Callbacks are posted as the services
//!   post them. For tests of the product as a whole.
//! - [`DirectFunctions`], a function called directly: no gateway, pipe, queue or schedule runs, so nothing happens but
//!   what the test calls. For tests of one function, and of what happens in which order.
//! - [`FaultyFunctions`], with faults: functions called directly, whose calls to DynamoDB, S3 and the services pass
//!   proxies that let chosen calls fail.
//!
//! Nothing is mocked: functions are the deployed ones, and the real AWS SDK calls an embedded DynamoDB and S3
//! ([`Embedded`]). Only the services' APIs are simulated. [`Stored`] reads table and bucket, whichever the entry point.

pub mod deliveries;
mod direct_functions;
mod embedded;
pub mod fault_proxy;
mod faulty_functions;
mod local_stack;
mod peer;
pub mod published;
mod receiver;
pub mod requests;
mod stored;

use std::{collections::BTreeMap, sync::LazyLock};

use countersign::{
    intake::ANSWER,
    outbound::{Client, HostPatterns, Timeouts, UrlPolicy},
};
use countersign_cli::{local_console, secrets::Secrets, stack::Options};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::Value;

pub use direct_functions::DirectFunctions;
pub use embedded::{Embedded, UNREACHABLE, unreachable_aws};
pub use faulty_functions::FaultyFunctions;
pub use local_stack::LocalStack;
pub use receiver::{Received, Receiver};
pub use stored::{Stored, bucket_of};

use crate::PATIENCE;

/// The path token in the requests of `events/`.
pub const PATH_TOKEN: &str = "local-path-token";

/// One set for all tests of a process: an RSA key takes a while to make.
static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::throw_away().expect("secrets"));

/// One client for all tests: reading the trusted certificates for a new one takes a while. Its timeouts are those of a
/// patient sender.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let timeouts = Timeouts { first_byte: PATIENCE, total: PATIENCE, ..Timeouts::default() };
    Client::new(UrlPolicy::new(HostPatterns::default(), true), timeouts)
});

/// A client for the host of `url` only.
#[must_use]
pub fn client_of(url: &str) -> Client {
    let (_, url) = UrlPolicy::only_host_of(url, true).expect("a URL");
    CLIENT.with_hosts(HostPatterns::only_host_of(&url))
}

/// Throw-away secrets.
#[must_use]
pub fn throw_away_secrets() -> Secrets {
    SECRETS.clone()
}

/// Options of a local stack: a free port, no schedule, nothing from the process's environment.
fn options(secrets: Secrets) -> Options {
    Options { secrets, console: Some(local_console::router), ..Options::for_tests().expect("options") }
}

/// The answer to a callback.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The JSON of the body, or of the header in its place; null if it isn't JSON.
    pub body: Value,
}

impl Answer {
    fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = headers.get(ANSWER).map_or(body, HeaderValue::as_bytes);
        let body = serde_json::from_slice(body).unwrap_or_default();
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
        Self { status: status.as_u16(), headers: headers.collect(), body }
    }

    /// The answer of a function that was called directly.
    #[must_use]
    pub fn of_function(response: &Response<String>) -> Self {
        Self::new(response.status(), response.headers(), response.body().as_bytes())
    }

    /// Status, outcome and reason.
    #[must_use]
    pub fn verdict(&self) -> (u16, &str, &str) {
        (self.status, self.body["outcome"].as_str().unwrap_or("-"), self.body["reason"].as_str().unwrap_or("-"))
    }

    /// The id of the stored delivery.
    #[must_use]
    pub fn delivery(&self) -> &str {
        self.body["delivery"].as_str().expect("a stored delivery")
    }
}
