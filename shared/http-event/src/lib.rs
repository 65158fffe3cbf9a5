//! HTTP requests as Lambda gets them, and the answers to them.
//!
//! A function is called by whatever stands before it: an HTTP API, a REST API, a load balancer or a function URL. Each
//! has its own event ([`event`]). A sender chooses most of what is in one, so nothing in it may end the process: an event
//! that isn't a request is answered 400.
//!
//! The runtime and the types of requests are those of `lambda_http`, which also reads events. Its reader isn't used: it
//! panics if a query has characters that a URL can't have, or if a body isn't the base64 that it is said to be.

mod event;
mod response;
mod url_text;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use countersign::intake::{Answer, Verdict};
use lambda_http::{Error, LambdaEvent, Response, http::Request, lambda_runtime, service_fn};
use serde_json::{Value, value::RawValue};

pub use event::{BrokenEvent, Caller, request};
pub use response::to_event;

/// Answers the events of the Lambda runtime by `handle`, until the runtime ends the process.
///
/// # Errors
/// The runtime's API can't be reached.
pub async fn run<H, A>(handle: H) -> Result<(), Error>
where
    H: Fn(Request<Bytes>) -> A,
    A: Future<Output = Response<String>>,
{
    let handle = &handle;
    let answer_event = move |event: LambdaEvent<Box<RawValue>>| async move {
        let request = request(event.payload.get());
        // An event can have megabytes, which aren't needed while its request is handled.
        drop(event);
        // On the heap: within the runtime's own futures, its type would be too deep for the compiler.
        Ok::<_, Error>(Box::pin(answer(request, handle)).await)
    };
    lambda_runtime::run(service_fn(answer_event)).await
}

/// The answer to the request of one event, in the form that its caller expects.
pub async fn answer<A>(
    request: Result<(Request<Bytes>, Caller), BrokenEvent>,
    handle: impl Fn(Request<Bytes>) -> A,
) -> Value
where
    A: Future<Output = Response<String>>,
{
    match request {
        Ok((request, caller)) => to_event(&handle(request).await, caller),
        Err(problem) => {
            tracing::warn!(event = "broken_event", cause = %problem);
            to_event(&Answer::nothing_kept(Verdict::Malformed).to_http(None), Caller::Other)
        }
    }
}
